"""Which sessions are meant: ``edge1``, ``a,b``, ``edge*``, ``site:ams``, ``all``, ``!x``, ``@file``."""

from __future__ import annotations

import fnmatch
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from .errors import InvalidSelector, NothingSelected

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

__all__ = ["ALIAS", "LABEL", "Selector"]

ALIAS: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
LABEL: Final = re.compile(r"[A-Za-z0-9._/-]+:(?!//)[A-Za-z0-9._/-]+")

_GLOB: Final = frozenset("*?[")
_CLASS: Final = r"\[!?[A-Za-z0-9._/-]+\]"
_ALIAS_GLOB: Final = re.compile(rf"(?=[^*?\[]*[*?\[])(?:[A-Za-z0-9._*?-]|{_CLASS})+")
_LABEL_GLOB: Final = re.compile(rf"(?:[A-Za-z0-9._/*?-]|{_CLASS})+:(?!//)(?:[A-Za-z0-9._/*?-]|{_CLASS})+")
_FORMS: Final = (ALIAS, _ALIAS_GLOB, _LABEL_GLOB)
_TERM: Final = re.compile(r"[^,\r\n]+")
_COMMENT: Final = re.compile(r"#[^\r\n]*")
_MAX_FILE_DEPTH: Final = 8
_MAX_TERMS: Final = 100_000
_MAX_PATTERNS: Final = 256
"""Names are looked up, however many there are; each pattern is tried with every session."""

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
    _included: _Terms = field(init=False, repr=False, compare=False)
    _excluded: _Terms = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Make ready what ``matches`` asks."""
        object.__setattr__(self, "_included", _Terms.of(self.include))
        object.__setattr__(self, "_excluded", _Terms.of(self.exclude))

    @classmethod
    def parse(cls, text: str | Selector, *, read: Callable[[str], str] | None = None) -> Selector:
        """Parse a selector.

        Args:
            text: Terms with commas or line ends between; a Selector is returned as it is.
            read: Gives a file's text for ``@file``, which holds terms likewise, ``#`` starting a comment, and
                may name other files as ``read`` finds them. The default refuses ``@file``, since not every
                caller may read our files.

        Raises:
            InvalidSelector: It is empty, too long, a term is none, or a file cannot be read. The message says where,
                and does not repeat a term, which may be a DSN with a password in it.
            NothingSelected: A file names nobody, as that of a run in which nobody failed, and no other term includes
                any. It does not mean everybody then, whatever is excluded.
        """
        if isinstance(text, Selector):
            return text
        include: list[str] = []
        exclude: list[str] = []
        empty: list[str] = []
        for number, term in enumerate(_terms(_checked(text), "the selector", read, 0, empty)):
            if number == _MAX_TERMS:
                raise InvalidSelector(f"a selector may have no more than {_MAX_TERMS} terms", hint="write a label")
            negated = term.startswith("!")
            pattern = term[1:] if negated else term
            (exclude if negated else include).append("*" if pattern == "all" else pattern)
        if not include and empty:
            raise NothingSelected(f"the file {empty[0]!r} names nobody")
        if not include and not exclude:
            raise InvalidSelector("the selector names nothing", hint="write all to mean every session")
        return cls(text, tuple(include) or ("*",), tuple(exclude))

    def matches(self, alias: str, labels: Collection[str] = ()) -> bool:
        """Whether a session of this alias and these labels is meant."""
        return self._included.match(alias, labels) and not self._excluded.match(alias, labels)

    @property
    def named(self) -> tuple[str, ...]:
        """The aliases it names outright: a caller is told when one of them does not exist."""
        return tuple(term for term in self.include if ALIAS.fullmatch(term))

    def __str__(self) -> str:
        """The selector as written."""
        return self.text


@dataclass(frozen=True, slots=True)
class _Terms:
    """Terms of one kind, as they are compared: names and labels by looking them up, patterns as one."""

    everything: bool
    exactly: frozenset[str]
    aliases: re.Pattern[str] | None
    labels: re.Pattern[str] | None

    @classmethod
    def of(cls, terms: tuple[str, ...]) -> _Terms:
        globs = {term for term in terms if not _GLOB.isdisjoint(term)}
        patterns = globs - {"*"}
        if len(patterns) > _MAX_PATTERNS:
            raise InvalidSelector(f"a selector may have no more than {_MAX_PATTERNS} patterns", hint="write the names")
        aliases, labels = ([one for one in patterns if (":" in one) is of_labels] for of_labels in (False, True))
        return cls("*" in globs, frozenset(terms) - globs, _one_of(aliases), _one_of(labels))

    def match(self, alias: str, labels: Collection[str]) -> bool:
        return (
            self.everything
            or alias in self.exactly
            or not self.exactly.isdisjoint(labels)
            or (self.aliases is not None and self.aliases.match(alias) is not None)
            or (self.labels is not None and any(map(self.labels.match, labels)))
        )


def _one_of(patterns: list[str]) -> re.Pattern[str] | None:
    return re.compile("|".join(map(fnmatch.translate, sorted(patterns)))) if patterns else None


def _checked(text: object) -> str:
    if not isinstance(text, str):
        raise InvalidSelector(f"a selector is a text, not {type(text).__name__}", hint=_SYNTAX)
    return text


def _terms(text: str, what: str, read: Callable[[str], str] | None, depth: int, empty: list[str]) -> Iterator[str]:
    """The terms of a selector or, at a depth of more than 0, of a file; each well formed. Files without are told."""
    for match in _TERM.finditer(text):
        term = match[0].strip(" \t")
        if term.startswith("@"):
            yield from _file_terms(term[1:], f"{what} at {_where(text, match)}", read, depth, empty)
        elif any(form.fullmatch(term.removeprefix("!")) for form in _FORMS):
            yield term
        elif term:
            raise InvalidSelector(f"{what} at {_where(text, match)} has no alias, glob or label", hint=_hint(term))


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


def _file_terms(
    name: str, place: str, read: Callable[[str], str] | None, depth: int, empty: list[str]
) -> Iterator[str]:
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
    text = _COMMENT.sub("", text)
    if not text.strip(", \t\r\n"):
        empty.append(name)
    yield from _terms(text, f"the file {name!r}", read, depth + 1, empty)


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
