"""A real ``mooring agent`` as its own process."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.peers.process import Peer

END = 40.0
"""Seconds for an end that should take two, on a machine that does other things too."""


class RunningAgent(Peer):
    """An agent with a home and state of its own; it is ready when a server is logged in.

    Args:
        folder: A folder of its own.
        to: Whom it dials.
        words: Further words of its command line.
        variables: Further variables of its environment.
        ready: The text in the log that ends the wait of ``start``.
        prefix: What runs the program.
    """

    def __init__(
        self,
        folder: Path,
        to: int,
        *words: str,
        variables: Mapping[str, str] | None = None,
        ready: str = "is logged in as",
        prefix: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self.ready = ready
        self.prefix = prefix
        self.folder = folder
        self.words = ["--to", f"127.0.0.1:{to}", *words]
        self.variables = dict(variables or {})
        (folder / "home").mkdir(parents=True, exist_ok=True)

    def command(self) -> Sequence[str]:
        where = ["--state-dir", str(self.folder / "state")]
        return [*self.prefix, sys.executable, "-W", "error", "-m", "mooring.cli", "agent", *where, *self.words]

    def environment(self) -> Mapping[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("MOORING_", "XDG_"))}
        return {**inherited, "HOME": str(self.folder / "home"), **self.variables}

    def terminate(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal, wait for the end, and return the exit code."""
        process = self._process
        if process is None:
            raise RuntimeError("not running")
        process.send_signal(number)
        process.wait(END)
        self._end(number)
        return process.returncode
