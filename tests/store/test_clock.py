"""By what time things go: no clock that is set wrong is believed before it has been so for a day of running."""

from __future__ import annotations

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mooring.store.clock import Clock, Kept

MINUTE = 60.0
HOUR = 60 * MINUTE
DAY = 24 * HOUR
YEAR = 365 * DAY
BEGIN = 1_700_000_000.0


class World:
    """A machine: its clock, how long it has run, and a daemon that settles its clock every five minutes."""

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
            passed = min(seconds, 5 * MINUTE)
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


def test_one_that_says_less_is_believed_no_further() -> None:
    world = World()
    world.off(20 * YEAR)
    world.run(23 * HOUR)
    world.off(-10 * YEAR)
    world.run(HOUR)
    assert world.behind == 0
    world.off(10 * YEAR)
    assert world.behind == 10 * YEAR


def test_one_that_is_set_right_by_a_minute_less_is_doubted_anew() -> None:
    world = World()
    world.off(10 * YEAR)
    world.run(23 * HOUR)
    world.off(-10 * YEAR - MINUTE)
    world.run(MINUTE)
    world.off(10 * YEAR)
    world.run(23 * HOUR)
    assert world.behind > 9 * YEAR


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


def test_one_that_begins_in_1970_each_time_is_believed_after_a_weekend() -> None:
    world = World()
    world.run(8 * HOUR)
    right = world.now + 2.5 * DAY
    for start in range(100):
        world.now = 0.0
        world.start()
        world.run(HOUR)  # until somebody sets it
        world.now = right
        world.run(HOUR)
        assert (world.behind == 0) is (start > 23)
        right += 10 * HOUR


def test_one_that_begins_in_1970_each_time_is_believed_after_days_of_1970() -> None:
    world = World()
    right = world.now
    for _ in range(4):
        world.now = 0.0
        world.start()
        world.run(8 * HOUR)
    for _ in range(6):
        world.now = 0.0
        world.start()
        world.now = right = right + DAY
        world.run(8 * HOUR)
    assert world.behind == 0


