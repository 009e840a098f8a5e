"""Channels that carry somebody else's connection (RFC 4254 section 7), with AsyncSSH's private names where bytes go.

AsyncSSH's own would copy every byte nine times, and take three tasks for each connection.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, Protocol

import asyncssh
from asyncssh import (
    OPEN_ADMINISTRATIVELY_PROHIBITED,
    OPEN_CONNECT_FAILED,
    ChannelOpenError,
    SSHTCPChannel,
    SSHUNIXChannel,
)
from asyncssh.channel import SSHChannel
from asyncssh.constants import MSG_CHANNEL_DATA, MSG_CHANNEL_OPEN
from asyncssh.packet import String, UInt32

from ..model.errors import SessionNotUp

if TYPE_CHECKING:
    from asyncssh.connection import SSHConnection

    from ..model.forward import Place

__all__ = [
    "TUNNELS",
    "Events",
    "Tunnel",
    "answers",
    "at_most",
    "channels",
    "count",
    "open_tunnel",
]

_WINDOW: Final = 2 * 1024 * 1024
"""Bytes that the peer may send before we took any: as OpenSSH and AsyncSSH have it."""
_PACKET: Final = 32 * 1024
"""Bytes of data in one packet to us at most: OpenSSH never sends more, and AsyncSSH is ready for it."""
_CLOSING: Final = frozenset({"close_pending", "closed"})


class Events(Protocol):
    """Who listens to a Tunnel. No method may block or raise."""

    def opened(self) -> None:
        """The peer opened it: data may go."""

    def refused(self, reason: str) -> None:
        """The peer would not open it, or the connection went meanwhile. Nothing follows."""

    def data_received(self, data: bytes, datatype: int | None) -> None:
        """Bytes came."""

    def eof_received(self) -> bool:
        """The peer sends nothing more. True keeps our side open."""

    def connection_lost(self, exc: Exception | None) -> None:
        """It is closed, or the connection is lost. Nothing follows."""

    def pause_writing(self) -> None:
        """The peer takes no more: more bytes would pile up here."""

    def resume_writing(self) -> None:
        """It does again."""


class Tunnel(SSHChannel[bytes]):
    """One channel that carries a connection.

    Args:
        connection: What it goes over.
        events: Told of what comes.

    Raises:
        ChannelOpenError: The connection is gone.
    """

    def __init__(self, connection: asyncssh.SSHClientConnection, events: Events | None = None) -> None:
        super().__init__(connection, asyncio.get_running_loop(), None, "strict", _WINDOW, _PACKET)
        self._recv_paused = False
        self._events = events
        self._begun = False
        self.origin: tuple[str, int] = ("", 0)
        """Where the connection comes from, where the peer opened the channel."""

    # From our side.

    def ask(self, kind: bytes, *args: bytes) -> None:
        """Ask the peer to open it."""
        connection: Any = self._conn
        numbers = (self._recv_chan or 0, self._recv_window, self._recv_pktsize)
        connection.send_packet(MSG_CHANNEL_OPEN, String(kind), *map(UInt32, numbers), *args, handler=self)

    def admit(self, events: Events) -> None:
        """Tell the peer that what it asked for is there."""
        self._events = events
        if self._conn is None or self._send_chan is None:
            events.refused("the SSH connection was lost")
            return
        self._conn.send_channel_open_confirmation(
            self._send_chan, self._recv_chan or 0, self._recv_window, self._recv_pktsize
        )
        self._begin()

    def refuse(self, reason: str, *, allowed: bool = True) -> None:
        """Tell the peer that it is not.

        Args:
            reason: Why, in a few words.
            allowed: Whether it might have been.
        """
        code = OPEN_CONNECT_FAILED if allowed else OPEN_ADMINISTRATIVELY_PROHIBITED
        if self._conn is not None and self._send_chan is not None:
            self._conn.send_channel_open_failure(self._send_chan, code, reason, "en")
            self._send_chan = None
            self._loop.call_soon(self._cleanup)

    def write(self, data: bytes | memoryview, datatype: int | None = None) -> None:
        """Send bytes, which may be overwritten afterwards. What the peer does not take yet waits here."""
        if self._send_state != "open":
            return
        if not self._send_buf:
            sent = self._send(memoryview(data))
            if sent == len(data):
                return
            data = memoryview(data)[sent:]
        self._send_buf.append((bytearray(data), datatype))
        self._send_buf_len += len(data)
        self._flush_send_buf()

    @property
    def is_open(self) -> bool:
        """Whether bytes can be sent."""
        return self._send_state == "open"

    @property
    def unsent(self) -> int:
        """Bytes that wait for the peer to take them."""
        return self._send_buf_len

    def _send(self, data: memoryview) -> int:
        """Send as much as the peer takes."""
        connection: Any = self._conn
        head = UInt32(self._send_chan or 0)
        whole = min(len(data), self._send_window)
        step = self._send_pktsize
        for start in range(0, whole, step):
            part = data[start : min(start + step, whole)]
            connection.send_packet(MSG_CHANNEL_DATA, head, UInt32(len(part)), part, handler=self)
        self._send_window -= whole
        return whole

    def take(self, data: memoryview) -> bool:
        """Take what the peer sent, in AsyncSSH's place; False where that is not as simple as usual."""
        size = len(data)
        if self._recv_paused or self._send_state in _CLOSING or self._recv_state != "open" or size > self._recv_window:
            return False
        self._recv_window -= size
        if size:
            self._deliver_data(data, None)  # type: ignore[arg-type] # as good as bytes
        return True

    # What AsyncSSH calls.

    def _flush_send_buf(self) -> None:
        while self._send_buf and self._send_window:
            buffer, datatype = self._send_buf[0]
            with memoryview(buffer) as view:
                sent = self._send(view)
            self._send_buf_len -= sent
            if sent == len(buffer):
                del self._send_buf[0]
            else:
                self._send_buf[0] = (buffer[sent:], datatype)
        super()._flush_send_buf()  # which tells of room, and sends the end that waited

    def process_open_confirmation(self, send_chan: int, send_window: int, send_pktsize: int, packet: Any) -> None:
        """The peer opened it."""
        del packet
        if self._begun:
            raise asyncssh.ProtocolError("Channel not being opened")
        self._send_chan, self._send_window, self._send_pktsize = send_chan, send_window, send_pktsize
        self._begin()

    def process_open_failure(self, code: int, reason: str, lang: str) -> None:
        """The peer would not."""
        del code, lang
        if self._begun:
            raise asyncssh.ProtocolError("Channel not being opened")
        self._tell_refused(reason)
        self._loop.call_soon(self._cleanup)

    def process_open(self, send_chan: int, send_window: int, send_pktsize: int, session: Any) -> None:
        """The peer asks for one: ``session`` decides, and then calls ``admit`` or ``refuse``."""
        self._send_chan, self._send_window, self._send_pktsize = send_chan, send_window, send_pktsize
        session(self)

    def _begin(self) -> None:
        self._begun = True
        self._send_state = self._recv_state = "open"
        self._session = self._events  # type: ignore[assignment] # it has the methods that are called
        if self._events is not None:
            self._events.opened()

    def _tell_refused(self, reason: str) -> None:
        if not self._begun and self._events is not None:
            self._begun = True
            self._events.refused(reason)

    def _cleanup(self, exc: Exception | None = None) -> None:
        if self._conn is not None:
            self._tell_refused("the SSH connection was lost")
            super()._cleanup(exc)

    def log_sent_packet(self, *_: Any) -> None:
        """No packet is logged: to make up the words costs more than to send it."""

    def log_received_packet(self, *_: Any) -> None:
        """Likewise."""


