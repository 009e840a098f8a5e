"""A real ssh-agent."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self


class Agent:
    """An ssh-agent, from entering to leaving.

    Attributes:
        socket: What ``SSH_AUTH_SOCK`` is to be.
    """

    def __enter__(self) -> Self:
        self._folder = Path(tempfile.mkdtemp(prefix="mooring-agent-"))
        self.socket = self._folder / "socket"
        self._process = subprocess.Popen(
            ["ssh-agent", "-D", "-a", str(self.socket)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
        )
        if self._process.stdout is None or not self._process.stdout.readline():  # it speaks once it listens
            self._leave()
            raise RuntimeError("ssh-agent did not start")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave()

    def _leave(self) -> None:
        self._process.terminate()
        self._process.communicate()
        shutil.rmtree(self._folder)

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
