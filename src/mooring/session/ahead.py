"""A channel opened ahead: while commands follow one another, each takes one round trip instead of two."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from ..transport.channel import ahead_of
from .slots import Kind

if TYPE_CHECKING:
    from ..transport.channel import ChannelAhead
    from ..transport.link import Link
    from .gate import ChannelGate, Lease

__all__ = ["Ahead"]

_BUSY: Final = 1.0
"""Seconds within which a second command means that a third may follow."""
_IDLE: Final = 2.0
"""Seconds without a command after which the channel is closed again."""


class Ahead:
    """At most one open ``session`` channel without a command, while there is a slot that nobody waits for.

    Only servers that are known to bear it are asked, and one that refuses is not asked again.

    Args:
        gate: The slots; the channel holds one.
        link: The connection.
    """

    def __init__(self, gate: ChannelGate, link: Link) -> None:
        self._gate = gate
        self._link = link
        self._willing = link.bears_ahead
        self._channel: ChannelAhead | None = None
        self._lease: Lease | None = None
        self._promised = False
        self._last = -_BUSY
        self._timer: asyncio.TimerHandle | None = None
        gate.on_wait = self.drop

    async def take(self, deadline: float) -> tuple[ChannelAhead, Lease] | None:
        """The channel with its slot, if there is one. Cancelling is safe: it stays for the next.

        Args:
            deadline: When to give up the wait for the server's answer, monotonic; there is None then.
        """
        if (channel := self._channel) is None or self._promised:
            return None
        if not channel.opened.done():
            self._promised = True
            try:
                await asyncio.wait((channel.opened,), timeout=deadline - self._gate.now())
            finally:
                self._promised = False
        lease = self._lease
        if self._channel is not channel or lease is None or not channel.ready:
            return None
        self._channel = self._lease = None
        self._gate.ahead = 0
        return channel, lease

    def follow(self) -> None:
        """A command was started: open the channel for the next, if it is likely to come."""
        now = self._gate.now()
        busy, self._last = now - self._last < _BUSY, now
        if not (busy and self._willing and self._channel is None) or self._link.closed:
            return
        lease = self._gate.try_lease(Kind.RUN, "")
        if lease is None:
            return
        self._channel = ahead_of(self._link.connection, self._lost)
        if self._channel is None:
            lease.release()
            return
        self._lease = lease
        self._gate.ahead = 1
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_at(now + _IDLE, self._expire)

    def drop(self) -> None:
        """Close the channel, since somebody waits for its slot or nobody for it."""
        if (channel := self._channel) is None:
            return
        if channel.opened.done():
            channel.close()
        else:
            channel.opened.add_done_callback(lambda _: self.drop())

    def detach(self) -> None:
        """The link is gone."""
        self._willing = False
        if self._timer is not None:
            self._timer.cancel()

    def _expire(self) -> None:
        self._timer = None
        if self._channel is None:
            return
        due = self._last + _IDLE
        if due <= self._gate.now():
            self.drop()
        else:
            self._timer = asyncio.get_running_loop().call_at(due, self._expire)

    def _lost(self) -> None:
        """The server refused the channel, or it was closed."""
        channel, lease, self._channel, self._lease = self._channel, self._lease, None, None
        self._gate.ahead = 0
        if channel is not None and channel.refused:
            self._willing = False
        if lease is not None:
            lease.release()
