"""How a channel that goes on as another is opened, by its peer or by us (RFC 4254 section 5.1). AsyncSSH's names."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final

from asyncssh import OPEN_CONNECT_FAILED, ProtocolError
from asyncssh.channel import SSHChannel
from asyncssh.constants import MSG_CHANNEL_OPEN
from asyncssh.packet import String, UInt32

if TYPE_CHECKING:
    from collections.abc import Callable

    from asyncssh.connection import SSHConnection
    from asyncssh.packet import SSHPacket

__all__ = ["WINDOW", "Begin", "Opening"]

_log = logging.getLogger(__name__)
WINDOW: Final = 2 * 1024 * 1024
"""Bytes that a peer may send before the other took any: as OpenSSH has it, whatever the other allows."""
_PACKET: Final = 32 * 1024
"""Bytes of data in one packet at most: what everybody must be ready for (RFC 4253 section 6.1)."""


class Begin:
    """What is told that a peer asks for a channel; AsyncSSH would take a plain function for something else.

    Args:
        begin: Called with the side.
    """

    def __init__(self, begin: Callable[[Any], None]) -> None:
        self.begin = begin


class Opening(SSHChannel[bytes]):
    """A channel from the question for it to its end, without what passes on it.

    A peer that opened it waits for ``admit`` or ``refuse``; otherwise ``ask`` the peer to open it.

    Args:
        connection: What it goes over.
        opened: Called when the peer has opened it for us.
        refused: Called with code and reason when it would not, or the connection went meanwhile.
        ended: Called once when it was open and is closed on both sides, or its connection is lost, with why.
        dropped: Called once when it is over and never was open.

    Attributes:
        window: Bytes that its peer may send at most before the other took any; set it before it is opened.

    Raises:
        asyncssh.ChannelOpenError: The connection is gone.
    """

    def __init__(
        self,
        connection: SSHConnection,
        opened: Callable[[], None] = lambda: None,
        refused: Callable[[int, str], None] = lambda _code, _reason: None,
        ended: Callable[[Exception | None], None] = lambda _: None,
        dropped: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(connection, asyncio.get_running_loop(), None, "strict", 0, _PACKET)
        self._on_opened, self._on_refused, self._on_ended, self._on_dropped = opened, refused, ended, dropped
        self.window = WINDOW
        self._asking = False
        self._was_open = False
        self._allowed = 0
        """Bytes that the other's peer takes, and ours was not told of yet."""

    def process_open(self, send_chan: int, send_window: int, send_pktsize: int, session: Any) -> None:
        """The peer asks for it: ``session``, or its ``begin``, is told."""
        self._send_chan, self._send_window, self._send_pktsize = send_chan, send_window, send_pktsize
        self._have(session.begin if isinstance(session, Begin) else session, self)

    def admit(self, takes: Opening | None = None) -> None:
        """Tell the peer that it is open.

        Args:
            takes: Where what it sends goes; None where that is not known yet, and it may send nothing.
        """
        if self._conn is None or self._send_chan is None:
            return
        window, packet = self._offer(takes)
        self._conn.send_channel_open_confirmation(self._send_chan, self._recv_chan or 0, window, packet)
        self._send_state = self._recv_state = "open"
        self._was_open = True

    def refuse(self, code: int, reason: str) -> None:
        """Tell the peer that it will not be open."""
        if self._conn is not None and self._send_chan is not None:
            self._conn.send_channel_open_failure(self._send_chan, code, reason, "en")
            self._send_chan = None
            self._loop.call_soon(self._cleanup)

    def ask(self, kind: bytes, takes: Opening, *args: bytes) -> None:
        """Ask the peer to open it; what it sends then goes to ``takes``."""
        self._asking = True
        window, packet = self._offer(takes)
        numbers = map(UInt32, (self._recv_chan or 0, window, packet))
        connection: Any = self._conn
        connection.send_packet(MSG_CHANNEL_OPEN, String(kind), *numbers, *args, handler=self)

    def _offer(self, takes: Opening | None) -> tuple[int, int]:
        """What the peer is told at the opening of how much it may send, and in one packet."""
        if takes is None:
            return 0, _PACKET
        self._allowed = takes._send_window  # noqa: SLF001 - of this class
        window = min(self._allowed, self.window)
        self._allowed -= window
        self._recv_window = window
        return window, min(takes._send_pktsize, _PACKET)  # noqa: SLF001 - likewise

    def process_open_confirmation(self, send_chan: int, send_window: int, send_pktsize: int, packet: SSHPacket) -> None:
        """The peer has opened it."""
        del packet
        if not self._asking:
            raise ProtocolError("Channel not being opened")
        self._asking = False
        self._send_chan, self._send_window, self._send_pktsize = send_chan, send_window, max(send_pktsize, 1)
        self._send_state = self._recv_state = "open"
        self._was_open = True
        self._have(self._on_opened)

    def process_open_failure(self, code: int, reason: str, lang: str) -> None:
        """The peer has not."""
        del lang
        if not self._asking:
            raise ProtocolError("Channel not being opened")
        self._asking = False
        self._have(self._on_refused, code, reason)
        self._loop.call_soon(self._cleanup)

    @property
    def is_gone(self) -> bool:
        """Whether it is over, or never was."""
        return self._conn is None

    @property
    def is_open(self) -> bool:
        """Whether something can be sent."""
        return self._send_state in {"open", "eof"}

    def _have(self, act: Callable[..., None], *args: object) -> None:
        """Have the other side do something. What fails there must not end the connection of this one's peer."""
        try:
            act(*args)
        except Exception:  # noqa: BLE001 - whatever it is, it is logged
            _log.exception("a channel that goes on as another failed")
            for side in (self, getattr(act, "__self__", None)):
                if isinstance(side, Opening) and side.is_open:
                    side._close_send()  # noqa: SLF001 - of this class
                    side._finish()  # noqa: SLF001

    def _finish(self) -> None:
        if self._send_state == self._recv_state == "closed" and self._was_open:
            self._loop.call_soon(self._cleanup)

    def process_connection_close(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._send_state = self._recv_state = "closed"
        self._cleanup(exc)

    def _cleanup(self, exc: Exception | None = None) -> None:
        if self._conn is None:
            return
        super()._cleanup(exc)
        if self._asking:
            self._asking = False
            self._have(self._on_refused, OPEN_CONNECT_FAILED, "the SSH connection was lost")
        if self._was_open:
            self._on_ended(exc)
        else:
            self._on_dropped()

    def set_inbound_peer_names(self, *_: Any) -> None:
        """AsyncSSH tells for whom a peer opens it."""

    def log_sent_packet(self, *_: Any) -> None:
        """No packet is logged: to make up the words costs more than to send it."""

    def log_received_packet(self, *_: Any) -> None:
        """Likewise."""
