"""What a process says, read through a pipe that is ours to close."""

from __future__ import annotations

import asyncio
import os

__all__ = ["Output"]


class Output:
    """A pipe for the output of a process.

    With ``asyncio.subprocess.PIPE`` the process's ``wait`` would be for the end of the pipe too, and nothing closes
    our end of it: what the process has started, and left behind, may have it open for ever.

    Start the process with ``fileno()`` as its ``stdout`` or ``stderr``, then call ``open``; call ``close`` in any case.

    Raises:
        OSError: There is no descriptor left.
    """

    def __init__(self) -> None:
        ours, theirs = os.pipe()
        self._ours = os.fdopen(ours, "rb", buffering=0)
        self._theirs = os.fdopen(theirs, "wb", buffering=0)
        self._transport: asyncio.ReadTransport | None = None

    def fileno(self) -> int:
        """The process's end."""
        return self._theirs.fileno()

    async def open(self) -> asyncio.StreamReader:
        """Leave their end to those who have it, and read from ours. Cancelling is safe."""
        self._theirs.close()
        reader = asyncio.StreamReader()
        connect = asyncio.get_running_loop().connect_read_pipe
        self._transport, _ = await connect(lambda: asyncio.StreamReaderProtocol(reader), self._ours)
        return reader

    def close(self) -> None:
        """Hear no more, whoever still speaks: the reader comes to its end. Safe to call twice."""
        self._theirs.close()
        (self._transport or self._ours).close()
