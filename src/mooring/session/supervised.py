"""What a session is to its supervisor and to those who wait: identity, state, and the connection it stands on."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Protocol

from ..model.errors import HostKeyError, SessionClosed, SessionNotUp, SessionParked, WaitTimeout
from ..model.event import Event, EventKind
from ..model.status import ChannelStatus, Direction, SessionState, SessionStatus
from .attachment import Attachment
from .slots import CHANNELS
from .state import may_follow

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..model.errors import MooringError
    from ..model.measure import Measures
    from ..model.target import Target
    from ..transport.link import Link

__all__ = ["Supervised", "Supervisor"]


class Supervisor(Protocol):
    """Who keeps a session alive; the pool's keeper is one."""

    def retry(self) -> None:
        """Attempt to connect now, whatever the back-off says."""

    async def stop(self) -> None:
        """Close the session for good and return when nothing of it is left."""

    @property
    def retry_in(self) -> float | None:
        """Seconds until the next attempt; None where none is planned."""


class Supervised:
    """A named session with a state, which its supervisor moves.

    Args:
        target: Whom it is to.
        emit: Told of every event.
        direction: Who opens the TCP connection.
        policy: How host keys are decided; None for what the target says.
        measures: What its calls are counted in; None for nothing.
    """

    def __init__(
        self,
        target: Target,
        emit: Callable[[Event], None],
        direction: Direction = Direction.DIALED,
        policy: str | None = None,
        measures: Measures | None = None,
    ) -> None:
        self._target = target
        self._measures = measures
        self._direction = direction
        self._policy = _policy_name(policy or target.host_key or "verify")
        self._emit = emit
        self._state = SessionState.CONNECTING
        self._reason = "started"
        self._since = time.time()
        self._error: MooringError | None = None
        self._attachment: Attachment | None = None
        self._supervisor: Supervisor | None = None
        self._waiters: set[asyncio.Future[None]] = set()
        self._commands = 0
        self._connects = 0
        self._attempts = 0
        self.facts: dict[str, object] = {}
        """What is known of the peer."""

    @property
    def alias(self) -> str:
        """Its name."""
        return self._target.alias

    @property
    def target(self) -> Target:
        """Whom it is to."""
        return self._target

    @property
    def direction(self) -> Direction:
        """Who opens the TCP connection."""
        return self._direction

    @property
    def labels(self) -> tuple[str, ...]:
        """The target's labels."""
        return self._target.label

    @property
    def state(self) -> SessionState:
        """Where it stands."""
        return self._state

    @property
    def error(self) -> MooringError | None:
        """Why it is not up, where an error is the reason."""
        return self._error

    @property
    def traffic(self) -> tuple[int, int]:
        """Bytes of SSH sent and received on the connection that it has, also while that is being lost."""
        return (0, 0) if self._attachment is None else (self._attachment.link.sent, self._attachment.link.received)

    def status(self) -> SessionStatus:
        """Everything about it, as one value."""
        link = self._attachment.link if self._attachment else None
        trips = link.trips if link else None
        error = self._error
        supervisor = self._supervisor
        return SessionStatus(
            alias=self.alias,
            target=str(self._target),
            direction=self._direction,
            state=self._state,
            reason=self._reason,
            since=self._since,
            labels=self.labels,
            facts=dict(self.facts),
            error=error.code if error else None,
            hint=error.hint if error else None,
            attempts=self._attempts,
            connects=self._connects,
            retry_in=supervisor.retry_in if supervisor else None,
            username=link.route.username if link else None,
            port=link.route.port if link else None,
            peer=link.peer if link else None,
            via=link.route.hops if link else (),
            server=link.server if link else None,
            host_key=link.host_key if link else None,
            offered_key=error.fingerprint if isinstance(error, HostKeyError) and error.key else None,
            host_key_policy=link.host_key_policy if link else self._policy,
            algorithms=link.algorithms if link else {},
            legacy=link.legacy if link else (),
            channels=self._attachment.gate.status() if self._attachment else ChannelStatus(),
            commands=self._commands,
            ping=trips.last if trips else None,
            ping_age=time.monotonic() - trips.at if trips and trips.last is not None else None,
            latency=trips.seconds() if trips else (),
        )

    async def wait_up(self, timeout: float | None = 60.0) -> None:
        """Wait until it is up. Cancelling is safe.

        Args:
            timeout: Seconds; the default covers a few attempts, None waits as long as it may still come up.

        Raises:
            WaitTimeout: It was not up in time; it goes on trying. The last error is the cause.
            SessionParked: A person must act first. The error that parked it is the cause.
            SessionClosed: It was closed.
        """
        try:
            async with asyncio.timeout(timeout):
                while not self._stands:
                    if self._state in {SessionState.PARKED, SessionState.CLOSED}:
                        raise self._not_up() from self._error
                    await self.wait_change()
        except TimeoutError:
            msg = f"{self.alias} was not up within {timeout:g} s: {self._state.value}, {self._why}"
            raise WaitTimeout(msg, hint="it goes on trying; its status tells when") from self._error

    async def wait_change(self) -> None:
        """Wait for the next change of state, however long that takes. Cancelling is safe."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.add(waiter)
        try:
            await waiter
        finally:
            self._waiters.discard(waiter)

    def retry(self) -> None:
        """Connect now: leaves ``parked`` and cuts ``backoff`` short. Nothing happens while up or connecting.

        Raises:
            SessionClosed: It was closed.
        """
        if self._state is SessionState.CLOSED:
            raise self._not_up()
        if self._supervisor is not None:
            self._supervisor.retry()

    async def close(self) -> None:
        """End it for good; calls under way fail with SessionLost. Safe to call twice."""
        if self._supervisor is not None:
            await self._supervisor.stop()

    # What its supervisor calls.

    def supervise(self, supervisor: Supervisor) -> None:
        """Name who keeps it alive."""
        self._supervisor = supervisor

    def connecting(self, reason: str) -> None:
        """An attempt begins."""
        self._attempts += 1
        if self._state is not SessionState.CONNECTING:
            self._come_to(SessionState.CONNECTING, reason)

    def attach(self, link: Link, reason: str) -> None:
        """A connection stands: the session is up."""
        self._attachment = Attachment(self.alias, link, self._target.channels or CHANNELS, self._counted)
        self._error = None
        self._attempts = 0
        self._connects += 1
        self._come_to(SessionState.UP, reason)

    async def detach(self, state: SessionState, error: MooringError | None, reason: str) -> None:
        """There is no connection any more, or no attempt that got one: fail what waits, come to ``state``."""
        if self._measures is not None:  # in the same turn as it has no part in ``traffic`` any more
            sent, received = self.traffic
            self._measures.sent += sent
            self._measures.received += received
        attachment, self._attachment = self._attachment, None
        self._error = error
        self._come_to(state, reason)
        if attachment is not None:
            attachment.detach(self._not_up())
            await attachment.wait_settled()

    def trusted(self, reason: str) -> None:
        """A host key was learned, added or dropped."""
        self._emit(Event(kind=EventKind.HOST_KEY, alias=self.alias, at=time.time(), reason=reason))

    def restored(self, reason: str, error: MooringError | None) -> None:
        """Something that was lost with the connection stands again, or does not yet."""
        code = error.code if error else None
        self._emit(Event(kind=EventKind.RESTORED, alias=self.alias, at=time.time(), reason=reason, error=code))

    def carries(self, reason: str) -> None:
        """A forward was made, or is no more."""
        if self._state is not SessionState.CLOSED:  # that is the last that is told of it
            self._emit(Event(kind=EventKind.FORWARD, alias=self.alias, at=time.time(), reason=reason))

    def _counted(self) -> Callable[[], None]:
        """A command is asked for; returns what to call when it has come to an end."""
        self._commands += 1
        measures, began = self._measures, time.perf_counter()
        if measures is None:
            return lambda: None
        measures.asked += 1
        return lambda: measures.commands.observe(time.perf_counter() - began)

    def _come_to(self, state: SessionState, reason: str) -> None:
        previous = self._state
        if not may_follow(previous, state):
            msg = f"{self.alias}: {state.value} may not follow {previous.value}"
            raise RuntimeError(msg)
        self._state = state
        self._reason = reason
        self._since = time.time()
        self._emit(
            Event(
                kind=EventKind.STATE,
                alias=self.alias,
                at=self._since,
                reason=reason,
                state=state,
                previous=previous,
                error=self._error.code if self._error else None,
            )
        )
        waiters, self._waiters = self._waiters, set()
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    @property
    def _stands(self) -> bool:
        """Whether it is up in fact: for a moment the connection is gone and its supervisor has not said so yet."""
        return self._attachment is not None and not self._attachment.link.closed

    def _up(self) -> Attachment:
        if self._attachment is None or self._attachment.link.closed:
            raise self._not_up()
        return self._attachment

    def _not_up(self) -> SessionNotUp:
        if self._state is SessionState.CLOSED:
            return SessionClosed(f"{self.alias} was closed")
        if self._state is SessionState.PARKED:
            hint = self._error.hint if self._error else None
            return SessionParked(f"{self.alias} is parked: {self._reason}", hint=hint or "mend it, then retry")
        if self._state is SessionState.UP:
            return SessionNotUp(f"{self.alias} has just lost its connection", hint="wait until it is up again")
        return SessionNotUp(f"{self.alias} is {self._state.value}: {self._why}", hint="wait until it is up")

    @property
    def _why(self) -> str:
        """The reason for its state, and while it is dialed again what went wrong before."""
        if self._state is SessionState.CONNECTING and self._error is not None:
            return f"{self._reason}, after: {self._error}"
        return self._reason

    def __repr__(self) -> str:
        """A status line."""
        return f"<Session {self.alias} {self._state.value}: {self._reason}>"


def _policy_name(policy: str) -> str:
    return policy if policy in {"verify", "accept-new", "off"} else "pinned"
