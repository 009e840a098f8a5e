"""A real ssh-agent."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from .ending import ending


class Agent:
    """An ssh-agent, from entering to leaving.

    Attributes:
        socket: What ``SSH_AUTH_SOCK`` is to be.
    """

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            folder = Path(tempfile.mkdtemp(prefix="mooring-agent-"))
            stack.callback(shutil.rmtree, folder)
            self.socket = folder / "socket"
            command = ["ssh-agent", "-D", "-a", str(self.socket)]
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
            stack.enter_context(ending(process))
            if process.stdout is None or not process.stdout.readline():  # it speaks once it listens
                raise RuntimeError("ssh-agent did not start")
            self._running = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._running.close()

    @property
    def environment(self) -> Mapping[str, str]:
        """Our environment, with this agent in it."""
        return {**os.environ, "SSH_AUTH_SOCK": str(self.socket)}

    def add(self, key: Path) -> None:
        """Have it hold a private key, and its certificate if one lies beside it."""
        self._run("-q", str(key))

    def remove_all(self) -> None:
        """Have it forget every key."""
        self._run("-q", "-D")

    def keys(self) -> list[str]:
        """The public keys it holds, one line each."""
        return [line for line in self._run("-L").splitlines() if line.startswith(("ssh-", "ecdsa-", "sk-"))]

    def _run(self, *arguments: str) -> str:
        outcome = subprocess.run(
            ["ssh-add", *arguments],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if outcome.returncode not in (0, 1) or (outcome.returncode == 1 and arguments != ("-L",)):
            raise RuntimeError(f"ssh-add: {outcome.stderr.strip()}")
        return outcome.stdout
