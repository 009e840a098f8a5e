"""The session itself: what it tells of itself, pings, waits and its end."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from mooring import (
    Event,
    Session,
    SessionClosed,
    SessionLost,
    SessionNotUp,
    SessionParked,
    SessionState,
    Target,
    WaitTimeout,
    connect,
)
from mooring.model.errors import ConnectFailed, UnknownHostKey
from mooring.simulate import FaultyLink
from tests.peers.fixtures import StartSshd
from tests.peers.sshd import Sshd

from .held import begun, held, pin
from .odd import OddServer

pytestmark = pytest.mark.anyio


def alone() -> Session:
    """A session that nobody keeps alive."""
    return Session(Target.parse("edge1://user:hunter2@127.0.0.1:22?label=site:ams"), lambda _: None)


async def test_ping_measures_a_round_trip_and_its_age(session: Session) -> None:
    assert (session.status().ping, session.status().ping_age) == (None, None)
    seconds = await session.ping()
    status = session.status()
    assert 0 < seconds < 5
    assert status.ping == seconds
    assert status.ping_age is not None
    assert 0 <= status.ping_age < 5
    await session.run("sleep 0.05")
    later = session.status().ping_age
    assert later is not None
    assert later >= 0.05


async def test_each_keepalive_measures_the_latency(sshd: Sshd) -> None:
    async with held(sshd, keepalive=0.05) as session, asyncio.timeout(30):
        while len(session.status().latency) < 2:  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(0.02)
        status = session.status()
        assert all(0 < seconds < 5 for seconds in status.latency)
        assert status.ping == pytest.approx(status.latency[-1], rel=0.04)


async def test_ping_of_a_silent_peer_ends_in_time(sshd: Sshd) -> None:
    async with FaultyLink(sshd.host, sshd.port) as link, held(sshd, link, keepalive=60) as session:
        await session.ping()
        link.blackhole()
        with pytest.raises(SessionLost, match=r"did not answer a ping within 0\.2 s"):
            await session.ping(timeout=0.2)
        link.heal()
        assert await session.ping() > 0  # the late answer is not taken for this one


async def test_ping_when_the_link_breaks_under_it() -> None:
    async with OddServer() as server, server.held() as session:
        task = asyncio.create_task(session.ping())
        await asyncio.sleep(0)
        server.connections[0].abort()
        with pytest.raises(SessionLost):
            await task


async def test_the_status_of_one_that_is_up(sshd: Sshd) -> None:
    async with held(sshd, label="site:ams", channels=4) as session:
        await session.run("true")
        status = session.status()
        assert (status.alias, status.state, status.direction) == ("edge1", "up", "dialed")
        assert status.peer == f"127.0.0.1:{sshd.port}"
        assert status.server is not None
        assert "OpenSSH" in status.server
        assert status.host_key is not None
        assert status.host_key.startswith("SHA256:")
        assert (status.host_key_policy, status.labels, status.via) == ("pinned", ("site:ams",), ())
        assert (status.error, status.hint, status.retry_in, status.legacy) == (None, None, None, ())
        assert (status.connects, status.attempts, status.commands) == (1, 0, 1)
        assert (status.channels.open, status.channels.limit) == (0, 4)
        assert status.reason == f"connected to {sshd.user}@127.0.0.1:{sshd.port}"
        assert repr(session) == f"<Session edge1 up: {status.reason}>"
        assert status.algorithms["cipher"] == "aes128-gcm@openssh.com"


async def test_the_status_of_one_that_is_not() -> None:
    session = alone()
    status = session.status()
    assert (status.state, status.peer, status.host_key, status.channels.limit) == ("connecting", None, None, 0)
    assert status.host_key_policy == "verify"
    pinned = Session(Target.parse(f"edge1?host_key=SHA256:{'A' * 43}"), lambda _: None)
    assert pinned.status().host_key_policy == "pinned"


@pytest.mark.parametrize("call", ["run", "process", "ping", "connection", "link"])
async def test_without_a_connection_nothing_waits(call: str) -> None:
    session = alone()

    async def attempt() -> None:
        match call:
            case "run":
                await session.run("true")
            case "process":
                await session.process("true")
            case "ping":
                await session.ping()
            case _:
                getattr(session, call)

    with pytest.raises(SessionNotUp, match="edge1 is connecting: started"):
        await attempt()
    await session.detach(SessionState.PARKED, UnknownHostKey("no key", host="h", hint="trust it"), "no key")
    with pytest.raises(SessionParked, match=r"edge1 is parked: no key \(trust it\)"):
        await attempt()
    await session.detach(SessionState.CLOSED, None, "closed by us")
    with pytest.raises(SessionClosed, match="edge1 was closed"):
        await attempt()


async def test_an_attempt_does_not_hide_why_the_one_before_failed() -> None:
    session = alone()
    await session.detach(SessionState.BACKOFF, ConnectFailed("refused"), "refused; again in 1 s")
    session.connecting("attempt 2")
    with pytest.raises(SessionNotUp, match=r"edge1 is connecting: attempt 2, after: refused"):
        await session.run("true")


async def test_wait_up() -> None:
    session = alone()
    with pytest.raises(WaitTimeout, match=r"edge1 was not up within 0\.05 s: connecting, started"):
        await session.wait_up(timeout=0.05)
    error = UnknownHostKey("no key", host="h")
    waiting = asyncio.create_task(session.wait_up())
    await asyncio.sleep(0)
    await session.detach(SessionState.PARKED, error, "no key")
    with pytest.raises(SessionParked) as caught:
        await waiting
    assert caught.value.__cause__ is error
    cancelled = asyncio.create_task(session.wait_change())
    await asyncio.sleep(0)
    cancelled.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cancelled
    await session.detach(SessionState.CLOSED, None, "closed")
    with pytest.raises(SessionClosed):
        session.retry()


async def test_wait_up_returns_at_once_when_it_is(session: Session) -> None:
    await session.wait_up(timeout=None)


async def test_closing_ends_what_runs_and_what_waits(sshd: Sshd) -> None:
    async with held(sshd, channels=1) as session:
        running = asyncio.create_task(session.run("echo out; exec sleep 61.5625"))
        queued = asyncio.create_task(session.run("echo"))
        await begun(session, "61.5625")
        for _ in range(2):
            await session.ping()  # behind which sshd has sent what it said
        await session.close()
        await session.close()
        with pytest.raises(SessionLost) as caught:
            await running
        assert caught.value.stdout == "out\n"
        with pytest.raises((SessionLost, SessionClosed)):
            await queued
        assert session.state == "closed"
        with pytest.raises(SessionClosed):
            await session.run("true")


async def test_host_keys_learned_are_events(start_sshd: StartSshd, tmp_path: Path) -> None:
    server = start_sshd()
    events: list[Event] = []
    session = Session(Target.parse("edge1"), events.append)
    session.trusted("learned a key")
    assert [(event.kind, event.alias, event.reason) for event in events] == [("host-key", "edge1", "learned a key")]
    known_hosts = tmp_path / "known_hosts"
    keywords = {"username": server.user, "identity": [str(server.client_key)], "agent_path": None}
    target = f"edge1://127.0.0.1:{server.port}"
    async with connect(target, config=None, host_key="accept-new", known_hosts=str(known_hosts), **keywords) as new:
        assert new.status().host_key_policy == "accept-new"
    assert pin(server).split()[1] in known_hosts.read_text()


async def test_neither_repr_nor_status_shows_the_password() -> None:
    session = alone()
    for text in (repr(session), str(session), str(session.status()), repr(session.target), str(session.target)):
        assert "hunter2" not in text
    assert session.status().target == "edge1://user:********@127.0.0.1:22?label=site:ams"
