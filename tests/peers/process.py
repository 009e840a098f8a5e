"""A real server as an ordinary process: on a port that stays its own, watched by its log, ended with its tree."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import threading
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

from mooring.simulate.ports import ReservedPort

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

HOST = "127.0.0.1"


class Peer:
    """One server process and all that it forks, on one port of 127.0.0.1 that outlives it.

    A subclass says how it is called and which line of its log tells that it listens. Blocking: a start takes some
    ten milliseconds.
    """

    ready: str
    """The text in the log that says the server listens; ``{port}`` stands for the port."""

    known: ClassVar[weakref.WeakSet[Peer]] = weakref.WeakSet()
    """All there are, of whatever kind."""

    inherited: Sequence[int] = ()
    """Descriptors of ours that it may have, under the same numbers."""

    def __init__(self) -> None:
        self._port = ReservedPort(HOST)
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None
        self._lines: list[str] = []
        self._news = threading.Condition()
        self.known.add(self)

    def command(self) -> Sequence[str]:
        """The program and its arguments."""
        raise NotImplementedError

    def environment(self) -> Mapping[str, str] | None:
        """The environment to run in; None for ours."""
        return None

    @property
    def host(self) -> str:
        return HOST

    @property
    def port(self) -> int:
        """The server's port: nobody else gets it while the server is down."""
        return self._port.port

    @property
    def running(self) -> bool:
        """Whether it was started, and nobody has stopped it."""
        return self._process is not None

    @property
    def pid(self) -> int:
        """The listening process."""
        if self._process is None:
            raise RuntimeError("not running")
        return self._process.pid

    def start(self) -> Self:
        """Start, and return when it listens."""
        if self._process is not None:
            raise RuntimeError("running already")
        seen = len(self._lines)
        self._process = subprocess.Popen(
            self.command(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=self.environment(),
            text=True,
            errors="replace",
            pass_fds=self.inherited,
        )
        self._reader = threading.Thread(target=self._read, args=(self._process,), name=type(self).__name__, daemon=True)
        self._reader.start()
        try:
            self.wait_log(re.escape(self.ready.format(port=self.port)), since=seen)
        except BaseException:
            self.kill()
            raise
        return self

    def stop(self) -> None:
        """End as an administrator would, by SIGTERM to everything, and forcibly what does not follow at once."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL the listener and every connection's processes, so that links drop as in a crash."""
        self._end(signal.SIGKILL)

    def restart(self) -> Self:
        """Crash and come back, on the same port."""
        self.kill()
        return self.start()

    def suspend(self) -> None:
        """Freeze the whole tree: connections stay, and nobody answers."""
        _freeze(self.pid)

    def resume(self) -> None:
        """Undo :meth:`suspend`."""
        _signal([self.pid, *_descendants(self.pid)], signal.SIGCONT)

    def children(self) -> list[int]:
        """The processes that serve connections, and what they run."""
        return _descendants(self.pid)

    def close(self) -> None:
        """End it, if it runs, and give up the port."""
        self.kill()
        self._port.close()

    def log(self) -> str:
        """What it has logged so far, over all starts."""
        with self._news:
            return "\n".join(self._lines)

    def wait_log(self, pattern: str, *, count: int = 1, since: int = 0, timeout: float = 30.0) -> None:
        """Wait until ``count`` lines after the first ``since`` match the pattern, or fail with the log."""

        def enough() -> bool:
            return sum(bool(re.search(pattern, line)) for line in self._lines[since:]) >= count

        def over() -> bool:
            return self._reader is None or not self._reader.is_alive()

        with self._news:
            self._news.wait_for(lambda: enough() or over(), timeout)
            if not enough():
                raise TimeoutError(f"{pattern!r} is not {count} times in the log:\n" + "\n".join(self._lines[since:]))

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _read(self, process: subprocess.Popen[str]) -> None:
        for line in process.stderr or ():
            with self._news:
                self._lines.append(line.rstrip())
                self._news.notify_all()
        with self._news:
            self._news.notify_all()

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        tree = _freeze(process.pid)
        _signal(tree, how)
        _signal(tree, signal.SIGCONT)
        try:
            process.wait(2)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        _signal([pid for pid in tree[1:] if _parent(pid) is not None], signal.SIGKILL)
        if self._reader is not None and process.stderr is not None:
            self._reader.join(30)
            if self._reader.is_alive():  # to close what it reads from would wait for it
                raise TimeoutError(f"somebody still holds the log of {type(self).__name__}")
            process.stderr.close()


def _signal(pids: Sequence[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def _freeze(root: int) -> list[int]:
    """Stop a process and all below it, those included that are forked meanwhile, and return them."""
    stopped: list[int] = []
    while new := [pid for pid in (root, *_descendants(root)) if pid not in stopped]:
        _signal(new, signal.SIGSTOP)
        stopped += new
    return stopped


def _parent(pid: int) -> int | None:
    """The parent of a process; None if there is no such process."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return int(fields[1])


def _descendants(root: int) -> list[int]:
    """The processes below one, as they are now."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (parent := _parent(int(entry.name))) is not None:
            children.setdefault(parent, []).append(int(entry.name))
    found = [root]
    for pid in found:
        found += children.get(pid, [])
    return found[1:]
