"""A gigabyte through a handler that is slow: neither end holds more of it than its credit."""

from __future__ import annotations

import asyncio
import hashlib
import sys
from pathlib import Path

import psutil
import pytest

from mooring import Pipe
from tests.peers.sshd import Sshd
from tests.session.held import held

pytestmark = [pytest.mark.anyio, pytest.mark.soak]

SIZE = 1 << 16
COUNT = 1 << 14
BOUND = 48 << 20
"""Bytes that an end may grow by: the credit of both directions, what the transport holds, and what Python leaves."""

SLOW = """
import hashlib, resource, time
from mooring.far import connect

digest = hashlib.sha256()
with connect("slow") as pipe:
    for message in pipe:
        if pipe.asked:
            pipe.reply([resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, digest.hexdigest()])
            continue
        time.sleep(0.001)
        digest.update(message)
        pipe.send(message)
"""


async def send_all(pipe: Pipe) -> str:
    digest = hashlib.sha256()
    for number in range(COUNT):
        message = number.to_bytes(4, "big") * (SIZE // 4)
        digest.update(message)
        await pipe.send(message)
    return digest.hexdigest()


async def take_all(pipe: Pipe) -> str:
    digest = hashlib.sha256()
    for _ in range(COUNT):
        digest.update(await anext(pipe))
    return digest.hexdigest()


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in bytes elsewhere")
async def test_a_gigabyte_through_a_slow_handler(sshd: Sshd, tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(SLOW)
    async with held(sshd) as session, session.pipe(deploy=tmp_path / "slow.py") as pipe:
        far_before, _ = await pipe.request("how much?")
        before, process = psutil.Process().memory_info().rss, psutil.Process()
        most = before
        taking = asyncio.create_task(take_all(pipe))
        sending = asyncio.create_task(send_all(pipe))
        while not taking.done():
            await asyncio.wait((taking,), timeout=0.2)
            most = max(most, process.memory_info().rss)
        far_after, digest = await pipe.request("how much?")
        assert await sending == await taking == digest
    assert most - before < BOUND, f"{most - before:,} bytes more here"
    assert far_after - far_before < BOUND, f"{far_after - far_before:,} bytes more there"
