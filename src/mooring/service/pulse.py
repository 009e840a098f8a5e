"""How far the event loop is behind: whoever waits for it waits so long more."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from ..model.measure import Histogram

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

__all__ = ["Pulse"]

_EVERY: Final = 1.0
"""Seconds between two looks: it costs a wake-up each."""


class Pulse:
    """Looks every second, for the length of a block, how late the loop comes to it.

    Attributes:
        late: By how many seconds.
        last: The same at the last look.
    """

    def __init__(self) -> None:
        self.late = Histogram()
        self.last = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> Self:
        """Begin."""
        self._wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wait(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time() + _EVERY
        self._timer = loop.call_at(due, self._look, due)

    def _look(self, due: float) -> None:
        self.last = max(0.0, asyncio.get_running_loop().time() - due)
        self.late.observe(self.last)
        self._wait()
