"""Connections through the gateway with OpenSSH's client: from the device on, and from the device to the visitor."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import asyncssh
import pytest
from asyncssh.channel import SSHClientChannel
from asyncssh.constants import MSG_CHANNEL_OPEN, MSG_REQUEST_SUCCESS
from asyncssh.packet import String, UInt32

from mooring import Pool
from mooring.gateway import forwards
from mooring.model.access import Action
from mooring.simulate.ports import ReservedPort
from tests.peers.agent import Agent
from tests.peers.fixtures import StartSshd
from tests.peers.keys import Keyring
from tests.pool.fleet import hold, true

from .carried import TEXT, by_socks, echoing, exchanged, standing
from .deaf import connect, deaf
from .door import PATIENCE, Door, make_key, run, user

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("far", ["port", "path"])
async def test_local(door: Door, shared: Path, tmp_path: Path, far: str) -> None:
    there = shared / "echo"
    async with echoing(there if far == "path" else None) as port:
        goal = f"127.0.0.1:{port}" if port else str(there)
        async with standing(door, "-L", f"{tmp_path}/l:{goal}"):
            several = [await asyncio.open_unix_connection(f"{tmp_path}/l") for _ in range(5)]
            assert await asyncio.gather(*(exchanged(*one) for one in several)) == [TEXT] * 5


async def test_a_place_where_nobody_listens(door: Door, tmp_path: Path) -> None:
    with contextlib.closing(ReservedPort()) as reserved:
        async with standing(door, "-L", f"{tmp_path}/l:127.0.0.1:{reserved.port}"):
            reader, writer = await asyncio.open_unix_connection(f"{tmp_path}/l")
            assert await asyncio.wait_for(reader.read(), PATIENCE) == b""
            writer.close()


async def test_socks(door: Door) -> None:
    async with echoing() as port:
        with contextlib.closing(ReservedPort()) as reserved:  # ssh listens beside it
            async with standing(door, "-D", f"127.0.0.1:{reserved.port}"):
                assert await exchanged(*await by_socks(reserved.port, port)) == TEXT


async def test_a_connection_that_comes_before_the_port_is_known_waits_for_it(pool: Pool, tmp_path: Path) -> None:
    """It goes to who listens there, and to nobody else who listens on that address."""
    told: list[tuple[int, bytes]] = []
    opens: list[asyncio.Task[Any]] = []

    class Listener:
        def __init__(self, port: int) -> None:
            self.get_port = lambda: port

        def close(self) -> None:
            """Nobody listens."""

    async with deaf(pool, tmp_path) as (door, device), asyncio.timeout(PATIENCE), connect(door) as connection:
        ports = iter((4241, 4242))

        async def listen(host: str, _: int) -> Listener:
            port = next(ports)
            if port == 4242:
                opening = device.connections[-1].create_connection(asyncssh.SSHTCPSession, host, port, "192.0.2.1", 1)
                opens.append(asyncio.create_task(opening))
                await asyncio.sleep(0)  # it is sent before the answer
            return Listener(port)

        device.server_requested = listen  # type: ignore[method-assign, assignment]
        (visitor,) = door.gateway.visitors
        send: Any = visitor.connection.send_packet

        def noting(kind: int, *args: bytes, **more: Any) -> None:
            told.append((kind, b"".join(args)))
            send(kind, *args, **more)

        visitor.connection.send_packet = noting  # type: ignore[method-assign, assignment]

        def refuse(*_: object) -> None:
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_CONNECT_FAILED, "seen")

        for port in (4241, 4242):
            assert (await connection.create_server(refuse, "127.0.0.1", 0)).get_port() == port
        await asyncio.wait(opens)
        assert [kind for kind, _ in told] == [MSG_REQUEST_SUCCESS, MSG_REQUEST_SUCCESS, MSG_CHANNEL_OPEN]
        assert String("127.0.0.1") + UInt32(4242) in told[-1][1]
        connection.abort()


async def test_standard_streams(door: Door) -> None:
    async with echoing() as port:
        done = await door.ssh("a", "-W", f"127.0.0.1:{port}", stdin=TEXT)
        assert (done.status, done.out) == (0, TEXT)


async def test_a_jump_host(door: Door, start_sshd: StartSshd) -> None:
    beyond = start_sshd()
    jump = " ".join(door.ssh_command("a", "-W", "%h:%p"))
    command = beyond.ssh_command("-o", f"ProxyCommand={jump}")
    assert (await run(*command, "echo beyond")).out == b"beyond\n"


async def test_remote(door: Door, tmp_path: Path) -> None:
    async with echoing() as port:
        async with standing(door, "-v", "-o", "LogLevel=INFO", "-R", f"0:127.0.0.1:{port}") as client:
            assert client.stderr is not None
            words = ""
            async with asyncio.timeout(PATIENCE):
                while "Allocated port" not in words:
                    words = (await client.stderr.readline()).decode()
            bound = int(words.split("Allocated port")[1].split()[0])
            several = [await asyncio.open_connection("127.0.0.1", bound) for _ in range(5)]
            assert await asyncio.gather(*(exchanged(*one) for one in several)) == [TEXT] * 5
        with pytest.raises(OSError, match="Connect"):  # the device listens no more
            await _until_refused(bound)


async def _until_refused(port: int) -> None:
    async with asyncio.timeout(PATIENCE):
        while True:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            await asyncio.sleep(0.01)


async def test_remote_on_a_path(door: Door, shared: Path) -> None:
    async with echoing() as port, standing(door, "-R", f"{shared}/r:127.0.0.1:{port}"):
        await asyncio.to_thread((shared / "r").chmod, 0o777)
        assert await exchanged(*await asyncio.open_unix_connection(shared / "r")) == TEXT


async def test_who_listens_at_a_device_is_hung_up_on_when_its_session_is_lost(
    door: Door, pool: Pool, start_sshd: StartSshd
) -> None:
    server = start_sshd()
    await hold(pool, "b", server)
    client = await asyncio.create_subprocess_exec(
        *door.ssh_command("b", "-N", "-v", "-o", "LogLevel=DEBUG1", "-R", "0:127.0.0.1:1"),
        stdin=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    assert client.stderr is not None
    async with asyncio.timeout(PATIENCE):
        while b"Allocated port" not in await client.stderr.readline():
            pass
    server.kill()
    _, err = await asyncio.wait_for(client.communicate(), PATIENCE)
    assert client.returncode == 255
    assert b"the session was lost" in err


async def test_who_listens_no_more_is_let_be_when_the_session_is_lost(door: Door, pool: Pool) -> None:
    door.gateway.wait = PATIENCE
    options = {"known_hosts": None, "config": None, "agent_path": None, "username": "a"}
    async with (
        asyncio.timeout(PATIENCE),
        asyncssh.connect("127.0.0.1", door.port, client_keys=[str(door.key)], **options) as connection,
    ):
        (visitor,) = door.gateway.visitors
        for _ in range(3):
            listener = await connection.forward_remote_port("127.0.0.1", 0, "127.0.0.1", 9)
            listener.close()
            await listener.wait_closed()
        await true(lambda: not visitor._tasks)  # noqa: SLF001 - nothing else tells
        lost = pool["a"].connection
        lost.abort()
        await lost.wait_closed()
        assert (await connection.run("echo on")).stdout == "on\n"


async def test_a_visitor_who_vanishes_takes_their_listeners_along(door: Door, pool: Pool) -> None:
    async with standing(door, "-R", "0:127.0.0.1:1"):
        connection = pool["a"].connection
        assert len(connection._remote_listeners) == 1  # noqa: SLF001 - nothing else tells
    await true(lambda: not connection._remote_listeners)  # noqa: SLF001


async def test_who_may_not_forward_reaches_no_further(door: Door, tmp_path: Path) -> None:
    key = make_key(tmp_path, "bob")
    door.allow(user("bob", key, [Action.RUN, Action.SHELL]))
    async with echoing() as port:
        done = await door.ssh("a", "-W", f"127.0.0.1:{port}", stdin=TEXT, key=key)
        assert (done.status, done.out) == (255, b"")
        assert b"forwarding failed" in done.err
        done = await door.ssh("a", "-o", "ExitOnForwardFailure=yes", "-R", "0:127.0.0.1:1", "--", "echo in", key=key)
        assert (done.status, done.out) == (255, b"")
        done = await door.ssh("a", "-o", "ExitOnForwardFailure=yes", "-R", "/tmp/x:/tmp/y", "--", "echo in", key=key)
        assert (done.status, done.out) == (255, b"")


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        (b"direct-streamlocal@openssh.com", String("/var/run/docker.sock") + String("") + UInt32(0)),
        (b"forwarded-tcpip", String("127.0.0.1") + UInt32(22) + String("127.0.0.1") + UInt32(1)),
        (b"tun@openssh.com", UInt32(1) + UInt32(0x7FFFFFFF)),
        (b"x11", String("127.0.0.1") + UInt32(6000)),
        (b"auth-agent@openssh.com", b""),
    ],
)
async def test_no_other_kind_of_channel_is_a_way_round(
    door: Door, pool: Pool, tmp_path: Path, kind: bytes, more: bytes
) -> None:
    key = make_key(tmp_path, "bob")
    door.allow(user("bob", key, [Action.RUN, Action.SHELL]))
    opened = []
    to_device = pool["a"].connection
    send = to_device.send_packet

    def watching(pkttype: int, *args: bytes, handler: Any = None) -> None:  # noqa: ANN401 - AsyncSSH's
        opened.append(pkttype == MSG_CHANNEL_OPEN)
        send(pkttype, *args, handler=handler)

    to_device.send_packet = watching  # type: ignore[method-assign]
    options: dict[str, Any] = {"known_hosts": None, "config": None, "agent_path": None, "username": "a"}
    async with (
        asyncio.timeout(PATIENCE),
        asyncssh.connect("127.0.0.1", door.port, client_keys=[str(key)], **options) as connection,
    ):
        channel: Any = SSHClientChannel(connection, asyncio.get_running_loop(), None, None, "strict", 1 << 21, 1 << 15)  # type: ignore[arg-type]
        with pytest.raises(asyncssh.ChannelOpenError):
            await channel._open(kind, more)  # noqa: SLF001 - nobody does so by mistake
        assert not any(opened)
        assert (await connection.run("echo on")).stdout == "on\n"
        assert any(opened)


async def test_an_agent_is_forwarded_where_that_is_allowed(door: Door, agent: Agent, keyring: Keyring) -> None:
    agent.add(keyring.key("held"))
    words = ("-A", "--", "ssh-add -L || echo none")
    ann = door.gateway.users.configured[0]
    assert (await run(*door.ssh_command("a", *words), env=agent.environment)).out == b"none\n"
    door.allow(replace(ann, agent=True))
    done = await run(*door.ssh_command("a", *words), env=agent.environment)
    assert done.out.split()[:2] == keyring.key("held").with_suffix(".pub").read_bytes().split()[:2]
    without = await run(*door.ssh_command("a", *words[1:]), env=agent.environment)
    assert without.out == b"none\n"
    await true(lambda: not any(forwards._agents.values()))  # noqa: SLF001 - nobody takes a device's questions any more
