"""How long the taker of one reply may hold back those who wait behind it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Patience"]


class Patience:
    """Seconds that run while the server is made to wait, in all: who takes a little now and then wins no time.

    Args:
        seconds: How many.
        awaited: Whether anybody waits behind; while nobody does, it costs nothing to be slow.
        over: Called when they are up.
    """

    def __init__(self, seconds: float, awaited: Callable[[], bool], over: Callable[[], None]) -> None:
        self._seconds = self._left = seconds
        self._awaited = awaited
        self._over = over
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None

    def run(self, wanted: bool) -> None:  # noqa: FBT001 - as a pause is asked for
        """The server waits from now on, or no more."""
        if self._timer is not None:
            self._left = max(0.0, self._timer.when() - self._loop.time())
            self._timer.cancel()
            self._timer = None
        if wanted:
            self._timer = self._loop.call_later(self._left, self._up)

    def _up(self) -> None:
        self._timer = None
        if self._awaited():
            self._over()
        else:
            self._left = self._seconds
            self.run(True)  # noqa: FBT003 - likewise
