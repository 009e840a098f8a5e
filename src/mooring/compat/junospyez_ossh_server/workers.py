"""A few threads for what may block: the callbacks of a user.

Not ``ThreadPoolExecutor``: that takes nothing more once the main thread has ended, which for a server that was started
on the last line of a program is its whole life.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Workers"]

_log: Final = logging.getLogger(__name__)


class Workers:
    """Threads that are started as they are needed, and end with ``end``.

    Args:
        most: How many at most.
        name: Of an idle thread.
        daemon: Whether the process may end without them.
    """

    def __init__(self, most: int, name: str, *, daemon: bool = False) -> None:
        self._most = most
        self._daemon = daemon
        self._name = name
        self._jobs: deque[tuple[str, Callable[[], object]]] = deque()
        self._changed = threading.Condition()
        self._threads = self._idle = 0
        self._ended = False

    def submit(self, name: str, job: Callable[[], object], limit: int) -> bool:
        """Have something called, in a thread that is meanwhile named so. What it raises is logged.

        Returns:
            Whether it will be: not where ``limit`` others wait already, after ``end``, or without any thread.
        """
        with self._changed:
            if self._ended or len(self._jobs) >= limit:
                return False
            self._jobs.append((name, job))
            if self._idle >= len(self._jobs):
                self._changed.notify()
            elif self._threads < self._most:
                return self._employ()
            return True

    def _employ(self) -> bool:
        try:
            threading.Thread(target=self._work, name=self._name, daemon=self._daemon).start()
        except RuntimeError:  # the system has no more; those that there are will come to it
            if not self._threads:
                self._jobs.clear()
            return self._threads > 0
        self._threads += 1
        return True

    def end(self) -> None:
        """Forget what waits, and let the threads end, each after what it does now. Does not wait for them."""
        with self._changed:
            self._ended = True
            self._jobs.clear()
            self._changed.notify_all()

    def _work(self) -> None:
        thread = threading.current_thread()
        while True:
            with self._changed:
                self._idle += 1
                self._changed.wait_for(lambda: self._jobs or self._ended)
                self._idle -= 1
                if not self._jobs:
                    return
                name, job = self._jobs.popleft()
            thread.name = name
            try:
                job()
            except Exception:  # noqa: BLE001 - a callback of a user's: the next one is another's
                _log.exception("%s: failed", name)
            thread.name = self._name
