"""The channel under a pipe: bytes as they come, and bytes to go in one write."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from .channel import SlotHolder
from .private import peer_closed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import asyncssh

__all__ = ["PipeChannel", "PipeEvents", "open_pipe"]


class PipeEvents(Protocol):
    """Who listens to a PipeChannel."""

    def stdout_received(self, data: bytes) -> None:
        """The far end wrote to standard output."""

    def stderr_received(self, data: bytes) -> None:
        """It wrote to standard error."""

    def channel_ended(self) -> None:
        """The channel is closed, by the peer or with the connection."""


class PipeChannel(SlotHolder):
    """A handler's channel.

    What arrives is handed on at once, and what is written may be any amount: the pipe's credit bounds both.

    Args:
        on_close: As SlotHolder has it.
        events: Told of what comes.
        first: Bytes to send as soon as the command is asked for, without waiting for the answer.
    """

    def __init__(self, on_close: Callable[[], None], events: PipeEvents, first: bytes) -> None:
        super().__init__(on_close)
        self._events = events
        self._first = first
        self.lost = False
        """Whether it ended with the connection, before all of the handler's end was known."""

    def write(self, data: bytes) -> None:
        """Send it, unless the channel is closed by now."""
        channel = self.channel_opened
        if channel is not None and not channel.is_closing():
            channel.write(data)

    def session_started(self) -> None:
        """The command was started."""
        first, self._first = self._first, b""
        self.write(first)

    def data_received(self, data: bytes, datatype: int | None) -> None:
        """Hand it on."""
        if datatype is None:
            self._events.stdout_received(data)
        else:
            self._events.stderr_received(data)

    def eof_received(self) -> bool:
        """All output was sent; our side stays as it is, since the handler may still read."""
        self.complete = True
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """The channel is closed on both sides, or the connection is gone."""
        closed = self.channel_opened is not None and peer_closed(self.channel_opened)
        self.lost = not closed and not (self.complete and self.status is not None)
        super().connection_lost(exc)
        self._events.channel_ended()


async def open_pipe(
    connection: asyncssh.SSHClientConnection, channel: PipeChannel, command: str, options: Mapping[str, Any]
) -> None:
    """Open a channel and start a handler on it. Do not cancel it (see ``open_exec``).

    Raises:
        asyncssh.ChannelOpenError: The peer refused the channel (see ``refused``) or the command.
    """
    await connection.create_session(lambda: channel, command, encoding=None, **options)
