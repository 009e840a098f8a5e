"""Forwards when connections are lost: they stand again by themselves, or say why not."""

from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from mooring import EventKind, ForwardRefused, ForwardState, Pool, Session, SessionLost, SessionNotUp
from mooring.session.forward import Forward
from mooring.session.forward.forward import pause
from mooring.simulate import FaultyLink
from tests.peers.fixtures import StartSshd
from tests.session.forward.ends import ask, connected, serving
from tests.session.held import credentials

pytestmark = pytest.mark.anyio


async def comes_to(state: ForwardState, *forwards: Forward) -> None:
    async with asyncio.timeout(50):
        while {forward.state for forward in forwards} != {state}:  # noqa: ASYNC110 - as it is seen
            await asyncio.sleep(0.02)


def test_pauses_grow_to_half_a_minute_and_are_spread() -> None:
    assert pause(1, 0.0) < pause(1, 1.0) < pause(3, 1.0) < pause(30, 1.0) == pause(10_000, 1.0) == 30.0


async def test_who_comes_as_a_forward_is_closed_is_refused(session: Session) -> None:
    """The task that would connect them is cancelled before its first step."""
    refused: list[str] = []

    class Coming:
        origin = "192.0.2.1", 1

        def refuse(self, reason: str) -> None:
            refused.append(reason)

    async with await session.forward_remote(0, "127.0.0.1:1") as forward:
        coming: Any = Coming()
        forward._offer(coming)  # type: ignore[attr-defined]  # noqa: SLF001 - by itself it comes too soon or too late
    assert refused == ["the forward was closed"]


async def test_sshd_killed_under_five_forwards_and_all_work_again_by_themselves(start_sshd: StartSshd) -> None:
    server = start_sshd()
    async with Pool(config=None) as pool, serving() as port, AsyncExitStack() as stack:
        session = await pool.start(f"edge1://127.0.0.1:{server.port}", **credentials(server))
        await session.wait_up(30)
        to = f"127.0.0.1:{port}"
        forwards = [
            await session.forward_local(0, to),
            await session.forward_local(0, to),
            await session.forward_remote(0, to),
            await session.forward_remote(0, to, name="other"),
            await session.forward_socks(0),
        ]
        ports = [forward.get_port() for forward in forwards]
        events = pool.events()
        held_open = [await stack.enter_async_context(connected(number)) for number in ports[:4]]
        server.kill()  # whoever still has a connection to one of its ports keeps that port from others meanwhile
        for reader, _ in held_open[:2]:  # none hangs, and none looks as if it had come to its end
            with pytest.raises(ConnectionResetError):
                await asyncio.wait_for(reader.read(), 10)
        await comes_to(ForwardState.WAITING, *forwards)
        early = asyncio.create_task(ask(ports[0], b"too early"))  # it waits for the session
        server.start()
        await comes_to(ForwardState.STANDING, *forwards)
        assert await early == b"too early"
        assert [forward.get_port() for forward in forwards] == ports
        for number in ports[:4]:
            assert await ask(number) == b"hello"
        async with connected(ports[4]) as (reader, writer):
            writer.write(b"\x04\x01" + port.to_bytes(2, "big") + b"\x7f\x00\x00\x01\x00")
            assert (await reader.readexactly(8))[1] == 90
        assert [forward.status().restored for forward in forwards] == [1] * 5
        events.close()
        told = [event async for event in events if event.kind is EventKind.RESTORED]
        assert sorted(event.reason.split()[1] for event in told if event.error is None) == sorted(
            forward.name for forward in forwards
        )


@pytest.mark.parametrize("kind", ["local", "remote"])
async def test_a_path_that_is_stuck(start_sshd: StartSshd, kind: str) -> None:
    server = start_sshd()
    async with (
        FaultyLink(server.host, server.port) as link,
        Pool(config=None) as pool,
        serving() as port,
    ):
        session = await pool.start(f"edge1://127.0.0.1:{link.port}", **credentials(server), keepalive=1)
        await session.wait_up(30)
        make = session.forward_local if kind == "local" else session.forward_remote
        forward = await make(0, f"127.0.0.1:{port}")
        async with connected(forward.get_port()) as (reader, writer), asyncio.timeout(50):
            writer.write(b"x")
            assert await reader.readexactly(1) == b"x"
            link.blackhole()
            await comes_to(ForwardState.WAITING, forward)
            if kind == "local":
                with pytest.raises(ConnectionResetError):
                    await reader.read()
        assert forward.status().connections == 0
        link.heal()
        await comes_to(ForwardState.STANDING, forward)
        assert await ask(forward.get_port()) == b"hello"


