"""Round trips in a byte each: how true they stay, and how few bytes they are."""

from __future__ import annotations

import sys

import pytest

from mooring.transport.roundtrips import MOST, RoundTrips


@pytest.mark.parametrize("seconds", [0.00002, 0.0012, 0.02, 0.3, 4.0, 59.0])
def test_one_is_nearly_what_it_was(seconds: float) -> None:
    trips = RoundTrips()
    assert (trips.last, trips.seconds()) == (None, ())
    trips.took(seconds)
    assert trips.last == seconds
    assert list(trips.seconds()) == pytest.approx([seconds], rel=0.04)


@pytest.mark.parametrize(("seconds", "kept"), [(0.0, 1e-5), (-1.0, 1e-5), (1e9, 83.5)])
def test_what_no_connection_takes(seconds: float, kept: float) -> None:
    trips = RoundTrips()
    trips.took(seconds)
    assert list(trips.seconds()) == pytest.approx([kept], rel=0.01)


def test_the_last_are_kept_and_weigh_little() -> None:
    trips = RoundTrips()
    for number in range(1, MOST + 4):
        trips.took(number / 1000)
    assert len(trips.seconds()) == MOST
    assert trips.seconds()[0] == pytest.approx(0.004, rel=0.04)
    assert sys.getsizeof(trips._codes) <= 64  # noqa: SLF001 - one for each of thousands of sessions
