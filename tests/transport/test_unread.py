"""Who asks and reads no answers, begins a key exchange and does not end it, or asks all at once, is hung up on."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from typing import Any

import asyncssh
import pytest
from asyncssh.constants import MSG_CHANNEL_OPEN, MSG_GLOBAL_REQUEST
from asyncssh.packet import Boolean, String, UInt32

import mooring
from mooring.model.errors import HandshakeFailed
from mooring.model.status import SessionState
from mooring.transport import flow
from mooring.transport.attendant import Guarded
from mooring.transport.serve import Listener
from tests.pool.fleet import until
from tests.session.odd import OddServer

pytestmark = pytest.mark.anyio
PATIENCE = 30.0
UNREAD = 16 * 1024
ENOUGH = UNREAD // 128
QUESTIONS: dict[str, tuple[int, list[bytes]]] = {
    "a global request": (MSG_GLOBAL_REQUEST, [String(b"nothing@x"), Boolean(value=True)]),
    "a channel": (MSG_CHANNEL_OPEN, [String(b"nothing"), UInt32(0), UInt32(0), UInt32(1000)]),
    "a riddle": (191, []),
}


class Owner(asyncssh.SSHServer):
    """Lets everybody in, and notes why they went."""

    connection: asyncssh.SSHServerConnection

    def __init__(self) -> None:
        self.ends: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self.connection = conn

    def begin_auth(self, username: str) -> bool:
        return False

    async def server_requested(self, listen_host: str, listen_port: int) -> bool:
        await self.ends
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.ends.set_result(exc)


@contextlib.asynccontextmanager
async def met(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Any, Owner]]:
    """A client, and the owner of its connection at a server of ours, which bears little."""
    monkeypatch.setattr(flow, "_UNREAD", UNREAD)
    owner = Owner()
    listener = Listener([asyncssh.generate_private_key("ssh-ed25519")], lambda strangers: Guarded(owner, strangers))
    await listener.listen("127.0.0.1", 0)
    options: dict[str, Any] = {"username": "x", "known_hosts": None, "config": None, "agent_path": None}
    try:
        async with asyncio.timeout(PATIENCE):
            async with asyncssh.connect(*listener.addresses[0], client_keys=None, **options) as connection:
                yield connection, owner
                connection.abort()
    finally:
        await listener.aclose()


def fall_silent(connection: Any) -> None:  # noqa: ANN401 - AsyncSSH's
    """Begin a key exchange, read nothing more, and go on sending."""
    connection._transport.pause_reading()  # noqa: SLF001 - as nobody does by mistake
    connection._send_kexinit()  # noqa: SLF001
    connection._kex_complete = True  # noqa: SLF001


@pytest.mark.parametrize("question", QUESTIONS)
async def test_a_client_that_asks_and_reads_no_answers(question: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with met(monkeypatch) as (connection, owner):
        fall_silent(connection)
        for _ in range(ENOUGH + 1):
            connection.send_packet(QUESTIONS[question][0], *QUESTIONS[question][1])
        with pytest.raises(asyncssh.ConnectionLost, match="does not read the answers"):
            raise await owner.ends or AssertionError


async def test_a_client_whose_connection_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    async with met(monkeypatch) as (connection, owner):
        transport: Any = owner.connection._transport  # noqa: SLF001 - nothing else leads to it
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        transport.set_write_buffer_limits(1)
        connection._transport.pause_reading()  # noqa: SLF001
        while not owner.ends.done():
            for _ in range(100):
                connection.send_packet(*QUESTIONS["a riddle"][:1])
            await asyncio.sleep(0)
        with pytest.raises(asyncssh.ConnectionLost, match="does not read the answers"):
            raise await owner.ends or AssertionError


async def test_who_reads_may_ask_as_often_as_they_like(monkeypatch: pytest.MonkeyPatch) -> None:
    async with met(monkeypatch) as (connection, owner):
        for _ in range(3):
            await asyncio.gather(*(connection._make_global_request(b"nothing@x") for _ in range(ENOUGH)))  # noqa: SLF001
        assert not owner.ends.done()


@pytest.mark.parametrize(("times", "size"), [(300, 0), (6, 240_000)])
async def test_questions_that_wait_for_one_another(monkeypatch: pytest.MonkeyPatch, times: int, size: int) -> None:
    async with met(monkeypatch) as (connection, owner):
        ask = String(b"tcpip-forward") + Boolean(value=True) + String(bytes(size)) + UInt32(0)
        for _ in range(times):
            connection.send_packet(MSG_GLOBAL_REQUEST, ask)
        with pytest.raises(asyncssh.ProtocolError, match="Too many requests"):
            raise await owner.ends or AssertionError


async def test_a_device_that_asks_and_reads_no_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow, "_UNREAD", UNREAD)
    async with OddServer() as server, server.held() as session:
        (device,) = server.connections
        fall_silent(device)
        for _ in range(ENOUGH + 1):
            device.send_packet(191)
        await until(session, SessionState.BACKOFF, SessionState.CONNECTING)
        assert "does not read the answers" in str(session.error)


async def test_a_device_that_speaks_in_riddles_before_the_login() -> None:
    class Riddler(asyncssh.SSHServer):
        def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
            self.connection: Any = conn

        def begin_auth(self, username: str) -> bool:
            del username
            for _ in range(9):
                self.connection.send_packet(10)
            return True

    key = asyncssh.generate_private_key("ssh-ed25519")
    async with asyncssh.listen("127.0.0.1", 0, server_factory=Riddler, server_host_keys=[key]) as server:
        with pytest.raises(HandshakeFailed, match="unknown messages"):
            async with mooring.connect(
                f"odd://x@127.0.0.1:{server.get_port()}", config=None, host_key="off", password="x"
            ):
                pass


async def test_a_key_exchange_that_does_not_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow, "_EXCHANGE", 0.2)
    async with met(monkeypatch) as (connection, owner):
        fall_silent(connection)
        with pytest.raises(asyncssh.ConnectionLost, match="key exchange"):
            raise await owner.ends or AssertionError


async def test_one_that_ends_is_not_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    async with met(monkeypatch) as (connection, owner):
        for _ in range(2):
            connection._send_kexinit()  # noqa: SLF001 - as AsyncSSH does after a gigabyte
            connection._kexinit_sent = True  # noqa: SLF001
            await connection._make_global_request(b"nothing@x")  # noqa: SLF001 - answered after it
        assert flow.flow_of(owner.connection)._exchange is None  # noqa: SLF001 - nothing else tells
        assert not owner.ends.done()


async def test_the_end_waits_while_something_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow link takes its time for what lay in the buffers when the exchange began."""
    monkeypatch.setattr(flow, "_EXCHANGE", 0.01)
    sizes = [300, 200, 100, 100]
    over: asyncio.Future[Exception] = asyncio.get_running_loop().create_future()

    class Link:
        _kex_complete = False
        _transport = property(lambda self: self)

        def get_write_buffer_size(self) -> int:
            return sizes.pop(0)

        def connection_lost(self, exc: Exception) -> None:
            over.set_result(exc)

        def _send_kexinit(self) -> None:
            """As AsyncSSH begins one."""

    link: Any = Link()
    flow.Flow(link)._exchanging()  # noqa: SLF001 - what is tested
    async with asyncio.timeout(PATIENCE):
        assert "key exchange" in str(await over)
    assert not sizes
