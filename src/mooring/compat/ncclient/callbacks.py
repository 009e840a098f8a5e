"""The callbacks of one session: one after the other on a thread, which ends with them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections import deque
from typing import TYPE_CHECKING, Final

from ...wire.netconf.protocol import MAX_MESSAGE_SIZE

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Callbacks"]

_MOST: Final = 16 * 1024 * 1024
"""Bytes of messages that may wait for slow callbacks; beyond them the server waits."""
_MOST_BEFORE_A_REPLY: Final = MAX_MESSAGE_SIZE
"""As long as somebody waits for a reply, which may come after them: a callback, perhaps, that they wait for."""
_log: Final = logging.getLogger("mooring.ncclient")


class Callbacks:
    """A queue of calls. ``put`` and ``awaits`` belong to the loop; the calls run on a thread of their own, in order.

    Args:
        full: Told on the loop whether more should wait to come.
    """

    def __init__(self, full: Callable[[bool], None]) -> None:
        self._full = full
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._queue: deque[tuple[Callable[[], object], int]] = deque()
        self._size = 0
        self._most = _MOST
        self._running = False
        self._paused = False

    def put(self, call: Callable[[], object], size: int) -> None:
        """Have it called when those before it have returned.

        Args:
            call: What to call; what it raises is logged.
            size: Bytes that it holds.
        """
        with self._lock:
            self._queue.append((call, size))
            self._size += size
            begins = not self._running
            self._running = True
        self._balance()
        if begins:
            # Not one of the loop's own workers: those look up names, for callbacks too, and are few.
            threading.Thread(target=self._run, name="mooring callbacks", daemon=True).start()

    def awaits(self, *, reply: bool) -> None:
        """Whether somebody waits for a reply, which must not wait for callbacks."""
        self._most = _MOST_BEFORE_A_REPLY if reply else _MOST
        self._balance()

    def _balance(self) -> None:
        """Pause or resume, on the loop."""
        with self._lock:
            wanted = self._size > (self._most // 2 if self._paused else self._most)
            changed = wanted != self._paused
            self._paused = wanted
        if changed:
            self._full(wanted)

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._queue:
                    self._running = False
                    return
                call, size = self._queue.popleft()
            try:
                call()
            except Exception:  # noqa: BLE001 - a listener may raise anything
                _log.exception("a callback failed")
            with self._lock:
                self._size -= size
                resumes = self._paused and self._size <= self._most // 2
            if resumes:
                with contextlib.suppress(RuntimeError):  # the loop has ended
                    self._loop.call_soon_threadsafe(self._balance)
