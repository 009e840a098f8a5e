"""The pool as its users see it: start, stop, select, statistics, and its end in every state."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import logging
import sys
import weakref
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from mooring import Pool, Session
from mooring.model.errors import (
    AliasInUse,
    ConfigError,
    InvalidInput,
    InvalidSelector,
    InvalidTarget,
    NothingSelected,
    SessionClosed,
    SessionLost,
    UnknownAlias,
)
from mooring.model.status import SessionState
from mooring.simulate import FaultyLink, SimulatedHosts
from mooring.simulate.ports import ReservedPort
from mooring.transport.link import Link
from tests.peers.fixtures import StartSshd
from tests.peers.sshd import Sshd

from .fleet import hold, quick, reach, slow, soon, until

pytestmark = pytest.mark.anyio


@pytest.fixture
async def hosts() -> AsyncIterator[SimulatedHosts]:
    async with SimulatedHosts(count=4) as hosts:
        yield hosts


@pytest.fixture
async def pool() -> AsyncIterator[Pool]:
    async with Pool(config=None, dice=quick) as pool:
        yield pool


async def start(pool: Pool, hosts: SimulatedHosts, number: int = 0, alias: str = "", **keywords: object) -> Session:
    host = hosts[number]
    given = {"identity": "none", "agent_path": None, "host_key": hosts.public_key, **keywords}
    return await pool.start(f"{alias or host.name}://admin@{host.address}:{host.port}", **given)


async def test_an_alias_is_one_session_s_alone_also_while_it_is_being_started(
    pool: Pool, hosts: SimulatedHosts
) -> None:
    racing = await asyncio.gather(*(start(pool, hosts, number, "same") for number in range(4)), return_exceptions=True)
    sessions = [each for each in racing if isinstance(each, Session)]
    assert len(sessions) == 1
    refused = [each for each in racing if isinstance(each, AliasInUse)]
    assert len(refused) == 3
    assert "other://" in str(refused[0].hint)
    await sessions[0].wait_up(timeout=30)
    assert sum(host.connections for host in hosts) == 1
    with pytest.raises(AliasInUse):
        await start(pool, hosts, 1, "same")
    await pool.stop("same")
    again = await start(pool, hosts, 1, "same")
    await again.wait_up(timeout=30)


async def test_a_start_that_fails_or_is_cancelled_leaves_the_alias_free(pool: Pool, hosts: SimulatedHosts) -> None:
    with pytest.raises(InvalidTarget, match="channels"):
        await start(pool, hosts, alias="a", channels=0)
    with pytest.raises(InvalidTarget, match="unknown keyword"):
        await start(pool, hosts, alias="a", no_such_thing=1)
    with pytest.raises(InvalidTarget, match="port"):
        await pool.start("a://host:99999")
    task = asyncio.create_task(start(pool, hosts, alias="a"))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert pool.sessions == []
    session = await start(pool, hosts, alias="a")
    await session.wait_up(timeout=30)


async def test_aliases_are_looked_up_and_missed_by_name(pool: Pool, hosts: SimulatedHosts) -> None:
    session = await start(pool, hosts)
    assert pool["host-1"] is session
    assert "host-1" in pool
    assert "nobody" not in pool
    with pytest.raises(UnknownAlias, match="nobody"):
        pool["nobody"]
    with pytest.raises(UnknownAlias, match="nobody"):
        await pool.stop("host-1,nobody")
    assert "host-1" in pool


async def test_selectors(pool: Pool, hosts: SimulatedHosts, tmp_path: Path) -> None:
    for number, site in enumerate(["ams", "ams", "lon", "lon"]):
        await start(pool, hosts, number, label=f"site:{site}")

    def chosen(selector: str) -> list[str]:
        return [session.alias for session in pool.select(selector)]

    assert chosen("all") == chosen("*") == ["host-1", "host-2", "host-3", "host-4"]
    assert chosen("host-3") == ["host-3"]
    assert chosen("host-3,host-1") == ["host-1", "host-3"]
    assert chosen("site:ams") == ["host-1", "host-2"]
    assert chosen("site:*,!host-[23]") == ["host-1", "host-4"]
    file = tmp_path / "some"
    file.write_text("# two of them\nhost-4\nhost-2\n")
    assert chosen(f"@{file}") == ["host-2", "host-4"]
    with pytest.raises(NothingSelected):
        chosen("site:nowhere")
    with pytest.raises(NothingSelected):
        chosen("host-1,!host-1")
    with pytest.raises(UnknownAlias):
        chosen("host-9")
    with pytest.raises(InvalidSelector):
        chosen("@/no/such/file")
    with pytest.raises(InvalidSelector):
        chosen("")
    assert await pool.stop("site:ams") == ["host-1", "host-2"]
    assert chosen("all") == ["host-3", "host-4"]
    assert repr(pool).startswith("<Pool of 2 sessions: ")
    await pool.stop("all")
    with pytest.raises(NothingSelected):
        chosen("all")


async def test_statistics_add_up(pool: Pool, hosts: SimulatedHosts) -> None:
    up = [await start(pool, hosts, number) for number in range(3)]
    for session in up:
        await session.wait_up(timeout=30)
    parked = await start(pool, hosts, 3, host_key="SHA256:" + "A" * 43)
    await until(parked, SessionState.PARKED)
    await up[0].run("true")
    await up[0].run("false")
    statistics = pool.statistics()
    assert statistics.sessions == 4 == sum(statistics.states.values())
    assert set(statistics.states) == set(SessionState)
    assert (statistics.states[SessionState.UP], statistics.states[SessionState.PARKED]) == (3, 1)
    assert (statistics.connects, statistics.failures, statistics.losses, statistics.commands) == (3, 1, 0, 2)
    assert (statistics.handshakes, statistics.handshakes_waiting, statistics.hops) == (0, 0, 0)
    lost = [until(session, SessionState.BACKOFF, SessionState.CONNECTING) for session in up]
    watchers = [asyncio.create_task(each) for each in lost]
    await asyncio.sleep(0)
    hosts.drop()
    await asyncio.gather(*watchers)
    for session in up:
        await session.wait_up(timeout=30)
    await pool.stop("host-1")
    statistics = pool.statistics()
    assert (statistics.connects, statistics.losses, statistics.commands) == (6, 3, 2)
    assert statistics.sessions == 3 == sum(statistics.states.values())


async def test_a_session_closed_before_its_first_step_is_closed(pool: Pool, hosts: SimulatedHosts) -> None:
    session = await start(pool, hosts)
    await soon(session.close(), 30)
    assert session.state is SessionState.CLOSED
    assert "host-1" not in pool
    with pytest.raises(SessionClosed):
        await session.run("true")
    await session.close()
    assert hosts[0].connections == 0


async def test_closing_waits_for_nobody_and_passes_cancellation_on(pool: Pool, start_sshd: StartSshd) -> None:
    server = start_sshd()
    session = await hold(pool, "a", server)
    command = asyncio.create_task(session.run("sleep 60"))
    await asyncio.sleep(0.2)
    await soon(asyncio.gather(session.close(), session.close(), pool.stop("a")), 30)
    with pytest.raises(SessionLost):
        await command
    closing = asyncio.create_task(session.close())
    await closing
    other = await hold(pool, "b", server)
    closing = asyncio.create_task(other.close())
    await asyncio.sleep(0)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    await until(other, SessionState.CLOSED)


@pytest.fixture
def nobody() -> Iterator[int]:
    """A port that nobody listens on."""
    with contextlib.closing(ReservedPort("127.0.0.1")) as port:
        yield port.port


RELAY = """\
import os, select, signal, socket, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
far = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
while True:
    ready = select.select([0, far], [], [])[0]
    if 0 in ready:
        far.sendall(os.read(0, 65536) or signal.pause() or b"")
    if far in ready:
        os.write(1, far.recv(65536))
