"""Processes end when they shall, and what they leave behind is not waited for."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Iterator
from pathlib import Path

import pytest

from mooring.model.errors import ConfigError
from mooring.simulate import program as module
from mooring.simulate.program import Program, end, spawn
from mooring.transport.outputpipe import OutputPipe

pytestmark = pytest.mark.anyio

SCRIPT = "trap '' TERM; exec 3<&0; sleep 600 <&3 & echo $! >\"$0\"; echo ready >&2; while :; do sleep 0.1; done"


@pytest.fixture
def stubborn(tmp_path: Path) -> Iterator[list[str]]:
    """A program that pays no heed, and another behind it that outlives it and has all its pipes."""
    left = tmp_path / "left"
    yield ["sh", "-c", SCRIPT, str(left)]
    os.kill(int(left.read_text()), signal.SIGKILL)


async def test_who_pays_no_heed_is_killed_and_who_has_its_pipes_let_be(stubborn: list[str]) -> None:
    async with asyncio.timeout(30):
        with contextlib.closing(OutputPipe()) as output:
            process = await spawn(*stubborn, stdin=PIPE, stdout=DEVNULL, stderr=output.fileno())
            assert await output.open().readline() == b"ready\n"
            await end(process, 0.1)
    assert process.returncode == -signal.SIGKILL


async def test_what_it_was_to_be_told_and_nobody_takes_is_not_waited_for(stubborn: list[str]) -> None:
    async with asyncio.timeout(30):
        with contextlib.closing(OutputPipe()) as output:
            process = await spawn(*stubborn, stdin=PIPE, stdout=DEVNULL, stderr=output.fileno())
            assert process.stdin is not None
            process.stdin.write(bytes(1_000_000))
            assert await output.open().readline() == b"ready\n"
            await end(process, 0.1)
    assert process.returncode == -signal.SIGKILL


async def test_a_server_that_is_not_there() -> None:
    program = Program("it")
    with pytest.raises(ConfigError, match=r"^it does not start: /none: No such file or directory$"):
        await program.start("/none", until=b"ready")
    assert await program.aclose() is None


async def test_a_server_likewise(stubborn: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_STOP", 0.1)
    program = Program("it")
    async with asyncio.timeout(30):
        await program.start(*stubborn, until=b"ready")
        assert await program.aclose() == -signal.SIGKILL


async def test_who_is_not_wanted_any_more_as_it_starts_is_ended() -> None:
    async with asyncio.timeout(30):
        with contextlib.closing(OutputPipe()) as output:
            starting = asyncio.create_task(spawn("sleep", "600", stdout=output.fileno()))
            await asyncio.sleep(0)
            starting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await starting
            assert await output.open().read() == b""


async def test_what_does_not_start_as_it_is_not_wanted_any_more() -> None:
    starting = asyncio.create_task(spawn("/none"))
    await asyncio.sleep(0)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
