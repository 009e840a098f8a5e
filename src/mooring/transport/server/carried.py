"""AsyncSSH's private names where a server carries connections: what one holds for who does not read is bounded.

Its forwarder keeps without end what a caller says before the client has opened the channel, and reads and writes a
quarter of a megabyte at once. Imported, this mends it for every forwarder.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from asyncssh import SSHTCPChannel, SSHUNIXChannel
from asyncssh.forward import SSHForwarder, SSHLocalForwarder

if TYPE_CHECKING:
    import asyncssh

__all__ = ["share_windows"]

_READ: Final = 32 * 1024
"""Bytes that are read at once: as many as a packet has."""
_UNREAD: Final = 32 * 1024
"""Bytes that wait for a reader before the other side is held up."""
_LEAST_WINDOW: Final = 16 * 1024
_CARRIED: Final = (SSHTCPChannel, SSHUNIXChannel)
_connection_made: Final = SSHForwarder.connection_made
_data_received: Final = SSHForwarder.data_received
_forward: Final = SSHLocalForwarder._forward  # noqa: SLF001


def connection_made(forwarder: SSHForwarder, transport: Any) -> None:
    """``SSHForwarder.connection_made``, with small buffers."""
    _connection_made(forwarder, transport)
    transport.set_write_buffer_limits(_UNREAD)
    if hasattr(transport, "max_size"):  # asyncio's own
        transport.max_size = _READ


def data_received(forwarder: Any, data: bytes, datatype: int | None = None) -> None:
    """``SSHForwarder.data_received``, which takes no more than it has while the channel is not open."""
    if forwarder._peer is None and forwarder._transport is not None:  # noqa: SLF001
        forwarder.pause_reading()
    _data_received(forwarder, data, datatype)


async def forward(forwarder: Any, *args: object) -> None:
    """``SSHLocalForwarder._forward``, which goes on reading when the channel is open and takes more."""
    await _forward(forwarder, *args)
    channel = forwarder._peer and forwarder._peer._transport  # noqa: SLF001
    if forwarder._transport is not None and channel is not None and not channel._send_paused:  # noqa: SLF001
        forwarder.resume_reading()


SSHForwarder.connection_made = connection_made  # type: ignore[assignment, method-assign]
SSHForwarder.data_received = data_received  # type: ignore[assignment, method-assign]
SSHLocalForwarder._forward = forward  # type: ignore[assignment, method-assign] # noqa: SLF001


def share_windows(connection: asyncssh.SSHServerConnection, most: int) -> None:
    """Have the connections that are carried share what the client may send ahead: each a quarter of what others leave.

    Args:
        connection: One without channels.
        most: Bytes, beside the 16 KB that each has at least.
    """
    add = connection.add_channel

    def add_channel(chan: Any) -> int:
        if isinstance(chan, _CARRIED):
            others: Any = [other for other in connection._channels.values() if isinstance(other, _CARRIED)]  # noqa: SLF001
            left = most - sum(other._init_recv_window for other in others)  # noqa: SLF001
            window = min(chan._init_recv_window, max(left // 4, _LEAST_WINDOW))  # noqa: SLF001
            chan._init_recv_window = chan._recv_window = window  # noqa: SLF001
        return add(chan)

    connection.add_channel = add_channel  # type: ignore[method-assign]
