"""A demonstration's voice: headings, commands as they would be typed, and what the real programs answer."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import sys
import time
from asyncio.subprocess import PIPE, STDOUT
from typing import TYPE_CHECKING, Final

from ..model.errors import MooringError, WaitTimeout
from ..transport.outputpipe import OutputPipe
from .program import end, spawn

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator, Mapping, Sequence

__all__ = ["Transcript", "heading", "tell", "until"]

_WAIT: Final = 30.0
_END: Final = 5.0


class Transcript:
    """Runs commands of ``mooring`` as the programs they are.

    Args:
        environment: Where they find their daemon.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    async def show(self, *words: str, code: int = 0, lines: Sequence[str] = ()) -> None:
        """Show a command and what it prints. Cancelling ends it.

        Args:
            words: Its arguments.
            code: The exit code that it shall have.
            lines: Its standard input.

        Raises:
            MooringError: It ended otherwise, or took too long.
        """
        tell(f"$ mooring {_typed(words)}{' <<EOF' if lines else ''}")
        for line in (*lines, "EOF") if lines else ():
            tell(f"> {line}")
        async with self._started(*words) as process:
            await self._finish(process, words[0], code, "".join(f"{line}\n" for line in lines))
        if code:
            tell(f"(exit code {code})")

    async def time(self, *words: str) -> float:
        """Seconds that a whole program takes that prints nothing: the best of a few."""
        times = []
        for _ in range(5):
            start = time.perf_counter()
            async with self._started(*words) as process:
                await self._finish(process, words[0], 0, "")
            times.append(time.perf_counter() - start)
        return min(times)

    @contextlib.asynccontextmanager
    async def background(self, *words: str) -> AsyncIterator[asyncio.StreamReader]:
        """Show a command and let it run: what it says on either output. It is ended on leaving."""
        tell(f"$ mooring {_typed(words)} &")
        with contextlib.closing(OutputPipe()) as output:
            async with self._started(*words, stdout=output.fileno()):
                yield output.open()

    @contextlib.asynccontextmanager
    async def _started(self, *words: str, stdout: int | None = None) -> AsyncIterator[Process]:
        command = (sys.executable, "-m", "mooring.cli", *words)
        process = await spawn(*command, env=self._environment, stdin=PIPE, stdout=stdout, stderr=STDOUT)
        try:
            yield process
        finally:
            await end(process, _END)

    async def _finish(self, process: Process, name: str, code: int, text: str) -> None:
        try:
            async with asyncio.timeout(_WAIT):
                await process.communicate(text.encode())
        except TimeoutError:
            raise WaitTimeout(f"mooring {name} did not end within {_WAIT:g} s") from None
        if process.returncode != code:
            raise MooringError(f"mooring {name} ended with {process.returncode}")


async def until(said: asyncio.StreamReader, text: str) -> None:
    """Show a background program's lines, up to one that has the text.

    Raises:
        MooringError: It ended before, or took too long.
    """
    line = ""
    try:
        async with asyncio.timeout(_WAIT):
            while text not in line:
                line = (await said.readline()).decode(errors="replace")
                if not line:
                    raise MooringError(f"a program ended before it said {text!r}")
                tell(f"  {line.rstrip()}")
    except TimeoutError:
        raise WaitTimeout(f"nothing said {text!r} within {_WAIT:g} s") from None


def _typed(words: Sequence[str]) -> str:
    """The words as somebody would type them; the tail of a long one is left out."""
    return shlex.join(word if len(word) < 60 else f"{word[:50]}..." for word in words)


def heading(text: str) -> None:
    """A step, set off where the output is a terminal."""
    plain = "NO_COLOR" in os.environ or not sys.stdout.isatty()
    tell(f"\n{text}" if plain else f"\n\033[1m{text}\033[0m")


def tell(text: str) -> None:
    """A line, at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
