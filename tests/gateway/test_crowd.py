"""Many at once at the gateway, and few channels."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
from pathlib import Path

import asyncssh
import pytest

from mooring import DoorLimits, Pool
from mooring.model.access import ADMIN, Actor
from mooring.simulate import FaultyLink, SimulatedHosts
from tests.peers.fixtures import StartSshd
from tests.peers.sshd import Sshd
from tests.pool.fleet import hold, quick, true

from .door import PATIENCE, Done, Door, opened

pytestmark = pytest.mark.anyio

SESSIONS, CLIENTS = 50, 200


@pytest.mark.timeout(120)
async def test_two_hundred_clients_on_fifty_sessions(tmp_path: Path) -> None:
    async with SimulatedHosts(count=SESSIONS) as hosts, Pool(config=None, dice=quick) as pool:
        for host in hosts:
            where = f"{host.name}://admin@{host.address}:{host.port}"
            await pool.start(where, identity="none", host_key=hosts.public_key, agent_path=None)
        for session in pool.sessions:
            await session.wait_up(PATIENCE)
        aliases = [session.alias for session in pool.sessions]
        key = asyncssh.generate_private_key("ssh-ed25519")
        async with opened(pool, tmp_path) as door:
            key = asyncssh.read_private_key(door.key)
            together = asyncio.Barrier(CLIENTS)

            async def visit(number: int) -> tuple[int | None, str]:
                async with asyncssh.connect(
                    *("127.0.0.1", door.port),
                    username=aliases[number % SESSIONS],
                    client_keys=[key],
                    known_hosts=None,
                    config=None,
                    agent_path=None,
                    login_timeout=PATIENCE,
                ) as connection:
                    await together.wait()  # all of them are there
                    result = await connection.run(f"echo {number}")
                    return result.exit_status, str(result.stdout)

            async with asyncio.timeout(3 * PATIENCE):
                done = await asyncio.gather(*map(visit, range(CLIENTS)))
            assert done == [(0, f"{number}\n") for number in range(CLIENTS)]
            await true(lambda: not door.gateway.visitors)
            await true(lambda: all(session.status().channels.open == 0 for session in pool.sessions))


async def test_a_device_without_a_channel_to_spare_is_told_of(start_sshd: StartSshd, pool: Pool, door: Door) -> None:
    await hold(pool, "b", start_sshd(MaxSessions=1))
    holder = await asyncio.create_subprocess_exec(
        *door.ssh_command("b", "--", "echo ready; cat"), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert holder.stdin is not None
    assert holder.stdout is not None
    assert await asyncio.wait_for(holder.stdout.readline(), PATIENCE) == b"ready\n"
    door.gateway.patience = 1.0
    done = await door.ssh("b", "--", "echo in")
    assert (done.status, done.out) == (255, b"")
    told = rb"mooring: b: no channel became free within [\d.]+ s; 1 of . are held by held gateway"
    assert re.match(told, done.err), done.err
    door.gateway.patience = PATIENCE
    waiting = asyncio.create_task(door.ssh("b", "--", "echo in"))
    await true(lambda: pool["b"].status().channels.waiting + pool["b"].status().channels.open > 1)
    holder.stdin.close()
    assert await waiting == Done(0, b"in\n", b"")
    await holder.wait()


async def test_who_is_handed_over_as_the_gateway_ends_is_hung_up_on(pool: Pool, tmp_path: Path) -> None:
    """Its task is cancelled before its first step."""
    ours, theirs = socket.socketpair()
    with theirs:
        async with opened(pool, tmp_path) as door, asyncio.timeout(PATIENCE):
            transport, _ = await asyncio.get_running_loop().create_connection(asyncio.Protocol, sock=ours)
            door.gateway.receive(transport, Actor(name="ann", door="tcp", grants=(ADMIN,)), "a")
        assert transport.is_closing()


async def test_a_stranger_who_does_not_log_in_is_hung_up_on(pool: Pool, tmp_path: Path) -> None:
    async with opened(pool, tmp_path, limits=DoorLimits(login_timeout=0.3)) as door, asyncio.timeout(PATIENCE):
        reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
        with contextlib.closing(writer):
            assert (await reader.read()).startswith(b"SSH-2.0-")


async def test_strangers_keep_nobody_out(pool: Pool, sshd: Sshd, tmp_path: Path) -> None:
    """They say nothing, or no more than a version, from several addresses; a user from one of those comes in."""
    await hold(pool, "a", sshd)
    limits = DoorLimits(half_open=12, half_open_per_source=4, login_timeout=600.0)
    async with opened(pool, tmp_path, limits=limits) as door, contextlib.AsyncExitStack() as stack:
        strangers = door.gateway._listener.strangers  # noqa: SLF001 - nothing else tells
        for number in range(40):
            from_there = f"127.0.0.{1 + number % 5}", 0
            reader, writer = await asyncio.open_connection("127.0.0.1", door.port, local_addr=from_there)
            stack.callback(writer.close)
            async with asyncio.timeout(PATIENCE):
                assert (await reader.readline()).startswith(b"SSH-2.0-")
            if number % 2:
                writer.write(b"SSH-2.0-stranger\r\n")
            assert len(strangers) <= 12
        for _ in range(3):
            assert await door.ssh("a", "--", "echo in") == Done(0, b"in\n", b"")
        assert len(strangers) <= 12


async def test_who_falls_silent_is_given_up(pool: Pool, sshd: Sshd, tmp_path: Path) -> None:
    await hold(pool, "a", sshd)
    async with opened(pool, tmp_path, keepalive=0.3) as door, FaultyLink("127.0.0.1", door.port) as link:
        command = door.ssh_command("a", "--", "echo ready; exec sleep 1000")
        command[command.index("-p") + 1] = str(link.port)
        known = door.known_hosts.read_text().replace(f":{door.port} ", f":{link.port} ")
        door.known_hosts.write_text(known)
        client = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE
        )
        assert client.stdout is not None
        assert await asyncio.wait_for(client.stdout.readline(), PATIENCE) == b"ready\n"
        link.blackhole()
        await true(lambda: not door.gateway.visitors)
        await true(lambda: pool["a"].status().channels.open == 0)
        client.kill()
        await client.wait()
