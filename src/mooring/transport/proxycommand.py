"""ProxyCommand: a program whose standard input and output are the connection."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from typing import Final

from ..model.errors import ConnectFailed
from .outputpipe import OutputPipe

__all__ = ["ProxyCommand"]

_GRACE: Final = 1.0
_TOLD: Final = 4096


class ProxyCommand:
    """One run of a proxy command, in a process group of its own so that ending it ends its children too.

    Args:
        command: For ``/bin/sh -c``, with its tokens expanded (ssh_config(5), ProxyCommand).
    """

    def __init__(self, command: str) -> None:
        self._command = command
        self._process: asyncio.subprocess.Process | None = None
        self._complaint = b""
        self._output: OutputPipe | None = None
        self._listener: asyncio.Task[None] | None = None

    async def start(self) -> socket.socket:
        """Start it and return our end of the connection, non-blocking. Cancelling is safe.

        Raises:
            ConnectFailed: There is no shell, or no descriptor left.
        """
        with contextlib.ExitStack() as failed:
            try:
                ours, theirs = socket.socketpair()
                failed.callback(ours.close)
                with theirs:
                    self._output = failed.enter_context(contextlib.closing(OutputPipe()))
                    self._process = await asyncio.create_subprocess_exec(
                        "/bin/sh",
                        "-c",
                        f"exec {self._command}",
                        stdin=theirs.fileno(),
                        stdout=theirs.fileno(),
                        stderr=self._output.fileno(),
                        start_new_session=True,
                    )
            except OSError as error:
                msg = f"the proxy command could not be started: {error.strerror}"
                raise ConnectFailed(msg) from error
            failed.pop_all()
        self._listener = asyncio.create_task(self._listen(self._output.open()), name="proxy command's standard error")
        ours.setblocking(False)  # noqa: FBT003 - the system's
        return ours

    async def _listen(self, stderr: asyncio.StreamReader) -> None:
        """Keep what it complains of last, so that a failure can be told, and its pipe from filling."""
        while data := await stderr.read(_TOLD):
            self._complaint = (self._complaint + data)[-_TOLD:]

    @property
    def complaint(self) -> str:
        """Its last line on standard error, made of what can be printed; empty where it said nothing."""
        lines = self._complaint.decode(errors="replace").split("\n")
        last = next((line.strip() for line in reversed(lines) if line.strip()), "")
        return "".join(char for char in last if char.isprintable())[:300]

    async def stop(self) -> None:
        """End it and its children: asked first, forced after a second. Returns when they are gone.

        One that runs as another user cannot be made to end, nor one that has left its group: they see the connection
        closed. Cancelling is safe: they are forced at once then, and waited for a second longer, or not at all if it is
        cancelled again.
        """
        process, self._process = self._process, None
        if process is None or self._listener is None or self._output is None:
            return
        # The end of its standard error comes with the last of its children, and may come after its own.
        ends = asyncio.create_task(process.wait(), name="proxy command's end"), self._listener
        try:
            _signal(process.pid, signal.SIGTERM)
            await asyncio.wait(ends, timeout=_GRACE)
        finally:
            _signal(process.pid, signal.SIGKILL)  # even if it has ended: a child may have paid no heed
            try:
                await asyncio.wait(ends, timeout=_GRACE)
            finally:
                self._output.close()
                for end in ends:
                    end.cancel()
                await asyncio.gather(*ends, return_exceptions=True)


def _signal(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
