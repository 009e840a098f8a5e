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


class Kept(msgspec.Struct, frozen=True):
    """What a clock knows beyond its run. Times are seconds since 1970.

    Attributes:
        sure: The time that is sure.
        said: What a clock that is in doubt has said since then, at least; None for one that is not.
        ran: Seconds that passed, in all runs, while it did.
    """

    sure: float
    said: float | None = None
    ran: Annotated[float, msgspec.Meta(ge=0, lt=_DAY)] = 0.0

    @property
    def hours(self) -> float:
        """How long such a clock is yet to run until it is believed."""
        return (_DAY - self.ran) / 3600


class Clock:
    """A clock that somebody may set.

    The sure time is counted: it passes while the daemon runs, and follows the clock while that is within a day of it.
    A clock that is further off is in doubt, and believed once it has been so for a day of running.

    Args:
        now: What it says: seconds since 1970, UTC.
        since: Seconds that pass, whatever somebody sets. Sleep of the machine is none on Linux, and so a step.
        kept: What it knew when it was last settled; None where that is not known.

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
        # The sure time, and what the clock has said, are held as what is to be added to `since`.
        self._sure = self._noted if kept is None else kept.sure - passed
        self._said = None if kept is None or kept.said is None else kept.said - passed
        self._ran = 0.0 if kept is None else kept.ran
        self._fresh = kept is None
        self._warned = False
        self.settle()

    def distrust(self, newest: float | None) -> None:
        """Where nothing was kept of the clock, the sure time is no later than the newest that is.

        Args:
            newest: When that was made; None where there is none.
        """
        if self._fresh and newest is not None:
            self._sure = min(self._sure, newest - self._since())
            self.settle()

    def settle(self) -> Kept:
        """Decide what is sure, and return it; to be called each hour."""
        passed = self._since()
        ran, self._settled = passed - self._settled, passed
        offset = self.now() - passed
        if abs(offset - self._sure) <= _DAY:
            self._sure, self._said, self._ran, self._warned = offset, None, 0.0, False
        elif self._said is None:
            self._said, self._ran = offset, 0.0
        else:
            if offset <= self._said + _DAY:  # what says still more needs a day of its own
                self._said = offset
            self._ran += ran
            if self._ran >= _DAY:
                self._believe(self._said)
        said = None if self._said is None else self._said + passed
        kept = Kept(sure=self._sure + passed, said=said, ran=self._ran)
        if offset > self._sure + _DAY and not self._warned:
            self._warned = True
            _log.warning(
                "nothing is known of the last %.0f days: they do not count for what is let go until mooringd has run"
                " for %.0f hours with this clock",
                *((offset - self._sure) / _DAY, kept.hours),
            )
        return kept

    def _believe(self, offset: float) -> None:
        days = (offset - self._sure) / _DAY
        _log.warning("mooringd has run for a day with a clock that was set by %+.0f days, and goes by it now", days)
        self._sure, self._said, self._ran, self._warned = offset, None, 0.0, False

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
