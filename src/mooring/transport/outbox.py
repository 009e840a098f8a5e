"""AsyncSSH's private names where packets leave: those of one turn of the loop in one write."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from asyncssh.channel import SSHChannel
    from asyncssh.connection import SSHConnection

__all__ = ["Outbox", "write_at_once", "write_together"]

_FULL: Final = 262_144
"""Bytes that are written without waiting for more."""


def write_together(connection: SSHConnection) -> Outbox:
    """Write the packets of one turn of the loop at once; AsyncSSH makes a system call for each."""
    outbox = Outbox(connection)
    connection._send = outbox.put  # type: ignore[assignment, method-assign] # noqa: SLF001
    return outbox


def write_at_once(channel: SSHChannel[bytes], data: bytes) -> None:
    """Write on a channel, and have it leave in this turn of the loop: for who knows that nothing follows.

    Args:
        channel: The channel.
        data: What to write.

    Raises:
        OSError: It closes just now.
    """
    outbox = getattr(channel.get_connection()._send, "__self__", None)  # noqa: SLF001
    if isinstance(outbox, Outbox):
        outbox.let_out(channel.write, data)
    else:
        channel.write(data)


class Outbox:
    """Packets on their way to the transport.

    They are written in the turn of the loop after the one that put them here. That is before the transport is
    closed, which AsyncSSH leaves to a later call as well: the goodbye still leaves.

    Attributes:
        sent: Bytes that were written.
    """

    __slots__ = ("_at_once", "_joined", "_loop", "_packets", "_size", "_transport", "sent")

    def __init__(self, connection: SSHConnection) -> None:
        self.sent = 0
        self._at_once = False
        self._loop = asyncio.get_running_loop()
        self._transport = connection._transport  # noqa: SLF001
        # From Python 3.12 on, ``writelines`` of asyncio's own loop may tell nobody that its buffer is full.
        self._joined = type(self._transport).__module__.startswith("asyncio.")
        self._packets: list[bytes] = []
        self._size = 0

    def put(self, packet: bytes) -> None:
        """Take one packet."""
        if not self._packets and not self._at_once:
            self._loop.call_soon(self._flush)
        self._packets.append(packet)
        self._size += len(packet)
        if self._size >= _FULL:
            self._flush()

    def let_out(self, write: Callable[[bytes], None], data: bytes) -> None:
        """Call something that sends, and write it in this turn."""
        if self._packets:  # they leave with what waits already
            write(data)
            return
        self._at_once = True
        try:
            write(data)
        finally:
            self._at_once = False
            self._flush()

    def _flush(self) -> None:
        self.sent += self._size
        packets, self._packets, self._size = self._packets, [], 0
        # Ours, since AsyncSSH forgets its own as soon as it has said goodbye.
        if packets and self._transport is not None and not self._transport.is_closing():
            with contextlib.suppress(ConnectionError):
                if self._joined:
                    self._transport.write(b"".join(packets))
                else:
                    self._transport.writelines(packets)
