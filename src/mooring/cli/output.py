"""Standard output and standard error for a loop around ``poll``: never written more at once than cannot block."""

from __future__ import annotations

import os
import select
from collections import deque
from typing import TYPE_CHECKING, Final

from .run_one import Leave, at_once

if TYPE_CHECKING:
    from .run_one import Signals

__all__ = ["NOBODY_READS", "Output"]

NOBODY_READS: Final = 141  # as a shell reports who was ended by SIGPIPE


class Output:
    """What waits to be written, in order."""

    def __init__(self) -> None:
        self._queue: deque[tuple[int, bytearray]] = deque()
        self._sizes = {descriptor: at_once(descriptor) for descriptor in (1, 2)}
        self._pollers = {descriptor: _poller(descriptor) for descriptor in (1, 2)}

    def put(self, descriptor: int, data: bytes) -> None:
        """Write this, after all that waits."""
        if self._queue and self._queue[-1][0] == descriptor:
            self._queue[-1][1].extend(data)
        elif data:
            self._queue.append((descriptor, bytearray(data)))

    def drain(self) -> bool:
        """Write what does not block; whether that was all.

        Raises:
            Leave: Nobody reads it any more.
        """
        while self._queue:
            descriptor, data = self._queue[0]
            if not self._pollers[descriptor].poll(0):
                return False
            try:
                with memoryview(data) as view:
                    written = os.write(descriptor, view[: self._sizes[descriptor]])
            except BlockingIOError:  # somebody who shares it made it non-blocking, and was quicker
                return False
            except BrokenPipeError:
                raise Leave(NOBODY_READS) from None
            del data[:written]
            if not data:
                self._queue.popleft()
        return True

    def wait(self, signals: Signals) -> bool:
        """Wait until what waits can be written, or a signal comes; whether one has."""
        poller = _poller(self._queue[0][0])
        poller.register(signals.fileno(), select.POLLIN)
        return any(descriptor == signals.fileno() for descriptor, _ in poller.poll())


def _poller(descriptor: int) -> select.poll:
    poller = select.poll()
    poller.register(descriptor, select.POLLOUT)
    return poller
