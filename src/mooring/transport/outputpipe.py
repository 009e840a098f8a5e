"""What a process says, read through a pipe that is ours to close."""

from __future__ import annotations

import asyncio
import os
from typing import Final

__all__ = ["OutputPipe"]

_MOST: Final = 65536
"""Bytes that are read at once: what a pipe holds on Linux."""


class OutputPipe(asyncio.ReadTransport):
    """A pipe for the output of a process.

    With ``asyncio.subprocess.PIPE`` the process's ``wait`` would be for the end of the pipe too, and nothing closes
    our end of it: what the process has started, and left behind, may have it open for ever. Nor is our end given to
    the loop: who closes it when connecting is cancelled, or whether it is closed twice, differs from loop to loop.

    Start the process with ``fileno()`` as its ``stdout`` or ``stderr``, then call ``open``; call ``close`` in any case.

    Raises:
        OSError: There is no descriptor left.
    """

    def __init__(self) -> None:
        super().__init__()
        self._loop = asyncio.get_running_loop()
        self._reader = asyncio.StreamReader()
        ours, theirs = os.pipe()
        self._ours = os.fdopen(ours, "rb", buffering=0)
        self._theirs = os.fdopen(theirs, "wb", buffering=0)

    def fileno(self) -> int:
        """The process's end."""
        return self._theirs.fileno()

    def open(self) -> asyncio.StreamReader:
        """Leave their end to those who have it, and read from ours."""
        self._theirs.close()
        os.set_blocking(self._ours.fileno(), False)
        self._reader.set_transport(self)
        self.resume_reading()
        return self._reader

    def close(self) -> None:
        """Hear no more, whoever still speaks: the reader comes to its end. Safe to call twice."""
        self._theirs.close()
        if not self._ours.closed:
            self.pause_reading()
            self._ours.close()
            self._reader.feed_eof()

    def pause_reading(self) -> None:
        """Have the process wait; the reader asks for it, while much of what came is not read."""
        self._loop.remove_reader(self._ours.fileno())

    def resume_reading(self) -> None:
        """Take what it says again; nothing where that is over."""
        if not self._ours.closed:
            self._loop.add_reader(self._ours.fileno(), self._read)

    def _read(self) -> None:
        """Take what has come: nothing where that was a mistake of the loop's, and no bytes at its end."""
        data = self._ours.read(_MOST)
        if data:
            self._reader.feed_data(data)
        elif data is not None:
            self.close()
