"""How far a fan-out is, on one line of the terminal."""

from __future__ import annotations

import sys
from typing import Self

from .terminal import live, width

__all__ = ["Progress"]


class Progress:
    """How many have ended, drawn over and over, if stderr is a terminal.

    Args:
        total: Of how many; 0 where ``begin`` will tell.
        shown: Whether it is wanted.
    """

    def __init__(self, total: int, *, shown: bool) -> None:
        self._shown = shown and live(sys.stderr)
        self._done = 0
        self._total = total

    def __enter__(self) -> Self:
        if self._total:
            self._draw("")
        return self

    def begin(self, total: int) -> None:
        """It is known of how many."""
        self._total = total
        self._draw("")

    def running(self, running: int, *, failed: int) -> None:
        """So many are under way now."""
        self._draw((f", {running} running" if running else "") + (f", {failed} failed" if failed else ""))

    def step(self, *, failed: int, running: int = 0) -> None:
        """One more has ended."""
        self._done += 1
        self.running(running, failed=failed)

    def __exit__(self, *_: object) -> None:
        self.clear()

    def clear(self) -> None:
        """Make room for a line of something else."""
        if self._shown:
            sys.stderr.write("\r\033[K")
            sys.stderr.flush()

    def _draw(self, failures: str) -> None:
        if not self._shown:
            return
        text = f"{self._done} of {self._total} done{failures}"
        sys.stderr.write(f"\r\033[K{text[: (width(sys.stderr) or 80) - 1]}")
        sys.stderr.flush()
