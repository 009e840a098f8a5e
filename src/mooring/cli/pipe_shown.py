"""What ``mooring pipe`` writes: answers as lines, outcomes as objects under a bar that grows, complaints."""

from __future__ import annotations

import base64
import json
import logging
import sys
import time
from typing import TYPE_CHECKING, Any, Final, Protocol

from ..model.errors import HandlerFailed
from ..model.problem import to_problem
from .terminal import live, printable, width

if TYPE_CHECKING:
    from ..model.errors import MooringError
    from .lines import Line
    from .output import Output

__all__ = ["Answers", "Outcomes", "Shown", "bar"]

_REDRAWN: Final = 0.1
_WIDEST: Final = 40
_KEPT: Final = 64 * 1024
"""Bytes of a line that a handler printed, and has not ended."""


class Shown(Protocol):
    """Who is told what happens.

    Attributes:
        failed: Items without a result.
        answered: Items with one.
    """

    failed: int
    answered: int

    def result(self, line: Line, alias: str, value: object, tried: tuple[str, ...]) -> None:
        """An item's result."""

    def error(self, line: Line, alias: str | None, error: MooringError, tried: tuple[str, ...]) -> None:
        """Why an item has none."""

    def said(self, alias: str, message: object) -> None:
        """A handler sent something by itself."""

    def logged(self, alias: str, fields: dict[str, Any]) -> None:
        """It logged something."""

    def wrote(self, alias: str, data: bytes) -> None:
        """It printed something."""

    def complained(self, text: str) -> None:
        """Something else to tell."""

    def hosts(self, count: int) -> None:
        """So many handlers are there."""

    def close(self) -> None:
        """Nothing more comes."""


class Answers:
    """One handler: its answers and messages, a line each; what it prints is passed on as it is.

    Args:
        output: Where to.
    """

    def __init__(self, output: Output) -> None:
        self.failed = 0
        self.answered = 0
        self._output = output

    def result(self, line: Line, alias: str, value: object, tried: tuple[str, ...]) -> None:
        """The answer."""
        try:
            text = _line(value)
        except ValueError as error:
            self.error(line, alias, _no_json(alias, error), tried)
            return
        self.answered += 1
        self._output.put(1, text)

    def error(self, line: Line, alias: str | None, error: MooringError, tried: tuple[str, ...]) -> None:  # noqa: ARG002
        """Why there is none."""
        self.failed += 1
        self.complained(f"line {line.number}: {error.message}")

    def said(self, alias: str, message: object) -> None:
        """A message."""
        try:
            self._output.put(1, _line(message))
        except ValueError as error:
            self.failed += 1
            self.complained(_no_json(alias, error).message)

    def logged(self, alias: str, fields: dict[str, Any]) -> None:
        """A log record."""
        self._output.put(2, _lines(f"{alias}: {_record(fields)}"))

    def wrote(self, alias: str, data: bytes) -> None:  # noqa: ARG002
        """What it printed."""
        self._output.put(2, data)

    def complained(self, text: str) -> None:
        """Something else to tell."""
        self._output.put(2, _lines(f"mooring pipe: {text}"))

    def hosts(self, count: int) -> None:
        """One or none, which is known."""

    def close(self) -> None:
        """Nothing more comes."""


