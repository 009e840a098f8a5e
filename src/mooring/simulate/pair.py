"""One connection through a faulty link: the client's socket, the server's, and a pipe each way between them."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias, cast

from .lane import Conditions, Direction, Lane, Pipe

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["Lanes", "Pair", "Registry"]

Lanes: TypeAlias = "Mapping[Direction, Lane]"
_RST_ON_CLOSE: Final = struct.pack("ii", 1, 0)  # struct linger of socket(7): on, for no time


class Registry(Conditions, Protocol):
    """Who keeps the list of connections."""

    def left(self, pair: Pair) -> None:
        """The client ended its side."""

    def forget(self, pair: Pair) -> None:
        """Both sockets are closed."""


class Pair:
    """One connection, from the accept until both its sockets are closed.

    Args:
        link: The link it runs through.
        lanes: The link's two directions.
        sock: The client's socket, just accepted.
    """

    def __init__(self, link: Registry, lanes: Lanes, sock: socket.socket) -> None:
        self.task: asyncio.Task[None] | None = None
        self.pipes: Mapping[Direction, Pipe] = {way: Pipe(lane, link, self._handed_on) for way, lane in lanes.items()}
        self._link = link
        self._sock = sock
        self._started = False  # before that, the socket is no transport's
        self._interruptible = False
        self._opening = True
        self._over = False
        to_client, to_server = self.pipes["to_client"], self.pipes["to_server"]
        self._client = _Side(to_server, to_client, self._client_ended, self._lost)
        self._server = _Side(to_client, to_server, lambda: None, self._lost)

    async def open(self, address: tuple[str, int], light: asyncio.Event) -> None:
        """Connect to the server, once the link is no black hole.

        Only the waits are cancelled: a loop that is interrupted while it makes a transport may forget its protocol.
        """
        self._started = True
        loop = asyncio.get_running_loop()
        try:
            await loop.connect_accepted_socket(lambda: self._client, self._sock)
            if not self._over:
                upstream = await self._reach(address, light)
                await loop.create_connection(lambda: self._server, sock=upstream)
        except OSError:  # nobody there: as near to a refusal as a proxy can come
            self._over = True
        finally:
            self._opening = False
            if self._over:
                self._client.reset()
                self._server.reset()
            self._lost()

    def reset(self) -> None:
        """Close both sockets with a RST."""
        self._over = True
        for pipe in self.pipes.values():
            pipe.stop()
        if self.task is not None and self._interruptible:
            self.task.cancel()
        if not self._started:
            self._opening = False
            _linger_not(self._sock)
            self._sock.close()
        self._client.reset()
        self._server.reset()
        self._lost()

    async def _reach(self, address: tuple[str, int], light: asyncio.Event) -> socket.socket:
        """A socket connected to the server. Cancelling is safe."""
        self._interruptible = True
        sock = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)  # noqa: FBT003 - the standard library's signature
            await light.wait()
            if self._client.ended:
                raise ConnectionAbortedError("the client did not wait for the light")
            await asyncio.get_running_loop().sock_connect(sock, address)
        except BaseException:
            sock.close()
            raise
        finally:
            self._interruptible = False
        return sock

    def _client_ended(self) -> None:
        self._link.left(self)

    def _handed_on(self) -> None:
        if all(pipe.done for pipe in self.pipes.values()):
            self._client.close()
            self._server.close()

    def _lost(self) -> None:
        if not (self._opening or self._client.live or self._server.live):
            self._link.forget(self)


class _Side(asyncio.Protocol):
    """One socket of a pair.

    Args:
        out: The pipe that carries away what arrives here.
        into: The pipe whose end this is.
        ended: Called when the peer here will send no more.
        lost: Called when the socket is closed.
    """

    def __init__(self, out: Pipe, into: Pipe, ended: Callable[[], None], lost: Callable[[], None]) -> None:
        self.ended = False
        self._out = out
        self._into = into
        self._on_ended = ended
        self._on_lost = lost
        self._transport: asyncio.Transport | None = None

    @property
    def live(self) -> bool:
        """Whether there is a socket."""
        return self._transport is not None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = self._out.source = cast("asyncio.Transport", transport)
        # asyncio does it for sockets that were made with their protocol named; ours were not.
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._into.connect(self)

    def data_received(self, data: bytes) -> None:
        self._out.feed(data)

    def eof_received(self) -> bool:
        self._end()
        self._out.feed_eof()
        return True  # the other direction goes on

    def connection_lost(self, exc: Exception | None) -> None:
        del exc  # also None where the peer is gone: what tells is whether both ways had come to their end
        orderly = self._out.done and self._into.done
        self._transport = self._out.source = None
        self._end()
        self._into.stop()
        if not orderly:
            self._out.feed_reset()
        self._on_lost()

    def pause_writing(self) -> None:
        self._into.hold()

    def resume_writing(self) -> None:
        self._into.release()

    def write(self, data: bytes | memoryview) -> None:
        """Send."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def write_eof(self) -> None:
        """Send a FIN after what was written."""
        if self._transport is not None and not self._transport.is_closing():
            with contextlib.suppress(OSError):  # the peer is gone already
                self._transport.write_eof()

    def close(self) -> None:
        """Close, after what was written."""
        if self._transport is not None:
            self._transport.close()

    def reset(self) -> None:
        """Close with a RST, now."""
        if self._transport is not None:
            _linger_not(self._transport.get_extra_info("socket"))
            self._transport.abort()

    def _end(self) -> None:
        if not self.ended:
            self.ended = True
            self._on_ended()


def _linger_not(sock: socket.socket) -> None:
    """Have the socket closed by a RST."""
    with contextlib.suppress(OSError, ValueError):  # closed already
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RST_ON_CLOSE)
