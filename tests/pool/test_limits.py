"""How many handshakes, and how often: tables and properties."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring.model.options import Rate
from mooring.pool.limits import HANDSHAKES, HANDSHAKES_PER_HOST, ConnectRate, HandshakeLimits


def test_the_defaults_are_64_in_all_and_8_to_one_host() -> None:
    limits = HandshakeLimits()
    for _ in range(HANDSHAKES_PER_HOST):
        assert limits.admits("a")
        limits.take("a")
    assert not limits.admits("a")
    for host in range(7):
        for _ in range(HANDSHAKES_PER_HOST):
            assert limits.admits(host)
            limits.take(host)
    assert limits.running == HANDSHAKES == 64
    assert limits.full
    assert not limits.admits("nobody yet")
    limits.free("a")
    assert limits.admits("nobody yet")
    assert limits.admits("a")


@pytest.mark.parametrize(
    ("rate", "asked", "starts"),
    [
        (Rate(4, 60.0), [0, 0, 0, 0, 0], [0, 0, 0, 0, 60]),
        (Rate(4, 60.0), [0, 20, 20, 20, 20, 20, 100], [0, 20, 20, 20, 60, 80, 100]),
        (Rate(1, 1.0), [0, 0, 0, 5], [0, 1, 2, 5]),
        (Rate(2, 3600.0), [10, 20, 30], [10, 20, 3610]),
        (Rate(2, 1.0), [0, 0.9, 0.9, 1.2], [0, 0.9, 1.0, 1.9]),
    ],
)
def test_a_connection_waits_until_the_device_accepts_it(rate: Rate, asked: list[float], starts: list[float]) -> None:
    limit = ConnectRate()
    clock, found = 0.0, []
    for moment in asked:
        clock = max(clock, moment)
        clock += limit.wait(rate, clock)
        limit.started(clock)
        found.append(clock)
    assert found == pytest.approx(starts)


@given(st.integers(1, 5), st.lists(st.floats(0, 30), max_size=60))
def test_no_span_ever_holds_more_than_the_rate(count: int, pauses: list[float]) -> None:
    rate = Rate(count, 60.0)
    limit = ConnectRate()
    clock, starts = 0.0, []
    for pause in pauses:
        clock += pause
        wait = limit.wait(rate, clock)
        assert -1e-6 <= wait <= rate.per + 1e-6
        clock += wait
        limit.started(clock)
        starts.append(clock)
    for first, beyond in zip(starts, starts[rate.count :], strict=False):
        assert beyond - first >= rate.per - 1e-6


def test_a_rate_of_thousands_counts_them_all() -> None:
    limit, rate = ConnectRate(), Rate(3000, 60.0)
    for _ in range(3000):
        assert limit.wait(rate, 0.0) == 0.0
        limit.started(0.0)
    assert limit.wait(rate, 0.0) == 60.0


def test_a_device_may_bear_fewer_and_the_least_that_was_said_counts() -> None:
    limits = HandshakeLimits(total=64, per_host=8)
    limits.cap("device", 20)
    limits.cap("device", 2)
    limits.cap("device", 3)
    for _ in range(2):
        assert limits.admits("device")
        limits.take("device")
    assert not limits.admits("device")
    assert limits.admits("another")
    limits.free("device")
    assert limits.admits("device")


def test_two_rates_of_one_device_are_both_kept() -> None:
    rate, slow, quick = ConnectRate(), Rate(2, 60.0), Rate(1, 1.0)
    for now in (0.0, 5.0):
        assert rate.wait(slow, now) == 0.0
        rate.started(now)
    assert rate.wait(quick, 10.0) == 0.0
    assert rate.wait(slow, 10.0) == 50.0
