"""A link that breaks, in every way and in every phase: it is said in time, and it heals by itself."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import pytest

from mooring import MooringError, Pool, Session
from mooring.model.errors import ConnectFailed, SessionError, SessionLost, SessionNotUp, WaitTimeout
from mooring.model.status import SessionState
from mooring.simulate import FaultyLink
from tests.peers.fixtures import StartSshd
from tests.peers.sshd import Sshd

from .fleet import KEEPALIVE, hold, logged, quick, reach, soon, true, until, within

pytestmark = pytest.mark.anyio

UP = SessionState.UP
CONNECT = 1.0
PROMISED = 3 * KEEPALIVE + 1.0
"""Seconds within which a session says that its link is gone, and ends what was under way."""
PHASES = {"banner": ("to_client", 10), "key exchange": ("to_client", 600), "login": ("to_server", -300)}


@dataclass(frozen=True)
class Fault:
    """A way to break a link, and to mend it."""

    name: str
    strike: Callable[[Sshd, FaultyLink], None]
    mend: Callable[[Sshd], object] = lambda _: None

    def __repr__(self) -> str:
        return self.name


FAULTS = [
    Fault("reset", lambda _, link: link.reset()),
    Fault("cut", lambda _, link: link.cut()),
    Fault("fin-to-client", lambda _, link: link.fin("to_client")),
    Fault("fin-to-server", lambda _, link: link.fin("to_server")),
    Fault("blackhole", lambda _, link: link.blackhole()),
    Fault("half-open", lambda _, link: link.half_open()),
]
OF_THE_SERVER = [
    Fault("killed", lambda server, _: server.kill(), lambda server: server.start()),
    Fault("suspended", lambda server, _: server.suspend(), lambda server: server.resume()),
]


@pytest.fixture
async def pool() -> AsyncIterator[Pool]:
    async with Pool(config=None, dice=quick) as pool:
        yield pool


async def works(session: Session) -> None:
    """It is up by itself, and runs a command."""
    await session.wait_up(timeout=30)
    assert (await soon(session.run("echo again"), 30)).stdout == "again\n"


async def login_bytes(pool: Pool, server: Sshd) -> int:
    """How many bytes a client sends until it is in: the fewest of some, since it may have asked for more by then."""
    sent = []
    for _ in range(4):
        async with FaultyLink(server.host, server.port) as link:
            session = await hold(pool, "measure", server, link, keepalive=60)
            sent.append(link.bytes_to_server)
            await session.close()
    return min(sent)


@pytest.mark.parametrize("fault", FAULTS + OF_THE_SERVER, ids=repr)
async def test_a_fault_in_each_phase_of_connecting(fault: Fault, start_sshd: StartSshd, pool: Pool) -> None:
    server = start_sshd(LoginGraceTime=3)
    sent = await login_bytes(pool, server)
    async with contextlib.AsyncExitStack() as stack:
        sessions, links = [], []
        for phase, (way, count) in PHASES.items():
            link = await stack.enter_async_context(FaultyLink(server.host, server.port))
            link.stop_after(count if count > 0 else sent + count, way)  # type: ignore[arg-type] # one of the two
            name = phase.replace(" ", "-")
            sessions.append(await pool.start(f"{name}://127.0.0.1", **reach(server, link, connect_timeout=CONNECT)))
            links.append((link, way, count if count > 0 else sent + count))
        for link, way, count in links:
            await link.wait_bytes(count, way)  # type: ignore[arg-type] # as above
        for link, _, _ in links:
            fault.strike(server, link)
        for session in sessions:
            async with within(CONNECT + 1):
                await until(session, SessionState.BACKOFF)
            assert isinstance(session.error, ConnectFailed), session.error
            with pytest.raises(SessionError):
                await session.run("true")
        assert pool.statistics().handshakes <= 3
        fault.mend(server)
        for link, _, _ in links:
            link.heal()
        for session in sessions:
            await works(session)


async def test_tcp_itself_is_refused_or_unanswered(start_sshd: StartSshd, pool: Pool) -> None:
    server = start_sshd()
    with socket.socket() as full, contextlib.ExitStack() as stack:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.settimeout(0.0)
            with contextlib.suppress(BlockingIOError):
                filler.connect(full.getsockname())
        port = full.getsockname()[1]
        silent = await pool.start("silent://127.0.0.1", **reach(server, port=port, connect_timeout=CONNECT))
        async with within(CONNECT + 1):
            await until(silent, SessionState.BACKOFF)
        assert isinstance(silent.error, ConnectFailed)
        assert "connecting" in silent.error.message
        await silent.close()
    server.stop()
    refused = await pool.start("refused://127.0.0.1", **reach(server))
    async with within(1):
        await until(refused, SessionState.BACKOFF)
    assert isinstance(refused.error, ConnectFailed)
    server.start()
    await works(refused)


async def call(session: Session, calls: list[asyncio.Task[object]], *commands: str) -> None:
    calls += [asyncio.create_task(session.run(command)) for command in commands]
    await asyncio.sleep(0)


@pytest.mark.parametrize("fault", FAULTS + OF_THE_SERVER, ids=repr)
async def test_a_fault_while_up(  # noqa: PLR0915 - one fault in four phases at once
    fault: Fault, start_sshd: StartSshd, pool: Pool
) -> None:
    server = start_sshd()
    phases = ("idle", "running", "opening", "queued")
    async with contextlib.AsyncExitStack() as stack:
        links = {phase: await stack.enter_async_context(FaultyLink(server.host, server.port)) for phase in phases}
        sessions = {
            phase: await hold(pool, phase, server, links[phase], channels=2, keepalive=KEEPALIVE) for phase in phases
        }
        running = await sessions["running"].process("echo begun; sleep 60")
        assert await running.stdout.readline() == "begun\n"
        calls: list[asyncio.Task[object]] = []
        await call(sessions["running"], calls, "sleep 60", "echo begun; sleep 60")
        await call(sessions["queued"], calls, "sleep 60", "sleep 60", "sleep 60", "sleep 60")
        waiting = asyncio.create_task(running.wait())
        await true(lambda: sessions["queued"].status().channels.waiting == 2)
        await asyncio.sleep(0.2)
        links["opening"].stop_after(0, "to_client")
        await call(sessions["opening"], calls, "true", "true")
        calls.append(asyncio.create_task(sessions["opening"].ping(timeout=60)))
        told = [until(session, SessionState.BACKOFF, SessionState.CONNECTING) for session in sessions.values()]
        watchers = [asyncio.create_task(watcher) for watcher in told]
        await asyncio.sleep(0)
        for link in links.values():
            fault.strike(server, link)
        try:
            async with within(PROMISED):
                ended = await asyncio.gather(*calls, return_exceptions=True)
                await asyncio.gather(*watchers)
                assert (await waiting).exit_status is None
        finally:
            fault.mend(server)
            for link in links.values():
                link.heal()
        queued = {calls[1], *calls[4:6]}  # behind two that run, so that nothing of them was sent
        expected = [SessionNotUp if task in queued else SessionLost for task in calls]
        assert [type(error) for error in ended] == expected, ended
        for session in sessions.values():
            await works(session)
        assert pool.statistics().losses >= len(phases)
        await logged(server, "Accepted publickey", 2 * len(phases))


async def test_what_had_arrived_comes_with_the_loss(start_sshd: StartSshd, pool: Pool) -> None:
    server = start_sshd()
    async with FaultyLink(server.host, server.port) as link:
        session = await hold(pool, "a", server, link)
        seen = link.bytes_to_client
        command = asyncio.create_task(session.run("head -c 3000 /dev/zero | tr '\\0' x; sleep 60"))
        await link.wait_bytes(seen + 3000, "to_client")
        await asyncio.sleep(0.1)
        link.cut()
        with pytest.raises(SessionLost) as lost:
            await soon(command)
        assert lost.value.stdout == "x" * 3000
        assert lost.value.retryable
        link.heal()
        await works(session)


async def test_a_session_that_is_not_up_answers_at_once(start_sshd: StartSshd, pool: Pool) -> None:
    server = start_sshd()
    async with FaultyLink(server.host, server.port) as link:
        link.blackhole()
        session = await pool.start("a://127.0.0.1", **reach(server, link))
        for attempt in (session.run("true"), session.process("true"), session.ping()):
            with pytest.raises(MooringError) as error:
                async with within(0.5):
                    await attempt
            assert error.value.code == "session-not-up"
        with pytest.raises(WaitTimeout) as late:
            await session.wait_up(timeout=0.1)
        assert late.value.hint
        link.reset()
        link.heal()
        await works(session)