async def test_a_far_side_that_does_not_answer_is_given_up(
    start_sshd: StartSshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mooring.session.forward.forward.OPEN_TIMEOUT", 0.2)
    server = start_sshd()
    async with (
        FaultyLink(server.host, server.port) as link,
        Pool(config=None) as pool,
        serving() as port,
    ):
        session = await pool.start(f"edge1://127.0.0.1:{link.port}", **credentials(server), keepalive=600)
        await session.wait_up(30)
        forward = await session.forward_local(0, f"127.0.0.1:{port}")
        link.blackhole()
        async with connected(forward.get_port()) as (reader, _), asyncio.timeout(30):
            with pytest.raises(ConnectionResetError):
                await reader.read()
        status = forward.status()
        assert (status.connections, status.refused, status.error) == (0, 1, "nothing answered within 0.2 s")
        monkeypatch.undo()
        link.heal()
        assert await ask(forward.get_port()) == b"hello"


async def test_a_listener_that_a_dead_connection_left_there_is_replaced(start_sshd: StartSshd) -> None:
    server = start_sshd()
    async with (
        Pool(config=None) as pool,
        serving() as port,
        FaultyLink(server.host, server.port) as link,
    ):
        session = await pool.start(f"edge1://127.0.0.1:{link.port}", keepalive=1, **credentials(server))
        await session.wait_up(30)
        forward = await session.forward_remote(0, f"127.0.0.1:{port}")
        taken = forward.get_port()
        async with connected(taken):  # so that nobody else gets the port when the server lets go of it
            link.half_open()  # we notice; the server goes on listening for us
            await comes_to(ForwardState.RETRYING, forward)
            async with asyncio.timeout(30):
                while forward.status().error is None:  # noqa: ASYNC110 - as it is seen
                    await asyncio.sleep(0.02)
            assert f"will not listen on localhost:{taken}" in str(forward.status().error)
            link.reset()  # now the server notices, too; it takes the new connection along
            await comes_to(ForwardState.STANDING, forward)
        assert forward.get_port() == taken
        assert await ask(taken) == b"hello"


async def test_a_socket_that_a_dead_connection_left_there_gives_way(start_sshd: StartSshd, folder: Path) -> None:
    server, far = start_sshd(), folder / "far"
    async with Pool(config=None) as pool, serving() as port:
        session = await pool.start(f"edge1://127.0.0.1:{server.port}", **credentials(server))
        await session.wait_up(30)
        forward = await session.forward_remote(far, f"127.0.0.1:{port}")
        with pytest.raises(ForwardRefused):  # somebody listens
            await session.forward_remote(far, f"127.0.0.1:{port}", name="other")
        server.kill()
        await comes_to(ForwardState.WAITING, forward)
        assert far.exists()  # OpenSSH leaves it
        server.start()
        await comes_to(ForwardState.STANDING, forward)
        assert forward.status().error is None
        if os.geteuid() == 0:
            assert await ask(far) == b"hello"
        forward.close()
        await forward.wait_closed()
        assert not far.exists()
        far.write_text("no socket")
        with pytest.raises(ForwardRefused):
            await session.forward_remote(far, f"127.0.0.1:{port}")
        assert far.read_text() == "no socket"


async def test_a_socket_of_somebody_else_stays(start_sshd: StartSshd, folder: Path) -> None:
    server, far = start_sshd(), folder / "far"
    async with Pool(config=None) as pool, serving() as port:
        session = await pool.start(f"edge1://127.0.0.1:{server.port}", **credentials(server))
        await session.wait_up(30)
        forward = await session.forward_remote(far, f"127.0.0.1:{port}")
        server.kill()
        await comes_to(ForwardState.WAITING, forward)
        far.unlink()
        async with serving(path=far):
            server.start()
            await comes_to(ForwardState.RETRYING, forward)
            assert await ask(far) == b"hello"
        await comes_to(ForwardState.STANDING, forward)


async def test_a_connection_that_is_lost_while_the_far_side_is_asked(start_sshd: StartSshd) -> None:
    server = start_sshd()
    async with Pool(config=None) as pool, FaultyLink(server.host, server.port) as link:
        session = await pool.start(f"edge1://127.0.0.1:{link.port}", **credentials(server))
        await session.wait_up(30)
        link.blackhole()
        asking = [
            asyncio.create_task(session.forward_remote(0, "127.0.0.1:1")),
            asyncio.create_task(session.open_connection("127.0.0.1", 1)),
            asyncio.create_task(session.start_server(lambda _host, _port: None, "127.0.0.1", 0)),
        ]
        await asyncio.sleep(0)  # they ask
        link.reset()
        for one in asking:
            with pytest.raises(SessionLost, match="edge1 was lost"):
                await one
        assert list(session.forwards) == []


async def test_through_a_jump_host_and_after_it_was_lost(start_sshd: StartSshd, tmp_path: Path) -> None:
    hop, server = start_sshd(), start_sshd()
    known_hosts = tmp_path / "known_hosts"
    known_hosts.write_text("".join(f"{line}\n" for line in (*hop.known_hosts_lines, *server.known_hosts_lines)))
    config = tmp_path / "config"
    config.write_text(
        f"Host *\n  User {server.user}\n  IdentityFile {server.client_key}\n  IdentityAgent none\n"
        f"  UserKnownHostsFile {known_hosts}\n  GlobalKnownHostsFile none\n  UpdateHostKeys no\n"
    )
    data = os.urandom(1_000_000)
    async with Pool(config=config) as pool, serving() as port:
        session = await pool.start(f"edge1://127.0.0.1:{server.port}", jump=[f"127.0.0.1:{hop.port}"])
        await session.wait_up(30)
        forwards = [
            await session.forward_local(0, f"127.0.0.1:{port}"),
            await session.forward_remote(0, f"127.0.0.1:{port}"),
        ]
        assert [await ask(forward.get_port(), data) == data for forward in forwards] == [True, True]
        async with connected(forwards[1].get_port()):  # nobody else gets it meanwhile
            hop.kill()
            await comes_to(ForwardState.WAITING, *forwards)
            hop.start()
            await comes_to(ForwardState.STANDING, *forwards)
        assert [await ask(forward.get_port(), data) == data for forward in forwards] == [True, True]


async def test_who_comes_while_a_person_must_act_is_told_so(start_sshd: StartSshd) -> None:
    server = start_sshd()
    async with Pool(config=None) as pool:
        session = await pool.start(
            f"edge1://127.0.0.1:{server.port}", **{**credentials(server), "identity": "none", "password": "wrong"}
        )
        async with asyncio.timeout(50):
            while session.state != "parked":
                await session.wait_change()
        async with await session.forward_local(0, "127.0.0.1:1") as forward:
            assert forward.state is ForwardState.WAITING
            with pytest.raises(OSError, match="reset"):
                await ask(forward.get_port())
            assert str(forward.status().error).startswith("edge1 is parked: ")
            assert forward.status().refused == 1


async def test_what_needs_the_connection_says_that_there_is_none(start_sshd: StartSshd) -> None:
    server = start_sshd()
    async with Pool(config=None) as pool, serving() as port:
        session = await pool.start(f"edge1://127.0.0.1:{server.port}", **credentials(server))
        await session.wait_up(30)
        server.stop()
        async with asyncio.timeout(30):
            while session.state == "up":
                await session.wait_change()
        with pytest.raises(SessionNotUp):
            await session.forward_remote(0, f"127.0.0.1:{port}")
        async with await session.forward_local(0, f"127.0.0.1:{port}") as forward:
            assert forward.state is ForwardState.WAITING
            early = asyncio.create_task(ask(forward.get_port()))
            server.start()
            session.retry()
            assert await early == b"hello"
