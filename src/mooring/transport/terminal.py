"""The channel under a terminal: bytes as they come, and a way to be told when the peer takes no more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from .pipe import PipeChannel, PipeEvents

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import asyncssh

__all__ = ["TerminalChannel", "TerminalEvents", "open_terminal"]

_WINDOW = 256 * 1024
"""Bytes that the peer may send before they are taken: what is printed after Ctrl-C is at most as much."""


class TerminalEvents(PipeEvents, Protocol):
    """Who listens to a TerminalChannel."""

    def room(self, *, there: bool) -> None:
        """Whether input that is written now is taken soon."""


class TerminalChannel(PipeChannel):
    """A terminal's channel.

    Args:
        on_close: As SlotHolder has it.
        events: Told of what comes.
    """

    def __init__(self, on_close: Callable[[], None], events: TerminalEvents) -> None:
        super().__init__(on_close, events, b"")
        self._room = events.room

    def pause_writing(self) -> None:
        """More is written than the peer takes."""
        self._room(there=False)

    def resume_writing(self) -> None:
        """It has taken it."""
        self._room(there=True)

    def resize(self, columns: int, rows: int) -> None:
        """Tell the peer of the terminal's size, unless the channel is closed by now."""
        channel = self.channel_opened
        if channel is not None and not channel.is_closing():
            channel.change_terminal_size(columns, rows)

    def read_on(self, *, on: bool) -> None:
        """Let the peer send more, or not: it stands still when its window is used up."""
        channel = self.channel_opened
        if channel is not None:
            if on:
                channel.resume_reading()
            else:
                channel.pause_reading()


async def open_terminal(
    connection: asyncssh.SSHClientConnection, channel: TerminalChannel, command: str | None, options: Mapping[str, Any]
) -> None:
    """Open a channel and start a command, or the user's shell, on it, on a pseudo-terminal where the options name one.

    Do not cancel it (see ``open_exec``).

    Raises:
        asyncssh.ChannelOpenError: The peer refused the channel (see ``refused``), the terminal or the command.
    """
    await connection.create_session(lambda: channel, command, encoding=None, window=_WINDOW, **options)
