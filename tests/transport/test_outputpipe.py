"""The pipe of a process's output: what is said is heard once and whole, and nothing of it is left, on either loop."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from asyncio.subprocess import DEVNULL, Process

import pytest

from mooring.transport.outputpipe import OutputPipe
from tests.leaks import Census

from .loops import on_each_loop

pytestmark = [pytest.mark.anyio, on_each_loop, pytest.mark.usefixtures("uvloop_ready")]

SAID = 1_000_000
"""Bytes that neither a pipe nor a reader holds."""


class Watched(OutputPipe):
    """Tells when its process has to wait."""

    def __init__(self) -> None:
        super().__init__()
        self.paused = asyncio.Event()

    def pause_reading(self) -> None:
        super().pause_reading()
        self.paused.set()


async def say(output: OutputPipe, command: str) -> Process:
    return await asyncio.create_subprocess_exec("sh", "-c", command, stdin=DEVNULL, stdout=output.fileno())


async def gone(census: Census) -> None:
    """Wait until nothing lives that did not live then."""
    async with asyncio.timeout(30):
        while census.newcomers():  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(0.01)


async def test_what_is_said_until_its_end() -> None:
    census = Census()
    with contextlib.closing(OutputPipe()) as output:
        process = await say(output, "echo one; echo two")
        reader = output.open()
        async with asyncio.timeout(30):
            assert await reader.read() == b"one\ntwo\n"
        assert await process.wait() == 0
        await gone(census)


async def test_who_says_much_waits_for_us() -> None:
    with contextlib.closing(Watched()) as output:
        process = await say(output, f"head -c {SAID} /dev/zero")
        reader = output.open()
        async with asyncio.timeout(30):
            await output.paused.wait()
            assert await reader.readexactly(SAID) == bytes(SAID)
            assert await reader.read() == b""
            assert await process.wait() == 0


async def test_it_is_closed_while_somebody_speaks() -> None:
    census = Census()
    output = OutputPipe()
    process = await say(output, "echo on; exec sleep 600")
    try:
        reader = output.open()
        async with asyncio.timeout(30):
            assert await reader.readline() == b"on\n"
            output.close()
            output.close()
            assert await reader.read() == b""
    finally:
        process.kill()
        await process.wait()
    await gone(census)


async def test_it_is_closed_before_it_was_opened() -> None:
    census = Census()
    output = OutputPipe()
    output.close()
    output.close()
    assert census.newcomers() == []


async def test_much_that_came_before_it_was_closed_is_read_afterwards() -> None:
    with contextlib.closing(Watched()) as output:
        process = await say(output, f"exec head -c {SAID} /dev/zero")
        reader = output.open()
        async with asyncio.timeout(30):
            await output.paused.wait()
            output.close()
            assert 0 < len(await reader.read()) < SAID
            assert await process.wait() == -signal.SIGPIPE
