"""One connection through a forward: a socket on our side, a tunnel to the far side, and what goes between them."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from typing import TYPE_CHECKING, Any, Protocol, cast

if TYPE_CHECKING:
    from ...transport.tunnel import Tunnel

__all__ = ["Owner", "Relay"]


class Owner(Protocol):
    """Whose connections they are."""

    buffer: bytearray
    """What sockets are read into: a read is dealt with before the next, so that one will do for all of them."""
    up: int
    """Bytes from our side to the far side."""
    down: int
    """Bytes the other way."""

    def arrived(self, relay: Relay) -> None:
        """The socket stands."""

    def early(self, relay: Relay, data: bytes) -> bytes:
        """Bytes came before the tunnel was there; what is returned waits for it."""

    def opened(self, relay: Relay) -> None:
        """The tunnel stands."""

    def refused(self, relay: Relay, reason: str) -> None:
        """The tunnel will not stand."""

    def over(self, relay: Relay) -> None:
        """The socket is closed, or will be as soon as all was written."""


class Relay(asyncio.BufferedProtocol):
    """The side of the socket, and the state of both.

    Each side is slowed down by who cannot keep up at the other, and ends by itself: what one has ended, the other may
    still go on with (RFC 4254 section 5.3).

    Args:
        owner: Whose connection it is.
    """

    __slots__ = ("_early", "_far", "_near_ended", "_over", "_owner", "far_ended", "timer", "transport", "tunnel")

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self._early = b""
        self._near_ended = False
        self._over = False
        self._far = Far(self, owner)
        self.far_ended = False
        self.transport: asyncio.Transport = cast("asyncio.Transport", None)
        self.tunnel: Tunnel | None = None
        self.timer: asyncio.TimerHandle | None = None

    @property
    def far(self) -> Far:
        """The side of the tunnel."""
        return self._far

    @property
    def origin(self) -> tuple[str, int]:
        """Address and port at the other end of the socket; nothing for a Unix socket."""
        peer = self.transport.get_extra_info("peername")
        return (str(peer[0]), int(peer[1])) if isinstance(peer, tuple) and len(peer) >= 2 else ("", 0)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket stands."""
        self.transport = cast("asyncio.Transport", transport)
        self._owner.arrived(self)

    def get_buffer(self, sizehint: int) -> bytearray:  # noqa: ARG002 - asyncio's
        """Where to read to."""
        return self._owner.buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Hand it on."""
        owner, tunnel = self._owner, self.tunnel
        if tunnel is not None and tunnel.is_open:
            with memoryview(owner.buffer) as view:
                tunnel.write(view[:nbytes])
            owner.up += nbytes
        elif not self._over:
            self._early += owner.early(self, bytes(owner.buffer[:nbytes]))
            if self._early:
                self.transport.pause_reading()

    def eof_received(self) -> bool:
        """No more comes from the socket."""
        self._near_ended = True
        if self.tunnel is not None and self.tunnel.is_open:
            self.tunnel.write_eof()
        self.close_if_ended()
        return True

    def pause_writing(self) -> None:
        """The socket takes no more: let the far side wait; it may send one window more."""
        if self.tunnel is not None:
            self.tunnel.pause_reading()

    def resume_writing(self) -> None:
        """It does again."""
        if self.tunnel is not None:
            self.tunnel.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is closed."""
        del exc
        if self.tunnel is not None:
            self.tunnel.close()
        self._end()

    def opened(self) -> None:
        """The tunnel stands: what came meanwhile goes first."""
        self.disarm()
        tunnel = self.tunnel
        if tunnel is None or self._over:
            return
        self._owner.opened(self)
        if self._early:
            early, self._early = self._early, b""
            self.transport.resume_reading()  # before the tunnel may have enough of it, and have us pause again
            tunnel.write(early)
            self._owner.up += len(early)
        if self._near_ended:
            tunnel.write_eof()

    def close_if_ended(self) -> None:
        """Close both sides once each has ended its own."""
        if self._near_ended and self.far_ended:
            if self.tunnel is not None:
                self.tunnel.close()
            self.finish()

    def finish(self) -> None:
        """Close the socket as soon as all was written."""
        self.transport.close()

    def cut(self) -> None:
        """Close everything at once, and let whoever is at the socket see that it was no end."""
        self.disarm()
        if self.tunnel is not None:
            self.tunnel.abort()
        if self.transport is not None:
            reset(self.transport)
        self._end()

    def disarm(self) -> None:
        """It need not be given up any more."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    def _end(self) -> None:
        self.disarm()
        if not self._over:
            self._over = True
            self._owner.over(self)


class Far:
    """The side of the tunnel: AsyncSSH calls the same names as asyncio, and means the other side."""

    __slots__ = ("_owner", "_relay")

    def __init__(self, relay: Relay, owner: Owner) -> None:
        self._relay = relay
        self._owner = owner

    def opened(self) -> None:
        """The tunnel stands."""
        relay = self._relay
        if relay.tunnel is None or relay.transport.is_closing():
            if relay.tunnel is not None:
                relay.tunnel.abort()
            return
        relay.opened()

    def refused(self, reason: str) -> None:
        """It will not stand."""
        self._owner.refused(self._relay, reason)

    def data_received(self, data: bytes, datatype: int | None) -> None:
        """Hand it on."""
        del datatype
        self._owner.down += len(data)
        self._relay.transport.write(data)

    def eof_received(self) -> bool:
        """The far side has ended; ours goes on."""
        relay = self._relay
        relay.far_ended = True
        if not relay.transport.is_closing() and relay.transport.can_write_eof():
            with contextlib.suppress(OSError):  # it was cut just now, which connection_lost will tell
                relay.transport.write_eof()
        relay.close_if_ended()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """The tunnel is closed. That is an end only where the far side has said so before."""
        relay = self._relay
        if relay.far_ended and exc is None:
            relay.finish()
        else:
            relay.cut()

    def pause_writing(self) -> None:
        """The far side takes no more: let the socket wait."""
        self._relay.transport.pause_reading()

    def resume_writing(self) -> None:
        """It does again."""
        if not self._relay.transport.is_closing():
            self._relay.transport.resume_reading()


def reset(transport: Any) -> None:  # noqa: ANN401 - asyncio's, or uvloop's own
    """Close a socket at once; TCP tells the other end that the connection was cut (RFC 9293 section 3.10.5)."""
    sock = transport.get_extra_info("socket")
    if sock is not None and not transport.is_closing() and sock.family in {socket.AF_INET, socket.AF_INET6}:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
