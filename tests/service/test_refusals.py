"""Nobody has the refusals of others passed over, and what is passed over is told."""

from __future__ import annotations

import math

from mooring.service.refusals import BURST, EVERY, Refusals

ANN, BOB, STRANGERS = ("tcp", "ann"), ("tcp", "bob"), ("tcp", "")
_YEAR = 365 * 86_400.0


def test_strangers_have_those_of_nobody_passed_over() -> None:
    refusals = Refusals()
    taken = sum(refusals.admit(STRANGERS, 0.0) is not None for _ in range(5000))
    assert taken == BURST
    assert refusals.admit(ANN, 0.0) == 0
    assert refusals.admit(("gateway", ""), 0.0) == 0


def test_a_year_of_them_is_a_small_part_of_what_is_kept() -> None:
    refusals, taken = Refusals(), 0
    for number in range(100_000):
        taken += refusals.admit(STRANGERS, _YEAR * number / 100_000) is not None
    assert taken <= BURST + _YEAR / EVERY + 1


def test_what_was_passed_over_is_told_with_the_next() -> None:
    refusals = Refusals()
    for _ in range(int(BURST) + 7):
        refusals.admit(ANN, 0.0)
    assert refusals.admit(BOB, 0.0) == 0
    assert refusals.admit(ANN, EVERY) == 7
    assert refusals.admit(ANN, 3 * EVERY) == 0


def test_what_was_passed_over_is_told_when_there_is_room_and_at_the_end() -> None:
    refusals = Refusals()
    assert refusals.due == math.inf
    for who in (ANN, STRANGERS):
        for _ in range(int(BURST) + 7):
            refusals.admit(who, 0.0)
    assert refusals.due == EVERY
    assert refusals.untold(EVERY / 2) == []
    assert refusals.untold(EVERY) == [(ANN, 7), (STRANGERS, 7)]
    assert refusals.due == math.inf
    assert refusals.admit(ANN, EVERY) is None
    assert refusals.untold(EVERY, ended=True) == [(ANN, 1)]


def test_budgets_are_bounded() -> None:
    refusals = Refusals()
    taken = sum(refusals.admit(("tcp", str(number)), 0.0) is not None for number in range(1000))
    assert taken == 256 + BURST
    assert len(refusals._budgets) == 257  # noqa: SLF001 - what is kept of them shows nowhere else
    refusals.admit(("tcp", "later"), _YEAR)
    assert len(refusals._budgets) < 10  # noqa: SLF001 - likewise
