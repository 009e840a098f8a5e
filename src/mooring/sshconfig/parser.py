"""From text to a tree: sections, what stands in them, and the files they include.

All that does not depend on the host is decided here, once; OpenSSH, too, checks the values of blocks that do not apply.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..model.errors import ConfigError
from .keywords import ALIASES, IGNORED, Keyword, keyword_table
from .lexer import Line, line_of
from .match import HostLine, MatchLine, parse_host, parse_match
from .tokens import Peer, expand_home

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .disk import Reader
    from .local import Local

__all__ = ["File", "Include", "Option", "Parser", "Section"]

_MAX_DEPTH = 16


@dataclass(frozen=True, slots=True)
class Option:
    """A keyword with its value."""

    keyword: Keyword
    value: object
    line: Line


@dataclass(frozen=True, slots=True)
class Include:
    """The files that one Include line names."""

    files: tuple[File, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """A ``Host`` or ``Match`` line and what follows it.

    Attributes:
        head: None before the first such line of a file.
        body: Options and included files in their order.
        unknown: Lines with unknown keywords anywhere in the section, included files too: errors unless IgnoreUnknown
            names them, whether the section applies or not.
        wants_final: Whether a ``Match final`` stands in it.
    """

    head: HostLine | MatchLine | None
    body: tuple[Option | Include | Line, ...]
    unknown: tuple[Line, ...]
    wants_final: bool


File = tuple[Section, ...]


class Parser:
    """Reads the files of one configuration.

    Args:
        local: The place it is read in.
        read: Where included files come from.
        system: Whether the file is the system's: relative names are then taken from /etc/ssh, and ``~`` is refused.
        faults: Where lines go that ssh would refuse; by default the first is raised.
    """

    def __init__(
        self, local: Local, read: Reader, *, system: bool = False, faults: list[ConfigError] | None = None
    ) -> None:
        self._local = local
        self._read = read
        self._system = system
        self._faults = faults
        self._checked: set[tuple[str, int]] = set()
        self._keywords: Mapping[str, Keyword] = keyword_table(local.environment)
        self._anyone = Peer("", "", 22, local.user, None, "", local)

    def parse(self, text: str, source: str | None, *, depth: int = 0) -> File:
        """The sections of one file.

        Raises:
            ConfigError: A line that ssh would refuse for every host.
        """
        sections: list[Section] = []
        head: HostLine | MatchLine | None = None
        body: list[Option | Include | Line] = []
        for number, raw in enumerate(text.split("\n"), 1):
            try:
                line = line_of(raw, source=source, number=number)
                if line is None:
                    continue
                if line.keyword in {"host", "match"}:
                    following = parse_host(line) if line.keyword == "host" else parse_match(line, self._anyone)
                    sections.append(_section(head, body))
                    head, body = following, []
                elif (item := self._item(line, depth)) is not None:
                    body.append(item)
            except ConfigError as error:
                if self._faults is None:
                    raise
                self._faults.append(error)
        sections.append(_section(head, body))
        return tuple(sections)

    def _item(self, line: Line, depth: int) -> Option | Include | Line | None:
        if line.keyword == "include":
            return Include(tuple(self._included(line, depth + 1)))
        name = ALIASES.get(line.keyword, line.keyword)
        if name in IGNORED:
            return None
        keyword = self._keywords.get(name)
        if keyword is None:
            return line
        value = keyword.parse(line)
        return None if value is None else Option(keyword, value, line)

    def _included(self, line: Line, depth: int) -> list[File]:
        if "" in line.arguments:
            raise line.error("include: an argument is empty")
        if depth > _MAX_DEPTH:
            raise line.error(f"include: more than {_MAX_DEPTH} files deep; does a file include itself?")
        files = []
        for path in (path for word in line.arguments for path in self._read.find(self._anchored(line, word))):
            if self._faults is not None:  # a file that includes itself twice is 2 ** 16 files
                if (path, depth) in self._checked:
                    continue
                self._checked.add((path, depth))
            try:
                text = self._read.read(path, private=True)
            except FileNotFoundError:
                continue
            except OSError as error:
                raise line.error(f"include: {path} cannot be read: {error.strerror or error}") from None
            files.append(self.parse(text, path, depth=depth))
        return files

    def _anchored(self, line: Line, word: str) -> str:
        if word.startswith("~"):
            if self._system:
                raise line.error(f'include: "{word}" in a system file must be absolute')
            try:
                return expand_home(word, self._local)
            except ValueError:
                return word  # as glob(3) has it: there is no such file, and that is no error
        if word.startswith("/"):
            return word
        return f"/etc/ssh/{word}" if self._system else expand_home(f"~/.ssh/{word}", self._local)


def _section(head: HostLine | MatchLine | None, body: list[Option | Include | Line]) -> Section:
    unknown: list[Line] = []
    wants_final = isinstance(head, MatchLine) and head.wants_final
    for item in body:
        if isinstance(item, Line):
            unknown.append(item)
        elif isinstance(item, Include):
            for section in (section for file in item.files for section in file):
                unknown += section.unknown
                wants_final = wants_final or section.wants_final
    return Section(head, tuple(body), tuple(unknown), wants_final)
