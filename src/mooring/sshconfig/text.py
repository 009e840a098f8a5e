"""The text of an ssh_config, line by line: what is changed is rewritten, and every other byte stays."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ..model.errors import ConfigError
from .keywords import ALIASES
from .lexer import arguments, ascii_lower, first_words, places

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["RAW", "Block", "Text", "keyword_of"]

_PARTS: Final = re.compile(
    r'(?P<indent>[ \t]*)(?P<keyword>"[^"]*"|[^\s"=]+)(?P<space>[ \t]*=?[ \t]*)(?P<rest>.*)', re.DOTALL
)
_COMMENT: Final = re.compile(r"[ \t]+#.*$")
_INDENT: Final = "    "
RAW: Final = frozenset({"proxycommand", "remotecommand", "localcommand", "knownhostscommand"})
"""Their value goes to the end of the line, whatever stands there."""


def keyword_of(line: str) -> str | None:
    """The keyword that a line sets, under the name that counts; None for a blank line or a comment."""
    word, _ = first_words(line)
    if not word or word.startswith("#"):
        return None
    name = ascii_lower(word)
    return ALIASES.get(name, name)


@dataclass(frozen=True, slots=True)
class Block:
    """A ``Host`` block's lines, as indexes.

    Attributes:
        head: The ``Host`` line.
        end: After the last line that sets something; comments and blank lines there belong to what follows.
        patterns: Of the ``Host`` line.
    """

    head: int
    end: int
    patterns: tuple[str, ...]


class Text:
    """A configuration's lines, which can be changed.

    Args:
        text: All of it.
    """

    def __init__(self, text: str) -> None:
        self.lines = text.split("\n")

    def __str__(self) -> str:
        return "\n".join(self.lines)

    def blocks(self) -> list[Block]:
        """All ``Host`` blocks, from top to bottom."""
        found: list[Block] = []
        head: int | None = None
        last = 0
        for number, line in enumerate([*self.lines, "Match all"]):
            keyword = keyword_of(line)
            if keyword in {"host", "match"}:
                if head is not None:
                    found.append(Block(head, last + 1, _patterns(self.lines[head])))
                head = number if keyword == "host" else None
            if keyword is not None:
                last = number
        return found

    def block(self, host: str) -> Block | None:
        """The block whose ``Host`` line has exactly these patterns."""
        wanted = tuple(host.split())
        return next((block for block in self.blocks() if block.patterns == wanted), None)

    def block_with(self, host: str) -> Block | None:
        """The first block that names a host among others."""
        return next((block for block in self.blocks() if host in block.patterns), None)

    def set(self, block: Block, keyword: str, values: Sequence[str]) -> None:
        """Give a keyword these values in a block: lines that are there are rewritten, further ones come after."""
        name = ALIASES.get(ascii_lower(keyword), ascii_lower(keyword))
        there = [number for number in range(block.head + 1, block.end) if keyword_of(self.lines[number]) == name]
        for number, value in zip(there, values, strict=False):
            self.lines[number] = _with_value(self.lines[number], name, value)
        more = [self._new_line(block, keyword, value) for value in values[len(there) :]]
        at = there[-1] + 1 if there else block.end
        self.lines[at:at] = more
        for number in reversed(there[len(values) :]):
            del self.lines[number]

    def add(self, at: int, host: str) -> Block:
        """A new block of nothing but its ``Host`` line, set off by a blank line where it is not."""
        ending = "\r" if any(line.endswith("\r") for line in self.lines) else ""
        before = [ending] if at and self.lines[at - 1].strip() else []
        after = [ending] if at < len(self.lines) and self.lines[at].strip() else []
        self.lines[at:at] = [*before, f"Host {host}{ending}", *after]
        head = at + len(before)
        if head + 1 == len(self.lines):
            self.lines.append("")  # the last line ends
        return Block(head, head + 1, tuple(host.split()))

    def remove(self, block: Block) -> None:
        """Take a block out, and one of the blank lines around it."""
        end = block.end
        if end < len(self.lines) - 1 and not self.lines[end].strip():
            end += 1
        del self.lines[block.head : end]

    def remove_name(self, block: Block, host: str) -> None:
        """Take one name out of a ``Host`` line that has others, each time it stands there."""
        line = self.lines[block.head]
        _, rest = first_words(line)
        begin = line.rindex(rest)
        kept, before = "", 0
        for word, start, end in places(rest) or ():
            if word != host:
                kept += rest[before if kept else start : end]
            before = end
        self.lines[block.head] = changed = f"{line[:begin]}{kept}{rest[before:]}{line[begin + len(rest) :]}"
        if not kept or host in _patterns(changed):
            raise ConfigError(f"{host} cannot be taken out of it", line=block.head + 1)

    def before_the_rest(self) -> int:
        """Where a block comes before what applies to every host, so that it counts: else the end."""
        for block in self.blocks():
            if "*" in block.patterns:
                return self._with_comments(block.head)
        end = len(self.lines)
        while end and not self.lines[end - 1].strip():
            end -= 1
        return end

    def _with_comments(self, head: int) -> int:
        """The first of the comment lines right above a line."""
        while head and self.lines[head - 1].lstrip().startswith("#"):
            head -= 1
        return head

    def _new_line(self, block: Block, keyword: str, value: str) -> str:
        last = self.lines[block.end - 1]
        found = _PARTS.match(last)
        indent = found["indent"] if found and block.end - 1 > block.head else _INDENT
        return f"{indent}{keyword} {value}{_ending(last)}"


def _patterns(line: str) -> tuple[str, ...]:
    return arguments(first_words(line)[1]) or ()


def _with_value(line: str, name: str, value: str) -> str:
    found = _PARTS.match(line)
    if found is None:  # a line that begins with a form feed or the like
        return f"{_INDENT}{name} {value}{_ending(line)}"
    rest = found["rest"].rstrip()
    comment = _COMMENT.search(rest)
    kept = comment[0] if comment and name not in RAW and arguments(rest[: comment.start()]) is not None else ""
    trailing = found["rest"][len(rest) :]
    return f"{found['indent']}{found['keyword']}{found['space'] or ' '}{value}{kept}{trailing}"


def _ending(line: str) -> str:
    return "\r" if line.endswith("\r") else ""
