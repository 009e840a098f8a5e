"""The gateway for a while: clients come and go and leave nothing, and gigabytes pass in little memory."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncssh
import psutil
import pytest

from mooring import Pool
from tests.gateway.carried import echoing, exchanged
from tests.gateway.door import Door, opened
from tests.peers.sshd import Sshd
from tests.pool.fleet import hold, quick, true

from .test_soak import settled

pytestmark = [pytest.mark.anyio, pytest.mark.soak]

MEGABYTE = 1 << 20


@pytest.fixture
async def door(sshd: Sshd, tmp_path: Path) -> AsyncIterator[Door]:
    async with Pool(config=None, dice=quick) as pool:
        await hold(pool, "a", sshd)
        async with opened(pool, tmp_path) as door:
            yield door


@pytest.mark.timeout(300)
async def test_clients_come_and_go_and_leave_nothing(door: Door) -> None:
    key = asyncssh.read_private_key(door.key)
    options: dict[str, Any] = {"username": "a", "client_keys": [key], "known_hosts": None, "config": None}
    pool = door.gateway.fleet._pool  # noqa: SLF001 - nothing else tells

    async def visit(number: int, port: int) -> None:
        async with asyncssh.connect("127.0.0.1", door.port, agent_path=None, **options) as connection:
            result = await connection.run("cat; exit 3", input=f"{number}")
            assert (result.exit_status, result.stdout) == (3, f"{number}")
            streams: Any = await connection.open_connection("127.0.0.1", port, encoding=None)
            assert await exchanged(streams[0], streams[1], b"text") == b"text"
            await connection.forward_remote_port("127.0.0.1", 0, "127.0.0.1", port)
            if number % 3 == 0:
                await connection.create_process("exec sleep 1000", term_type="vt100")
                connection.abort()  # in the midst of it

    async def visits(count: int, port: int) -> None:
        for first in range(0, count, 8):
            await asyncio.gather(*(visit(number, port) for number in range(first, first + 8)))
        await true(lambda: not door.gateway.visitors)
        await true(lambda: pool["a"].status().channels.open == 0)

    async with echoing() as port:
        await visits(160, port)
        before = await settled()
        await visits(480, port)
        (await settled()).check(before)


@pytest.mark.parametrize("way", ["down", "up"])
@pytest.mark.timeout(300)
async def test_gigabytes_through_one_channel(door: Door, way: str) -> None:
    size = (2048 if way == "down" else 1024) * MEGABYTE
    there, here = f"head -c {size} /dev/zero", " ".join(door.ssh_command("a", "--"))
    command = f"{here} '{there}' | wc -c" if way == "down" else f"{there} | {here} 'wc -c'"
    process = psutil.Process()
    before = most = process.memory_info().rss
    client = await asyncio.create_subprocess_shell(command, stdout=asyncio.subprocess.PIPE)
    ended = asyncio.ensure_future(client.communicate())
    async with asyncio.timeout(240):
        while not ended.done():
            most = max(most, process.memory_info().rss)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(ended), 0.02)
    assert int((await ended)[0]) == size
    assert most - before < 32 * MEGABYTE, f"{(most - before) / MEGABYTE:.0f} MB"
