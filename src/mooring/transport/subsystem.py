"""A subsystem's channel as bare bytes, both ways, each slowed down by who cannot keep up (RFC 4254 section 6.5)."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, Final, Protocol

from .channel import SlotHolder
from .outbox import write_at_once

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import asyncssh

__all__ = ["Receiver", "Subsystem", "open_subsystem"]

_CLOSING: Final = frozenset({"close_pending", "closed"})
_KEPT: Final = 1024
"""Bytes of standard error to keep, for messages."""


class Receiver(Protocol):
    """Who takes what comes on the channel. Neither method may block or raise."""

    def data_received(self, data: bytes) -> None:
        """Bytes came."""

    def eof_received(self, *, lost: bool) -> None:
        """Nothing more comes, ever: the server ended it, or the connection is lost. Called once."""


class Subsystem(SlotHolder):
    """One channel that carries a protocol of its own.

    AsyncSSH's process object would put a buffer, a lock and two tasks between the packets and the protocol.

    Args:
        on_close: As SlotHolder has it.
        receiver: Gets what comes, as it comes.
    """

    def __init__(self, on_close: Callable[[], None], receiver: Receiver) -> None:
        super().__init__(on_close)
        self._receiver = receiver
        self._started = False
        self._queue: list[bytes] = []
        self._corked = False
        self._loop = asyncio.get_running_loop()
        self._room: asyncio.Future[None] | None = None
        self.errors = b""
        """The beginning of what came on standard error."""

    def data_received(self, data: bytes, datatype: int | None) -> None:
        """Hand it on."""
        if datatype is None:
            self._receiver.data_received(data)
        else:
            self.errors = (self.errors + data)[:_KEPT]

    def take(self, data: bytes) -> bool:
        """Take what the peer sent, in AsyncSSH's place; False where that is not simple (see ``packets``)."""
        channel: Any = self.channel_opened
        size = len(data)
        if (
            channel is None
            or channel._recv_paused  # noqa: SLF001
            or channel._recv_state != "open"  # noqa: SLF001
            or channel._send_state in _CLOSING  # noqa: SLF001
            or size > channel._recv_window  # noqa: SLF001
        ):
            return False
        channel._recv_window -= size  # noqa: SLF001
        if size:
            channel._deliver_data(data, None)  # noqa: SLF001
        return True

    def session_started(self) -> None:
        """The server runs it; whatever ends the channel before that is told by the opening."""
        self._started = True

    def eof_received(self) -> bool:
        """The server sends nothing more."""
        self.complete = True
        self._end()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The channel is closed, or the connection is lost."""
        super().connection_lost(exc)
        self._end()
        self.resume_writing()

    def _end(self) -> None:
        if self._started:
            self._started = False
            self._receiver.eof_received(lost=not self.complete)

    def pause_writing(self) -> None:
        """AsyncSSH holds enough that the server has not taken."""
        if self._room is None:
            self._room = self._loop.create_future()

    def resume_writing(self) -> None:
        """There is room again."""
        room, self._room = self._room, None
        if room is not None and not room.done():
            room.set_result(None)

    def abandon(self) -> None:
        """Close our side, after what was written."""
        self._uncork()
        super().abandon()

    def write(self, data: bytes) -> None:
        """Send; what is written in one turn of the loop, after its first write, leaves together."""
        if self._corked:
            self._queue.append(data)
            return
        self._corked = True
        self._loop.call_soon(self._uncork)
        self._put(data)

    async def drained(self) -> None:
        """Wait until there is room for more, or the channel is closed. Cancelling is safe."""
        while self._room is not None:
            await asyncio.shield(self._room)

    def pause_reading(self) -> None:
        """Let the server wait: it may send one window more."""
        if self.channel_opened is not None:
            self.channel_opened.pause_reading()

    def resume_reading(self) -> None:
        """Let it go on."""
        if self.channel_opened is not None:
            self.channel_opened.resume_reading()

    def _uncork(self) -> None:
        self._corked = False
        if self._queue:
            queue, self._queue = self._queue, []
            self._put(b"".join(queue))

    def _put(self, data: bytes) -> None:
        if self.channel_opened is not None and not self.channel_opened.is_closing():
            with contextlib.suppress(OSError):  # it closes just now, which connection_lost tells
                write_at_once(self.channel_opened, data)


async def open_subsystem(
    connection: asyncssh.SSHClientConnection,
    session: Subsystem,
    name: str | None,
    command: str | None,
    env: Mapping[str, str] | None = None,
) -> None:
    """Open a channel and start a subsystem, or a command in its place, on it, without a terminal.

    Do not cancel it (see ``open_exec``).

    Raises:
        asyncssh.ChannelOpenError: The peer refused the channel (see ``refused``) or the subsystem.
    """
    options: dict[str, Any] = {"subsystem": name, "command": command, "request_pty": False, "encoding": None}
    if env:
        options["env"] = env
    await connection.create_session(lambda: session, **options)
