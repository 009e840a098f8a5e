"""A thousand agents of one process on one server: they come with their tokens, work, are cut off, and come again."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from mooring import CallHomeServer, Pool

pytestmark = [pytest.mark.anyio, pytest.mark.soak]

MANY = 1000
MEGABYTE = 1 << 20


@pytest.fixture
def descriptors() -> Iterator[None]:
    """Enough of them."""
    import resource  # noqa: PLC0415 - not on Windows

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("descriptors")
async def test_a_thousand_agents_on_one_server(tmp_path: Path) -> None:
    key = tmp_path / "agent_key"
    async with (
        Pool(config=None) as pool,
        CallHomeServer("127.0.0.1", 0, pool=pool, agent_key=key, facts=False) as home,
    ):
        names = [f"host{number}" for number in range(MANY)]
        tokens = {name: home.agent_token(name).text() for name in names}
        program = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.soak.agents", str(home.port), str(tmp_path)),
            stdin=asyncio.subprocess.PIPE,
        )
        assert program.stdin is not None
        start = time.monotonic()
        program.stdin.write(f"{json.dumps(tokens)}\n".encode())
        await all_up(pool, names)
        agents = psutil.Process(program.pid)
        size = agents.memory_info().rss / MEGABYTE
        print(f"\n{MANY} agents came in {time.monotonic() - start:.1f} s, in {size:.0f} MB")  # noqa: T201
        await all_answer(pool)
        for session in pool.sessions:
            assert session.connection is not None
            session.connection.abort()
        start = time.monotonic()
        await all_up(pool, names, connects=2)
        print(f"they were back in {time.monotonic() - start:.1f} s")  # noqa: T201
        await all_answer(pool)
        assert home.statistics().up == 2 * MANY
        assert [each for each in home.agents.expected.all if not each.used] == []
        assert not [child for child in agents.children() if child.status() == psutil.STATUS_ZOMBIE]
        program.stdin.close()
        async with asyncio.timeout(60):
            assert await program.wait() == 0


async def all_up(pool: Pool, names: list[str], connects: int = 1) -> None:
    async with asyncio.timeout(300):
        # A session is there from the first call of its agent on.
        while any(name not in pool or pool[name].status().connects < connects for name in names):  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        for name in names:
            await pool[name].wait_up(timeout=None)


async def all_answer(pool: Pool) -> None:
    start = time.monotonic()
    found = [outcome async for outcome in pool.run("all", "echo there", concurrency=50)]
    print(f"{len(found)} commands in {time.monotonic() - start:.1f} s")  # noqa: T201
    assert len(found) == MANY
    assert {(each.result and each.result.stdout, each.error) for each in found} == {("there\n", None)}
