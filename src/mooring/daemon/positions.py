"""On which line of a TOML file a key stands: the standard library's parser does not tell."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["line_of"]

_KEY: Final = r"""(?:[A-Za-z0-9_-]+|"[^"\n]*"|'[^'\n]*')"""
_DOTTED: Final = rf"{_KEY}(?:\s*\.\s*{_KEY})*"
_HEADER: Final = re.compile(rf"\s*\[\[?\s*({_DOTTED})\s*\]")
_PAIR: Final = re.compile(rf"\s*({_DOTTED})\s*=")
_LONG: Final = re.compile(r'"""|\'\'\'')


def line_of(text: str, keys: Sequence[str]) -> int | None:
    """The line, from 1, of the longest beginning of ``keys`` that has a line of its own; None if there is none.

    Args:
        text: A well-formed TOML document.
        keys: The names of the tables and of the key, outermost first.
    """
    best, found = 0, None
    for line, path in _paths(text):
        common = 0
        while common < min(len(path), len(keys)) and path[common] == keys[common]:
            common += 1
        if common > best and (common == len(path) or common == len(keys)):
            best, found = common, line
    return found


def _paths(text: str) -> Iterator[tuple[int, list[str]]]:
    """Each line that opens a table or begins a pair, with the whole path of names it stands for."""
    table: list[str] = []
    closing = ""
    for number, line in enumerate(text.split("\n"), 1):
        inside = bool(closing)
        for mark in _LONG.findall(line):
            closing = "" if mark == closing else closing or mark
        if inside:
            continue
        if header := _HEADER.match(line):
            table = _names(header[1])
            yield number, table
        elif pair := _PAIR.match(line):
            yield number, [*table, *_names(pair[1])]


def _names(dotted: str) -> list[str]:
    """``a."b.c"`` as its names."""
    names = []
    inner: Any = tomllib.loads(f"{dotted} = 0")
    while isinstance(inner, dict):
        name, inner = next(iter(inner.items()))
        names.append(name)
    return names
