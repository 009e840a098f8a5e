"""AsyncSSH's private names again, where bytes go in bulk: packets are sealed and cut with few copies.

AsyncSSH copies what it sends nine times and what it receives seven times, which costs several times its encryption.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any, Final

from asyncssh import SSHClientChannel
from asyncssh.constants import MSG_CHANNEL_DATA, MSG_KEX_LAST
from asyncssh.encryption import GCMEncryption
from asyncssh.logging import SSHLogger
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from .flow import ANSWERS, flow_of
from .splice import Side
from .subsystem import Subsystem
from .tunnel import Tunnel

if TYPE_CHECKING:
    from asyncssh.connection import SSHConnection

__all__ = ["Cutter", "seal_together", "take_apart"]

_PACKETS_ARE_LOGGED: Final = 3
"""AsyncSSH's debug level from which on it logs every packet."""
_LENGTH: Final = 4
_MAC: Final = 16
_BLOCK: Final = 16
_LEAST_PADDING: Final = 4
_DATA: Final = 10
"""Where the data of a MSG_CHANNEL_DATA begin: after padding length, type, channel and their own length."""
_RANDOM: Final = 256
"""Bytes of padding that are asked of the system at once."""


def seal_together(connection: SSHConnection) -> None:
    """Have packets built, sealed and written in three copies, where the cipher is AES-GCM.

    Whatever is out of the ordinary (a key exchange is due, compression, another cipher, packets are to be logged)
    takes AsyncSSH's own way.

    Args:
        connection: One that is logged in.
    """
    connection.send_packet = _Sealer(connection).send  # type: ignore[method-assign]


class _Sealer:
    """``SSHConnection.send_packet`` (RFC 4253 section 6, RFC 5647 section 7.2)."""

    __slots__ = ("_aead", "_cipher", "_connection", "_flow", "_random", "_usual")

    def __init__(self, connection: SSHConnection) -> None:
        self._connection: Any = connection
        self._flow = flow_of(connection)
        self._usual = connection.send_packet
        self._cipher: Any = None
        self._aead: Any = None
        self._random = b""

    def send(self, pkttype: int, *args: bytes, handler: Any = None) -> None:
        if pkttype in ANSWERS:
            self._flow.answer(sum(map(len, args)))
        connection = self._connection
        encryption = connection._send_encryption  # noqa: SLF001
        if (
            type(encryption) is not GCMEncryption
            or pkttype <= MSG_KEX_LAST
            or not connection._kex_complete  # noqa: SLF001
            or connection._rekey_bytes_sent >= connection._rekey_bytes  # noqa: SLF001
            or (connection._rekey_seconds and time.monotonic() >= connection._rekey_time)  # noqa: SLF001
            or connection._compressor  # noqa: SLF001
            or SSHLogger._debug_level >= _PACKETS_ARE_LOGGED  # noqa: SLF001
        ):
            # It may keep them for after a key exchange, and a buffer is used again at once.
            self._usual(pkttype, *map(bytes, args), handler=handler)
            return
        cipher = encryption._cipher  # noqa: SLF001
        if cipher is not self._cipher:
            self._cipher, self._aead = cipher, AESGCM(cipher._key)  # noqa: SLF001
        size = 2 + sum(map(len, args))
        padding = -size % _BLOCK
        if padding < _LEAST_PADDING:
            padding += _BLOCK
        if len(self._random) < padding:
            self._random = os.urandom(_RANDOM)
        pad, self._random = self._random[:padding], self._random[padding:]
        size += padding
        header = size.to_bytes(_LENGTH, "big")
        whole = b"".join((bytes((padding, pkttype)), *args, pad))
        sealed = self._aead.encrypt(cipher._iv, whole, header)  # noqa: SLF001
        cipher._update_iv()  # noqa: SLF001
        connection._send(header)  # noqa: SLF001
        connection._send(sealed)  # noqa: SLF001
        connection._send_seq = (connection._send_seq + 1) & 0xFFFFFFFF  # noqa: SLF001
        connection._rekey_bytes_sent += size  # noqa: SLF001


def take_apart(connection: SSHConnection) -> Cutter:
    """Have what arrives cut into packets and opened once, where the cipher is AES-GCM.

    What a tunnel or a subsystem of ours carries goes straight there; AsyncSSH gets all else, one packet at a time.
    It copies all that has arrived and is still to be looked at twice for each packet, and what is in it seven times.

    Args:
        connection: One that is logged in.
    """
    cutter = Cutter(connection)
    connection.data_received = cutter.data_received  # type: ignore[method-assign]
    transport: Any = connection._transport  # noqa: SLF001
    if hasattr(transport, "set_protocol"):  # a connection through another one has none
        transport.set_protocol(connection)  # uvloop has looked the method up once and for all
    return cutter


