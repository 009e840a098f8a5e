"""How far a copy is, on one line of the terminal: the file, its part, the rate, the time left."""

from __future__ import annotations

import sys
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from .terminal import live, printable, width

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Shown", "seconds", "size"]

_SPAN: Final = 5.0
"""Seconds that the rate is of: long enough to be steady, short enough to be true."""
_UNITS: Final = ("B", "kB", "MB", "GB", "TB")


class Shown:
    """The line, drawn over and over, if stderr is a terminal.

    Args:
        quiet: It is not wanted.
    """

    def __init__(self, *, quiet: bool) -> None:
        self._shown = live(sys.stderr) and not (quiet and sys.stdout.isatty())
        self._totals: dict[str, tuple[int, int]] = {}
        self._seen: deque[tuple[float, int]] = deque()
        self.finished = 0
        self.paths: dict[str, str] = {}
        """The file that each session is at; those that have ended are at none."""

    def progress(self, alias: str, progress: Mapping[str, Any]) -> None:
        """One copy has come so far."""
        self._totals[alias] = (progress["total"], progress["known"])
        self.paths[alias] = str(progress["path"])
        if self._shown:
            self._draw(str(progress["path"]))

    def done(self, alias: str, done: Mapping[str, Any]) -> None:
        """One copy has ended."""
        self.finished += 1
        self.paths.pop(alias, None)
        self._totals[alias] = (done["size"], done["size"])

    def clear(self) -> None:
        """Make room for a line of something else."""
        if self._shown:
            sys.stderr.write("\r\033[K")
            sys.stderr.flush()

    def _draw(self, path: str) -> None:
        now = time.monotonic()
        total, known = (sum(each) for each in zip(*self._totals.values(), strict=True))
        self._seen.append((now, total))
        while len(self._seen) > 2 and now - self._seen[0][0] > _SPAN:
            self._seen.popleft()
        before, then = self._seen[0]
        rate = (total - then) / (now - before) if now > before else 0.0
        parts = [f"{100 * total // known:3}%" if known else "", size(total), f"{size(rate)}/s" if rate else ""]
        if rate and known > total:
            parts.append(f"{seconds((known - total) / rate)} left")
        if len(self._totals) > 1:
            parts.append(f"{self.finished} of {len(self._totals)} hosts")
        told = "  ".join(part for part in parts if part)
        columns = (width(sys.stderr) or 80) - 1
        name = printable(path.rpartition("/")[2])[: max(0, columns - len(told) - 2)]
        line = f"{name}  {told}" if name else told
        sys.stderr.write(f"\r\033[K{line[:columns]}")
        sys.stderr.flush()


def size(count: float) -> str:
    """Bytes as people read them."""
    for unit in _UNITS[:-1]:
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" or count >= 100 else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} {_UNITS[-1]}"


def seconds(left: float) -> str:
    """Seconds as people read them."""
    minutes, rest = divmod(round(left), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
