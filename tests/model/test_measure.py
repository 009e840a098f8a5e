"""Durations in buckets."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mooring.model.measure import SECONDS, Histogram


@given(st.lists(st.floats(0, 100, allow_nan=False)))
def test_each_is_in_the_buckets_that_hold_it(durations: list[float]) -> None:
    histogram = Histogram()
    for seconds in durations:
        histogram.observe(seconds)
    taken = histogram.taken()
    assert abs(taken.total - sum(durations)) < 1e-6
    *bounded, (name, count) = taken.buckets()
    assert (name, count) == ("+Inf", len(durations))
    assert [float(bound) for bound, _ in bounded] == list(SECONDS)
    assert [count for _, count in bounded] == [sum(one <= bound for one in durations) for bound in SECONDS]