class Cutter:
    """``SSHConnection.data_received``.

    Attributes:
        received: Bytes that came.
    """

    __slots__ = ("_aead", "_cipher", "_connection", "_rest", "_usual", "received")

    def __init__(self, connection: SSHConnection) -> None:
        self._connection: Any = connection
        self._usual = connection.data_received
        self._rest = b""
        self._cipher: Any = None
        self._aead: Any = None
        self.received = 0

    def data_received(self, data: bytes, datatype: int | None = None) -> None:
        """Take what came."""
        self.received += len(data)
        connection = self._connection
        connection._reset_keepalive_timer()  # noqa: SLF001
        if self._rest:
            data, self._rest = self._rest + data, b""
        start, end = 0, len(data)
        with memoryview(data) as view:
            while self._ours:
                if end - start < _LENGTH:
                    self._rest = data[start:]
                    return
                size = int.from_bytes(view[start : start + _LENGTH], "big")
                stop = start + _LENGTH + size + _MAC
                if not _BLOCK <= size <= connection._max_recv_pktlen:  # noqa: SLF001
                    break
                if stop > end:
                    self._rest = data[start:]
                    return
                try:
                    self._take(view[start:stop], datatype)
                except Exception:  # noqa: BLE001 - as AsyncSSH has it: whoever listens failed
                    connection.internal_error()
                start = stop
        if start < end and connection._transport is not None:  # noqa: SLF001
            self._usual(data[start:] if start else data, datatype)

    @property
    def _ours(self) -> bool:
        """Whether the next packet is for us to open: AsyncSSH has none before it, and is not at work on one."""
        connection = self._connection
        return (
            type(connection._recv_encryption) is GCMEncryption  # noqa: SLF001
            and not connection._inpbuf  # noqa: SLF001
            and connection._recv_handler == connection._recv_pkthdr  # noqa: SLF001
            and not connection._decompressor  # noqa: SLF001
            and SSHLogger._debug_level < _PACKETS_ARE_LOGGED  # noqa: SLF001
            and connection._transport is not None  # noqa: SLF001
        )

    def _take(self, packet: memoryview, datatype: int | None) -> None:
        """One packet: to a tunnel where it is its data, else to AsyncSSH, opened."""
        connection = self._connection
        encryption = connection._recv_encryption  # noqa: SLF001
        cipher = encryption._cipher  # noqa: SLF001
        if cipher is not self._cipher:
            self._cipher, self._aead = cipher, AESGCM(cipher._key)  # noqa: SLF001
        try:
            opened = self._aead.decrypt(cipher._iv, packet[_LENGTH:], packet[:_LENGTH])  # noqa: SLF001
        except InvalidTag:
            self._usual(bytes(packet), datatype)  # it finds the same, and says so to the peer
            return
        cipher._update_iv()  # noqa: SLF001
        if opened[1] == MSG_CHANNEL_DATA:
            channel = connection._channels.get(int.from_bytes(opened[2:6], "big"))  # noqa: SLF001
            size, padding = int.from_bytes(opened[6:_DATA], "big"), opened[0]
            if padding and size == len(opened) - _DATA - padding and _taken(channel, opened, size):
                connection._recv_seq = (connection._recv_seq + 1) & 0xFFFFFFFF  # noqa: SLF001
                return
        opener = connection._recv_encryption = _Opened(opened)  # noqa: SLF001
        self._usual(bytes(packet), datatype)
        if connection._recv_encryption is opener:  # noqa: SLF001 - a key exchange puts another there
            connection._recv_encryption = encryption  # noqa: SLF001


def _taken(channel: Any, opened: bytes, size: int) -> bool:
    """Whether the channel has its data; if not, they are AsyncSSH's to handle."""
    if isinstance(channel, (Side, Tunnel)):
        return channel.take(memoryview(opened)[_DATA : _DATA + size])
    if not isinstance(channel, SSHClientChannel) or not isinstance(channel._session, Subsystem):  # noqa: SLF001
        return False
    return channel._session.take(opened[_DATA : _DATA + size])  # noqa: SLF001


class _Opened:
    """AsyncSSH's decryption, for a packet that is opened already."""

    __slots__ = ("_packet",)

    def __init__(self, packet: bytes) -> None:
        self._packet = packet

    def decrypt_header(self, seq: int, first: bytes, size: int) -> tuple[bytes, bytes]:
        del seq
        return first, first[:size]

    def decrypt_packet(self, *_: Any) -> bytes:
        return self._packet
