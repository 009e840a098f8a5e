"""What takes minutes or great numbers: nothing is left of a thousand of a thing, and a cut fleet comes back."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
import threading
import time
from collections.abc import AsyncIterator

import psutil
import pytest

from mooring import Pool, connect
from mooring.model.errors import MooringError
from mooring.model.status import SessionState
from mooring.simulate import FaultyLink, SimulatedHosts
from tests.peers.fixtures import StartSshd
from tests.pool.fleet import KEEPALIVE, quick, reach

pytestmark = [pytest.mark.anyio, pytest.mark.soak]


class Household:
    """What this process holds: descriptors, threads, tasks, memory."""

    def __init__(self) -> None:
        gc.collect()
        process = psutil.Process()
        self.descriptors = process.num_fds()
        self.threads = {thread.name for thread in threading.enumerate() if not thread.name.startswith("asyncio_")}
        self.tasks = len(asyncio.all_tasks())
        self.memory = process.memory_info().rss

    def check(self, before: Household) -> None:
        assert (self.descriptors, self.threads, self.tasks) == (before.descriptors, before.threads, before.tasks)
        assert self.memory < before.memory * 1.05, f"{before.memory:,} bytes became {self.memory:,}"


async def settled() -> Household:
    """The household once what is on its way out is gone."""
    await asyncio.sleep(0.5)
    return Household()


async def test_a_thousand_connects_leave_nothing(start_sshd: StartSshd) -> None:
    sshd = start_sshd(LogLevel="INFO")  # its log is kept in our memory

    async def once() -> None:
        async with connect("a://127.0.0.1", config=None, **reach(sshd, connect_timeout=20.0)) as session:
            await session.run("true")

    async def some(count: int) -> None:
        for _ in range(count // 4):
            await asyncio.gather(*(once() for _ in range(4)))

    await some(400)
    before = await settled()
    await some(1000)
    (await settled()).check(before)


async def test_two_hundred_killed_peers_leave_nothing(start_sshd: StartSshd) -> None:
    server = start_sshd(LogLevel="INFO")  # its log is kept in our memory

    async def kill(pool: Pool, count: int) -> None:
        """Each time ten peers are killed, in the middle of a command."""
        for _ in range(count // 10):
            for session in pool.sessions:
                await session.wait_up(timeout=30)
            calls = [asyncio.create_task(session.run("sleep 60")) for session in pool.sessions]
            await asyncio.sleep(0.1)
            await asyncio.to_thread(server.kill)
            ended = await asyncio.gather(*calls, return_exceptions=True)
            assert all(isinstance(error, MooringError) for error in ended), ended
            await asyncio.to_thread(server.start)

    # Killed again and again they count as thrown out, and their back-off grows.
    async with Pool(config=None, dice=lambda: 0.001) as pool:
        for number in range(10):
            await pool.start(f"s{number}://127.0.0.1", **reach(server))
        await kill(pool, 100)
        for session in pool.sessions:
            await session.wait_up(timeout=30)
        before = await settled()
        await kill(pool, 200)
        for session in pool.sessions:
            await session.wait_up(timeout=30)
        (await settled()).check(before)


@pytest.mark.parametrize("strike", ["cut", "blackhole"])
async def test_two_hundred_sessions_cut_at_once_are_back_within_a_minute(strike: str, start_sshd: StartSshd) -> None:
    server = start_sshd(MaxStartups="10:30:100")
    async with FaultyLink(server.host, server.port) as link, Pool(config=None) as pool:
        options = reach(server, link, connect_timeout=20.0, keepalive=5.0)
        for number in range(200):
            await pool.start(f"s{number}://127.0.0.1", **options)
        for session in pool.sessions:
            await session.wait_up(timeout=120)
        getattr(link, strike)()
        async with asyncio.timeout(5.0 * 3 + 3):
            while pool.statistics().states[SessionState.UP]:
                assert pool.statistics().handshakes <= 8
                await asyncio.sleep(0.05)
        await asyncio.to_thread(server.kill)
        await asyncio.sleep(20)
        await asyncio.to_thread(server.start)
        link.heal()
        host_is_back = time.monotonic()
        async with asyncio.timeout(60):
            while pool.statistics().states[SessionState.UP] < 200:
                assert pool.statistics().handshakes <= 8
                await asyncio.sleep(0.05)
        print(f"\n200 sessions back {time.monotonic() - host_is_back:.1f} s after their host ({strike})")  # noqa: T201
        found = [outcome async for outcome in pool.run("all", "echo back")]
        assert sum(outcome.ok for outcome in found) == 200
        assert "drop connection" not in server.log()


@pytest.fixture
async def fleet() -> AsyncIterator[dict[str, object]]:
    """A thousand simulated hosts in a process of their own."""
    program = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "mooring.simulate", "hosts", "--count", "1000", "--one-port"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env=dict(os.environ),
        limit=1 << 22,
    )
    assert program.stdout is not None
    assert program.stdin is not None
    yield json.loads(await program.stdout.readline())
    program.stdin.close()
    async with asyncio.timeout(20):
        await program.wait()


async def test_a_thousand_held_sessions_each_answer(fleet: dict[str, list[dict[str, object]]]) -> None:
    import resource  # noqa: PLC0415 - not on Windows

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
    try:
        async with Pool(config=None, handshakes_per_host=64) as pool:
            for host in fleet["hosts"]:
                await pool.start(
                    f"{host['name']}://{host['user']}@127.0.0.1:{host['port']}",
                    identity="none",
                    agent_path=None,
                    host_key=str(fleet["host_key"]),
                    connect_timeout=60.0,
                )
            for session in pool.sessions:
                await session.wait_up(timeout=300)
            start = time.monotonic()
            found = [outcome async for outcome in pool.run("all", "hostname")]
            print(f"\n1,000 commands on 1,000 sessions: {time.monotonic() - start:.2f} s")  # noqa: T201
            assert {(each.alias, each.result and each.result.stdout) for each in found} == {
                (f"host-{number}", f"host-{number}\n") for number in range(1, 1001)
            }
            assert (pool.statistics().connects, pool.statistics().failures, pool.statistics().losses) == (1000, 0, 0)
            closing = time.monotonic()
        assert time.monotonic() - closing < 10
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_a_fleet_on_a_bad_link_never_stops_coming_back() -> None:
    """A minute of faults of every kind, at random times: at its end all are up, and each change had its reason."""
    import random  # noqa: PLC0415 - here alone

    dice = random.Random(4)
    async with (
        SimulatedHosts(one_port=True) as hosts,
        FaultyLink("127.0.0.1", hosts[0].port, rng=dice) as link,
        Pool(config=None, dice=quick) as pool,
    ):
        events = pool.events(backlog=100_000)
        for number in range(50):
            await pool.start(
                f"s{number}://u{number}@127.0.0.1:{link.port}",
                identity="none",
                agent_path=None,
                host_key=hosts.public_key,
                keepalive=KEEPALIVE,
                connect_timeout=1.0,
            )
        for session in pool.sessions:
            await session.wait_up(timeout=30)
        faults = [link.reset, link.cut, link.blackhole, link.half_open, hosts.drop]
        faults += [lambda: link.fin("to_client"), lambda: link.fin("to_server"), lambda: link.stop_after(5000)]
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            calls = [asyncio.create_task(session.run("sleep 0.2")) for session in pool.sessions]
            await asyncio.sleep(dice.random() * 0.3)
            dice.choice(faults)()
            await asyncio.sleep(dice.random())
            link.heal()
            link.slice_bytes = dice.choice([None, 1, 7])
            async with asyncio.timeout(10):
                ended = await asyncio.gather(*calls, return_exceptions=True)
            assert all(isinstance(each, MooringError) or getattr(each, "ok", False) for each in ended), ended
        link.heal()
        for session in pool.sessions:
            await session.wait_up(timeout=30)
        found = [outcome async for outcome in pool.run("all", "hostname")]
        assert all(outcome.ok for outcome in found)
        assert pool.statistics().states[SessionState.UP] == 50
        assert pool.statistics().events_lost == 0
        events.close()
        told = [event async for event in events]
        assert all(event.reason for event in told)
        assert not [event for event in told if event.state is SessionState.PARKED]
