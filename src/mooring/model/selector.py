"""Which sessions are meant: ``edge1``, ``a,b``, ``edge*``, ``site:ams``, ``all``, ``!x``, ``@file``."""

from __future__ import annotations

import fnmatch
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .errors import InvalidSelector

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

__all__ = ["ALIAS", "LABEL", "Selector"]

ALIAS = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
LABEL = re.compile(r"[A-Za-z0-9._/-]+:[A-Za-z0-9._/-]+")

_TERM = re.compile(r"[A-Za-z0-9._/:*?\[\]!-]+")
_MAX_FILE_DEPTH = 8


@dataclass(frozen=True, slots=True)
class Selector:
    """A parsed selector: all that an include term matches, less all that an exclude term matches.

    With exclude terms alone, everything else is meant. A term with a colon is a label, any other an alias;
    both may be globs (``*``, ``?``, ``[a-z]``), and case counts.

    Attributes:
        text: The selector as written.
        include: Its terms without ``!``; ``("*",)`` where only exclusions were given.
        exclude: Its terms with ``!``, the mark removed.
    """

    text: str
    include: tuple[str, ...]
    exclude: tuple[str, ...]

    @classmethod
    def parse(cls, text: str | Selector, *, read: Callable[[str], str] | None = None) -> Selector:
        """Parse a selector.

        Args:
            text: Terms with commas between; a Selector is returned as it is.
            read: Gives a file's text for ``@file`` (a term a line or several with commas, ``#`` starts a
                comment). The default refuses ``@file``, since not every caller may read our files.

        Raises:
            InvalidSelector: It is empty, a term has a character that no alias or label has, or a file
                cannot be read.
        """
        if isinstance(text, Selector):
            return text
        include: list[str] = []
        exclude: list[str] = []
        for term in _terms(text, read, 0):
            negated = term.startswith("!")
            pattern = term[1:] if negated else term
            if not _TERM.fullmatch(pattern) or pattern.startswith("!"):
                msg = f"{term!r} in selector {text!r} is neither an alias, a glob nor a label"
                raise InvalidSelector(msg, hint="write an alias, edge*, site:ams, all, !excluded or @file")
            (exclude if negated else include).append("*" if pattern == "all" else pattern)
        if not include and not exclude:
            msg = f"selector {text!r} names nothing"
            raise InvalidSelector(msg, hint="write all to mean every session")
        return cls(text, tuple(include) or ("*",), tuple(exclude))

    def matches(self, alias: str, labels: Collection[str] = ()) -> bool:
        """Whether a session of this alias and these labels is meant."""
        return _any(self.include, alias, labels) and not _any(self.exclude, alias, labels)

    @property
    def named(self) -> tuple[str, ...]:
        """The aliases it names outright: a caller is told when one of them does not exist."""
        return tuple(term for term in self.include if ALIAS.fullmatch(term))

    def __str__(self) -> str:
        """The selector as written."""
        return self.text


def _any(patterns: tuple[str, ...], alias: str, labels: Collection[str]) -> bool:
    return any(
        pattern == "*"
        or (
            any(fnmatch.fnmatchcase(label, pattern) for label in labels)
            if ":" in pattern
            else fnmatch.fnmatchcase(alias, pattern)
        )
        for pattern in patterns
    )


def _terms(text: str, read: Callable[[str], str] | None, depth: int) -> Iterator[str]:
    for line in text.splitlines():
        for raw in line.partition("#")[0].split(","):
            term = raw.strip()
            if term.startswith("@"):
                yield from _terms(_read(term[1:], read, depth), read, depth + 1)
            elif term:
                yield term


def _read(name: str, read: Callable[[str], str] | None, depth: int) -> str:
    if read is None:
        msg = f"'@{name}' names a file, and files may not be read here"
        raise InvalidSelector(msg, hint="write the aliases themselves")
    if depth >= _MAX_FILE_DEPTH:
        msg = f"'@{name}' is nested more than {_MAX_FILE_DEPTH} files deep"
        raise InvalidSelector(msg, hint="look for a file that names itself")
    try:
        return read(name)
    except (OSError, UnicodeDecodeError) as error:
        msg = f"'@{name}' cannot be read: {error}"
        raise InvalidSelector(msg) from error
