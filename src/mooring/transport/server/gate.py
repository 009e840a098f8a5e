"""Between AsyncSSH and a server of files: nothing is read ahead of the client, and what fails ends no connection."""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING, Any, Final

import asyncssh

from ..callbacks import report

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Gate"]

_READ: Final = 4 << 20
"""Bytes that one request reads at most: as AsyncSSH tells clients (limits@openssh.com), but does not hold to. Until
they are sent there are five copies of them."""


class Gate:
    """For one channel.

    AsyncSSH answers whatever is asked for, and keeps the answers until they are taken; it ends the connection over what
    is raised when files are closed after the client has gone, and says nothing of how it ended, which is a failure to
    scp.

    Args:
        channel: The channel, or the line editor before it.
        most: Bytes that one request reads at most; clients ask again for the rest.

    Attributes:
        ending: The client asks for nothing more.
        over: The channel is closed.
    """

    def __init__(self, channel: asyncssh.SSHServerChannel[Any], most: int = _READ) -> None:
        self._channel = channel
        self._most = most
        self._room = asyncio.Event()
        self._room.set()
        self.ending = False
        self.over = False

    def stand_before(self, server: asyncssh.SFTPServer) -> asyncssh.SFTPServer:
        """Have the server asked through the gate."""
        self._read, self._close, self._exit = server.read, server.close, server.exit
        server.read, server.close, server.exit = self.read, self.close, self.exit  # type: ignore[method-assign]
        return server

    # From the channel.

    def full(self) -> None:
        """The client does not take what is written: it is asked for no more requests before it does."""
        self._room.clear()
        self._channel.pause_reading()

    def free(self) -> None:
        """It takes it again."""
        self._room.set()
        self._channel.resume_reading()

    def received(self) -> None:
        """Requests came; what resumes reading by itself is held back again."""
        if not self._room.is_set():
            self._channel.pause_reading()

    def leave(self) -> None:
        """The channel is closed."""
        self.over = self.ending = True
        self._room.set()

    # In the server's place.

    async def read(self, file_obj: object, offset: int, size: int) -> bytes:
        """Some of a file, when what was read before is taken."""
        await self._room.wait()
        if self.over:
            raise asyncssh.SFTPConnectionLost("the client has gone")
        data = self._read(file_obj, offset, min(size, self._most))
        return await data if inspect.isawaitable(data) else data

    async def close(self, file_obj: object) -> None:
        """Close a file."""
        try:
            await _done(self._close, file_obj)
        except Exception as error:
            if not self.ending:
                raise  # and the client is told
            report(self._close, error, "nobody is left to be told")

    async def exit(self) -> None:
        """The client has left."""
        try:
            await _done(self._exit)
        except Exception as error:  # noqa: BLE001 - a caller's, whatever it is
            report(self._exit, error)
            self._channel.exit(1)
        self._channel.exit(0)


async def _done(call: Callable[..., Any], *args: object) -> None:
    result = call(*args)
    if inspect.isawaitable(result):
        await result
