"""One link as a session uses it: its gate, and the channels being opened on it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, TypeVar

from ..model.errors import ChannelRefused, InvalidInput, SessionError, SessionNotUp
from ..transport.channel import ChannelAhead, SlotHolder, refused
from ..transport.mapping import session_error, words
from .ahead import Ahead
from .gate import ChannelGate

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from ..model.errors import MooringError
    from ..transport.link import Link
    from .gate import Lease
    from .slots import Kind

__all__ = ["OPEN_TIMEOUT", "Attachment"]

OPEN_TIMEOUT: Final = 30.0
"""Seconds to wait for a slot and for the server to open the channel, where no shorter time is asked."""

_Holder = TypeVar("_Holder", bound=SlotHolder)


class Attachment:
    """A link while it is a session's.

    Call ``detach`` when the link is gone, then ``wait_settled``.

    Args:
        alias: The session's name.
        link: The link.
        channels: How many ``session`` channels to begin with.
        counted: Called when a command is asked for, and what it returns when that has come to an end.
    """

    def __init__(
        self,
        alias: str,
        link: Link,
        channels: int,
        counted: Callable[[], Callable[[], None]] = lambda: lambda: None,
    ) -> None:
        self.alias = alias
        self.link = link
        self.counted = counted
        self.gate = ChannelGate(alias, channels)
        self.ahead = Ahead(self.gate, link)
        self.now = asyncio.get_running_loop().time
        self._openings: set[asyncio.Task[None]] = set()

    async def open(
        self,
        kind: Kind,
        what: str,
        deadline: float,
        make: Callable[[Callable[[], None]], _Holder],
        start: Callable[[_Holder], Coroutine[Any, Any, None]],
        *,
        command: bool = False,
    ) -> _Holder:
        """A channel with something started on it. A refused channel is queued again, since nothing ran.

        Cancelling is safe: what was opened is closed again, and what was not started is not started.

        Args:
            kind: What the slot is for.
            what: The command, for the names of slot holders.
            deadline: When to give up, monotonic.
            make: Makes the channel's session from the function that frees its slot.
            start: Opens the channel for that session.
            command: Whether to count it among the commands, from now to its end.

        Raises:
            ChannelLimit: No slot became free in time, or the server refused all the while.
            ChannelRefused: The server refuses the command, or does not answer.
            InvalidInput: AsyncSSH refuses an argument; nothing was sent.
            SessionNotUp: The connection was lost before a channel could be asked for; nothing was sent.
            SessionLost: It was lost after that.
        """
        since = self.now()
        make = self._counting(make) if command else make
        while True:
            lease = self.gate.try_lease(kind, what) or await self.gate.lease(kind, what, deadline, since)
            if self.link.closed:  # a channel that ended with it gave the slot
                lease.release()
                msg = f"{self.alias}: its connection was lost before a channel could be asked for"
                raise SessionNotUp(msg, hint="wait until it is up again")
            lease.holder = holder = make(lease.release)
            task = asyncio.create_task(start(holder))
            self._openings.add(task)
            try:
                await asyncio.wait((task,), timeout=deadline - self.now())
            except BaseException:
                self._abandon(task, holder, lease)
                raise
            if not task.done():
                self._abandon(task, holder, lease)
                raise self._unanswered(holder)
            self._openings.discard(task)
            try:
                task.result()
            except Exception as error:  # noqa: BLE001 - whatever it is, it becomes one of ours
                pause = self._sorted(error, holder, lease)
            else:
                lease.confirmed()
                return holder
            await self.gate.pause(min(pause, deadline - self.now()))
            if self.now() >= deadline:
                raise self.gate.limit_error(since)

    def _counting(self, make: Callable[[Callable[[], None]], _Holder]) -> Callable[[Callable[[], None]], _Holder]:
        """The same, of a command that is counted from now to its end."""
        ended = self.counted()

        def made(on_close: Callable[[], None]) -> _Holder:
            holder = make(on_close)
            holder.when_exited(ended)
            return holder

        return made

    async def start_ahead(
        self,
        what: str,
        deadline: float,
        make: Callable[[Callable[[], None]], _Holder],
        start: Callable[[_Holder, ChannelAhead], Coroutine[Any, Any, None]],
    ) -> _Holder | None:
        """Start something on the channel that was opened ahead; None where there is none.

        Cancelling is safe, and the arguments and errors are as ``open`` has them.
        """
        taken = await self.ahead.take(deadline)
        if taken is None:
            return None
        channel, lease = taken
        lease.use(what)
        lease.holder = holder = make(lease.release)
        try:
            async with asyncio.timeout_at(deadline):
                await start(holder, channel)
        except TimeoutError:
            _end(holder)
            raise self._unanswered(holder) from None
        except Exception as error:  # noqa: BLE001 - whatever it is, it becomes one of ours
            self._sorted(error, holder, lease)
        except BaseException:
            _end(holder)
            raise
        lease.confirmed()
        return holder

    def _unanswered(self, holder: SlotHolder) -> ChannelRefused:
        """That the deadline came before the server's answer."""
        if holder.channel_opened is None:
            msg = f"{self.alias} did not answer the opening of a channel in time"
            return ChannelRefused(msg, hint="a ping tells whether it answers at all")
        msg = f"{self.alias} did not confirm the start of the command in time"
        return ChannelRefused(msg, hint="it may run there; it was sent TERM")

    def _sorted(self, error: Exception, holder: SlotHolder, lease: Lease) -> float:
        """Seconds to pause before the channel may be asked for again; any other failure is raised."""
        if holder.channel_opened is None:
            if refused(error) and not self.link.closed:
                return lease.refused()
            lease.release()
            if isinstance(error, (TypeError, LookupError)) or type(error) in {ValueError, UnicodeEncodeError}:
                raise InvalidInput(f"AsyncSSH refuses an argument: {words(error)}") from None
        else:
            _end(holder)  # a failure of ours: the channel is open
        failure = session_error(error, self.alias, lost=self.link.closed)
        if type(failure) is SessionError:
            failure.hint = "the command may have been started; it was sent TERM"
        raise failure from error

    def _abandon(self, task: asyncio.Task[None], holder: SlotHolder, lease: Lease) -> None:
        """Let an opening come to its end by itself, then close what it opened."""
        _end(holder)

        def settle(task: asyncio.Task[None]) -> None:
            self._openings.discard(task)
            failed = task.cancelled() or task.exception() is not None
            if failed and holder.channel_opened is None:
                lease.release()

        task.add_done_callback(settle)

    def detach(self, error: MooringError) -> None:
        """The link is gone: everybody who waits for a slot gets ``error``."""
        self.ahead.detach()
        self.gate.close(error)

    async def wait_settled(self) -> None:
        """Wait until no opening is under way: they all end with the link."""
        if self._openings:
            await asyncio.wait(tuple(self._openings))


def _end(holder: SlotHolder) -> None:
    """Close its channel, if there is one yet; the command on it may run already."""
    holder.send("TERM")
    holder.abandon()
