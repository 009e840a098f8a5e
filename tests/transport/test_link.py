"""A link: what is known of it, how it ends, and that its end takes no longer than was said."""

from __future__ import annotations

import asyncio

import asyncssh
import pytest

from mooring.model.errors import SessionLost
from mooring.model.target import Target
from mooring.simulate import FaultyLink
from mooring.transport.dial import Dialer
from mooring.transport.keywords import split
from mooring.transport.link import Link
from mooring.transport.route import Route, Router
from tests.peers.sshd import Sshd
from tests.session.held import credentials
from tests.session.odd import OddServer

pytestmark = pytest.mark.anyio


async def route_to(server: Sshd, port: int | None = None, **keywords: object) -> Route:
    fields, rest = split({**credentials(server), **keywords})
    return await Router([]).route(Target.parse(f"edge1://127.0.0.1:{port or server.port}", **fields), rest)


async def dialed(route: Route) -> Link:
    dialer = Dialer()
    try:
        return await dialer.dial(route)
    finally:
        await dialer.aclose()


async def test_what_is_known_of_it(sshd: Sshd) -> None:
    link = await dialed(await route_to(sshd))
    try:
        assert (link.peer, link.closed, link.host_key_policy) == (f"127.0.0.1:{sshd.port}", False, "pinned")
        assert link.server.startswith("SSH-2.0-OpenSSH")
        key = asyncssh.read_public_key(str(sshd.host_keys[0].with_suffix(".pub")))
        assert link.host_key == key.get_fingerprint()
        assert link.legacy == ()
        assert await link.ping(5) > 0
    finally:
        await link.aclose()
        await link.aclose()
    assert link.closed
    assert "closed the connection" in (await link.wait_lost()).message
    with pytest.raises(SessionLost):
        await link.ping(5)


async def test_lost_by_a_reset(sshd: Sshd) -> None:
    async with FaultyLink(sshd.host, sshd.port) as faulty:
        link = await dialed(await route_to(sshd, faulty.port))
        waiting = asyncio.create_task(link.wait_lost())
        given_up = asyncio.create_task(link.wait_lost())
        await asyncio.sleep(0)
        given_up.cancel()
        with pytest.raises(asyncio.CancelledError):
            await given_up
        assert not link.closed
        faulty.reset()
        error = await waiting
        assert isinstance(error, SessionLost)
        assert "was lost: " in error.message
        await link.aclose()


@pytest.mark.parametrize("how", ["blackhole", "half_open"])
async def test_a_silent_peer_is_lost_after_the_keepalives(sshd: Sshd, how: str) -> None:
    """keepalive * count, with the second that the issue allows; AsyncSSH would wait for one more."""
    async with FaultyLink(sshd.host, sshd.port) as faulty:
        link = await dialed(await route_to(sshd, faulty.port, keepalive=0.3))
        assert link.route.keepalive_count == 3
        getattr(faulty, how)()
        async with asyncio.timeout(20):
            await link.wait_lost()
        await link.aclose()


async def test_keepalives_keep_an_idle_link(sshd: Sshd) -> None:
    link = await dialed(await route_to(sshd, keepalive=0.3))
    await asyncio.sleep(1.2)  # four of them, of which three without an answer would end it
    assert not link.closed
    await link.aclose()


async def test_a_server_that_says_why() -> None:
    async with OddServer() as server, server.held() as session:
        link = session.link
        server.connections[0].disconnect(asyncssh.DISC_TOO_MANY_CONNECTIONS, "too\nmany of you")
        error = await link.wait_lost()
        assert f"{link.route.where} ended the connection: too many of you" in error.message


async def test_a_server_that_says_what_we_would_is_not_taken_for_us() -> None:
    async with OddServer() as server, server.held() as session:
        link = session.link
        server.connections[0].disconnect(asyncssh.DISC_CONNECTION_LOST, "Server not responding to keepalive")
        error = await link.wait_lost()
        assert error.message == f"{link.route.where} ended the connection: Server not responding to keepalive"
        assert link.ended == "closed"


async def test_closing_a_silent_link_with_much_unsent(sshd: Sshd) -> None:
    """The goodbye cannot be sent; the link is closed all the same, and its socket with it."""
    async with FaultyLink(sshd.host, sshd.port) as faulty:
        link = await dialed(await route_to(sshd, faulty.port))
        process = await link.connection.create_process("cat", encoding=None)
        faulty.half_open()
        process.stdin.write(bytes(8_000_000))
        async with asyncio.timeout(30):
            await link.aclose()
        assert link.closed


async def test_cancelled_while_it_closes_nothing_is_left(sshd: Sshd) -> None:
    link = await dialed(await route_to(sshd))
    task = asyncio.create_task(link.aclose())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await link.aclose()
    assert link.closed
