"""A caller's own sessions, processes and files on the channels of a server: what one raises ends its own channel."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Final

import asyncssh

from .callbacks import CallersConnection, Guard, report

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = [
    "GuardedSession",
    "guarded_connection",
    "guarded_process",
    "guarded_session",
    "guarded_sftp",
    "guarded_streams",
]

_FAILED: Final = 1
_NOWHERE: Final = b"/nonexistent"
_NO_FAULT: Final = (ConnectionError, asyncssh.Error, asyncssh.BreakReceived, asyncssh.SignalReceived)
"""What a handler meets, and need not catch: the client has gone, or wants it ended."""


class GuardedSession(Guard, asyncssh.SSHServerSession[Any]):
    """A caller's ``SSHServerSession``."""

    def __init__(self, inner: asyncssh.SSHServerSession[Any]) -> None:
        self.inner = inner
        self._channel: asyncssh.SSHServerChannel[Any] | None = None

    def _end(self) -> None:
        if self._channel is not None:
            _end(self._channel)

    def connection_made(self, chan: asyncssh.SSHServerChannel[Any]) -> None:
        """The channel is open."""
        self._channel = chan
        self._tell(self.inner.connection_made, chan)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is closed."""
        self._tell_lost(exc)

    def pty_requested(self, term_type: str, term_size: Any, term_modes: Any) -> bool:
        """Whether there may be a terminal."""
        return bool(self._tell(self.inner.pty_requested, term_type, term_size, term_modes))

    def terminal_size_changed(self, width: int, height: int, pixwidth: int, pixheight: int) -> None:
        """It has another size."""
        self._tell(self.inner.terminal_size_changed, width, height, pixwidth, pixheight)

    def shell_requested(self) -> bool:
        """Whether there is a shell."""
        return bool(self._tell(self.inner.shell_requested))

    def exec_requested(self, command: str) -> bool:
        """Whether there is this command."""
        return bool(self._tell(self.inner.exec_requested, command))

    def subsystem_requested(self, subsystem: str) -> bool:
        """Whether there is this subsystem."""
        return bool(self._tell(self.inner.subsystem_requested, subsystem))

    def break_received(self, msec: int) -> bool:
        """A break."""
        return bool(self._tell(self.inner.break_received, msec))

    def signal_received(self, signal: str) -> None:
        """A signal."""
        self._tell(self.inner.signal_received, signal)

    def soft_eof_received(self) -> None:
        """An end in a line that is being edited."""
        self._tell(self.inner.soft_eof_received)


def guarded_session(requested: Any) -> Any:
    """What a caller's ``session_requested`` gave, in each of its forms, without the danger."""
    if inspect.isawaitable(requested):
        return _guarded_later(requested, guarded_session)
    if isinstance(requested, tuple):
        channel, session = requested
        return channel, guarded_session(session)
    if isinstance(requested, asyncssh.SSHServerSession):
        return GuardedSession(requested)
    return guarded_streams(requested) if callable(requested) else requested


def guarded_connection(requested: Any) -> Any:
    """What a caller's ``connection_requested`` gave, likewise."""
    if inspect.isawaitable(requested):
        return _guarded_later(requested, guarded_connection)
    if isinstance(requested, tuple):
        channel, session = requested
        return channel, guarded_connection(session)
    if isinstance(requested, (asyncssh.SSHTCPSession, asyncssh.SSHUNIXSession)):
        return CallersConnection(requested)  # type: ignore[arg-type] # the two have the same methods
    if not callable(requested):
        return requested

    async def handle(reader: Any, writer: Any) -> None:
        await _handled(requested, writer.channel, reader, writer)

    return handle


async def _guarded_later(requested: Awaitable[Any], guard: Callable[[Any], Any]) -> Any:
    try:
        return guard(await requested)
    except asyncssh.ChannelOpenError:
        raise
    except Exception as error:
        report(guard, error, "the channel is refused")
        raise asyncssh.ChannelOpenError(asyncssh.OPEN_CONNECT_FAILED, "Refused") from error


def guarded_process(handle: Callable[..., Any]) -> Callable[[asyncssh.SSHServerProcess[Any]], Awaitable[None]]:
    """A handler of processes, perhaps a coroutine function, without the danger."""

    async def handle_process(process: asyncssh.SSHServerProcess[Any]) -> None:
        await _handled(handle, process.channel, process)

    return handle_process


def guarded_streams(handle: Callable[..., Any]) -> Callable[..., Awaitable[None]]:
    """A handler of a channel's streams, without the danger."""

    async def handle_streams(stdin: Any, stdout: Any, stderr: Any) -> None:
        await _handled(handle, stdout.channel, stdin, stdout, stderr)

    return handle_streams


def guarded_sftp(make: Callable[..., Any]) -> Callable[..., Any]:
    """A factory of ``SFTPServer``, perhaps a coroutine function, without the danger."""

    def none(channel: asyncssh.SSHServerChannel[Any], error: Exception) -> asyncssh.SFTPServer:
        report(make, error)
        _end(channel)
        return asyncssh.SFTPServer(channel, chroot=_NOWHERE)

    async def awaited(channel: asyncssh.SSHServerChannel[Any], coming: Awaitable[Any]) -> Any:
        try:
            return await coming
        except Exception as error:  # noqa: BLE001 - a caller's, whatever it is
            return none(channel, error)

    def make_server(channel: asyncssh.SSHServerChannel[Any]) -> Any:
        try:
            made = make(channel)
        except Exception as error:  # noqa: BLE001 - a caller's, whatever it is
            return none(channel, error)
        return awaited(channel, made) if inspect.isawaitable(made) else made

    return make_server


async def _handled(handle: Callable[..., Any], channel: Any, *args: Any) -> None:
    try:
        handling = handle(*args)
        if inspect.isawaitable(handling):
            await handling
    except Exception as error:  # noqa: BLE001 - a caller's, whatever it is
        if not isinstance(error, (*_NO_FAULT, asyncssh.TerminalSizeChanged)):
            report(handle, error)
        _end(channel)


def _end(channel: Any) -> None:
    """Close a channel; a process says that it failed."""
    if hasattr(channel, "exit"):  # also that of the line editor, which is of no common class
        channel.exit(_FAILED)
    else:
        channel.abort()
