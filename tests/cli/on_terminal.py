"""A program on a pseudo-terminal: what a person types, and sees."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

from tests.peers.ending import ending

_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07]*\x07|[=>])")


class OnTerminal:
    """A program with a terminal of its own, ended with the block.

    Args:
        command: The program and its arguments.
        environment: Its environment.
        columns: The terminal's width.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], columns: int = 80) -> None:
        self._ours, theirs = os.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        self._seen = b""
        self.raw = b""
        """All that was shown, byte for byte."""
        self.process = subprocess.Popen(
            command,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={**environment, "TERM": "xterm"},
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509 - Ctrl-C is for who controls it
        )
        os.close(theirs)
        self._running = contextlib.ExitStack()
        self._running.callback(self.close)
        self._running.enter_context(ending(self.process))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._running.close()

    @property
    def descriptor(self) -> int:
        """Our side of the terminal."""
        return self._ours

    def close(self) -> None:
        """Close the terminal, as who closes its window. More than once is fine."""
        if self._ours >= 0:
            os.close(self._ours)
            self._ours = -1

    def type(self, text: str) -> None:
        r"""Type something; ``\r`` is Enter, ``\x03`` Ctrl-C, ``\x04`` Ctrl-D."""
        os.write(self._ours, text.encode())

    def resize(self, lines: int, columns: int) -> None:
        """Make the window larger or smaller."""
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def expect(self, text: str, timeout: float = 40.0) -> str:
        """Wait until a text is seen, and return what came up to its end; the next call looks behind it."""
        deadline = time.monotonic() + timeout
        while (end := self._plain().find(text)) < 0:
            if not self._read(deadline - time.monotonic()):
                raise AssertionError(f"{text!r} was not seen in {self._plain()!r}")
        found = self._plain()[: end + len(text)]
        self._seen = self._plain()[end + len(text) :].encode("utf-8", "surrogateescape")
        return found

    def interrupt(self) -> tuple[int, str]:
        r"""Press Ctrl-C at an idle prompt, and wait for the end as ``end`` does.

        Python loses a Ctrl-C that comes in the microseconds between a prompt and the wait for a key, where no person
        presses one: it is pressed again.
        """
        for _ in range(10):
            self.type("\x03")
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(4.0)
                break
        return self.end()

    def end(self, timeout: float = 40.0) -> tuple[int, str]:
        """Wait for the end of the program; its exit code, and what was seen since."""
        deadline = time.monotonic() + timeout
        while self._read(deadline - time.monotonic()):
            pass
        return self.process.wait(max(deadline - time.monotonic(), 0.1)), self._plain()

    def _plain(self) -> str:
        """What was seen, without colours and movements of the cursor; the half of a letter stays one."""
        return _ESCAPES.sub("", self._seen.decode("utf-8", "surrogateescape"))

    def _read(self, timeout: float) -> bool:
        """Read on; False when nothing came in time, or will."""
        if not select.select([self._ours], [], [], max(timeout, 0.0))[0]:
            return False
        part = b""
        with contextlib.suppress(OSError):  # EIO: nobody has the other side any more
            part = os.read(self._ours, 65536)
        self._seen += part
        self.raw += part
        if b"\x1b[6n" in part:  # where is the cursor?
            os.write(self._ours, b"\x1b[1;1R")
        return bool(part)
