"""Many sessions at once: cut together, back together, never more handshakes than allowed; nobody is hammered."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import asyncssh
import pytest

from mooring import Pool
from mooring.model.status import SessionState
from mooring.simulate import FaultyLink, SimulatedHosts
from mooring.transport.dial import Dialer
from mooring.transport.link import Link
from tests.peers.fixtures import StartSshd

from .fleet import KEEPALIVE, quick, reach, slow, true, until, within

pytestmark = pytest.mark.anyio

UP, BACKOFF, CONNECTING = SessionState.UP, SessionState.BACKOFF, SessionState.CONNECTING


@pytest.mark.parametrize("strike", ["cut", "blackhole"])
async def test_forty_sessions_cut_at_once_come_back_eight_at_a_time(strike: str, start_sshd: StartSshd) -> None:
    server = start_sshd(MaxStartups="8:100:8")
    async with FaultyLink(server.host, server.port) as link, Pool(config=None) as pool:
        options = reach(server, link, keepalive=1.0)
        sessions = [await pool.start(f"s{number}://127.0.0.1", **options) for number in range(40)]
        for session in sessions:
            await session.wait_up(timeout=30)
        watchers = [asyncio.create_task(until(each, BACKOFF, CONNECTING)) for each in sessions]
        await asyncio.sleep(0)
        getattr(link, strike)()
        async with within(4.0):
            await asyncio.gather(*watchers)
        assert pool.statistics().handshakes <= 8
        await asyncio.sleep(1)
        link.reset()
        link.heal()
        async with asyncio.timeout(30):
            for session in sessions:
                await session.wait_up()
        assert pool.statistics().connects == 80
        assert "drop connection" not in server.log()
        assert "MaxStartups" not in server.log()


async def test_the_host_never_sees_more_than_eight_handshakes_nor_all_hosts_more_than_64() -> None:
    async with AsyncExitStack() as stack, SimulatedHosts(count=12) as hosts, Pool(config=None, dice=quick) as pool:
        links = [await stack.enter_async_context(FaultyLink("127.0.0.1", host.port)) for host in hosts]

        async def held_up() -> None:
            # In the dark no handshake ends: as many as may are under way.
            await true(lambda: pool.statistics().handshakes == 64 == sum(link.connections for link in links))
            assert max(link.connections for link in links) <= 8

        for link in links:
            link.blackhole()
        for number in range(180):
            link = links[0 if number < 40 else number % 12]
            await pool.start(
                f"s{number}://admin@127.0.0.1:{link.port}", identity="none", agent_path=None, host_key=hosts.public_key
            )
        await held_up()
        assert links[0].connections == 8
        for link in links:
            link.heal()
        most = 0
        async with asyncio.timeout(60):
            while pool.statistics().states[UP] < 180:
                most = max(most, sum(host.handshakes for host in hosts), pool.statistics().handshakes)
                await asyncio.sleep(0.001)
        assert most <= 64
        for link in links:
            link.blackhole()
            link.reset()
        await held_up()
        for link in links:
            link.heal()
        async with asyncio.timeout(60):
            for session in pool.sessions:
                await session.wait_up()
        assert max(host.peak_handshakes for host in hosts) <= 8


async def test_one_success_wakes_the_others_on_that_host() -> None:
    async with SimulatedHosts(one_port=True) as hosts, AsyncExitStack() as stack:
        link = await stack.enter_async_context(FaultyLink("127.0.0.1", hosts[0].port))
        throws = [0.0]
        pool = await stack.enter_async_context(Pool(config=None, dice=lambda: throws[0]))
        link.refuse()
        sessions = [
            await pool.start(
                f"s{number}://u{number}@127.0.0.1:{link.port}",
                identity="none",
                agent_path=None,
                host_key=hosts.public_key,
            )
            for number in range(6)
        ]
        await true(lambda: min(session.status().attempts for session in sessions) >= 12)
        throws[0] = 1.0
        await true(lambda: min(session.status().retry_in or 0 for session in sessions) > 60)
        link.heal()
        await asyncio.sleep(0.2)
        assert pool.statistics().states[BACKOFF] == 6
        sessions[0].retry()
        await sessions[0].wait_up(timeout=30)
        assert all(0 < (session.status().retry_in or 0) <= 1.0 for session in sessions[1:])
        async with within(5):  # and not after the minute that they had before them
            for session in sessions:
                await session.wait_up()


async def test_a_host_that_throws_everybody_out_is_not_hammered() -> None:
    class Bouncer(asyncssh.SSHServer):
        """Lets everybody in, and out again."""

        def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
            self._conn = conn

        def begin_auth(self, username: str) -> bool:
            visits.setdefault(username, []).append(asyncio.get_running_loop().time())
            return False

        def auth_completed(self) -> None:
            asyncio.get_running_loop().call_later(0.05, self._conn.close)

    visits: dict[str, list[float]] = {}
    key = asyncssh.generate_private_key("ssh-ed25519")
    async with asyncssh.listen("127.0.0.1", 0, server_factory=Bouncer, server_host_keys=[key]) as listener:
        pool = Pool(config=None, dice=slow)
        async with pool:
            for number in range(4):
                await pool.start(
                    f"s{number}://u{number}@127.0.0.1:{listener.get_port()}",
                    identity="none",
                    agent_path=None,
                    host_key=key.export_public_key().decode().strip(),
                )
            await true(lambda: len(visits) == 4 and min(map(len, visits.values())) >= 3)
            # Their back-off is 1 s and 1.6 s: nobody's success is a reason for another one to come sooner.
            for first, second, third in (times[:3] for times in visits.values()):
                assert second - first >= 1.0
                assert third - second >= 1.6


async def test_a_device_s_rate_is_kept_through_losses(monkeypatch: pytest.MonkeyPatch) -> None:
    starts: list[float] = []
    dial = Dialer.dial

    async def dialed(*args: Any) -> Link:
        starts.append(asyncio.get_running_loop().time())
        return await dial(*args)

    monkeypatch.setattr(Dialer, "dial", dialed)

    class Device(asyncssh.SSHServer):
        def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
            conns.append(conn)

        def begin_auth(self, username: str) -> bool:
            return False

    conns: list[asyncssh.SSHServerConnection] = []
    key = asyncssh.generate_private_key("ssh-ed25519")
    async with asyncssh.listen("127.0.0.1", 0, server_factory=Device, server_host_keys=[key]) as listener:
        pool = Pool(config=None, dice=lambda: 0.01)
        async with pool:
            for number in range(3):
                await pool.start(
                    f"s{number}://u@127.0.0.1:{listener.get_port()}",
                    identity="none",
                    agent_path=None,
                    host_key=key.export_public_key().decode().strip(),
                    rate="2/s",
                )
            for session in pool.sessions:
                await session.wait_up(timeout=30)
            for conn in conns:
                conn.abort()
            await true(lambda: all(session.status().connects == 2 for session in pool.sessions))
    assert len(starts) == 6
    for first, third in zip(starts, starts[2:], strict=False):
        assert third - first > 0.9


async def test_a_loss_is_told_within_its_bound_by_many_at_once(start_sshd: StartSshd) -> None:
    server = start_sshd()
    async with Pool(config=None, dice=quick) as pool:
        for number in range(12):
            await pool.start(f"s{number}://127.0.0.1", **reach(server, keepalive=KEEPALIVE))
        for session in pool.sessions:
            await session.wait_up(timeout=30)
        watchers = [asyncio.create_task(until(each, BACKOFF, CONNECTING)) for each in pool.sessions]
        await asyncio.sleep(0)
        server.suspend()
        try:
            await asyncio.gather(*watchers)
        finally:
            server.resume()
        for session in pool.sessions:
            await session.wait_up(timeout=20)
