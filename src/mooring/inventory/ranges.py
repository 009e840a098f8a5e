"""Many names in one word, as Ansible has them: ``web[01:20].example.com``, ``db-[a:f]``, ``[0:100:5]``."""

from __future__ import annotations

import re
from math import prod
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["MOST", "expand"]

MOST: Final = 100_000
"""Names that one word may stand for."""

_RANGE: Final = re.compile(r"\[(?:([0-9]{0,9}):([0-9]{1,9})|([a-z]):([a-z])|([A-Z]):([A-Z]))(?::([1-9][0-9]{0,8}))?\]")


def expand(word: str) -> list[str]:
    """The names that a word stands for; itself where there is no range in it.

    Raises:
        ValueError: A range is none, or there are too many names; the words fit behind ``the host``.
    """
    parts: list[str] = []
    ranges: list[Sequence[str]] = []
    end = 0
    for match in _RANGE.finditer(word):
        parts.append(word[end : match.start()])
        ranges.append(_each(match))
        end = match.end()
        if prod(map(len, ranges)) > MOST:
            raise ValueError(f"stands for more than {MOST} names")
    names = [""]
    for part, each in zip(parts, ranges, strict=True):
        names = [f"{name}{part}{one}" for name in names for one in each]
    return [f"{name}{word[end:]}" for name in names]


def _each(match: re.Match[str]) -> Sequence[str]:
    first, last = match[1], match[2]
    step = int(match[7] or 1)
    if last is None:
        first, last = (match[3], match[4]) if match[3] else (match[5], match[6])
        found: Sequence[str] = [chr(code) for code in range(ord(first), ord(last) + 1, step)]
    else:
        width = len(first) if first.startswith("0") else 0
        if width > 1 and width != len(last):
            raise ValueError("has a range whose ends are not equally long")
        numbers = range(int(first or "0"), int(last) + 1, step)
        if len(numbers) > MOST:
            raise ValueError(f"stands for more than {MOST} names")
        found = [f"{number:0{width}}" for number in numbers]
    if not found:
        raise ValueError("has a range that ends before it begins")
    return found
