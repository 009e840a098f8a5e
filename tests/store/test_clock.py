"""By what time things go: no clock that is set wrong is believed before it has been so for a day of running."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring.store.clock import Clock, Kept

HOUR = 3600.0
DAY = 24 * HOUR
YEAR = 365 * DAY
BEGIN = 1_700_000_000.0


class World:
    """A machine: its clock, how long it has run, and a daemon that settles its clock each hour."""

    def __init__(self, now: float = BEGIN, kept: Kept | None = None) -> None:
        self.now = now
        self.passed = 1000.0
        self.kept = kept
        self.start()

    def start(self) -> None:
        self.clock = Clock(lambda: self.now, lambda: self.passed, self.kept)
        self.kept = self.clock.settle()

    def run(self, seconds: float) -> None:
        while seconds > 0:
            passed = min(seconds, HOUR)
            self.now += passed
            self.passed += passed
            self.kept = self.clock.settle()
            seconds -= passed

    def off(self, seconds: float) -> None:
        self.now += seconds
        self.start()

    @property
    def behind(self) -> float:
        """By how many seconds the clock is ahead of the time that is sure."""
        return self.now - self.clock.least()


def test_no_number_of_starts_believes_a_wrong_clock(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    world.run(DAY)
    world.off(10 * YEAR)
    for _ in range(10):
        world.run(2 * HOUR)
        world.off(0)
    assert world.behind == 10 * YEAR
    assert "nothing is known of the last 3650 days" in caplog.text
    assert "has run for 4 hours with this clock" in caplog.messages[-1]


def test_a_day_of_running_believes_it_over_any_number_of_starts(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    world.off(2 * YEAR)
    for _ in range(23):
        world.run(HOUR)
        assert world.behind == 2 * YEAR
        world.off(0)
    world.run(HOUR)
    assert world.behind == 0
    assert "set by +730 days, and goes by it now" in caplog.messages[-1]
    assert world.kept == Kept(sure=world.now)


def test_one_that_is_set_while_it_runs_is_treated_alike() -> None:
    world = World()
    world.run(DAY)
    world.now += 10 * YEAR
    assert world.behind == 10 * YEAR
    world.run(23 * HOUR)
    world.now -= 10 * YEAR  # and is set right
    assert world.behind == 0
    world.run(HOUR)
    world.now += 10 * YEAR
    world.run(24 * HOUR)
    assert world.behind == 10 * YEAR, "each doubt has a day of its own"
    world.run(HOUR)
    assert world.behind == 0


def test_one_that_says_still_more_needs_a_day_for_that() -> None:
    world = World()
    world.off(2 * YEAR)
    world.run(23 * HOUR)
    world.off(10 * YEAR)
    world.run(HOUR)
    assert world.behind == 10 * YEAR
    world.run(24 * HOUR)
    assert world.behind == 10 * YEAR
    world.run(HOUR)
    assert world.behind == 0


def test_one_that_was_believed_and_is_set_right_is_right_at_once_and_doubted_anew() -> None:
    world = World()
    world.off(10 * YEAR)
    world.run(DAY)
    world.off(-10 * YEAR)
    assert world.clock.least() == world.now
    world.run(25 * HOUR)
    assert world.clock.least() == world.now
    world.off(10 * YEAR)
    assert world.behind == 10 * YEAR


def test_one_that_begins_in_1970_and_is_set_right_is_never_doubted(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    for _ in range(3):
        right, world.now = world.now, 0.0
        world.start()
        assert world.clock.least() == 0
        world.run(HOUR)
        assert world.clock.least() == HOUR
        world.now = right + 2 * HOUR
        world.run(HOUR)
        assert world.behind == 0
    assert caplog.text == ""


def test_nights_do_not_count_as_steps(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    for _ in range(20):
        world.run(8 * HOUR)
        world.off(16 * HOUR)
        assert world.behind == 0
    assert caplog.text == ""


def test_a_machine_that_is_seldom_on_is_not_behind_for_ever() -> None:
    world = World()
    most = 0.0
    for _ in range(100):
        world.off(80 * HOUR)
        world.run(4 * HOUR)
        most = max(most, world.behind)
    assert most < 60 * DAY


def test_where_nothing_was_kept_the_newest_tells() -> None:
    clock = Clock(lambda: BEGIN, lambda: 0.0)
    for newest in (None, BEGIN + YEAR, BEGIN - HOUR):
        clock.distrust(newest)
        assert clock.least() == BEGIN
    for newest in (BEGIN - 2 * DAY, BEGIN - 3 * DAY, BEGIN):  # the trail's, and the recordings'
        clock.distrust(newest)
    assert clock.least() == BEGIN - 3 * DAY
    clock = Clock(lambda: BEGIN, lambda: 0.0, Kept(sure=BEGIN))
    clock.distrust(BEGIN - 3 * DAY)
    assert clock.least() == BEGIN


TIMES = st.floats(allow_nan=False, allow_infinity=False)
KEPT = st.builds(Kept, sure=TIMES, said=st.none() | TIMES, ran=st.floats(0, DAY, exclude_max=True))


@given(KEPT)
def test_whatever_was_kept_it_is_never_ahead_and_heals_within_two_days(kept: Kept) -> None:
    world = World(kept=kept)
    for _ in range(50):
        assert world.clock.least() <= world.now
        assert world.kept is not None
        assert math.isfinite(world.kept.sure)
        world.run(HOUR)
    assert world.behind <= DAY
