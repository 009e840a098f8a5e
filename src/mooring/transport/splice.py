"""A channel of one connection that goes on as a channel of another, message by message (RFC 4254 section 5).

Nothing is taken apart that need not be: what one peer asks the other, and how it is answered, passes as it came: the
two meet each other and not us. Nothing is kept either: a peer may send what the other has said it takes, two
megabytes at most, and hears of more only while what came before leaves. AsyncSSH's own names, for want of others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from asyncssh import ProtocolError, SSHTCPChannel, SSHUNIXChannel
from asyncssh.constants import (
    MSG_CHANNEL_CLOSE,
    MSG_CHANNEL_DATA,
    MSG_CHANNEL_EOF,
    MSG_CHANNEL_EXTENDED_DATA,
    MSG_CHANNEL_FAILURE,
    MSG_CHANNEL_REQUEST,
    MSG_CHANNEL_SUCCESS,
    MSG_CHANNEL_WINDOW_ADJUST,
)
from asyncssh.packet import UInt32

from ..wire.requests import is_sound
from .flow import flow_of
from .opening import Opening

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from asyncssh.connection import SSHConnection
    from asyncssh.packet import SSHPacket

__all__ = ["OWED", "PathSide", "PortSide", "Side", "join"]

_MOST: Final = 0xFFFFFFFF
_HELD: Final = 512 * 1024
"""Bytes of questions and answers that a peer has not taken: no window bounds them. One is 256 KiB at most, as any
packet that AsyncSSH takes."""
_NO_MORE: Final = b"eow@openssh.com"
OWED: Final = 1024
"""Questions that wait for their answers."""
_OVERHEAD: Final = 64
"""Bytes that a message costs beside what is in it."""


class Side(Opening):
    """One of the two channels: ``join`` makes two of them one.

    Args:
        connection: What it goes over.
        callbacks: As Opening has them.

    Raises:
        asyncssh.ChannelOpenError: The connection is gone.
    """

    def __init__(self, connection: SSHConnection, *callbacks: Any, **named: Any) -> None:
        super().__init__(connection, *callbacks, **named)
        self._flow = flow_of(connection)
        self.owed = 0
        """Requests of the other's peer that ours has not answered."""
        self.other: Side | None = None
        self.bereft = False
        """Whether the other's connection went while it was open."""
        self.parted = False
        """Whether it was closed since too much was asked, or what cannot be read."""
        self.origin: tuple[str, int] = ("", 0)
        """Where the connection comes from that it carries, where the peer opened it."""

    def process_open_confirmation(self, send_chan: int, send_window: int, send_pktsize: int, packet: SSHPacket) -> None:
        """The peer has opened it."""
        super().process_open_confirmation(send_chan, send_window, send_pktsize, packet)
        self.grant()

    # What goes to the peer.

    def allow(self, more: int) -> None:
        """Let the peer send more, as soon as what it has sent leaves."""
        self._allowed += more
        self.grant()

    def grant(self) -> None:
        """Tell the peer what it may send."""
        more = min(self._allowed, self.window - self._recv_window)
        if more <= 0 or self.other is None or not self.is_open:
            return
        for flow in (self.other._flow, self._flow):  # noqa: SLF001 - of this class
            if flow.full:
                flow.waiting.add(self)
                return
        self._allowed -= more
        self._recv_window += more
        self.tell(MSG_CHANNEL_WINDOW_ADJUST, UInt32(more))

    def tell(self, kind: int, *args: bytes | memoryview) -> None:
        """Send the peer a message on this channel."""
        if self._send_chan is not None and self._conn is not None:
            connection: Any = self._conn
            connection.send_packet(kind, UInt32(self._send_chan), *args, handler=self)

    def put(self, data: bytes | memoryview, datatype: int | None = None) -> None:
        """Send the peer data, which it takes: the one who sent it was told so."""
        if self._send_state != "open":
            return
        self._send_window -= len(data)
        kind = (MSG_CHANNEL_DATA,) if datatype is None else (MSG_CHANNEL_EXTENDED_DATA, UInt32(datatype))
        step = self._send_pktsize
        if len(data) <= step:
            self.tell(*kind, UInt32(len(data)), data)
            return
        whole = memoryview(data)
        for start in range(0, len(whole), step):
            part = whole[start : start + step]
            self.tell(*kind, UInt32(len(part)), part)

    def end(self) -> None:
        """Tell the peer that nothing more comes; it may go on."""
        if self._send_state == "open":
            self._send_state = "eof"
            self.tell(MSG_CHANNEL_EOF)

    def shut(self) -> None:
        """Close our side. It is over when the peer has closed its own."""
        if self.is_open:
            self._close_send()
            self._finish()

    def abort(self) -> None:
        """Likewise."""
        self.shut()

    def close(self) -> None:
        """Likewise."""
        self.shut()

    # What comes from the peer.

    def process_packet(self, pkttype: int, pktid: int, packet: SSHPacket) -> bool:
        """A message on this channel."""
        del pktid
        if self._recv_state == "closed":
            if self._was_open:
                return True  # after its close: nobody is there for it
            raise ProtocolError("Channel not open")
        if pkttype not in _MESSAGES:
            return False
        _MESSAGES[pkttype](self, packet)
        return True

    def take(self, data: memoryview) -> bool:
        """Data, opened already; False where that is not as simple as usual."""
        if self._recv_state != "open" or len(data) > self._recv_window:
            return False
        self._pass(data, None)
        return True

    def _pass(self, data: bytes | memoryview, datatype: int | None) -> None:
        self._count(len(data))
        if self.other is not None and data:
            self._have(self.other.put, data, datatype)
        self._grant_soon()

    def _count(self, size: int) -> None:
        """So much has come."""
        if self._recv_state != "open":
            raise ProtocolError("Channel not open for sending")
        if size > self._recv_window:
            raise ProtocolError("Window exceeded")
        self._recv_window -= size

    def _grant_soon(self) -> None:
        """Tell the peer what it may send, once that is worth it."""
        if self._allowed and self._recv_window < self.window // 2:
            self.grant()

    def _data(self, packet: SSHPacket) -> None:
        self._pass(packet.get_string(), None)

    def _extended_data(self, packet: SSHPacket) -> None:
        """Data of another kind. What comes from a program has them alone: others lead nowhere, and may be followed."""
        packet.get_uint32()
        size = len(packet.get_string())
        self._count(size)
        self._allowed += size
        self._grant_soon()

    def _widened(self, packet: SSHPacket) -> None:
        """The peer takes more."""
        more = packet.get_uint32()
        self._send_window += more
        if self._send_window > _MOST:  # which sshd would end the connection over (RFC 4254 section 5.2)
            for side in (self, self.other):
                if side is not None:
                    side.shut()
        elif self.other is not None:
            self._have(self.other.allow, more)

    def _asked(self, packet: SSHPacket) -> None:
        """The peer asks something. All that is to be asked where nothing runs is that no more be sent.

        Whoever asks whether anybody is there is answered here: the other peer may stand still.
        """
        text = packet.get_remaining_payload()
        if not is_sound(text):
            self.part()
            return
        name, want_reply = packet.get_string(), packet.get_boolean()
        if want_reply:
            self.tell_uncalled(MSG_CHANNEL_FAILURE)
        elif name == _NO_MORE and self.other is not None:
            self._have(self.other.request, text, want_reply)

    def request(self, text: bytes, want_reply: bool) -> None:  # noqa: FBT001 - as the packet has it
        """Ask the peer something.

        Args:
            text: The name of the request, whether it wants a reply, and what else is in it.
            want_reply: Whether it wants one.
        """
        self.owed += want_reply
        self.tell_uncalled(MSG_CHANNEL_REQUEST, text)
        if self.owed > OWED:
            self.part()

    def tell_uncalled(self, kind: int, text: bytes = b"") -> None:
        """Send the peer what it did not say it would take: who takes too little of it loses the channel."""
        self.tell(kind, text)
        if self._flow.hold(self, len(text) + _OVERHEAD) > _HELD:
            self.part()

    def part(self) -> None:
        """Close both sides: one of the peers asks for too much, or takes nothing."""
        for side in (self, self.other):
            if side is not None:
                side.parted = True
                Side.shut(side)  # without another word, which would not be taken either

    def _succeeded(self, _packet: SSHPacket) -> None:
        self._answered(MSG_CHANNEL_SUCCESS)

    def _failed(self, _packet: SSHPacket) -> None:
        self._answered(MSG_CHANNEL_FAILURE)

    def _answered(self, kind: int) -> None:
        """The peer answers the oldest of the questions."""
        if self.owed <= 0:
            raise ProtocolError("Unexpected channel response")
        self.owed -= 1
        if self.other is not None:
            self._have(self.other.answer, kind)

    def answer(self, kind: int) -> None:
        """Answer the oldest question of the peer."""
        self.tell_uncalled(kind)

    def _ended(self, _packet: SSHPacket) -> None:
        """The peer sends nothing more."""
        self._recv_state = "eof"
        if self.other is not None:
            self._have(self.other.end)

    def _closed(self, _packet: SSHPacket) -> None:
        """The peer has closed its side: so do we, and the other side."""
        self._recv_state = "closed"
        if self.is_open and not self._goes_on():
            self._close_send()
        self._finish()
        if self.other is not None:
            self._have(self.other.shut)

    def _goes_on(self) -> bool:
        """Whether something may still be told to a peer that has closed its side."""
        return False

    def _cleanup(self, exc: Exception | None = None) -> None:
        if self._conn is None:
            return
        other, self.other = self.other, None
        if other is not None:
            self._flow.waiting.discard(self)
            other._flow.waiting.discard(self)  # noqa: SLF001 - of this class
            other.other = None
        super()._cleanup(exc)
        if self._was_open and other is not None:
            self._have(other.left)

    def left(self) -> None:
        """The other side is over. Where it was closed, this one is by now; else its connection is gone."""
        self.bereft = self.is_open
        self.shut()


_MESSAGES: Final[Mapping[int, Callable[[Side, SSHPacket], None]]] = {
    MSG_CHANNEL_WINDOW_ADJUST: Side._widened,  # noqa: SLF001 - of this module
    MSG_CHANNEL_DATA: Side._data,  # noqa: SLF001
    MSG_CHANNEL_EXTENDED_DATA: lambda side, packet: side._extended_data(packet),  # noqa: SLF001 - Far has its own
    MSG_CHANNEL_EOF: Side._ended,  # noqa: SLF001
    MSG_CHANNEL_CLOSE: Side._closed,  # noqa: SLF001
    MSG_CHANNEL_REQUEST: lambda side, packet: side._asked(packet),  # noqa: SLF001 - others have their own
    MSG_CHANNEL_SUCCESS: Side._succeeded,  # noqa: SLF001
    MSG_CHANNEL_FAILURE: Side._failed,  # noqa: SLF001
}


class PortSide(Side, SSHTCPChannel[bytes]):
    """One that carries a TCP connection: counted among those."""


class PathSide(Side, SSHUNIXChannel[bytes]):
    """One that carries a connection to a Unix socket."""


def join(one: Side, two: Side) -> None:
    """Make two sides one channel."""
    one.other, two.other = two, one
