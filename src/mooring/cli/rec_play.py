"""A recording shown again on our own terminal, at its own pace; all is put right afterwards, however it ends."""

from __future__ import annotations

import contextlib
import os
import select
import termios
import time
from typing import TYPE_CHECKING, Any, Final

from ..wire.questions import without_questions
from ..wire.screen import Modes
from .output import Output
from .run_one import Leave, Signals

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["Player"]

_ENDING: Final = ("INT", "TERM", "HUP", "QUIT")
_SIGNALLED: Final = 128
_LAST_WORDS: Final = 1.0
"""Seconds that our terminal has to take what puts it right."""
_LONGEST: Final = 3600.0
"""Seconds of one wait: the system takes no number that a damaged recording may have."""
_PLAIN: Final = b"\x1b[m\x1b(B\x0f"
"""No colours, and the usual letters."""


class Player:
    """Shows the events of a recording.

    What a terminal would answer is left out of it: nobody asks any more, and the answers would be typed into the shell.

    Args:
        speed: How much faster than it was.
        idle_limit: Seconds to wait at most for what is next, before that; None waits as long as it was.
    """

    def __init__(self, speed: float, idle_limit: float | None) -> None:
        self._speed = speed
        self._limit = idle_limit
        self._shown = Modes()
        self._held = b""
        self._output = Output()
        self._any = False

    def play(self, events: Iterable[tuple[float, str, str]]) -> int:
        """Show them, and return the exit code: 0 at the end, 128 and the number of the signal that came first.

        Args:
            events: Seconds since the one before, what it is, and its text.
        """
        with _quiet_keyboard(), Signals(_ENDING) as signals:
            try:
                self._play(events, signals)
            except Leave as leave:
                return leave.code
            finally:
                self._put_right(signals)
        return 0

    def _play(self, events: Iterable[tuple[float, str, str]], signals: Signals) -> None:
        due = time.monotonic()
        for interval, code, text in events:
            due += (interval if self._limit is None else min(interval, self._limit)) / self._speed
            _wait(due, signals)
            if code == "o":
                self._show(self._held + text.encode("utf-8", "replace"))
                self._drain(signals)
        self._show(self._held, last=True)
        self._drain(signals)

    def _show(self, data: bytes, *, last: bool = False) -> None:
        """Show what is whole; the begin of a sequence waits for its end."""
        edge = Modes()
        edge.feed(data)
        self._held = b"" if last else edge.unfinished
        whole = without_questions(data[: len(data) - len(self._held)])
        self._shown.feed(whole)
        self._output.put(1, whole)
        self._any = self._any or bool(whole)

    def _drain(self, signals: Signals) -> None:
        while not self._output.drain():
            if self._output.wait(signals):
                raise Leave(_SIGNALLED + signals.taken()[0])

    def _put_right(self, signals: Signals) -> None:
        plain = _PLAIN if self._any and os.isatty(1) else b""
        self._output.put(1, self._shown.towards(Modes()) + plain)
        deadline = time.monotonic() + _LAST_WORDS
        with contextlib.suppress(Leave):
            while not self._output.drain() and time.monotonic() < deadline:
                select.select([signals.fileno()], [1], [], max(0.0, deadline - time.monotonic()))


def _wait(due: float, signals: Signals) -> None:
    """Wait until then.

    Raises:
        Leave: A signal came first.
    """
    left = _LONGEST + 1
    while left > _LONGEST:
        left = due - time.monotonic()
        if select.select([signals.fileno()], [], [], max(0.0, min(left, _LONGEST)))[0]:
            raise Leave(_SIGNALLED + signals.taken()[0])


@contextlib.contextmanager
def _quiet_keyboard() -> Iterator[None]:
    """While it is played, keys are not shown, and mean nothing but an interrupt; what was typed is forgotten."""
    try:
        before: list[Any] = termios.tcgetattr(0)
    except termios.error:  # no terminal
        yield
        return
    quiet = [*before[:6], list(before[6])]
    quiet[3] &= ~(termios.ECHO | termios.ICANON)
    quiet[6][termios.VSUSP] = b"\0"
    termios.tcsetattr(0, termios.TCSADRAIN, quiet)
    try:
        yield
    finally:
        with contextlib.suppress(termios.error):  # it is gone
            termios.tcsetattr(0, termios.TCSAFLUSH, before)
