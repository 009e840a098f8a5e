"""The time that what is kept has, as the clock says it, and that by which it goes, which trusts no step of it."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Annotated, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Clock", "Kept"]

_log: Final = logging.getLogger(__name__)
_STEP: Final = 1.0
"""Seconds by which a clock that is only slewed, or has a leap second, is never off at once."""
_DAY: Final = 86_400.0
_Ran = Annotated[float, msgspec.Meta(ge=0, lt=_DAY)]


class Kept(msgspec.Struct, frozen=True):
    """What a clock knows beyond its run. Times are seconds since 1970.

    Attributes:
        sure: The time that is sure.
        said: What a clock that is in doubt says, but for a step of more than a day ahead; None for one that is not.
        ran: Seconds that passed, in all runs, while it did.
        behind: And while the clock was behind the time that is sure, and not once ahead of it.
    """

    sure: float
    said: float | None = None
    ran: _Ran = 0.0
    behind: _Ran = 0.0

    @property
    def hours(self) -> float:
        """How long a clock that is in doubt is yet to run until it is believed."""
        return (_DAY - self.ran) / 3600


class Clock:
    """A clock that somebody may set.

    The sure time is counted: it passes while the daemon runs, and follows the clock up to a day ahead at once. A clock
    that is further ahead is in doubt, and believed once it has been so for a day of running.

    One that is behind lets less go as it is, and needs no belief for that. Within a day it ends a doubt; further behind
    it does not, since a machine may begin each run in 1970. The sure time comes down to it after a day of running in
    which it was never ahead.

    Args:
        now: What it says: seconds since 1970, UTC.
        since: Seconds that pass, whatever somebody sets. Sleep of the machine is none on Linux, and so a step.
        kept: What it knew when it was last settled; None for one that is believed as it begins.

    Attributes:
        now: As above.
    """

    def __init__(
        self,
        now: Callable[[], float] = time.time,
        since: Callable[[], float] = time.monotonic,
        kept: Kept | None = None,
    ) -> None:
        self.now = now
        self._since = since
        self._settled = passed = since()
        self._noted = now() - passed
        kept = kept or Kept(sure=now())
        # The sure time, and what the clock has said, are held as what is to be added to `since`.
        self._sure = kept.sure - passed
        self._said = None if kept.said is None else kept.said - passed
        self._ran, self._behind = kept.ran, kept.behind
        self._warned = False
        self.settle()

    def settle(self) -> Kept:
        """Decide what is sure, and return it; to be called every few minutes."""
        passed = self._since()
        ran, self._settled = passed - self._settled, passed
        offset = self.now() - passed
        ahead = offset - self._sure
        if ahead > _DAY:
            self._doubt(offset, ran)
        elif ahead >= 0 or self._behind + ran >= _DAY:
            self._follow(offset)
        else:
            self._behind += ran
            if ahead >= -_DAY:
                self._said, self._ran, self._warned = None, 0.0, False
        said = None if self._said is None else self._said + passed
        kept = Kept(sure=self._sure + passed, said=said, ran=self._ran, behind=self._behind)
        if offset > self._sure + _DAY and not self._warned:
            self._warned = True
            _log.warning(
                "nothing is known of the last %.0f days: they do not count for what is let go until mooringd has run"
                " for %.0f hours with this clock",
                *((offset - self._sure) / _DAY, kept.hours),
            )
        return kept

    def _doubt(self, offset: float, ran: float) -> None:
        self._behind = 0.0
        if self._said is None:
            self._said = offset
            return
        if offset <= self._said + _DAY:  # what says still more needs a day of its own
            self._said = offset
        self._ran += ran
        if self._ran >= _DAY:
            self._follow(self._said)

    def _follow(self, offset: float) -> None:
        days = (offset - self._sure) / _DAY
        if abs(days) > 1:
            _log.warning("mooringd has run for a day with a clock that was set by %+.0f days, and goes by it now", days)
        self._sure, self._said, self._ran, self._behind, self._warned = offset, None, 0.0, 0.0, False

    def read(self) -> tuple[float, float]:
        """The time, and by how many seconds the clock was set since it was last read; 0 where it was not."""
        now = self.now()
        offset = now - self._since()
        step = offset - self._noted
        if -_STEP <= step <= _STEP:
            return now, 0.0
        self._noted = offset
        return now, step

    def least(self) -> float:
        """The time as far as it is sure: what is as old by this is so by whatever the clock was set to."""
        return min(self.now(), self._sure + self._since())
