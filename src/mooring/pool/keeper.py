"""One task a session: dial, hold, and dial again."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Protocol

from ..model.errors import ConnectFailed, MooringError, SessionError, WaitTimeout
from ..model.status import Direction, SessionState
from .plan import Await, Park, Step, Wait, after_failure, after_loss

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..session import Session
    from ..transport.dial import Dialer
    from ..transport.link import Link
    from ..transport.route import Route
    from .handshakes import Handshakes
    from .hops import Hops

__all__ = ["Fleet", "Keeper"]

_log = logging.getLogger(__name__)


class Fleet(Protocol):
    """What a keeper needs of its pool."""

    dialer: Dialer
    handshakes: Handshakes
    hops: Hops
    dice: Callable[[], float]

    def connected(self, keeper: Keeper) -> None:
        """A keeper's session came up: others that wait for the same host or hop may try."""

    def failed(self, keeper: Keeper) -> None:
        """An attempt failed."""

    def lost(self, keeper: Keeper) -> None:
        """A connection was lost."""


class Keeper:
    """Keeps one dialed session alive.

    ``run`` is its task's body, and ends only by cancellation; ``stop`` does that.

    Args:
        session: Whose connection.
        route: Where to.
        fleet: Its pool.
    """

    def __init__(self, session: Session, route: Route, fleet: Fleet) -> None:
        self.session = session
        self.route = route
        self.task: asyncio.Task[None] | None = None
        self._fleet = fleet
        self._failures = 0
        self._retry_at: float | None = None
        self._wake = asyncio.Event()
        self._now = asyncio.get_running_loop().time
        session.supervise(self)

    @property
    def retry_in(self) -> float | None:
        """Seconds until the next attempt; None where none is planned."""
        return None if self._retry_at is None else max(0.0, self._retry_at - self._now())

    def retry(self) -> None:
        """Attempt now."""
        self._wake.set()

    def nudge(self, seconds: float) -> None:
        """A reason to hope: bring the next attempt forward to ``seconds`` from now."""
        if self._retry_at is not None and self._retry_at > self._now() + seconds:
            asyncio.get_running_loop().call_later(seconds, self._wake.set)

    async def stop(self) -> None:
        """Close the session for good. Returns when its connection is closed and its task is done."""
        if self.task is not None and self.task is not asyncio.current_task():
            self.task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.shield(self.task)

    async def run(self) -> None:
        """Dial, hold, dial again, until cancelled."""
        reason = "started"
        try:
            while True:
                self.session.connecting(reason)
                error, step = await self._live()
                reason = await self._rest(error, step)
        finally:
            self._retry_at = None
            if self.session.state is not SessionState.CLOSED:
                await self.session.detach(SessionState.CLOSED, None, "closed by us")
            if self.route.via is not None:
                await self._fleet.hops.release(self.route.via, self)

    async def _live(self) -> tuple[MooringError, Step]:
        """One attempt and, if it succeeds, the connection's whole life: how it ended and what to do next."""
        try:
            link = await self._dial()
        except MooringError as error:
            self._fleet.failed(self)
            return error, after_failure(error, self._failures, self._fleet.dice())
        except Exception as bug:  # noqa: BLE001 - logged, and shown by the session
            # One session's bug must not end the fleet; it is parked, since trying again would only repeat it.
            _log.exception("%s: the attempt to connect failed unexpectedly", self.session.alias)
            return SessionError(f"internal error: {type(bug).__name__}", hint="please report the log"), Park()
        return await self._hold(link)

    async def _dial(self) -> Link:
        over = await self._hop_link() if self.route.via is not None else None
        async with self._fleet.handshakes.turn(self.route.daemon, self.route.target.rate):
            return await self._fleet.dialer.dial(self.route, over, self.session.trusted)

    async def _hop_link(self) -> Link:
        """The link to the hop before: it is up before we take a handshake's turn."""
        assert self.route.via is not None  # noqa: S101 - the caller has looked
        hop = self._fleet.hops.lease(self.route.via, self).session
        try:
            await hop.wait_up(timeout=self.route.via.connect_timeout)
        except WaitTimeout as error:
            raise ConnectFailed(f"the jump host {self.route.via.where} is not up: {error.message}") from error
        return hop.link

    async def _hold(self, link: Link) -> tuple[MooringError, Step]:
        since = self._now()
        try:
            self.session.attach(link, f"connected to {self.route.where}")
            self._fleet.connected(self)
            error = await link.wait_lost()
        finally:
            await link.aclose()
        self._fleet.lost(self)
        return error, after_loss(Direction.DIALED, self._now() - since, self._failures, self._fleet.dice())

    async def _rest(self, error: MooringError, step: Step) -> str:
        """Stand in back-off or parked until it is time to try again; returns why it is."""
        self._wake.clear()
        match step:
            case Wait(seconds, failures):
                self._failures = failures
                self._retry_at = self._now() + seconds
                await self.session.detach(SessionState.BACKOFF, error, error.message)
            case Park() | Await():
                state = SessionState.PARKED if isinstance(step, Park) else SessionState.AWAITING
                await self.session.detach(state, error, error.message)
        try:
            async with asyncio.timeout_at(self._retry_at):
                await self._wake.wait()
        except TimeoutError:
            return "trying again"
        else:
            return "told to try again"
        finally:
            self._retry_at = None
