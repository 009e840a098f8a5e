"""Ranges of names."""

from __future__ import annotations

import pytest

from mooring.inventory.ranges import expand


@pytest.mark.parametrize(
    ("word", "names"),
    [
        ("web1", ["web1"]),
        ("web[1:3]", ["web1", "web2", "web3"]),
        ("web[08:11].x", ["web08.x", "web09.x", "web10.x", "web11.x"]),
        ("[a:c]", ["a", "b", "c"]),
        ("[A:B]1", ["A1", "B1"]),
        ("r[1:5:2]", ["r1", "r3", "r5"]),
        ("r[:2]", ["r0", "r1", "r2"]),
        ("r[0:2]", ["r0", "r1", "r2"]),
        ("r[1:2]-[a:b]", ["r1-a", "r1-b", "r2-a", "r2-b"]),
        ("[2001:db8::1]", ["[2001:db8::1]"]),
        ("[a:B]", ["[a:B]"]),
    ],
)
def test_a_word_stands_for_these(word: str, names: list[str]) -> None:
    assert expand(word) == names


@pytest.mark.parametrize(
    ("word", "fault"),
    [
        ("[3:1]", "has a range that ends before it begins"),
        ("[01:100]", "has a range whose ends are not equally long"),
        ("[1:100001]", "stands for more than 100000 names"),
        ("[1:1000][1:1000]", "stands for more than 100000 names"),
        ("[1:999999999][1:999999999]", "stands for more than 100000 names"),
    ],
)
def test_what_is_no_range_is_refused(word: str, fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        expand(word)
