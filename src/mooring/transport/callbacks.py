"""A caller's own session objects and handlers on channels: AsyncSSH's callbacks, without a danger to the connection.

What a callback raises ends its own channel, and goes to the loop's exception handler: AsyncSSH would end the
connection, and all else on it.
"""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING, Any

import asyncssh

from .channel import SlotHolder

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = [
    "CallersConnection",
    "CallersSession",
    "Guard",
    "guarded_handlers",
    "guarded_sessions",
    "open_callers",
    "report",
]


class Guard:
    """Passes callbacks on to ``inner``; the first that fails is its last but ``connection_lost``, which is told why."""

    inner: Any
    _fault: Exception | None = None

    def _end(self) -> None:
        """End the channel."""
        raise NotImplementedError

    def _tell(self, callback: Callable[..., Any], *args: Any) -> Any:
        if self._fault is None:
            try:
                return callback(*args)
            except Exception as error:  # noqa: BLE001 - a caller's, whatever it is
                self._fault = error
                report(callback, error)
                self._end()
        return None

    def _tell_lost(self, exc: Exception | None) -> None:
        fault, self._fault = self._fault, None
        self._tell(self.inner.connection_lost, fault or exc)

    def session_started(self) -> None:
        """It may be spoken to."""
        self._tell(self.inner.session_started)

    def data_received(self, data: Any, datatype: asyncssh.DataType) -> None:
        """Output."""
        self._tell(self.inner.data_received, data, datatype)

    def eof_received(self) -> bool:
        """All output was sent; tells whether our side stays open."""
        return bool(self._tell(self.inner.eof_received))

    def pause_writing(self) -> None:
        """Input is not taken as fast as it is written."""
        self._tell(self.inner.pause_writing)

    def resume_writing(self) -> None:
        """Input is taken again."""
        self._tell(self.inner.resume_writing)


class CallersSession(Guard, SlotHolder):
    """A caller's ``SSHClientSession``, its slot known.

    Args:
        on_close: As SlotHolder has it.
        factory: Makes the caller's session, when the channel is open.
    """

    def __init__(self, on_close: Callable[[], None], factory: Callable[[], asyncssh.SSHClientSession[Any]]) -> None:
        super().__init__(on_close)
        self._factory = factory
        self.inner: asyncssh.SSHClientSession[Any] = asyncssh.SSHClientSession()
        """The caller's, once the channel is open."""

    def _end(self) -> None:
        self.send("TERM")
        self.abandon()

    def connection_made(self, chan: asyncssh.SSHClientChannel[Any]) -> None:
        """The channel is open."""
        super().connection_made(chan)
        self._tell(self._make, chan)

    def _make(self, chan: asyncssh.SSHClientChannel[Any]) -> None:
        self.inner = self._factory()
        self.inner.connection_made(chan)

    def connection_lost(self, exc: Exception | None) -> None:
        """The channel is closed, or the connection is gone."""
        super().connection_lost(exc)
        self._tell_lost(exc)

    def xon_xoff_requested(self, client_can_do: bool) -> None:  # noqa: FBT001 - AsyncSSH's
        """Whether a terminal's keys for stopping output are the client's."""
        self._tell(self.inner.xon_xoff_requested, client_can_do)

    def exit_status_received(self, status: int) -> None:
        """The command ended by itself."""
        super().exit_status_received(status)
        self._tell(self.inner.exit_status_received, status)

    def exit_signal_received(self, signal: str, core_dumped: bool, msg: str, lang: str) -> None:  # noqa: FBT001 - AsyncSSH's
        """A signal ended the command."""
        super().exit_signal_received(signal, core_dumped, msg, lang)
        self._tell(self.inner.exit_signal_received, signal, core_dumped, msg, lang)


class CallersConnection(Guard, asyncssh.SSHTCPSession[Any]):
    """A caller's ``SSHTCPSession``."""

    def __init__(self, inner: asyncssh.SSHTCPSession[Any]) -> None:
        self.inner = inner
        self._channel: asyncssh.SSHTCPChannel[Any] | None = None

    def _end(self) -> None:
        if self._channel is not None:
            self._channel.abort()

    def connection_made(self, chan: asyncssh.SSHTCPChannel[Any]) -> None:
        """The connection stands."""
        self._channel = chan
        self._tell(self.inner.connection_made, chan)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        self._tell_lost(exc)


async def open_callers(
    connection: asyncssh.SSHClientConnection, session: CallersSession, args: tuple[Any, ...], **keywords: Any
) -> None:
    """Open a channel and start a command, shell or subsystem on it. Do not cancel it (see ``open_exec``)."""
    await connection.create_session(lambda: session, *args, **keywords)


def guarded_sessions(factory: Callable[..., Any]) -> Callable[..., Any]:
    """A factory of ``SSHTCPSession``, perhaps a coroutine function, without the danger; where it fails it refuses."""

    async def awaited(coming: Awaitable[Any]) -> CallersConnection:
        try:
            return CallersConnection(await coming)
        except Exception as error:
            raise _refusal(factory, error) from error

    def make(*origin: Any) -> Any:
        try:
            made = factory(*origin)
        except Exception as error:
            raise _refusal(factory, error) from error
        return awaited(made) if inspect.isawaitable(made) else CallersConnection(made)

    return make


def guarded_handlers(factory: Callable[..., Any]) -> Callable[..., Any]:
    """The same for a factory of handlers; what ends with its connection ends so quietly."""

    def make(*origin: Any) -> Any:
        try:
            handler = factory(*origin)
        except Exception as error:
            raise _refusal(factory, error) from error

        async def handle(reader: asyncssh.SSHReader[Any], writer: asyncssh.SSHWriter[Any]) -> None:
            try:
                handling = handler(reader, writer)
                if inspect.isawaitable(handling):
                    await handling
            except Exception as error:  # noqa: BLE001 - a caller's, whatever it is
                if not isinstance(error, (ConnectionError, asyncssh.Error)):
                    report(handler, error)
                writer.channel.abort()

        return handler and handle

    return make


def _refusal(factory: Callable[..., Any], error: Exception) -> asyncssh.ChannelOpenError:
    if isinstance(error, asyncssh.ChannelOpenError):  # the caller's own
        return error
    report(factory, error)
    return asyncssh.ChannelOpenError(asyncssh.OPEN_CONNECT_FAILED, "Nobody is there")


def report(callback: Callable[..., Any], error: Exception, what: str = "its channel is ended") -> None:
    """Tell the loop's exception handler what a caller's code did, and what became of it."""
    name = getattr(callback, "__qualname__", repr(callback))
    asyncio.get_running_loop().call_exception_handler({"message": f"{name} failed; {what}", "exception": error})
