"""NETCONF sessions of ours that broke, and that the server may not have seen the end of: they may hold locks."""

from __future__ import annotations

import re
from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ...model.errors import RpcError

__all__ = ["Former"]

_MOST: Final = 64
_SESSION_ID: Final = re.compile(r"session-id[^>]*>\s*([0-9]+)")


class Former:
    """The numbers of NETCONF sessions that broke, for all who speak NETCONF on one SSH session."""

    def __init__(self) -> None:
        self._numbers: deque[int] = deque(maxlen=_MOST)

    def broke(self, number: int) -> None:
        """One of ours ended without a goodbye."""
        self._numbers.append(number)

    def opened(self, number: int) -> None:
        """A new one began. Numbers rise while a server runs: from before it was started anew they are others' now."""
        self._numbers = deque((former for former in self._numbers if former < number), _MOST)

    def holder(self, error: RpcError) -> int | None:
        """The session of ours that holds the lock that was denied; None where it is somebody else's, or not denied."""
        for fault in error.errors:
            if fault.tag == "lock-denied" and (found := _SESSION_ID.search(fault.info)):
                holder = int(found[1])
                return holder if holder in self._numbers else None
        return None

    def killed(self, number: int) -> None:
        """It is no more."""
        self._numbers.remove(number)
