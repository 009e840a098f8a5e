"""What a terminal showed as plain text: lines as they stood in the end, without what was drawn on a whole screen."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["Plain"]

_TOKEN: Final = re.compile(
    r"(?P<text>[^\x00-\x1f\x7f-\x9f]+)"
    r"|(?:\x1b\[|\x9b)(?P<params>[0-?]*)[ -/]*(?P<final>[@-~])"
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)"
    r"|\x1b[ -/]*[0-Z\\`-~]"
    r"|(?P<unfinished>(?:\x1b|[\x90\x98\x9b\x9d-\x9f])(?:[\[\]PX^_]?[^\x07\x1b\x9c]*|[ -/]*)\x1b?\Z)"
    r"|(?P<control>[\x00-\x1f\x7f-\x9f])"
)
_ALTERNATE: Final = frozenset({"?47", "?1047", "?1049"})
_LONGEST: Final = 64 * 1024
"""Letters of a line, or of a sequence that does not end."""
_TAB: Final = 8


class Plain:
    """Output as lines: ``feed`` it in order, then ``end``. They are edited as people saw it: erased, written over."""

    def __init__(self) -> None:
        self._line: list[str] = []
        self._column = 0
        self._drawing = False
        self._rest = ""

    def feed(self, shown: str) -> str:
        """More was shown; the lines that came whole."""
        lines: list[str] = []
        text, self._rest = self._rest + shown, ""
        for found in _TOKEN.finditer(text):
            if found["unfinished"]:
                self._rest = found[0] if len(found[0]) < _LONGEST else ""
            elif found["final"]:
                self._sequence(found["params"], found["final"])
            elif self._drawing:
                continue
            elif found["text"]:
                self._write(found["text"], lines)
            elif found["control"]:
                self._control(found["control"], lines)
        return "".join(lines)

    def end(self) -> str:
        """The last line, where it did not end."""
        return self._ended() if self._line else ""

    def _write(self, text: str, lines: list[str]) -> None:
        self._line += " " * (self._column - len(self._line))
        self._line[self._column : self._column + len(text)] = text
        self._column += len(text)
        if self._column > _LONGEST:
            lines.append(self._ended())

    def _control(self, control: str, lines: list[str]) -> None:
        if control in "\n\v\f\x85":
            lines.append(self._ended())
        elif control == "\r":
            self._column = 0
        elif control == "\b":
            self._column = max(0, self._column - 1)
        elif control == "\t":
            self._column += _TAB - self._column % _TAB

    def _sequence(self, params: str, final: str) -> None:
        if final in "hl" and params in _ALTERNATE:
            self._drawing = final == "h"
        elif self._drawing:
            return
        elif final == "K":
            self._erase(params or "0")
        elif final in "CDGP@":
            self._move(min(int(params), _LONGEST) if params.isascii() and params.isdigit() else 1, final)

    def _erase(self, which: str) -> None:
        if which == "0":
            del self._line[self._column :]
        elif which == "1":
            self._line[: self._column] = " " * min(self._column, len(self._line))
        elif which == "2":
            self._line.clear()

    def _move(self, count: int, how: str) -> None:
        if how == "C":
            self._column = min(self._column + count, _LONGEST)
        elif how == "D":
            self._column = max(0, self._column - count)
        elif how == "G":
            self._column = max(0, count - 1)
        elif how == "P":
            del self._line[self._column : self._column + count]
        else:
            self._line[self._column : self._column] = " " * count

    def _ended(self) -> str:
        line, self._line, self._column = "".join(self._line).rstrip(), [], 0
        return f"{line}\n"
