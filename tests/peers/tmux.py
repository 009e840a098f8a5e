"""tmux, a real terminal: what is typed goes in as keys, and what is seen is the screen as a person sees it."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

PROMPT = "seat>"
"""Of the shell in it."""
PATIENCE = 30.0
"""Seconds for what a person would see at once, on a machine that does other things too."""


def missing() -> str | None:
    """Why there can be none; None where there can."""
    absent = [program for program in ("tmux", "vi") if shutil.which(program) is None]
    return f"no {' and no '.join(absent)}: install tmux and vim-tiny" if absent else None


class Tmux:
    """A terminal with a shell in it, from entering to leaving.

    Args:
        environment: The shell's.
        columns: The terminal's width.
        rows: Its height.
    """

    def __init__(self, environment: Mapping[str, str], columns: int = 100, rows: int = 30) -> None:
        self._environment = {**environment, "TERM": "xterm", "LC_ALL": "C.UTF-8"}
        self._size = columns, rows

    def __enter__(self) -> Self:
        self._folder = Path(tempfile.mkdtemp(prefix="mooring-tmux-"))
        self._socket = self._folder / f"s{secrets.token_hex(3)}"
        columns, rows = map(str, self._size)
        self._call(
            "-f",
            os.devnull,
            "new-session",
            "-d",
            "-x",
            columns,
            "-y",
            rows,
            f"PS1='{PROMPT} ' exec bash --norc --noprofile",
        )
        self.see(PROMPT)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._call("kill-server")
        shutil.rmtree(self._folder)

    def keys(self, *keys: str) -> None:
        """Press keys, as tmux names them: ``Enter``, ``Escape``, ``C-z``; others as they are."""
        self._call("send-keys", *keys)

    def type(self, text: str) -> None:
        """Type a text."""
        self._call("send-keys", "-l", text)

    def line(self, text: str) -> None:
        """Type a text, and Enter."""
        self.type(text)
        self.keys("Enter")

    def resize(self, columns: int, rows: int) -> None:
        """Drag the window's corner."""
        self._call("resize-window", "-x", str(columns), "-y", str(rows))

    def screen(self) -> str:
        """What is seen; lines end with their last letter."""
        return self._call("capture-pane", "-p")

    def see(self, *texts: str, gone: str | None = None) -> str:
        """Wait until all these texts are seen, and another is not; what is seen then."""
        deadline = time.monotonic() + PATIENCE
        while not all(text in (screen := self.screen()) for text in texts) or (gone is not None and gone in screen):
            assert time.monotonic() < deadline, f"{texts} were not seen, or {gone} was:\n{screen}"
            time.sleep(0.05)  # nothing tells that a screen has changed
        return screen

    def see_prompt(self) -> None:
        """Wait until the shell takes a line: what is typed before, a program that ends may throw away."""
        deadline = time.monotonic() + PATIENCE
        while (screen := self.screen()).rstrip().splitlines()[-1:] != [PROMPT]:
            assert time.monotonic() < deadline, f"no prompt came:\n{screen}"
            time.sleep(0.05)  # likewise

    def _call(self, *words: str) -> str:
        done = subprocess.run(
            ["tmux", "-S", str(self._socket), *words],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        )
        return done.stdout
