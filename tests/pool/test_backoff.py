"""The wait before the next attempt, as a table."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring.pool.backoff import LONGEST, delay


@pytest.mark.parametrize(
    ("failures", "longest"),
    [(1, 1.0), (2, 1.6), (3, 2.56), (4, 4.096), (10, 68.719), (11, 109.951), (12, 120.0), (13, 120.0), (10**9, 120.0)],
)
def test_each_step_is_longer_up_to_two_minutes(failures: int, longest: float) -> None:
    assert delay(failures, 1.0) == pytest.approx(longest, abs=0.001)
    assert delay(failures, 0.5) == pytest.approx(longest / 2, abs=0.001)
    assert delay(failures, 0.0) == 0.0


@given(st.integers(1, 10**6), st.floats(0, 1))
def test_the_dice_choose_from_nothing_to_the_whole_step(failures: int, dice: float) -> None:
    assert 0.0 <= delay(failures, dice) <= delay(failures, 1.0) <= LONGEST