class _PortTunnel(Tunnel, SSHTCPChannel[bytes]):
    """To a port: AsyncSSH must find it to be one of its own."""


class _PathTunnel(Tunnel, SSHUNIXChannel[bytes]):
    """To a Unix socket."""


TUNNELS: Final = (_PortTunnel, _PathTunnel)
"""For ``listen``."""


def open_tunnel(
    connection: asyncssh.SSHClientConnection, place: Place, origin: tuple[str, int], events: Events
) -> Tunnel:
    """Ask the far side to connect to a place that it knows by this name.

    Args:
        connection: What it goes over.
        place: Where to.
        origin: Address and port where the connection comes from; the far side may log them.
        events: Told what becomes of it.

    Raises:
        SessionNotUp: The connection is gone.
    """
    host, port = origin
    try:
        tunnel: Tunnel = (_PathTunnel if place.path else _PortTunnel)(connection, events)
    except ChannelOpenError:
        raise SessionNotUp("the SSH connection was lost") from None
    if place.path:
        # OpenSSH wants a reserved string and number (PROTOCOL, section 2.4).
        tunnel.ask(b"direct-streamlocal@openssh.com", String(place.path), String(""), UInt32(0))
    else:
        tunnel.ask(b"direct-tcpip", String(place.host), UInt32(place.port), String(host), UInt32(port))
    return tunnel


async def answers(connection: asyncssh.SSHClientConnection, place: Place) -> bool:
    """Whether the far side can connect to a place. Cancelling is safe.

    Raises:
        SessionNotUp: The connection is gone.
    """
    asked = _Asked()
    asked.tunnel = open_tunnel(connection, place, ("", 0), asked)
    return await asked.answer


class _Asked:
    """Listens to a tunnel for whether it opens, and closes it then."""

    def __init__(self) -> None:
        self.tunnel: Tunnel | None = None
        self.answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def opened(self) -> None:
        self._tell(answer=True)
        if self.tunnel is not None:
            self.tunnel.abort()

    def refused(self, reason: str) -> None:
        del reason
        self._tell(answer=False)

    def _tell(self, *, answer: bool) -> None:
        if not self.answer.done():
            self.answer.set_result(answer)

    def data_received(self, data: bytes, datatype: int | None) -> None: ...

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None: ...

    def pause_writing(self) -> None: ...

    def resume_writing(self) -> None: ...


def at_most(most: int, connection: asyncssh.SSHClientConnection, listener: Any) -> None:
    """Have a listener of AsyncSSH's refuse whoever comes while the connection has so many channels."""
    process = listener.process_connection

    def process_connection(*origin: Any) -> Any:
        if channels(connection) >= most:
            raise ChannelOpenError(OPEN_CONNECT_FAILED, "too many connections")
        return process(*origin)

    listener.process_connection = process_connection


def count(connection: asyncssh.SSHClientConnection) -> int:
    """How many channels of a connection carry connections, whoever opened them."""
    channels = connection._channels.values()  # noqa: SLF001
    return sum(isinstance(channel, (SSHTCPChannel, SSHUNIXChannel)) for channel in channels)


def channels(connection: SSHConnection) -> int:
    """How many channels a connection has, those included that are being opened or closed."""
    return len(connection._channels)  # noqa: SLF001
