"""Patterns with ``*`` and ``?``, and comma-separated lists of them, as in ssh_config(5), PATTERNS."""

from __future__ import annotations

import re
from functools import lru_cache

from .lexer import ascii_lower

__all__ = ["matches", "matches_host", "matches_list"]


def matches(text: str, pattern: str) -> bool:
    """Whether the whole text fits one pattern; the case of letters counts."""
    if "*" not in pattern and "?" not in pattern:
        return text == pattern
    return _compiled(pattern).fullmatch(text) is not None


@lru_cache(maxsize=4096)
def _compiled(pattern: str) -> re.Pattern[str]:
    # Atomic groups: each part between two stars is taken where it first fits, so no pattern takes exponential time.
    first, *rest = [re.escape(part).replace(r"\?", ".") for part in re.split(r"\*+", pattern)]
    if not rest:
        return re.compile(first, re.DOTALL)
    *middle, last = rest
    return re.compile(first + "".join(f"(?>.*?{part})" for part in middle) + ".*" + last, re.DOTALL)


def matches_list(text: str, patterns: str, *, lower: bool = False) -> bool:
    """Whether one pattern of a comma-separated list fits and no negated one (``!``) does.

    Args:
        text: What is looked at.
        patterns: The list, taken literally: blanks around a comma are part of a pattern.
        lower: Whether the patterns are put in lower case first; the text never is.
    """
    found = False
    for entry in patterns.split(","):
        pattern = ascii_lower(entry) if lower else entry
        if pattern.startswith("!"):
            if matches(text, pattern[1:]):
                return False
        elif matches(text, pattern):
            found = True
    return found


def matches_host(host: str, patterns: str) -> bool:
    """`matches_list` for host names: the case of letters does not count."""
    return matches_list(ascii_lower(host), patterns, lower=True)
