"""One session of a client: the caller's handler or session, or files, and never more than its own channel."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from typing import TYPE_CHECKING, Any, Final

import asyncssh

from ..callbacks import report
from ..guarded import GuardedSession, guarded_sftp
from .files import RootedFiles
from .gate import Gate
from .private import drop_cleanups, has_read_all, when_closed_unread

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from .terms import Terms

__all__ = ["ServedSession"]

_GRACE: Final = 10.0
"""Seconds in which a handler should find out that its client has gone; then it is cancelled."""
_FAILED: Final = 1
_SFTP_VERSION: Final = 3
_SCP: Final = "scp "
_UNREAD: Final = 1000
"""Signals and sizes that may wait for a handler to read; further ones are lost."""


class ServedSession(GuardedSession):
    """A session whose kind is known when the client has said what it wants.

    Args:
        terms: What is served.
        inner: The caller's session; None where there is none.
        run: Runs a handler as a task that somebody owns.
        gone: Told when it is over, and its handler is.
    """

    def __init__(
        self,
        terms: Terms,
        inner: asyncssh.SSHServerSession[Any] | None,
        run: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]],
        gone: Callable[[ServedSession], None],
    ) -> None:
        super().__init__(inner or asyncssh.SSHServerSession())
        self._gone = gone
        self._terms = terms
        self._run = run
        self._task: asyncio.Task[None] | None = None
        self._gate: Gate | None = None
        self._served: object = None
        self._told = 0

    # From the channel.

    def connection_made(self, chan: asyncssh.SSHServerChannel[Any]) -> None:
        """The channel is open."""
        when_closed_unread(chan, self._cancel_soon)
        super().connection_made(chan)

    def _begin(self, make: Callable[[], asyncssh.SSHServerSession[Any]]) -> None:
        """What is told what comes from now on."""
        self.inner = make()
        if self._channel is not None:
            self.inner.connection_made(self._channel)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is closed."""
        if self._gate is not None:
            self._gate.leave()
        if isinstance(self._served, RootedFiles):
            self._served.leave()
        super().connection_lost(exc)
        if self._task is None or self._task.done():
            self._gone(self)
        else:
            self._cancel_soon()
            self._task.add_done_callback(lambda _: self._gone(self))
        if isinstance(process := self.inner, asyncssh.SSHServerProcess):
            self._tidying = self._run(_tidied(process))
            self._tidying.add_done_callback(lambda _: drop_cleanups(process))

    def _cancel_soon(self) -> None:
        """The client has gone: what a handler awaits of the process ends by itself; what else it awaits would not."""
        if self._task is not None:
            timer = asyncio.get_running_loop().call_later(_GRACE, self._task.cancel)
            self._task.add_done_callback(lambda _: timer.cancel())

    def shell_requested(self) -> bool:
        """Whether there is a shell."""
        return self._handled() if self._terms.process is not None else super().shell_requested()

    def exec_requested(self, command: str) -> bool:
        """Whether there is this command."""
        if self._terms.allow_scp and command.startswith(_SCP):
            return self._files()
        return self._handled() if self._terms.process is not None else super().exec_requested(command)

    def subsystem_requested(self, subsystem: str) -> bool:
        """Whether there is this subsystem."""
        if subsystem == "sftp" and self._terms.sftp is not None:
            return self._files()
        return self._handled() if self._terms.process is not None else super().subsystem_requested(subsystem)

    def data_received(self, data: Any, datatype: asyncssh.DataType) -> None:
        """Input."""
        super().data_received(data, datatype)
        if self._gate is not None:
            self._gate.received()

    def terminal_size_changed(self, width: int, height: int, pixwidth: int, pixheight: int) -> None:
        """Its terminal has another size."""
        if self._keeps_up():
            super().terminal_size_changed(width, height, pixwidth, pixheight)

    def signal_received(self, signal: str) -> None:
        """A signal."""
        if self._keeps_up():
            super().signal_received(signal)

    def break_received(self, msec: int) -> bool:
        """A break."""
        return self._keeps_up() and super().break_received(msec)

    def _keeps_up(self) -> bool:
        """Whether a handler reads what it is told; AsyncSSH would keep for it whatever comes."""
        if isinstance(self.inner, asyncssh.SSHServerProcess):
            self._told = 0 if has_read_all(self.inner) else self._told + 1
        return self._told < _UNREAD

    def eof_received(self) -> bool:
        """There is no more input."""
        if self._gate is not None:
            self._gate.ending = True
        return super().eof_received()

    def pause_writing(self) -> None:
        """The client does not take what is written."""
        super().pause_writing()
        if self._gate is not None:
            self._gate.full()

    def resume_writing(self) -> None:
        """It takes it again."""
        super().resume_writing()
        if self._gate is not None:
            self._gate.free()

    # What becomes of it.

    def _handled(self) -> bool:
        self._tell(self._begin, lambda: asyncssh.SSHServerProcess(self._start, None, _SFTP_VERSION, False))  # noqa: FBT003
        return True

    def _start(self, process: asyncssh.SSHServerProcess[Any]) -> None:
        self._task = self._run(self._handle(process))

    async def _handle(self, process: asyncssh.SSHServerProcess[Any]) -> None:
        handler: Any = self._terms.process
        channel = process.channel
        try:
            handling = handler(process)
            if not inspect.isawaitable(handling):
                return  # it has set things going, and ends them
            await handling
        except asyncio.CancelledError:
            channel.close()
            raise
        except asyncssh.SignalReceived as end:
            channel.exit_with_signal(end.signal)
        except asyncssh.BreakReceived:
            channel.exit_with_signal("INT")
        except (ConnectionError, asyncssh.Error, asyncssh.TerminalSizeChanged):
            channel.exit(_FAILED)
        except Exception as error:  # noqa: BLE001 - a caller's, whatever it is
            report(handler, error, "its session is ended")
            channel.exit(_FAILED)
        else:
            channel.exit(0)

    def _files(self) -> bool:
        channel: Any = self._channel
        try:
            served: Any = self._terms.files(channel)
        except Exception as error:  # noqa: BLE001 - a caller's, whatever it is
            report(self._terms.files, error, "the session is refused")
            return False
        if served is None:
            return False
        self._gate = gate = Gate(channel)
        self._served = served
        self._tell(self.inner.connection_lost, None)  # another session was told of the channel

        async def coming() -> asyncssh.SFTPServer:
            return gate.stand_before(await served)

        make = guarded_sftp(lambda _: coming() if inspect.isawaitable(served) else gate.stand_before(served))
        self._tell(self._begin, lambda: asyncssh.SSHServerProcess(_refuse, make, _SFTP_VERSION, True))  # noqa: FBT003
        return True


def _refuse(process: asyncssh.SSHServerProcess[Any]) -> None:
    """No command comes to a session of files."""
    process.exit(_FAILED)


async def _tidied(process: asyncssh.SSHServerProcess[Any]) -> None:
    """Await what its redirections have left, so that nobody else need."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_GRACE):
            await process.wait_closed()
