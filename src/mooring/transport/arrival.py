"""A TCP connection that a device opened, from the accept until AsyncSSH takes it over.

Our version line goes out at once: some devices hang up on who says nothing for half a second. What the device says
before its own is read here; then ``create_connection``, which AsyncSSH calls on its ``tunnel``, hands the stream over.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, cast

import asyncssh

from ..model.errors import HandshakeFailed, MooringError
from ..wire.callhome import Preamble

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..wire.callhome import Claim

__all__ = ["VERSION", "Arrival"]

VERSION: Final = f"AsyncSSH_{asyncssh.__version__}"
"""What we say we are, also to AsyncSSH: its own line must be ours, since both go into the hash of the handshake."""

_MOST: Final = 8192
"""Bytes that come with the version line and are kept until the handshake has its turn: a device that has not heard our
algorithms can say its own, which take one to three thousand."""
_BANNER: Final = f"SSH-2.0-{VERSION}\r\n".encode()


class Arrival(asyncio.Protocol):
    """One accepted connection.

    Args:
        made: Called when it is there.
        ready: Called when its version line begins.
        gone: Called once when it is gone, or says what it may not, before it was handed over.

    Attributes:
        claim: What the device says of itself; None until then.
        peer: Address and port.
    """

    def __init__(
        self,
        made: Callable[[Arrival], None],
        ready: Callable[[Arrival], None],
        gone: Callable[[Arrival, HandshakeFailed | None], None],
    ) -> None:
        self._made, self._ready, self._gone = made, ready, gone
        self._transport: asyncio.Transport | None = None
        self._preamble = Preamble()
        self._over = False
        self.claim: Claim | None = None
        self.peer: tuple[str, int] = ("", 0)

    @property
    def address(self) -> str:
        """``address:port``."""
        host, port = self.peer
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """TCP stands: speak first."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by its class
        self.peer = tuple(transport.get_extra_info("peername") or ("", 0))[:2]
        self._made(self)
        if not self._over:
            self._transport.write(_BANNER)

    def data_received(self, data: bytes) -> None:
        """Read up to the version line, and no further than what came with it."""
        if self._over:
            return
        try:
            self.claim = self._preamble.receive_data(data)
        except MooringError as error:
            self._end(error)  # type: ignore[arg-type] # the preamble raises no other
            return
        if self.claim is None or self._transport is None:
            return
        if len(self._preamble.rest) > _MOST:
            self._end(HandshakeFailed(f"more than {_MOST} bytes came before it heard of us"))
            return
        self._transport.pause_reading()
        self._ready(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """The device, or the network, gave up."""
        del exc
        self._end(None)

    def drop(self) -> None:
        """Hang up, without being told of it. Once it is handed over, nothing happens."""
        over, self._over = self._over, True
        if not over and self._transport is not None:
            self._transport.abort()

    def _end(self, error: HandshakeFailed | None) -> None:
        if not self._over:
            self.drop()
            self._gone(self, error)

    async def create_connection(self, factory: Callable[[], Any], host: str, port: int) -> tuple[Any, Any]:
        """Hand the stream over, as AsyncSSH asks of a tunnel.

        Raises:
            ConnectionResetError: It is gone.
        """
        del host, port  # it is there already
        transport = self._transport
        if self._over or transport is None or transport.is_closing():
            raise ConnectionResetError("the device hung up")
        self._over = True
        connection = factory()
        transport.set_protocol(connection)
        connection.connection_made(_Spoken(transport))
        rest, self._preamble = self._preamble.rest, Preamble()
        connection.data_received(rest)
        transport.resume_reading()
        return transport, connection


class _Spoken(asyncio.Transport):
    """A transport on which our version line was said already: AsyncSSH's own is not sent again."""

    def __init__(self, transport: asyncio.Transport) -> None:
        super().__init__()
        self._transport = transport
        self._silent = True

    def write(self, data: Any) -> None:
        """Send what is not said yet."""
        if self._silent:
            self._silent = False
            if bytes(data) == _BANNER:
                return
        self._transport.write(data)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """What the transport knows."""
        return self._transport.get_extra_info(name, default)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Have another take what comes."""
        self._transport.set_protocol(protocol)

    def is_closing(self) -> bool:
        """Whether it is closing."""
        return self._transport.is_closing()

    def close(self) -> None:
        """Close it, what was written first."""
        self._transport.close()

    def abort(self) -> None:
        """Close it now."""
        self._transport.abort()

    def pause_reading(self) -> None:
        """Take no more from it for now."""
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Go on."""
        self._transport.resume_reading()

    def get_write_buffer_size(self) -> int:
        """Bytes not sent yet."""
        return self._transport.get_write_buffer_size()
