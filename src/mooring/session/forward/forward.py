"""A forward: named, supervised, made to stand again when its session is back."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
import random
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, Protocol, Self

from ...model.errors import ForwardError, MooringError, NotAllowed, SessionClosed, SessionError
from ...model.forward import ForwardKind, ForwardState, ForwardStatus, Origin, PathLike, Place
from ..attachment import OPEN_TIMEOUT

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager
    from types import TracebackType

    from ..attachment import Attachment
    from ..files.remote import RemoteEnd
    from .relay import Relay

__all__ = ["MOST", "Forward", "Ground", "Policy", "Where"]

Where = str | int | tuple[str, int] | PathLike | Place
Policy = Callable[[Origin], Where | Awaitable[Where | None] | None]

MOST: Final = 1000
"""Connections over one session at once: a stranger may open them, and each may hold a descriptor and 4 MiB."""
BACKLOG: Final = 512
_READ: Final = 256 * 1024
_LEAST_PAUSE: Final = 0.5
_LONGEST_PAUSE: Final = 30.0
_GROWTH: Final = 1.6
_log = logging.getLogger(__name__)


class Ground(Protocol):
    """The session that a forward stands on."""

    @property
    def alias(self) -> str:
        """Its name."""

    @property
    def attached(self) -> Attachment | None:
        """The connection that it is up on; None while it is not."""

    async def wait_attached(self) -> Attachment:
        """Wait until it is up, however long that takes; SessionClosed when it never will be."""

    def not_up(self) -> SessionError:
        """Why it is not up."""

    @property
    def hopeless(self) -> bool:
        """Whether it will not come up by itself."""

    def files(self) -> AbstractAsyncContextManager[RemoteEnd]:
        """The far side's files."""

    def restored(self, reason: str, error: MooringError | None) -> None:
        """Tell that something stands again, or why not."""

    def carries(self, reason: str) -> None:
        """Tell that a forward was made, or is no more."""


def pause(failures: int, throw: float) -> float:
    """Seconds before a forward is tried again: they grow to half a minute, and half of them is left to the dice."""
    grown = min(_LONGEST_PAUSE, _LEAST_PAUSE * _GROWTH ** min(failures, 20))
    return grown * (0.5 + 0.5 * throw)


