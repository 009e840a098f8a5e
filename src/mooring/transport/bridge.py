"""A channel whose two ends meet in sockets of this process: for code that wants a descriptor to read, write and select.

One socket carries standard input and output, another standard error; an end of either side is the end of the other.
Each side is slowed down by the other when it does not keep up.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from typing import TYPE_CHECKING, Any, Final, cast

import asyncssh

from .channel import SlotHolder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["Bridge", "open_bridge"]

_UNREAD: Final = 2 * 1024 * 1024
"""Bytes of standard error that may wait: many read it only when standard output has ended."""


class Bridge(SlotHolder):
    """One channel between sockets. ``take`` them when it is open, and ``abandon`` it in the end.

    Args:
        on_close: As SlotHolder has it.

    Attributes:
        exited: Done when the exit status is known, or never will be.
    """

    def __init__(self, on_close: Callable[[], None]) -> None:
        super().__init__(on_close)
        self._ours: tuple[socket.socket, ...] = ()
        self._theirs: tuple[socket.socket, ...] = ()
        self._plugs: dict[int | None, _Plug] = {
            None: _Plug(self, main=True),
            asyncssh.EXTENDED_DATA_STDERR: _Plug(self, main=False),
        }
        self._slow: set[_Plug] = set()
        self.exited: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def connect(self) -> None:
        """Make the sockets, and have the loop watch our ends; ``unplug`` undoes it."""
        loop = asyncio.get_running_loop()
        make: Any = loop.create_connection if sys.platform == "win32" else loop.create_unix_connection
        for plug in self._plugs.values():
            ours, theirs = socket.socketpair()
            self._ours += (ours,)
            self._theirs += (theirs,)
            ours.setblocking(False)  # noqa: FBT003 - the system's
            await make(lambda plug=plug: plug, sock=ours)

    def take(self) -> tuple[socket.socket, socket.socket]:
        """The other ends, blocking, once: standard input and output, and standard error. Who takes them closes them."""
        (output, errors), self._theirs = self._theirs, ()
        return output, errors

    # What the peer does.

    def data_received(self, data: bytes, datatype: int | None) -> None:
        """Hand it on."""
        self._plugs[datatype].write(data)

    def eof_received(self) -> bool:
        """The peer sends nothing more; we may."""
        self.complete = True
        for plug in self._plugs.values():
            plug.write_eof()
        return True

    def exit_status_received(self, status: int) -> None:
        """The command ended by itself."""
        super().exit_status_received(status)
        self._exit()

    def exit_signal_received(self, signal: str, core_dumped: bool, msg: str, lang: str) -> None:  # noqa: FBT001 - AsyncSSH's
        """A signal ended the command."""
        super().exit_signal_received(signal, core_dumped, msg, lang)
        self._exit()

    def connection_lost(self, exc: Exception | None) -> None:
        """The channel is closed, or the connection is lost."""
        super().connection_lost(exc)
        self._exit()
        self.unplug(wanted=not self._abandoned)  # a short command may end before its output is taken

    def pause_writing(self) -> None:
        """The peer does not take what we write."""
        self._plugs[None].pause_reading()

    def resume_writing(self) -> None:
        """It does again."""
        self._plugs[None].resume_reading()

    def _exit(self) -> None:
        if not self.exited.done():
            self.exited.set_result(None)

    # What our side does.

    def write(self, data: bytes) -> None:
        """Send to the peer."""
        channel = self.channel_opened
        if channel is not None and not channel.is_closing():
            with contextlib.suppress(OSError):  # it closes just now
                channel.write(data)

    def write_eof(self) -> None:
        """Tell the peer that nothing more comes."""
        channel = self.channel_opened
        if channel is not None and not channel.is_closing():
            with contextlib.suppress(OSError):
                channel.write_eof()

    def unplug(self, *, wanted: bool = False) -> None:
        """Close our ends, after what was read is handed on, and the others unless they were or will be taken."""
        for sock, plug in zip(self._ours, self._plugs.values(), strict=False):
            plug.close(sock)
        if not wanted:
            theirs, self._theirs = self._theirs, ()
            for sock in theirs:
                sock.close()

    def slow(self, plug: _Plug, *, full: bool) -> None:
        """Let the peer wait while one of our sockets is full."""
        was = bool(self._slow)
        (self._slow.add if full else self._slow.discard)(plug)
        if self.channel_opened is not None and was != bool(self._slow):
            (self.channel_opened.pause_reading if full else self.channel_opened.resume_reading)()


class _Plug(asyncio.Protocol):
    """The loop's end of one socket."""

    def __init__(self, bridge: Bridge, *, main: bool) -> None:
        self._bridge = bridge
        self._main = main
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by its class
        if not self._main:
            self._transport.set_write_buffer_limits(_UNREAD)

    def data_received(self, data: bytes) -> None:
        if self._main:
            self._bridge.write(data)

    def eof_received(self) -> bool:
        if self._main:
            self._bridge.write_eof()
        return True  # the other way goes on

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._transport = None
        self._bridge.slow(self, full=False)
        if self._main:
            self._bridge.abandon()

    def pause_writing(self) -> None:
        self._bridge.slow(self, full=True)

    def resume_writing(self) -> None:
        self._bridge.slow(self, full=False)

    def write(self, data: bytes) -> None:
        """Hand on what the peer sent."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def write_eof(self) -> None:
        """And that no more comes."""
        if self._transport is not None and not self._transport.is_closing():
            with contextlib.suppress(OSError):
                self._transport.write_eof()

    def pause_reading(self) -> None:
        """Take no more from our side for now."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Go on."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def close(self, sock: socket.socket) -> None:
        """Close it, what was written first."""
        if self._transport is not None:
            self._transport.close()
        elif sock.fileno() >= 0:
            with contextlib.suppress(OSError):
                sock.close()


async def open_bridge(connection: asyncssh.SSHClientConnection, bridge: Bridge, options: Mapping[str, Any]) -> None:
    """Open a channel and start what the options of ``create_session`` say on it.

    Do not cancel it (see ``open_exec``).

    Raises:
        asyncssh.ChannelOpenError: The peer refused the channel (see ``refused``), the command or the subsystem.
    """
    try:
        await bridge.connect()
        await connection.create_session(lambda: bridge, encoding=None, **options)
    except BaseException:
        bridge.unplug()
        raise
