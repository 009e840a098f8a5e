"""Large messages parsed beside the loop: while one part of them is parsed, the next is received and opened."""

from __future__ import annotations

import contextlib
import os
import queue
import threading
from typing import TYPE_CHECKING, Final

from lxml import etree

from ...wire.netconf.xml import feeder

if TYPE_CHECKING:
    from ...wire.netconf.xml import Element, Feeder

__all__ = ["parser"]

_BATCH: Final = 128 * 1024
"""Bytes that are parsed in one go: lxml lets go of the interpreter meanwhile."""
_AHEAD: Final = 8
"""Batches that may wait; then who feeds waits too, for the milliseconds of one."""

_idle: Final = threading.BoundedSemaphore(max(1, (os.cpu_count() or 1) - 1))


def parser() -> Feeder:
    """A parser to feed: on a thread of its own, or, where as many are at work as there is room for, on the loop."""
    return _Beside() if _idle.acquire(blocking=False) else feeder()


class _Work:
    """What one thread has to do. It knows nothing of who gives it, so that it ends when nobody wants it any more."""

    def __init__(self) -> None:
        self.batches: queue.Queue[bytes | None] = queue.Queue(_AHEAD)
        self.given_up = False
        self.root: Element | None = None
        self.error: etree.XMLSyntaxError | None = None

    def run(self) -> None:
        """Parse what comes, until None does."""
        try:
            # Made here: a parser shares its dictionary of names with all others of its thread.
            parser = feeder()
            while (batch := self.batches.get()) is not None and not self.given_up:
                if self.error is None:
                    self._feed(parser, batch)
            if self.error is None and not self.given_up:
                self.root = parser.close()
        except etree.XMLSyntaxError as error:
            self.error = error
        finally:
            _idle.release()

    def _feed(self, parser: Feeder, batch: bytes) -> None:
        try:
            parser.feed(batch)
        except etree.XMLSyntaxError as error:
            self.error = error


class _Beside:
    """As lxml's own parser, for one message."""

    def __init__(self) -> None:
        self._work = _Work()
        self._parts: list[bytes] = []
        self._size = 0
        self._thread = threading.Thread(target=self._work.run, name="mooring parser", daemon=True)
        self._thread.start()

    def feed(self, data: bytes) -> None:
        """Take more of it; what is wrong with it shows then, or later."""
        self._parts.append(data)
        self._size += len(data)
        if self._size >= _BATCH:
            self._hand_over()

    def close(self) -> Element:
        """The root, once all is parsed."""
        self._hand_over()
        self._work.batches.put(None)
        self._thread.join()
        if self._work.root is None:
            raise self._work.error or etree.XMLSyntaxError("no element", 0, 0, 0)
        return self._work.root

    def _hand_over(self) -> None:
        if self._work.error is not None:
            self._end()
            raise self._work.error
        self._work.batches.put(b"".join(self._parts))
        self._parts = []
        self._size = 0

    def __del__(self) -> None:
        """Nobody wants it."""
        self._end()

    def _end(self) -> None:
        self._work.given_up = True
        with contextlib.suppress(queue.Full):  # then it has something to wake up for
            self._work.batches.put_nowait(None)
