"""What a person types, taken apart: what goes to the terminal, and what is meant for us, as ``ssh`` has it. Pure."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["HELP", "Escape", "Escapes"]


class Escape(enum.Enum):
    """What was asked of us."""

    END = "."
    DETACH = "d"
    TAKE = "t"
    STOP = "\x1a"
    HELP = "?"


HELP: Final[Mapping[Escape, str]] = {
    Escape.END: "hang up, and leave",
    Escape.DETACH: "detach: it goes on",
    Escape.TAKE: "take over, where you look on",
    Escape.STOP: "stop mooring, until fg",
    Escape.HELP: "this list",
}
_KEYS: Final = {escape.value.encode(): escape for escape in Escape}


class Escapes:
    """Finds them: at the beginning of a line, the escape key and another one.

    Args:
        key: The escape key, one byte; empty for none.
    """

    def __init__(self, key: bytes = b"~") -> None:
        self.key = key
        self._at_begin = True
        self._pending = False

    def feed(self, typed: bytes) -> Iterator[bytes | Escape]:
        """What was typed, in its order. What comes after an escape is yielded too: who leaves stops asking."""
        begin = 0
        for index in range(len(typed) if self.key else 0):
            byte = typed[index : index + 1]
            if self._pending:
                self._pending = False
                if escape := _KEYS.get(byte):
                    begin = index + 1
                    self._at_begin = True
                    yield escape
                    continue
                if byte != self.key:
                    yield self.key
                begin = index
            elif byte == self.key and self._at_begin:
                self._pending = True
                if index > begin:
                    yield typed[begin:index]
                begin = index + 1
                continue
            self._at_begin = byte in b"\r\n"
        if begin < len(typed):
            yield typed[begin:]
