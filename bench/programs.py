"""Contenders as programs that are asked by lines and answer by lines."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bench.http import Call
    from bench.servers import Server

__all__ = ["ROOT", "Program", "programs"]

ROOT: Final = Path(__file__).resolve().parent.parent
"""The checkout."""


class Program:
    """One contender's program, running."""

    def __init__(self, name: str, process: subprocess.Popen[str]) -> None:
        self.name = name
        self._process = process

    def ask(self, question: str) -> Any:  # noqa: ANN401 - JSON
        """Its answer to a line."""
        assert self._process.stdin is not None  # noqa: S101 - both are pipes
        assert self._process.stdout is not None  # noqa: S101 - likewise
        self._process.stdin.write(f"{question}\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            msg = f"{self.name} ended before it answered {question!r}"
            raise RuntimeError(msg)
        return json.loads(answer)


@contextlib.contextmanager
def programs(module: str, names: Sequence[str], server: Server | Call) -> Iterator[list[Program]]:
    """The programs of these contenders, each connected to the server; they end with the block."""
    text = json.dumps(dataclasses.asdict(server))
    with contextlib.ExitStack() as stack:
        running = []
        for name in names:
            command = [sys.executable, "-m", module, name, text]
            process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            running.append(Program(name, stack.enter_context(process)))
        for program in running:
            program.ask("ready")
        yield running
