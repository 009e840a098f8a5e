"""Patterns and pattern lists."""

from __future__ import annotations

import pytest

from mooring.sshconfig.patterns import matches, matches_host, matches_list


@pytest.mark.parametrize(
    ("pattern", "fits", "misses"),
    [
        ("edge1", ["edge1"], ["edge", "edge12", "Edge1"]),
        ("edge?", ["edge1", "edgeX"], ["edge", "edge12"]),
        ("*.example.org", ["a.example.org", ".example.org", "a.b.example.org"], ["example.org"]),
        ("*", ["", "anything"], []),
        ("a*b*c", ["abc", "axxbxxc", "abcbc"], ["ab", "acb", "abcd"]),
        ("a.c", ["a.c"], ["abc"]),
        ("[ab]", ["[ab]"], ["a"]),
        ("**?**", ["a", "abc"], [""]),
    ],
)
def test_matches(pattern: str, fits: list[str], misses: list[str]) -> None:
    assert all(matches(text, pattern) for text in fits)
    assert not any(matches(text, pattern) for text in misses)


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        ("a,b", True),
        ("!a,b", False),
        ("b,!a", False),
        ("!c,*", True),
        ("!c", False),
        ("b, a", False),
        ("", False),
        ("A", False),
    ],
)
def test_matches_list(patterns: str, expected: bool) -> None:  # noqa: FBT001  # a table
    assert matches_list("a", patterns) is expected


def test_the_case_of_a_host_does_not_count() -> None:
    assert matches_host("Edge1.EXAMPLE", "*.Example")


def test_no_pattern_takes_exponential_time() -> None:
    assert not matches("a" * 5000, "*a" * 400 + "b")
