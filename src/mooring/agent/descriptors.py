"""One end of a pipe or terminal, watched by the loop: read as far as it is taken, written as far as there is room."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Inlet", "Outlet"]

_CHUNK: Final = 64 * 1024


class Outlet:
    """What a program says, from now on.

    Args:
        descriptor: Ours to close; it must not block.
        took: Told each part as it comes.
        ended: Called once, when nothing more will come.

    Attributes:
        open: Whether more may come.
    """

    def __init__(self, descriptor: int, took: Callable[[bytes], None], ended: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._descriptor = descriptor
        self._took = took
        self._ended = ended
        self.open = True
        self._paused = False
        self._until_dry = False
        self._loop.add_reader(descriptor, self._read)

    def pause(self) -> None:
        """Take no more for now: the program will have to wait."""
        if self.open and not self._paused:
            self._loop.remove_reader(self._descriptor)
        self._paused = True

    def resume(self) -> None:
        """Go on."""
        if self.open and self._paused:
            self._loop.add_reader(self._descriptor, self._read)
            self._paused = False
            if self._until_dry:
                self._read()

    def finish(self) -> None:
        """Take what is there already, and no more: others may have the other end open, and say nothing for ever."""
        self._until_dry = True
        if not self._paused:
            self._read()

    def drop(self) -> None:
        """Take what comes from now on, and tell nobody."""
        self._took, self._ended = _nobody, _nobody
        self.resume()

    def close(self) -> None:
        """Take nothing any more, and do not call back. Safe to call twice."""
        if self.open:
            self.open = False
            self._loop.remove_reader(self._descriptor)
            os.close(self._descriptor)

    def _read(self) -> None:
        while self.open and not self._paused:
            try:
                data = os.read(self._descriptor, _CHUNK)
            except BlockingIOError:
                if not self._until_dry:
                    return
                data = b""
            except OSError:  # a terminal whose other end is closed: EIO on Linux
                data = b""
            if not data:
                self.close()
                self._ended()
                return
            self._took(data)
            if not self._until_dry:
                return  # one part in each turn of the loop: others have theirs


def _nobody(*_: object) -> None:
    """Is told."""


class Inlet:
    """What a program is told.

    Args:
        descriptor: Ours to close; it must not block.
        full: Told whether what was written waits for the program, each time that changes.
    """

    def __init__(self, descriptor: int, full: Callable[[bool], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._descriptor = descriptor
        self._full = full
        self._waiting = bytearray()
        self._open = True
        self._ending = False

    def write(self, data: bytes) -> None:
        """Tell it, when it listens. What a program that has closed its end is told is dropped."""
        if not self._open or self._ending:
            return
        if not self._waiting:
            data = data[self._put(data) :]
            if not data or not self._open:
                return
            self._loop.add_writer(self._descriptor, self._drain)
            self._full(True)  # noqa: FBT003 - what it is called for
        self._waiting += data

    def end(self) -> None:
        """Let it know that nothing follows what was written."""
        self._ending = True
        if not self._waiting:
            self.close()

    def close(self) -> None:
        """Tell it nothing any more. Safe to call twice."""
        if self._open:
            self._open = False
            self._loop.remove_writer(self._descriptor)
            os.close(self._descriptor)

    def _drain(self) -> None:
        del self._waiting[: self._put(self._waiting)]
        if self._open and self._waiting:
            return
        self._waiting.clear()
        if self._open:
            self._loop.remove_writer(self._descriptor)
        self._full(False)  # noqa: FBT003 - as above
        if self._ending and not self._waiting:  # more may have come while that was told
            self.close()

    def _put(self, data: bytes | bytearray) -> int:
        try:
            return os.write(self._descriptor, data)
        except BlockingIOError:
            return 0
        except OSError:  # it does not listen any more
            self.close()
            return len(data)
