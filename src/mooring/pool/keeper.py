"""One task a session: dial, hold, and dial again."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import TYPE_CHECKING, Final, Protocol

from ..model.errors import ConnectFailed, MooringError, SessionError, SessionNotUp, SessionParked
from ..model.status import Direction, SessionState
from .plan import Await, Park, Step, Wait, after_failure, after_loss

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..model.measure import Measures
    from ..session import Session
    from ..transport.dial import Dialer
    from ..transport.link import Link
    from ..transport.route import Route
    from .handshakes import Handshakes
    from .hops import Hops

__all__ = ["Fleet", "Keeper"]

_log = logging.getLogger(__name__)
_SETTLE: Final = 5.0
_RESTING: Final = frozenset({SessionState.BACKOFF, SessionState.AWAITING, SessionState.PARKED})


class Fleet(Protocol):
    """What a keeper needs of its pool."""

    dialer: Dialer
    handshakes: Handshakes
    hops: Hops
    dice: Callable[[], float]
    measures: Measures

    def connected(self, keeper: Keeper) -> None:
        """A keeper's session came up: others that wait for the same host or hop may try."""

    def failed(self, keeper: Keeper, error: MooringError) -> None:
        """An attempt failed."""

    def lost(self, keeper: Keeper, link: Link) -> None:
        """A connection was lost."""


