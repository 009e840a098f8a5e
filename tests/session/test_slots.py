"""The limit of channels, as a table and as a machine: never more taken than allowed, never below one, none lost."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from mooring.session.slots import Kind, Slots

RUN, HELD, KILL = Kind.RUN, Kind.HELD, Kind.KILL
LONG_AGO = -100.0


def taken(channels: int, *kinds: Kind) -> Slots:
    slots = Slots(channels)
    for kind in kinds:
        assert slots.admits(kind)
        slots.take(kind)
    return slots


@pytest.mark.parametrize(
    ("channels", "kinds", "run", "held"),
    [
        (1, [], True, True),
        (1, [RUN], False, False),
        (1, [HELD], False, False),
        (2, [], True, True),
        (2, [HELD], True, False),
        (2, [RUN], True, True),
        (2, [RUN, HELD], False, False),
        (3, [HELD, HELD], True, False),
        (3, [RUN, RUN], True, True),
        (6, [HELD] * 5, True, False),
        (6, [RUN] * 6, False, False),
    ],
)
def test_one_slot_is_kept_for_run(channels: int, kinds: Sequence[Kind], *, run: bool, held: bool) -> None:
    slots = taken(channels, *kinds)
    assert (slots.admits(RUN), slots.admits(HELD)) == (run, held)


def test_a_kill_goes_one_over_the_limit_and_no_more() -> None:
    slots = taken(2, RUN, HELD)
    assert slots.admits(KILL)
    slots.take(KILL)
    assert not slots.admits(KILL)
    slots.closed(HELD, 0.0)
    assert (slots.admits(RUN), slots.admits(HELD), slots.admits(KILL)) == (False, False, True)
    slots.closed(KILL, 0.0)
    assert slots.admits(HELD)


@pytest.mark.parametrize(
    ("closed_at", "refused_at", "limit"),
    [
        (None, [10.0], 6),
        (None, [10.0, 10.1], 2),
        (9.5, [10.0, 10.4], 6),
        (9.5, [10.0, 10.5], 6),
        (9.5, [10.0, 10.5, 10.6], 2),
        (9.0, [10.0, 10.1], 2),
    ],
    ids=["once", "twice", "after a close", "once long after a close", "twice long after it", "a second after it"],
)
def test_a_refusal_is_believed_when_it_repeats_without_a_close(
    closed_at: float | None, refused_at: Sequence[float], limit: int
) -> None:
    slots = taken(6, RUN, RUN, RUN)
    slots.confirmed(0.0)
    if closed_at is not None:
        slots.closed(RUN, closed_at)
    else:
        slots = taken(6, RUN, RUN)
    for now in refused_at:
        slots.take(RUN)
        slots.refused(RUN, now)
    assert (slots.limit, slots.taken, slots.refusals) == (limit, 2, len(refused_at))


def test_an_open_that_succeeds_between_two_refusals_clears_the_suspicion() -> None:
    slots = taken(6, RUN, RUN)
    slots.refused(RUN, 10.0)
    slots.take(RUN)
    slots.confirmed(10.1)
    slots.take(RUN)
    slots.refused(RUN, 10.2)
    assert slots.limit == 6


def test_the_limit_never_falls_below_one() -> None:
    slots = Slots(6)
    for now in (10.0, 20.0, 30.0):
        slots.take(RUN)
        slots.refused(RUN, now)
    assert slots.limit == 1
    assert slots.admits(RUN)
    assert slots.admits(HELD)


def test_the_limit_rises_again_one_by_one_and_not_above_what_was_configured() -> None:
    slots = taken(3, RUN)
    for now in (10.0, 11.0):
        slots.take(RUN)
        slots.refused(RUN, now)
    assert slots.limit == 1
    limits = []
    for now in (12.0, 40.0, 41.1, 60.0, 71.2, 101.3, 200.0):
        slots.confirmed(now)
        limits.append(slots.limit)
    assert limits == [1, 1, 2, 2, 3, 3, 3]


def test_pauses_grow_up_to_a_second_and_begin_anew_after_a_success() -> None:
    slots = Slots(6)

    def pause() -> float:
        slots.take(RUN)
        return slots.refused(RUN, 10.0)

    pauses = [pause() for _ in range(7)]
    assert pauses == [0.05, 0.1, 0.2, 0.4, 0.8, 1.0, 1.0]
    slots.confirmed(11.0)
    assert pause() == 0.05


def test_pauses_stay_a_second_however_often_it_is_refused() -> None:
    slots = Slots(6)
    for _ in range(5_000):
        slots.take(RUN)
        assert slots.refused(RUN, 10.0) <= 1.0


class SlotsMachine(RuleBasedStateMachine):
    """A gate that keeps the rules of use, against a server with a limit of its own."""

    @initialize(channels=st.integers(1, 12))
    def begin(self, channels: int) -> None:
        self.slots = Slots(channels)
        self.open: list[Kind] = []
        self.asked: list[Kind] = []
        self.now = LONG_AGO

    @rule(seconds=st.sampled_from([0.01, 0.5, 1.0, 5.0, 40.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(kind=st.sampled_from(Kind))
    def ask(self, kind: Kind) -> None:
        admitted = self.slots.admits(kind)
        if not self.open and not self.asked:
            assert admitted, "nothing is taken, and yet nobody is let in: a slot was lost"
        if admitted:
            assert self.slots.taken < self.slots.limit + (kind is KILL)
            self.slots.take(kind)
            self.asked.append(kind)

    @precondition(lambda self: self.asked)
    @rule(data=st.data())
    def confirm(self, data: st.DataObject) -> None:
        kind = self.asked.pop(data.draw(st.integers(0, len(self.asked) - 1)))
        self.open.append(kind)
        self.slots.confirmed(self.now)

    @precondition(lambda self: self.asked)
    @rule(data=st.data())
    def refuse(self, data: st.DataObject) -> None:
        kind = self.asked.pop(data.draw(st.integers(0, len(self.asked) - 1)))
        before = self.slots.limit
        pause = self.slots.refused(kind, self.now)
        assert 0 < pause <= 1
        assert self.slots.limit <= before
        assert self.slots.limit >= min(before, len(self.open))

    @precondition(lambda self: self.open)
    @rule(data=st.data())
    def close(self, data: st.DataObject) -> None:
        kind = self.open.pop(data.draw(st.integers(0, len(self.open) - 1)))
        self.slots.closed(kind, self.now)

    @precondition(lambda self: self.asked)
    @rule()
    def give_up_before_asking(self) -> None:
        self.slots.closed(self.asked.pop(), self.now)

    @invariant()
    def counts(self) -> None:
        if not hasattr(self, "slots"):
            return
        assert self.slots.taken == len(self.open) + len(self.asked)
        assert 1 <= self.slots.limit <= self.slots.configured
        held = [*self.open, *self.asked].count(HELD)
        if self.slots.limit > 1 and self.slots.taken < self.slots.limit:
            assert self.slots.admits(RUN)
        assert held < max(2, self.slots.configured)


SlotsMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestSlotsMachine = SlotsMachine.TestCase
