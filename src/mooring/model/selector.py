"""Which sessions are meant: ``edge1``, ``a,b``, ``edge*``, ``site:ams``, ``all``, ``!x``, ``@file``."""

from __future__ import annotations

import fnmatch
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from .errors import InvalidSelector

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

__all__ = ["ALIAS", "LABEL", "Selector"]

ALIAS: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
LABEL: Final = re.compile(r"[A-Za-z0-9._/-]+:(?!//)[A-Za-z0-9._/-]+")

_CLASS: Final = r"\[!?[A-Za-z0-9._/-]+\]"
_ALIAS_GLOB: Final = re.compile(rf"(?=[^*?\[]*[*?\[])(?:[A-Za-z0-9._*?-]|{_CLASS})+")
_LABEL_GLOB: Final = re.compile(rf"(?:[A-Za-z0-9._/*?-]|{_CLASS})+:(?!//)(?:[A-Za-z0-9._/*?-]|{_CLASS})+")
_FORMS: Final = (ALIAS, _ALIAS_GLOB, _LABEL_GLOB)
_TERM: Final = re.compile(r"[^,\r\n]+")
_COMMENT: Final = re.compile(r"#[^\r\n]*")
_MAX_FILE_DEPTH: Final = 8

_SYNTAX: Final = "write an alias, edge*, site:ams, all, !excluded or @file, with commas between"
_DSN: Final = "a DSN starts a session; a selector names it by the alias before '://'"
_NOT_A_FILE: Final = "write the ! before each term in the file"


@dataclass(frozen=True, slots=True)
class Selector:
    """A parsed selector: all that an include term matches, less all that an exclude term matches.

    With exclude terms alone, everything else is meant. A term with a colon is a label, any other an alias;
    both may be globs (``*``, ``?``, ``[a-z]``, ``[!a-z]``), and case counts.

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
            text: Terms with commas or line ends between; a Selector is returned as it is.
            read: Gives a file's text for ``@file``, which holds terms likewise, ``#`` starting a comment, and
                may name other files as ``read`` finds them. The default refuses ``@file``, since not every
                caller may read our files.

        Raises:
            InvalidSelector: It is empty, a term is none, or a file cannot be read. The message says where, and
                does not repeat a term, which may be a DSN with a password in it.
        """
        if isinstance(text, Selector):
            return text
        include: list[str] = []
        exclude: list[str] = []
        for term in _terms(_checked(text), "the selector", read, 0):
            negated = term.startswith("!")
            pattern = term[1:] if negated else term
            (exclude if negated else include).append("*" if pattern == "all" else pattern)
        if not include and not exclude:
            raise InvalidSelector("the selector names nothing", hint="write all to mean every session")
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
        any(fnmatch.fnmatchcase(label, pattern) for label in labels)
        if ":" in pattern
        else fnmatch.fnmatchcase(alias, pattern)
        for pattern in patterns
    )


def _checked(text: object) -> str:
    if not isinstance(text, str):
        raise InvalidSelector(f"a selector is a text, not {type(text).__name__}", hint=_SYNTAX)
    return text


def _terms(text: str, what: str, read: Callable[[str], str] | None, depth: int) -> Iterator[str]:
    """The terms of a selector or, at a depth of more than 0, of a file; each well formed."""
    for match in _TERM.finditer(text):
        term = match[0].strip(" \t")
        place = f"{what} at {_where(text, match)}"
        if term.startswith("@"):
            yield from _file_terms(term[1:], place, read, depth)
        elif any(form.fullmatch(term.removeprefix("!")) for form in _FORMS):
            yield term
        elif term:
            raise InvalidSelector(f"{place} has no alias, glob or label", hint=_hint(term))


def _where(text: str, match: re.Match[str]) -> str:
    """The place of a term's first character."""
    before = text[: match.end() - len(match[0].lstrip(" \t"))]
    lines = re.split(r"\r\n|\r|\n", before)
    line = f"line {len(lines)}, " if len(lines) > 1 else ""
    return f"{line}character {len(lines[-1]) + 1}"


def _hint(term: str) -> str:
    if "://" in term:
        return _DSN
    return _NOT_A_FILE if term.startswith("!@") else _SYNTAX


def _file_terms(name: str, place: str, read: Callable[[str], str] | None, depth: int) -> Iterator[str]:
    if read is None:
        raise InvalidSelector(
            f"{place} names a file, and files may not be read here", hint="write the terms themselves"
        )
    if not name:
        raise InvalidSelector(f"{place} has an '@' without a file name", hint=_SYNTAX)
    if depth >= _MAX_FILE_DEPTH:
        raise InvalidSelector(
            f"{place} names a file more than {_MAX_FILE_DEPTH} files deep", hint="look for a file that names itself"
        )
    text, wrong = _read(name, read)
    if wrong:
        raise InvalidSelector(f"{place} names a file that cannot be read: {wrong}")
    yield from _terms(_COMMENT.sub("", text), f"the file {name!r}", read, depth + 1)


def _read(name: str, read: Callable[[str], str]) -> tuple[str, str | None]:
    """The file's text, or what is wrong with it."""
    try:
        # A file made on Windows may begin with a byte order mark.
        return read(name).removeprefix("\ufeff"), None
    except OSError as error:
        return "", error.strerror or type(error).__name__
    except UnicodeDecodeError:
        return "", "it is not UTF-8"
    except ValueError:
        return "", "its name cannot be one"