class Keeper:
    """Keeps one dialed session alive.

    ``run`` is its task's body, and ends only by cancellation; ``stop`` does that.

    Args:
        session: Whose connection.
        route: Where to.
        fleet: Its pool.
        barred: Why it is never dialed, but held parked; None for a session like any other.
    """

    def __init__(self, session: Session, route: Route, fleet: Fleet, barred: MooringError | None = None) -> None:
        self.session = session
        self._barred = barred
        self.route = route
        self.task: asyncio.Task[None] | None = None
        self._fleet = fleet
        self._failures = 0
        self._thrown_out = False
        self._retry_at: float | None = None
        self._nap: asyncio.Timeout | None = None
        self._wake = asyncio.Event()
        self._link: Link | None = None
        self._begun = False
        self._stopping = False
        self._now = asyncio.get_running_loop().time
        session.supervise(self)

    @property
    def retry_in(self) -> float | None:
        """Seconds until the next attempt; None where none is planned."""
        return None if self._retry_at is None else max(0.0, self._retry_at - self._now())

    def retry(self, reason: str = "told to try again") -> None:
        """Attempt now, and be seen to from this moment: who calls ``wait_up`` next waits for this attempt.

        The hop on the way comes first, so that we find it connecting.
        """
        if self.route.via is not None:
            self._fleet.hops.retry(self.route.via)
        if self.session.state in _RESTING:
            self._retry_at = None
            self.session.connecting(reason)
            self._wake.set()

    def nudge(self, seconds: float) -> None:
        """A reason to hope: bring the next attempt forward to ``seconds`` from now.

        Only in back-off, and not after the peer threw us out: two sessions that it throws out in turn would
        wake each other for ever.
        """
        at = self._now() + seconds
        if self._retry_at is not None and self._retry_at > at and not self._thrown_out:
            self._retry_at = at
            if self._nap is not None:
                self._nap.reschedule(at)

    def cancel(self) -> None:
        """Begin to close the session for good. A second call does nothing: it would cut short the goodbye."""
        # A task cancelled before its first step would never say that the session is closed.
        if self.task is not None and self._begun and not self._stopping:
            self.task.cancel()
        self._stopping = True

    async def stop(self) -> None:
        """Close the session for good. Returns when its connection is closed and its task is done."""
        self.cancel()
        if self.task is not None:
            await asyncio.wait((self.task,))

    async def run(self) -> None:
        """Dial, hold, dial again, until cancelled."""
        self._begun = True
        try:
            self.session.connecting("started")
            while not self._stopping:
                await self._rest(*await self._live())
        finally:
            try:
                await self._part(SessionState.CLOSED, None, "closed by us")
            finally:
                if self.route.via is not None:
                    await self._fleet.hops.release(self.route.via, self)

    async def _live(self) -> tuple[MooringError, Step]:
        """One attempt and, if it succeeds, the connection's whole life: how it ended and what to do next."""
        if self._barred is not None:
            return self._barred, Park()
        try:
            async with contextlib.AsyncExitStack() as turn:
                try:
                    self._link = link = await self._dial(turn)
                except MooringError as error:
                    self._fleet.failed(self, error)
                    return error, after_failure(error, self._failures, self._fleet.dice())
                self.session.attach(link, f"connected to {self.route.where}")
                self._fleet.connected(self)
                since = self._now()
                await self._settle(link)
            loss = await link.wait_lost()
            self._fleet.lost(self, link)
            return loss, after_loss(Direction.DIALED, self._now() - since, self._failures, self._fleet.dice())
        except Exception as bug:  # noqa: BLE001 - logged, and shown by the session
            # One session's bug must not end the fleet; it is parked, since trying again would only repeat it.
            _log.exception("%s: failed unexpectedly", self.session.alias)
            return SessionError(f"internal error: {type(bug).__name__}", hint="please report the log"), Park()

    async def _dial(self, turn: contextlib.AsyncExitStack) -> Link:
        over = await self._hop_link(self.route.via) if self.route.via is not None else None
        target = self.route.target
        await turn.enter_async_context(self._fleet.handshakes.turn(self.route.daemon, target.rate, target.handshakes))
        began = time.perf_counter()
        link = await self._fleet.dialer.dial(self.route, over, self.session.trusted)
        self._fleet.measures.handshakes.observe(time.perf_counter() - began)
        return link

    async def _settle(self, link: Link) -> None:
        """Wait until the server too has done with the handshake: OpenSSH counts it for a while after the login.

        What answers is the process that serves the session, and that one it starts only after it has counted.
        """
        with contextlib.suppress(SessionError):
            await link.ping(_SETTLE)

    async def _hop_link(self, via: Route) -> Link:
        """The link to the hop before: it is up before we take a handshake's turn.

        A hop that is not about to come up fails us at once, and wakes us when it is up.
        """
        where, timeout = via.where, via.connect_timeout
        hop = self._fleet.hops.lease(via, self).session
        try:
            async with asyncio.timeout(timeout):
                while hop.state is SessionState.CONNECTING:
                    await hop.wait_change()
        except TimeoutError:
            raise ConnectFailed(f"the jump host {where} was not up within {timeout:g} s") from None
        error = hop.error
        if hop.state is SessionState.PARKED and error is not None:
            raise SessionParked(f"the jump host {where} is parked: {error.message}", hint=error.hint) from error
        try:
            return hop.link
        except SessionNotUp:
            why = error.message if error is not None else "it went away"
            raise ConnectFailed(f"the jump host {where} is not up: {why}") from error

    async def _part(self, state: SessionState, error: MooringError | None, reason: str) -> None:
        """Come to a state without a connection: said before the last of it is gone, which may take seconds."""
        link, self._link = self._link, None
        if link is not None:
            link.connection.close()
        await self.session.detach(state, error, reason)
        if link is not None:
            try:
                await link.aclose()
            except Exception:  # noqa: BLE001 - logged
                # What is left of one connection must not end the fleet.
                _log.exception("%s: its connection was not closed cleanly", self.session.alias)

    async def _rest(self, error: MooringError, step: Step) -> None:
        """Stand in back-off or parked until it is time to try again."""
        self._wake.clear()
        state = SessionState.PARKED
        if isinstance(step, Await):
            state = SessionState.AWAITING
        elif isinstance(step, Wait):
            state = SessionState.BACKOFF
            self._failures, self._thrown_out = step.failures, step.thrown_out
            self._retry_at = self._now() + step.seconds
        try:
            await self._part(state, error, error.message)
            async with asyncio.timeout_at(self._retry_at) as self._nap:
                await self._wake.wait()
        except TimeoutError:
            if not self._wake.is_set():
                self.session.connecting("trying again")
        finally:
            self._retry_at = self._nap = None
