"""A person's own terminal, joined to one of the daemon's: one loop around ``poll``, and all put back afterwards."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import termios
import time
import tty
from typing import TYPE_CHECKING, Any, Final

from ..model.problem import from_problem
from ..wire.channel import Kind, read_exit, read_notice, read_opened, read_problem
from ..wire.screen import Modes
from .escapes import HELP, Escape
from .run_one import Signals, at_once
from .terminal import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ..client import Channel
    from ..model.errors import MooringError
    from ..wire.channel import Frame
    from .escapes import Escapes

__all__ = ["Looking", "size_of"]

_ENDING: Final = ("INT", "TERM", "HUP", "QUIT")
_SILENCE: Final = 20.0
"""Seconds without a byte after which the daemon is asked for a sign of life."""
_LAST_WORDS: Final = 1.0
"""Seconds that our terminal has to take what puts it right."""
_CHUNK: Final = 64 * 1024
_TYPED: Final = 1024 * 1024
"""Bytes that wait for the far side; then no more is read, escapes included."""
_SIGNALLED: Final = 128
_NO_STATUS: Final = 255


def size_of(descriptor: int) -> tuple[int, int]:
    """Columns and rows of our terminal; of one that does not know, those of the first ones."""
    try:
        columns, rows = os.get_terminal_size(descriptor)
    except OSError:
        columns, rows = 0, 0
    return columns or 80, rows or 24


class Looking:
    """One who looks at a terminal, from its opening until they leave it or it ends.

    Args:
        channel: The way there.
        alias: The session, for messages.
        escapes: Finds what is typed for us.
        size: What was told of our terminal's size so far.

    Attributes:
        name: The terminal's name, once it is open.
        hangs_up: Whether the person has asked for its end.
    """

    def __init__(self, channel: Channel, alias: str, escapes: Escapes, size: tuple[int, int]) -> None:
        self.name: str | None = None
        self.hangs_up = False
        self._channel = channel
        self._alias = alias
        self._escapes = escapes
        self._size = size
        self._shown = Modes()
        self._output = bytearray()
        self._typed = bytearray()
        self._notice: dict[str, Any] = {}
        self._code: int | None = None
        self._left = False
        self._failure: MooringError | None = None
        self._cooked: list[Any] | None = None
        self._last = ""
        self._at_once = at_once(1)

    def run(self) -> int:
        """Look until the end, put our terminal right, and return the exit code.

        Raises:
            MooringError: There is no such terminal, or it, its session or the daemon was lost.
        """
        with Signals((*_ENDING, "WINCH")) as signals:
            try:
                while self._code is None and self._failure is None:
                    self._turn(signals)
                self._drain(_LAST_WORDS if self._left or self._failure else None, signals)
            finally:
                self._put_right()
        if self._failure is not None:
            raise self._failure
        if self._last:
            os.write(2, f"{self._last}\n".encode(errors="replace"))
        return self._code or 0

    def _turn(self, signals: Signals) -> None:
        wanted = self._wanted(signals)
        poll = select.poll()
        for descriptor, events in wanted.items():
            poll.register(descriptor, events)
        ready = dict(poll.poll(_SILENCE * 1000))
        if not ready and not self._output:
            self._channel.nudge()
        if signals.fileno() in ready:
            self._signalled(signals.taken())
        if 0 in ready:
            self._read()
        if ready.get(1, 0) & (select.POLLERR | select.POLLHUP):
            self._leave(_SIGNALLED + signal.SIGHUP)
        elif self._output and 1 in ready:
            del self._output[: self._write(self._output[: self._at_once])]
        if self._channel.fileno() in ready:
            self._channel.flush()
            if not self._output:
                for frame in self._channel.receive():
                    self._take(frame)
        self._type()

    def _wanted(self, signals: Signals) -> dict[int, int]:
        """What we wait for. While our terminal has not taken what there is, no more is read."""
        daemon = (select.POLLOUT if self._channel.unsent else 0) | (0 if self._output else select.POLLIN)
        wanted = {signals.fileno(): select.POLLIN, 1: select.POLLOUT if self._output else 0}
        if daemon:
            wanted[self._channel.fileno()] = daemon
        if self._cooked is not None and len(self._typed) < _TYPED:
            wanted[0] = select.POLLIN
        return wanted

    # Our terminal.

    def _raw(self) -> None:
        self._cooked = termios.tcgetattr(0)
        tty.setraw(0, termios.TCSANOW)

    def _cook(self) -> None:
        if self._cooked is not None:
            cooked, self._cooked = self._cooked, None
            with contextlib.suppress(termios.error):  # it is gone
                termios.tcsetattr(0, termios.TCSANOW, cooked)

    def _put_right(self) -> None:
        """Our terminal as it was: modes, screen, keys."""
        try:
            self._show(self._shown.towards(Modes()))
            self._drain(_LAST_WORDS)
        finally:
            self._cook()

    def _show(self, data: bytes) -> None:
        self._shown.feed(data)
        self._output += data

    def _write(self, data: bytes | bytearray) -> int:
        try:
            return os.write(1, data)
        except BlockingIOError:
            return 0
        except OSError:  # it is gone; HUP says so too
            self._leave(_SIGNALLED + signal.SIGHUP)
            return len(data)

    def _drain(self, timeout: float | None, signals: Signals | None = None) -> None:
        """Show what is still to be shown; not for long once somebody wants us gone."""
        deadline = None if timeout is None else time.monotonic() + timeout
        poll = select.poll()
        poll.register(1, select.POLLOUT)
        if signals is not None:
            poll.register(signals.fileno(), select.POLLIN)
        while self._output:
            left = None if deadline is None else max(deadline - time.monotonic(), 0) * 1000
            ready = [descriptor for descriptor, _ in poll.poll(left)]
            if signals is not None and signals.fileno() in ready and set(signals.taken()) - {signal.SIGWINCH}:
                deadline = time.monotonic() + _LAST_WORDS
            if not ready:
                self._output.clear()
                return
            if 1 not in ready:
                continue
            del self._output[: self._write(self._output[: self._at_once])]

    def _say(self, text: str) -> None:
        """A line among what is shown; whatever fills the screen is not asked."""
        self._output += f"\r\n[{printable(text)}]\r\n".encode(errors="replace")

    def _read(self) -> None:
        try:
            typed = os.read(0, _CHUNK)
        except BlockingIOError:
            return
        except OSError:
            typed = b""
        if not typed:
            self._leave(_SIGNALLED + signal.SIGHUP)
        for part in self._escapes.feed(typed):
            if isinstance(part, Escape):
                self._asked(part)
            elif self._notice.get("drives", True):
                self._typed += part
            if self._code is not None:
                return

    def _type(self) -> None:
        """Send what was typed, as far as the far side takes it."""
        size = min(len(self._typed), self._channel.window, _CHUNK)
        if size and self._channel.opened:
            self._channel.stdin(bytes(self._typed[:size]))
            del self._typed[:size]

    # What is asked of us.

    def _asked(self, escape: Escape) -> None:
        if escape is Escape.DETACH:
            self._leave(0)
        elif escape is Escape.END:
            self.hangs_up = bool(self._notice.get("drives", True))
            self._leave(0)
        elif escape is Escape.TAKE:
            self._channel.take()
        elif escape is Escape.STOP:
            self._stop()
        else:
            key = self._escapes.key.decode()
            for each, what in HELP.items():
                self._say(f"{key}{each.value.replace(chr(26), '^Z')}  {what}")
            self._say(f"{key}{key}  one {key}")

    def _stop(self) -> None:
        """Be stopped as any program, with our terminal as it was, and go on where ``fg`` is called."""
        shown, self._shown = self._shown, Modes()
        self._output += shown.towards(self._shown)
        self._drain(_LAST_WORDS)
        self._cook()
        os.kill(os.getpid(), signal.SIGSTOP)
        self._raw()
        self._show(Modes().towards(shown))
        self._channel.resize(*size_of(0))

    def _signalled(self, numbers: Sequence[int]) -> None:
        for number in numbers:
            if number == signal.SIGWINCH:
                if self._channel.opened:
                    self._channel.resize(*size_of(0))
            else:
                self._leave(_SIGNALLED + number)

    def _leave(self, code: int) -> None:
        """We leave; the terminal goes on."""
        self._left = True
        if self._code is None:
            self._code = code
            if self.name is not None and not self.hangs_up:
                self._last = f"detached: `mooring term --attach {self._alias}/{self.name}` comes back"

    # What the daemon says.

    def _take(self, frame: Frame) -> None:
        kind, payload = frame
        if kind is Kind.STDOUT:
            self._show(payload)
        elif kind is Kind.OPENED:
            self.name = read_opened(payload)
            self._raw()
            if (size := size_of(0)) != self._size:  # it has changed meanwhile
                self._channel.resize(*size)
        elif kind is Kind.NOTICE:
            for line in self._changes(read_notice(payload)):
                self._say(line)
        elif kind is Kind.EXIT:
            self._code = self._exit_code(*read_exit(payload))
        elif kind is Kind.ERROR:
            self._failure = from_problem(read_problem(payload))

    def _changes(self, notice: dict[str, Any]) -> Iterator[str]:
        before, self._notice = self._notice, notice
        key = self._escapes.key.decode()
        missed = notice["missed"] - before.get("missed", 0)
        if missed:
            yield f"{missed} bytes went by too fast, and are not shown"
        if (notice["drives"], notice["driver"]) == (before.get("drives", True), before.get("driver", notice["driver"])):
            return
        takes = f"; {key}t takes over" if key else ""
        if notice["drives"]:
            yield "you drive"
        elif notice["driver"] is None:
            yield f"nobody drives {self._alias}/{self.name} now{takes}"
        else:
            yield f"{notice['driver']} drives {self._alias}/{self.name}, you look on{takes}"

    def _exit_code(self, status: int | None, name: str | None) -> int:
        if name is None and status is not None:
            return status
        number = getattr(signal, f"SIG{name}", None)
        self._last = f"{self._alias}: it {f'was ended by {name}' if name else 'ended, and did not tell how'}"
        return _NO_STATUS if number is None else _SIGNALLED + int(number)