def test_a_doubt_goes_with_the_nights(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    world.off(2.5 * DAY)
    for _ in range(20):
        world.run(8 * HOUR)
        world.off(16 * HOUR)
    assert world.behind == 0
    assert [message[:12] for message in caplog.messages] == ["nothing is k"] * 3 + ["mooringd has"]


def test_the_sure_time_comes_down_after_a_day_behind_it_in_any_number_of_runs() -> None:
    world = World()
    world.off(10 * YEAR)
    world.run(25 * HOUR)
    world.off(-10 * YEAR)
    world.run(23 * HOUR)
    world.off(10 * YEAR)  # wrong again, as it was for a day: it is not disbelieved yet
    assert world.behind == 0
    world.off(-10 * YEAR)
    for _ in range(24):
        world.run(HOUR)
        world.off(0)
    world.off(10 * YEAR)
    assert world.behind == 10 * YEAR


def test_steps_of_seconds_and_of_an_hour_are_nothing(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    for step in (-2.0, 30.0, HOUR, -HOUR, -300.0, 12 * HOUR, -12 * HOUR):
        world.now += step
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


def test_where_nothing_was_kept_it_is_believed_as_it_begins() -> None:
    assert World().kept == Kept(sure=BEGIN)


TIMES = st.floats(allow_nan=False, allow_infinity=False)
RAN = st.floats(0, DAY, exclude_max=True)
KEPT = st.builds(Kept, sure=TIMES, said=st.none() | TIMES, ran=RAN, behind=RAN)


@given(KEPT)
def test_whatever_was_kept_it_is_never_ahead_and_heals_within_two_days(kept: Kept) -> None:
    world = World(kept=kept)
    for _ in range(50):
        assert world.clock.least() <= world.now
        assert world.kept is not None
        assert math.isfinite(world.kept.sure)
        world.off(0)
        world.run(HOUR)
    assert world.behind <= DAY
    world.run(25 * HOUR)
    assert world.kept is not None
    assert abs(world.kept.sure - world.now) <= DAY, "and comes down"


class Witness(World):
    """A machine of which the true time is known, and what its clock showed for how long.

    Args:
        unset: Whether it begins in 1970 after it was off, and is set so many seconds later.
    """

    def __init__(self, unset: float | None) -> None:
        self.true = BEGIN
        self.wrong: float | None = 0.0
        self.unset = unset
        self.ahead = 0.0
        """Seconds that it ran ahead of the true time since it was last right."""
        self.not_ahead = 2 * DAY
        """That it ran since it last was ahead, but for what is lost with a daemon that is killed."""
        self.fooled = False
        self.dark = 0.0
        """That it ran in 1970 since it was last right."""
        self.right: list[float] = []
        """The true time at each five minutes that it ran and was right, since it last was wrong."""
        super().__init__()

    def set(self, wrong: float | None) -> None:
        """Put the clock so far from the true time; None for 1970."""
        self.wrong = wrong
        self.now = 0.0 if wrong is None else self.true + wrong
        self.ahead += 5 * MINUTE * (self.wrong is not None and self.wrong > 0)  # for which what was before may count

    def run(self, seconds: float, killed: float = 0.0) -> None:
        """Run, and be killed so many seconds after the file was written."""
        for _ in range(int(seconds // (5 * MINUTE))):
            super().run(5 * MINUTE)
            self.true += 5 * MINUTE
            self.look(5 * MINUTE)
        self.now += killed
        self.passed += killed
        self.true += killed
        self.look(0.0)
        if killed:
            self.start()

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.true += seconds

    def rest(self, seconds: float) -> None:
        """Be off."""
        wrong = self.wrong
        self.sleep(seconds)
        self.passed = 5.0
        if self.unset is not None:
            self.set(None)
            self.start()
            self.run(self.unset)
            self.set(wrong)
        else:
            self.start()
        self.look(0.0)

    def look(self, ran: float) -> None:
        """See that nothing goes too early, and all in its time."""
        assert self.kept is not None
        assert self.kept.said is None or self.kept.said > self.kept.sure
        if self.wrong is None:
            self.dark += ran
        elif self.wrong == 0 and ran:
            self.dark = self.ahead = 0.0
            self.right.append(self.true)
        if self.wrong not in {None, 0.0} or self.dark > 20 * HOUR:
            self.right.clear()
        if self.wrong is not None and self.wrong > 0:
            self.ahead += ran
            self.not_ahead = 0.0
            self.fooled |= self.ahead >= DAY
        else:
            self.not_ahead += ran
            self.fooled &= self.not_ahead <= DAY + HOUR
        assert self.fooled or self.clock.least() <= self.true
        if self.wrong == 0 and len(self.right) > LONG:
            assert self.clock.least() >= self.right[-LONG] - DAY


LONG = 3 * 24 * 12 + 6
"""Three days of running, in five minutes: two, but for a sure time that comes down just as the clock says 1970."""
STEPS = (
    *[("run", seconds) for seconds in (5 * MINUTE, 50 * MINUTE, 3 * HOUR, 8 * HOUR, 12 * HOUR, 23 * HOUR, 70 * HOUR)],
    *[("killed", seconds) for seconds in (0.0, 5 * MINUTE, 50 * MINUTE, 8 * HOUR)],
    *[("rest", seconds) for seconds in (0.0, 16 * HOUR, 2.5 * DAY, 90 * DAY)],
    *[("sleep", seconds) for seconds in (16 * HOUR, 3 * DAY)],
    *[("set", wrong) for wrong in (0.0, 0.0, 3 * DAY, 10 * YEAR, 20 * YEAR, -3 * DAY, -YEAR, None)],
)


@given(st.none() | st.sampled_from([0.0, 5 * MINUTE, 55 * MINUTE]), st.lists(st.sampled_from(STEPS), max_size=60))
@example(5 * MINUTE, [("rest", 90 * DAY), *[("run", 8 * HOUR), ("rest", 16 * HOUR)] * 12])
@example(None, [("rest", 90 * DAY), *[("killed", 50 * MINUTE)] * 100])
@example(
    None, [("set", 10 * YEAR), ("run", 25 * HOUR), ("set", 0.0), ("run", 27 * HOUR), ("set", 10 * YEAR), ("run", HOUR)]
)
def test_nothing_goes_early_unless_a_clock_was_wrong_for_a_day_and_all_in_its_time_once_it_is_right(
    unset: float | None, story: list[tuple[str, float | None]]
) -> None:
    witness = Witness(unset)
    for what, amount in story:
        match what:
            case "set":
                witness.set(amount)
            case "killed":
                witness.run(amount or 0.0, killed=2 * MINUTE)
            case "run":
                witness.run(amount or 0.0)
            case "rest":
                witness.rest(amount or 0.0)
            case _:
                witness.sleep(amount or 0.0)