"""
"""A proxy command that neither SIGTERM nor the end of its input can end."""


async def test_a_pool_ends_within_its_bound_whatever_its_sessions_do(  # noqa: PLR0915 - a session in every state
    start_sshd: StartSshd, tmp_path: Path, nobody: int
) -> None:
    server = start_sshd()
    relay = tmp_path / "relay.py"
    relay.write_text(RELAY)
    async with FaultyLink(server.host, server.port) as dark, FaultyLink(server.host, server.port) as frozen:
        pool = Pool(config=None, dice=slow, handshakes_per_host=1)
        async with pool:
            await hold(pool, "up", server)
            stuck = await hold(pool, "stuck", server)
            half = await hold(pool, "half", server, frozen)
            calls = [asyncio.create_task(each.run("sleep 60")) for each in (stuck, half, half)]
            await hold(pool, "proxy", server, proxy_command=f"{sys.executable} {relay} {server.port}")
            frozen.half_open()
            dark.blackhole()
            await pool.start("dark://127.0.0.1", **reach(server, dark))
            await pool.start("queued://127.0.0.1", **reach(server, dark))
            parked = await pool.start("parked://127.0.0.1", **reach(server, identity=["/no/such/key"]))
            backoff = await pool.start("backoff://127.0.0.1", **reach(server, port=nobody))
            await until(parked, SessionState.PARKED)
            await until(backoff, SessionState.BACKOFF)
            behind = await pool.start("behind://127.0.0.1", **reach(server, jump=f"127.0.0.1:{nobody}"))
            states = {session.state for session in pool.sessions}
            assert states >= {SessionState.UP, SessionState.CONNECTING, SessionState.BACKOFF, SessionState.PARKED}
            sessions = pool.sessions
            async with asyncio.timeout(30):
                await pool.aclose()
            ended = await soon(asyncio.gather(*calls, return_exceptions=True), 30)
            assert all(isinstance(error, SessionLost) for error in ended), ended
            assert behind in sessions
            assert {session.state for session in sessions} == {SessionState.CLOSED}
            await pool.aclose()
        assert pool.sessions == []
        assert pool.statistics().hops == 0


async def test_a_closed_pool_says_so(hosts: SimulatedHosts) -> None:
    pool = Pool(config=None)
    with pytest.raises(InvalidInput, match="not open"):
        await start(pool, hosts)
    async with pool:
        session = await start(pool, hosts)
        await session.wait_up(timeout=30)
        with pytest.raises(InvalidInput, match="once"):
            await pool.__aenter__()
    with pytest.raises(InvalidInput, match="closed"):
        await start(pool, hosts)
    with pytest.raises(InvalidInput, match="once"):
        await pool.__aenter__()
    with pytest.raises(SessionClosed):
        await session.run("true")
    with pytest.raises(NothingSelected):
        pool.run("all", "true")
    assert [event async for event in pool.events()] == []


async def test_a_start_during_the_close_starts_nothing(hosts: SimulatedHosts) -> None:
    async with Pool(config=None) as pool:
        held = await start(pool, hosts)
        await held.wait_up(timeout=30)
        late = asyncio.create_task(start(pool, hosts, 1))
        await asyncio.sleep(0)
        await soon(pool.aclose(), 30)
        with pytest.raises(InvalidInput, match="closed"):
            await late
    assert hosts[1].connections == 0


async def test_what_the_body_raises_passes_unchanged(hosts: SimulatedHosts) -> None:
    class OwnError(Exception):
        pass

    with pytest.raises(OwnError) as raised:  # noqa: PT012 - the block is what is tested
        async with Pool(config=None) as pool:
            await (await start(pool, hosts)).wait_up(timeout=30)
            raise OwnError
    assert raised.value.__context__ is None
    async with asyncio.timeout(2):
        with pytest.raises(TimeoutError):  # noqa: PT012 - likewise
            async with asyncio.timeout(0.05), Pool(config=None) as pool:
                await start(pool, hosts)
                await asyncio.sleep(5)


async def test_a_cancelled_close_leaves_nothing(hosts: SimulatedHosts) -> None:
    async with Pool(config=None) as pool:
        for number in range(4):
            await (await start(pool, hosts, number)).wait_up(timeout=30)
        closing = asyncio.create_task(pool.aclose())
        await asyncio.sleep(0)
        closing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await closing
        assert pool.sessions == []


async def test_a_bad_ssh_config_is_told_when_the_pool_is_opened(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text("Host *\n  Port\n")
    with pytest.raises(ConfigError, match="config:2"):
        async with Pool(config=path):
            pass


@pytest.mark.parametrize("number", ["handshakes", "handshakes_per_host"])
def test_limits_below_one_are_refused(number: str) -> None:
    with pytest.raises(InvalidInput, match=number):
        Pool(config=None, **{number: 0})  # type: ignore[arg-type] # either of the two


@pytest.mark.parametrize("when", ["attempt", "loss"])
async def test_a_bug_parks_one_session_and_the_others_live(
    when: str, hosts: SimulatedHosts, caplog: pytest.LogCaptureFixture, nobody: int
) -> None:
    broken = False

    def dice() -> float:
        if broken:
            raise ZeroDivisionError
        return 0.1

    async with Pool(config=None, dice=dice) as pool:
        held = await start(pool, hosts, 0)
        victim = await start(pool, hosts, 1)
        await held.wait_up(timeout=30)
        await victim.wait_up(timeout=30)
        broken = True
        with caplog.at_level(logging.ERROR, "mooring"):
            if when == "loss":
                victim.connection.abort()
            else:
                victim = await start(pool, hosts, 2, port=nobody)
            await until(victim, SessionState.PARKED)
        assert "internal error: ZeroDivisionError" in victim.status().reason
        assert f"{victim.alias}: failed unexpectedly" in caplog.text
        broken = False
        assert (await held.run("hostname")).stdout == "host-1\n"
        if when == "loss":
            victim.retry()
            await victim.wait_up(timeout=30)


async def test_a_pool_that_nobody_closes_any_more_is_collected(hosts: SimulatedHosts) -> None:
    async with Pool(config=None) as pool:
        session = await start(pool, hosts)
        await session.wait_up(timeout=30)
        left: list[weakref.ref[Any]] = [weakref.ref(pool), weakref.ref(session)]
    del pool, session
    gc.collect()
    assert [each() for each in left] == [None, None]


async def test_two_pools_live_side_by_side(sshd: Sshd) -> None:
    async with Pool(config=None) as one, Pool(config=None) as two:
        first, second = await hold(one, "a", sshd), await hold(two, "a", sshd)
        await one.aclose()
        assert first.state is SessionState.CLOSED
        assert (await second.run("echo two")).stdout == "two\n"


async def test_a_connection_that_does_not_close_cleanly_harms_nobody_else(
    hosts: SimulatedHosts, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Pool(config=None, dice=lambda: 0.1) as pool:
        held = await start(pool, hosts, 0)
        victim = await start(pool, hosts, 1)
        await held.wait_up(timeout=30)
        await victim.wait_up(timeout=30)
        with monkeypatch.context() as patch, caplog.at_level(logging.ERROR, "mooring"):
            patch.setattr(Link, "aclose", _not_permitted)
            victim.connection.abort()
            await until(victim, SessionState.BACKOFF)
            await victim.wait_up(timeout=30)
        assert f"{victim.alias}: its connection was not closed cleanly" in caplog.text
        assert (await held.run("hostname")).stdout == "host-1\n"
        assert (await victim.run("hostname")).stdout == "host-2\n"


async def _not_permitted(link: Link) -> None:
    raise PermissionError(errno.EPERM, "Operation not permitted")


async def test_opening_that_is_cancelled_leaves_nothing() -> None:
    for steps in range(12):
        pool = Pool(config=None)
        opening = asyncio.create_task(pool.__aenter__())
        for _ in range(steps):
            await asyncio.sleep(0)
        opening.cancel()
        await asyncio.gather(opening, return_exceptions=True)
        await pool.aclose()