class Forward:
    """Connections carried over a session; ``Session.forward_local`` and its like make it.

    It stands until it or its session is closed. Use it as a context manager, or call ``close``. ``repr`` is a status
    line.

    Attributes:
        name: Its name, one of its own in its session.
        kind: Which side listens.
    """

    kind: ForwardKind

    def __init__(
        self, ground: Ground, name: str, listen: Place, destination: Place | None, policy: Policy | None
    ) -> None:
        self.name = name
        self.buffer = bytearray(_READ)
        self.up = 0
        self.down = 0
        self._ground = ground
        self._listen = listen
        self._destination = destination
        self._policy = policy
        self._relays: set[Relay] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._accepted = 0
        self._refused = 0
        self._restored = 0
        self._error: str | None = None
        self._on: Attachment | None = None
        self._closed = False
        self._task: asyncio.Task[None] | None = None
        self._loop = asyncio.get_running_loop()
        self.on_closed: Callable[[Forward], None] = lambda _: None
        """Called when nothing of it is left."""

    @property
    def alias(self) -> str:
        """Its session's."""
        return self._ground.alias

    @property
    def listens_at(self) -> Place:
        """Where it listens, with the port that it was given."""
        return self._listen

    @property
    def destination(self) -> Place | None:
        """Where its connections lead; None where each says so itself, or a policy does."""
        return self._destination

    @property
    def state(self) -> ForwardState:
        """Where it stands."""
        if self._closed:
            return ForwardState.CLOSED
        attached = self._ground.attached
        if attached is None:
            return ForwardState.WAITING
        return ForwardState.STANDING if self._on is attached else ForwardState.RETRYING

    def get_port(self) -> int:
        """The TCP port that it listens on; 0 where it listens on a Unix socket."""
        return self._listen.port

    def status(self) -> ForwardStatus:
        """How it stands."""
        near_first = self.kind is not ForwardKind.REMOTE
        return ForwardStatus(
            alias=self.alias,
            name=self.name,
            kind=self.kind,
            listen=str(self._listen),
            destination=str(self._destination) if self._destination else None,
            state=self.state,
            connections=len(self._relays),
            accepted=self._accepted,
            refused=self._refused,
            sent=self.up if near_first else self.down,
            received=self.down if near_first else self.up,
            restored=self._restored,
            error=self._error,
        )

    def close(self) -> None:
        """Listen no more and cut what goes through it; ``wait_closed`` waits until that is done. Safe to call twice."""
        if self._closed:
            return
        self._closed = True
        self._stop_listening()
        for relay in tuple(self._relays):
            relay.cut()
        for task in (*self._tasks, self._task):
            if task is not None:
                task.cancel()

    async def wait_closed(self) -> None:
        """Wait until it is closed, by somebody or with its session, however long that takes. Cancelling is safe."""
        if self._task is not None:
            await asyncio.wait((self._task,))

    async def __aenter__(self) -> Self:
        """Itself: it stands already."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()
        await self.wait_closed()

    def __repr__(self) -> str:
        """A status line."""
        to = f" to {self._destination}" if self._destination else ""
        return f"<Forward {self.name} of {self.alias}: {self.kind.value} {self._listen}{to}, {self.state.value}>"

    # What makes it stand.

    async def begin(self, *, now: bool) -> None:
        """Stand, and go on standing.

        Args:
            now: Whether it must stand at once; otherwise it is tried until it does.

        Raises:
            ForwardError: It must, and nobody lets it.
            SessionNotUp: It must, and its session is not up.
        """
        await (self._begin_now() if now else self._begin_later())
        self._task = self._loop.create_task(self._run(), name=f"forward {self.name} of {self.alias}")
        await asyncio.sleep(0)  # from here on its end is seen to, whenever it is cancelled

    async def _begin_now(self) -> None:
        raise NotImplementedError

    async def _begin_later(self) -> None:
        """Do what can be done while the session is not up."""

    async def _stand(self, attachment: Attachment) -> None:
        """Listen, or see that it does; ForwardError or SessionError where it cannot be."""
        raise NotImplementedError

    def _stop_listening(self) -> None:
        """At once, as far as that can be."""

    async def _leave(self) -> None:
        """See to what takes time."""

    async def _run(self) -> None:
        try:
            while True:
                attachment = await self._ground.wait_attached()
                if self._on is not attachment:
                    await self._stand_again(attachment)
                await attachment.link.wait_lost()
        except SessionClosed:
            self.close()
        finally:
            try:
                await self._leave()
            finally:
                if self._tasks:
                    await asyncio.wait(tuple(self._tasks))
                self.on_closed(self)

    async def _stand_again(self, attachment: Attachment) -> None:
        failures = 0
        while not attachment.link.closed:
            try:
                await self._stand(attachment)
            except (ForwardError, SessionError) as error:
                if attachment.link.closed:
                    return
                self._error = error.message
                if not failures:
                    self._ground.restored(f"forward {self.name} does not stand: {error.message}", error)
                failures += 1
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(pause(failures, random.random())):  # noqa: S311 - jitter
                        await attachment.link.wait_lost()
            else:
                self._on = attachment
                self._restored += 1
                self._ground.restored(f"forward {self.name} stands: {self._listen}", None)
                return

    # What goes through it.

    def arrived(self, relay: Relay) -> None:
        """A socket of ours stands."""
        self._relays.add(relay)

    def early(self, relay: Relay, data: bytes) -> bytes:  # noqa: ARG002 - others answer them
        """Bytes that came before the tunnel wait for it."""
        return data

    def opened(self, relay: Relay) -> None:  # noqa: ARG002 - others answer it
        """It goes through."""
        self._accepted += 1

    def refused(self, relay: Relay, reason: str) -> None:
        """The far side does not lead it on."""
        if relay in self._relays:
            self._refuse(relay, reason)

    def over(self, relay: Relay) -> None:
        """It is no more."""
        self._relays.discard(relay)

    def _refuse(self, relay: Relay, why: str) -> None:
        self._note(why)
        relay.cut()

    def _note(self, why: str) -> None:
        self._refused += 1
        self._error = why

    def _start(self, work: Awaitable[None], cancelled: Callable[[], None] = lambda: None) -> None:
        """Have it done; ``cancelled`` is called where it is cancelled, since that may be before its first step."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda ended: cancelled() if ended.cancelled() else None)

    async def _decide(self, origin: Origin) -> Place:
        """Where a connection leads.

        Raises:
            NotAllowed: Nowhere.
        """
        if self._policy is None:
            found: Where | None = origin.wanted
        else:
            try:
                answer = self._policy(origin)
                found = await answer if inspect.isawaitable(answer) else answer
                found = None if found is None else Place.parse(found)
            except Exception as error:
                _log.exception("%s: the policy of forward %s failed", self.alias, self.name)
                raise NotAllowed(f"the policy failed: {type(error).__name__}") from error
        if found is None:
            raise NotAllowed(f"the policy refused {_told(origin)}")
        return Place.parse(found)


def _told(origin: Origin) -> str:
    return str(Place(origin.host, origin.port)) if origin.host else "a connection"


def give_up_after(forward: Forward, relay: Relay) -> None:
    """See that a connection does not wait for ever for what it leads to."""
    relay.timer = forward._loop.call_later(  # noqa: SLF001 - of the same package
        OPEN_TIMEOUT, forward.refused, relay, f"nothing answered within {OPEN_TIMEOUT:g} s"
    )
