"""How fast: a bandwidth limit. Pure: the clock is an argument."""

from __future__ import annotations

from typing import Final

__all__ = ["Pace"]

_SLACK: Final = 0.25
"""Seconds that may be made up for after a pause: enough for a late timer, too little for a burst."""


class Pace:
    """A limit of so many bytes a second, shared by all who ask.

    Args:
        limit: Bytes a second.
    """

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._free: float | None = None

    @property
    def block(self) -> int:
        """Bytes that may go at once, so that ten or more steps make a second."""
        return max(1024, int(self._limit / 10))

    def take(self, size: int, now: float) -> float:
        """Seconds to wait before so many bytes may go."""
        self._free = now if self._free is None else max(self._free, now - _SLACK)
        wait = self._free - now
        self._free += size / self._limit
        return max(0.0, wait)
