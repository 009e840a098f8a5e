"""The time that what is kept has, as the clock says it, and that by which it goes, which trusts no step of it."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Clock"]

_log: Final = logging.getLogger(__name__)
_STEP: Final = 1.0
"""Seconds by which a clock that is only slewed, or has a leap second, is never off at once."""
_DAY: Final = 86_400.0


class Clock:
    """A clock that somebody may set.

    Args:
        now: What it says: seconds since 1970, UTC.
        since: Seconds that pass, whatever somebody sets. Sleep of the machine is none on Linux, and so a step.
    """

    def __init__(self, now: Callable[[], float] = time.time, since: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._since = since
        self._noted = self._sure = now() - since()

    def distrust(self, newest: float | None) -> None:
        """What lies between the newest that is kept and now does not count, where it is more than a day.

        Args:
            newest: When that was made; None where there is none.
        """
        ahead = 0.0 if newest is None else self._now() - newest
        if ahead > _DAY:
            self._sure -= ahead
            _log.warning("nothing is known of the last %.0f days: they do not count for what is let go", ahead / _DAY)

    def read(self) -> tuple[float, float]:
        """The time, and by how many seconds the clock was set since it was last read; 0 where it was not."""
        now = self._now()
        offset = now - self._since()
        step = offset - self._noted
        if -_STEP <= step <= _STEP:
            return now, 0.0
        self._noted = offset
        return now, step

    def least(self) -> float:
        """The time as far as it is sure: what is as old by this is so by whatever the clock was set to."""
        return min(self._now(), self._sure + self._since())
