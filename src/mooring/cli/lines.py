"""Lines of JSON from a descriptor, as they come; where one is none, its place is told."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Final, NamedTuple, NoReturn

from ..model.errors import InvalidInput

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Line", "Lines", "count"]

_CHUNK: Final = 64 * 1024
_LONGEST: Final = 1 << 26
"""Bytes of a line: what a message may have."""


class Line(NamedTuple):
    """One line.

    Attributes:
        number: Which, counted from 1.
        text: One JSON value.
    """

    number: int
    text: bytes


class Lines:
    """Lines as they come; empty ones are passed over.

    Args:
        descriptor: Where they come from; it is read when ``fill`` is called.
        name: What it is called in a complaint.
    """

    def __init__(self, descriptor: int, name: str) -> None:
        self.descriptor = descriptor
        self.ended = False
        """Whether nothing more can be read."""
        self._name = name
        self._buffer = bytearray()
        self._searched = 0
        self._number = 0

    @property
    def empty(self) -> bool:
        """Whether no line will come any more."""
        return self.ended and not self._buffer

    def fill(self) -> None:
        """Read what there is; it blocks where nothing is, unless somebody made the descriptor non-blocking."""
        try:
            data = os.read(self.descriptor, _CHUNK)
        except BlockingIOError:
            return
        self._buffer += data
        self.ended = not data

    def take(self) -> Line | None:
        """The next line; None where it has not come whole.

        Raises:
            InvalidInput: It is no JSON, or too long.
        """
        while (text := self._next()) is not None:
            self._number += 1
            if text and not text.isspace():
                self._check(text)
                return Line(self._number, text.strip())
        if len(self._buffer) > _LONGEST:
            self._number += 1
            self._complain(f"longer than {_LONGEST} bytes")
        return None

    def _next(self) -> bytes | None:
        end = self._buffer.find(b"\n", self._searched)
        if end < 0 and not (self.ended and self._buffer):
            self._searched = len(self._buffer)
            return None
        end = len(self._buffer) if end < 0 else end
        text = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        self._searched = 0
        return text

    def _check(self, text: bytes) -> None:
        try:
            json.loads(text.decode("utf-8"), parse_constant=_refuse)
        except json.JSONDecodeError as error:
            self._complain(f"column {error.colno}: {error.msg}")
        except UnicodeDecodeError:
            self._complain("it is no UTF-8")
        except RecursionError:
            self._complain("it is nested too deeply")
        except ValueError as error:
            self._complain(str(error))

    def _complain(self, what: str) -> NoReturn:
        msg = f"{self._name}, line {self._number}, {what}"
        raise InvalidInput(msg, hint='each line is one JSON value; a text is written "text"')


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def count(path: Path) -> int:
    """How many items a file has.

    Raises:
        InvalidInput: One of its lines is no JSON.
    """
    with path.open("rb") as file:
        lines, number = Lines(file.fileno(), str(path)), 0
        while not lines.empty:
            if lines.take() is not None:
                number += 1
            elif not lines.ended:
                lines.fill()
    return number