class Outcomes:
    """Many handlers: an object for each item, the aliases before what they print, and a bar on a terminal.

    Args:
        output: Where to.
        total: How many items there are; None where nobody knows.
    """

    def __init__(self, output: Output, total: int | None) -> None:
        self.failed = 0
        self.answered = 0
        self._output = output
        self._total = total
        self._hosts = 0
        self._live = live(sys.stderr)
        self._room = (width(sys.stderr) or 80) - 1
        self._drawn = False
        self._due = 0.0
        self._begun: dict[str, bytes] = {}

    def result(self, line: Line, alias: str, value: object, tried: tuple[str, ...]) -> None:
        """An item's result."""
        try:
            self._outcome(line, alias, "result", value, tried)
        except ValueError as error:
            self.error(line, alias, _no_json(alias, error), tried)
            return
        self.answered += 1
        self._draw()

    def error(self, line: Line, alias: str | None, error: MooringError, tried: tuple[str, ...]) -> None:
        """Why an item has none."""
        self.failed += 1
        self._outcome(line, alias, "error", to_problem(error), tried)
        self._draw()

    def _outcome(self, line: Line, alias: str | None, what: str, value: object, tried: tuple[str, ...]) -> None:
        fields = {"line": line.number} | ({} if alias is None else {"alias": alias}) | {what: value}
        rest = _line(fields | ({"tried": tried} if tried else {}))
        self._put(1, b'{"item": ' + line.text + b", " + rest[1:])

    def said(self, alias: str, message: object) -> None:
        """A message that answers nothing."""
        try:
            self._put(1, _line({"alias": alias, "message": message}))
        except ValueError as error:
            self.failed += 1
            self.complained(_no_json(alias, error).message)

    def logged(self, alias: str, fields: dict[str, Any]) -> None:
        """A log record."""
        self._tell(f"{alias}: {_record(fields)}")

    def wrote(self, alias: str, data: bytes) -> None:
        """What one printed, by whole lines."""
        *lines, rest = (self._begun.pop(alias, b"") + data).split(b"\n")
        if len(rest) > _KEPT:
            lines, rest = [*lines, rest], b""
        if rest:
            self._begun[alias] = rest
        for line in lines:
            self._tell(f"{alias}: {line.decode('utf-8', 'backslashreplace')}")

    def complained(self, text: str) -> None:
        """Something else to tell."""
        self._tell(f"mooring pipe: {text}")

    def hosts(self, count: int) -> None:
        """So many handlers are there."""
        self._hosts = count
        self._draw()

    def close(self) -> None:
        """Nothing more comes."""
        for alias in list(self._begun):
            self.wrote(alias, b"\n")
        self._erase()

    def _tell(self, text: str) -> None:
        self._put(2, _lines(text))

    def _put(self, descriptor: int, data: bytes) -> None:
        if descriptor == 2 or sys.stdout.isatty():
            self._erase()
        self._output.put(descriptor, data)

    def _erase(self) -> None:
        if self._drawn:
            self._drawn = False
            self._due = 0.0
            self._output.put(2, b"\r\033[K")

    def _draw(self) -> None:
        now = time.monotonic()
        if self._live and now >= self._due:
            self._drawn = True
            self._due = now + _REDRAWN
            text = bar(self.answered + self.failed, self._total, self.failed, self._hosts, self._room)
            self._output.put(2, f"\r\033[K{text}".encode())


def bar(done: int, total: int | None, failed: int, hosts: int, room: int) -> str:
    """How far it is, in so many columns: ``[####......] 40 of 100, 1 failed, 3 hosts``.

    Args:
        done: Items that are accounted for.
        total: All items; None where nobody knows.
        failed: Items without a result.
        hosts: Handlers that are there.
        room: Columns.
    """
    text = f"{done} of {total}" if total is not None else f"{done} done"
    text += (f", {failed} failed" if failed else "") + (", 1 host" if hosts == 1 else f", {hosts} hosts")
    size = min(room - len(text) - 3, _WIDEST)
    if total and size >= 8:
        full = size * done // total
        text = f"[{'#' * full}{'.' * (size - full)}] {text}"
    return text[:room]


def _record(fields: dict[str, Any]) -> str:
    level = fields.get("levelname") or logging.getLevelName(fields["levelno"])
    trace = f"\n{fields['exc_text']}" if fields.get("exc_text") else ""
    return f"{level} {fields['name']}: {fields.get('msg')}{trace}"


def _lines(text: str) -> bytes:
    """Lines for people, without what would move the cursor."""
    return "".join(f"{printable(line)}\n" for line in text.split("\n")).encode(errors="replace")


def _line(value: object) -> bytes:
    """A line of JSON. Bytes become ``{"base64": ...}``, and half a surrogate pair stays the escape that it is.

    Raises:
        ValueError: It has NaN or an infinity, which JSON has not.
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, default=_encoded)
    return f"{text}\n".encode("utf-8", "backslashreplace")


def _no_json(alias: str, error: ValueError) -> HandlerFailed:
    return HandlerFailed(f"what the handler on {alias} said is no JSON: {error}")


def _encoded(value: object) -> dict[str, str]:
    if isinstance(value, bytes):
        return {"base64": base64.b64encode(value).decode("ascii")}
    raise TypeError(type(value).__name__)
