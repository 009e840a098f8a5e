"""What the connections of one user may have together: many of them are no way round what one may hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..transport.opening import WINDOW
from ..transport.tunnel import channels

if TYPE_CHECKING:
    from asyncssh.connection import SSHConnection

__all__ = ["Share", "Shares"]

_AHEAD: Final = 32 * 1024 * 1024
"""Bytes that the peers of a channel may send ahead, divided by how many channels its user has when it is opened:
``WINDOW`` on each of the first sixteen, and 265 MB on 4,096, each way, however long nobody reads."""
_LEAST_WINDOW: Final = 32 * 1024
"""A packet."""
_CHANNELS: Final = 4096
_KEPT: Final = 32 * 1024 * 1024
"""Bytes of questions that wait for their channel: 128 of the largest."""


class Share:
    """What one user has.

    Attributes:
        connections: Those that are logged in.
        kept: Bytes of what was asked on channels before the device has them.
    """

    def __init__(self) -> None:
        self.connections: set[SSHConnection] = set()
        self.kept = 0

    @property
    def channels(self) -> int:
        """How many channels there are on them."""
        return sum(map(channels, self.connections))

    @property
    def full(self) -> bool:
        """Whether one channel more is too many."""
        return self.channels >= _CHANNELS

    @property
    def keeps_too_much(self) -> bool:
        """Whether more is kept than anybody needs."""
        return self.kept > _KEPT

    @property
    def window(self) -> int:
        """Bytes that may be sent ahead on a channel that is opened now, each way."""
        return max(_LEAST_WINDOW, min(WINDOW, _AHEAD // max(self.channels, 1)))


class Shares:
    """The shares of all users, by their names."""

    def __init__(self) -> None:
        self._shares: dict[str, Share] = {}

    def join(self, name: str, connection: SSHConnection) -> Share:
        """A user has a connection more."""
        share = self._shares.setdefault(name, Share())
        share.connections.add(connection)
        return share

    def leave(self, name: str, connection: SSHConnection) -> None:
        """One is gone. Safe to call twice."""
        share = self._shares.get(name)
        if share is not None:
            share.connections.discard(connection)
            if not share.connections:
                del self._shares[name]
