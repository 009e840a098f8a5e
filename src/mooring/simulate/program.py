"""A server that is a process of its own, watched by its log."""

from __future__ import annotations

import asyncio
import contextlib
from asyncio.subprocess import DEVNULL
from typing import TYPE_CHECKING, Any, Final

from ..model.errors import ConfigError
from ..transport.outputpipe import OutputPipe

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import Mapping

__all__ = ["Program", "end", "spawn"]

_START: Final = 20.0
_STOP: Final = 10.0


class Program:
    """One process, from ``start`` to ``aclose``. It logs to stderr.

    Args:
        name: Its name, for messages.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._process: Process | None = None
        self._output: OutputPipe | None = None
        self._log: asyncio.Task[None] | None = None

    async def start(self, *words: str, until: bytes, environment: Mapping[str, str] | None = None) -> None:
        """Start it and wait until it serves. After cancelling or an error, ``aclose`` ends what was started.

        Args:
            words: The program and its arguments.
            until: What its log says when it serves.
            environment: Its environment; None for ours.

        Raises:
            ConfigError: It does not start; the message has what it, or the system, said.
        """
        try:
            self._output = OutputPipe()
            streams = {"stdin": DEVNULL, "stdout": DEVNULL, "stderr": self._output.fileno()}
            self._process = await spawn(*words, env=environment, **streams)
        except OSError as error:
            raise ConfigError(f"{self._name} does not start: {words[0]}: {error.strerror}") from error
        log = self._output.open()
        said = b""
        try:
            async with asyncio.timeout(_START):
                while until not in said:
                    line = await log.readline()
                    if not line:
                        words_said = said.decode(errors="replace").strip()
                        raise ConfigError(f"{self._name} does not start: {words_said}")
                    said += line
        except TimeoutError:
            raise ConfigError(f"{self._name} did not serve within {_START:g} s") from None
        self._log = asyncio.create_task(_drain(log))

    async def aclose(self) -> int | None:
        """End it, and return its exit code. Safe to call twice; None where there is nothing to end."""
        process, self._process = self._process, None
        try:
            if process is not None:
                await end(process, _STOP)
        finally:
            if self._output is not None:
                self._output.close()
            if self._log is not None:
                self._log.cancel()
                await asyncio.gather(self._log, return_exceptions=True)
        return None if process is None else process.returncode


async def spawn(*words: str, **keywords: Any) -> Process:
    """Start a process, with the keywords of ``asyncio.create_subprocess_exec``. Cancelling is safe: it is ended.

    Read what it says through an ``OutputPipe``: ``end`` waits for the other end of a ``PIPE`` that is read.
    """
    starting = asyncio.create_task(asyncio.create_subprocess_exec(*words, **keywords))
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        with contextlib.suppress(OSError):  # it did not start
            await end(await starting, 0.0)
        raise


async def end(process: Process, timeout: float) -> None:
    """End a process by SIGTERM; by SIGKILL where that takes longer, or nobody wants to wait any more.

    What it has started and left behind is not waited for, though that may hold its pipes.

    Args:
        process: Which; of ``spawn``.
        timeout: Seconds until it is killed.
    """
    try:
        with contextlib.suppress(ProcessLookupError, TimeoutError):
            process.terminate()
            async with asyncio.timeout(timeout):
                await process.wait()
    finally:
        if process.stdin is not None and not process.stdin.is_closing():
            process.stdin.transport.abort()
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _drain(stream: asyncio.StreamReader) -> None:
    """Read the log away, so that nobody waits for us to do so."""
    while await stream.read(65536):
        pass
