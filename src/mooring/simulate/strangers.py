"""Strangers at a port: silent, talking nonsense or a byte a second, falling silent after a version line, or gone."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["Strangers"]

_SLOWLY: Final = b"MSG-ID: DEVICE-CONN-INFO\r\n"
_RESET: Final = struct.pack("ii", 1, 0)
"""SO_LINGER with no time: closing sends RST (socket(7))."""


@dataclass(eq=False)
class Strangers:
    """Connections to a port, made on entering and held until leaving; those that are hung up on do not come again.

    Args:
        host: Whom they call.
        port: Likewise.
        count: How many, of each kind as many.
        source: The address they call from.

    Attributes:
        refused: How many did not even get a connection.
    """

    host: str
    port: int
    count: int
    source: str = "127.0.0.1"
    refused: int = 0
    _sockets: list[socket.socket] = field(default_factory=list, repr=False)
    _slow: list[socket.socket] = field(default_factory=list, repr=False)

    async def __aenter__(self) -> Self:
        """Connect them all."""
        kinds = itertools.cycle(
            (self._stay_silent, self._talk_nonsense, self._slow.append, self._reset, self._fall_silent)
        )
        for number in range(self.count):
            with contextlib.suppress(OSError):
                next(kinds)(await self._connect())
            if number % 50 == 0:
                await asyncio.sleep(0)
        self._speaking = asyncio.create_task(self._speak_slowly(), name="slow strangers")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Hang up."""
        self._speaking.cancel()
        await asyncio.gather(self._speaking, return_exceptions=True)
        for sock in self._sockets:
            sock.close()

    async def _connect(self) -> socket.socket:
        sock = socket.socket(socket.AF_INET6 if ":" in self.host else socket.AF_INET, socket.SOCK_STREAM)
        self._sockets.append(sock)
        sock.setblocking(False)  # noqa: FBT003 - socket's own
        # Without this each would take a port of its own for all places together, and there are 28,000 of them.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((self.source, 0))
        try:
            await asyncio.get_running_loop().sock_connect(sock, (self.host, self.port))
        except OSError:
            self.refused += 1
            raise
        return sock

    def _stay_silent(self, sock: socket.socket) -> None:
        pass

    def _talk_nonsense(self, sock: socket.socket) -> None:
        sock.send(b"SSH-2.0-nonsense\r\n" + b"\xff" * 100)

    def _fall_silent(self, sock: socket.socket) -> None:
        sock.send(b"SSH-2.0-x\r\n")

    def _reset(self, sock: socket.socket) -> None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        sock.close()

    async def _speak_slowly(self) -> None:
        for byte in itertools.cycle(_SLOWLY):
            for sock in self._slow:
                with contextlib.suppress(OSError):
                    sock.send(bytes((byte,)))
            await asyncio.sleep(1.0)
