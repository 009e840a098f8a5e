"""A remote command that lives until it is ended, and an event that tells of its end."""

from __future__ import annotations

import os
import select
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self


class Lifeline:
    """A FIFO that the command holds open: it hangs up when the last process that has it is gone.

    Args:
        folder: Where the command's user can go.
        before: What the command does first.
        then: What it becomes.
    """

    def __init__(self, folder: Path, before: str = "", then: str = "exec sleep 1000") -> None:
        self.folder = Path(tempfile.mkdtemp(dir=folder))
        self.folder.chmod(0o755)
        self._fifo = self.folder / "fifo"
        os.mkfifo(self._fifo)
        self._fifo.chmod(0o666)
        self._reader = os.open(self._fifo, os.O_RDONLY | os.O_NONBLOCK)
        self.command = f"{before} exec 9>{self._fifo}; echo ready; {then}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._reader)
        self._fifo.unlink()
        self.folder.rmdir()

    def hung_up(self, timeout: float = 20.0) -> bool:
        """Wait until the command has ended, processes that it started included; False where it has not."""
        poll = select.poll()
        poll.register(self._reader, 0)
        return bool(poll.poll(timeout * 1000))
