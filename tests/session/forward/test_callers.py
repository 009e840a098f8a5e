"""A caller's sessions and handlers on connections: what goes wrong in one ends its own connection, and no more."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable
from typing import Any

import asyncssh
import pytest

from mooring import Session
from tests.peers.sshd import Sshd
from tests.session.forward.ends import ask, connected, serving
from tests.session.held import held

pytestmark = pytest.mark.anyio

Reader = asyncssh.SSHReader[bytes]
Writer = asyncssh.SSHWriter[bytes]


class Failing(asyncssh.SSHTCPSession[bytes]):
    """Fails at the first word, and remembers what it is told of that."""

    def __init__(self) -> None:
        self.told: list[object] = []
        self.over = asyncio.Event()

    def data_received(self, data: bytes, datatype: asyncssh.DataType) -> None:
        del datatype
        self.told.append(data)
        raise LookupError

    def connection_lost(self, exc: Exception | None) -> None:
        self.told.append(type(exc))
        self.over.set()


@pytest.fixture
async def session(anyio_backend: str, sshd: Sshd) -> AsyncIterator[Session]:
    """One that is never lost."""
    del anyio_backend
    async with held(sshd) as session:
        yield session
        assert (await session.run("echo here")).stdout == "here\n"
        assert session.status().connects == 1


@pytest.fixture
async def reported(anyio_backend: str) -> AsyncIterator[list[object]]:
    """What the loop's exception handler is told."""
    del anyio_backend
    loop, seen = asyncio.get_running_loop(), list[object]()
    before = loop.get_exception_handler()
    loop.set_exception_handler(lambda _, context: seen.append(type(context.get("exception"))))
    yield seen
    loop.set_exception_handler(before)


async def test_a_session_of_a_listener(session: Session, reported: list[object]) -> None:
    made: list[Failing] = []

    def accept(host: str, port: int) -> Failing:
        assert (host, port > 0) == ("127.0.0.1", True)
        made.append(Failing())
        return made[-1]

    listener = await session.create_server(accept, "127.0.0.1", 0)
    for _ in range(2):
        assert await refused(listener.get_port())
        await asyncio.wait_for(made[-1].over.wait(), 20)
    assert [each.told for each in made] == [[b"hello", LookupError]] * 2
    assert reported == [LookupError] * 2


async def test_a_session_of_a_connection(session: Session, reported: list[object]) -> None:
    async with serving() as port:
        channel, failing = await session.create_connection(Failing, "127.0.0.1", port)
        assert isinstance(failing, Failing)
        channel.write(b"hello")
        await asyncio.wait_for(channel.wait_closed(), 20)
    assert failing.told == [b"hello", LookupError]
    assert reported == [LookupError]


@pytest.mark.parametrize("what", ["create_server", "start_server"])
async def test_a_factory(what: str, session: Session, reported: list[object]) -> None:
    def accept(host: str, port: int) -> asyncssh.SSHTCPSession[bytes]:
        raise LookupError(host, port)

    listener = await getattr(session, what)(accept, "127.0.0.1", 0)
    assert await refused(listener.get_port())
    assert reported == [LookupError]


@pytest.mark.parametrize("what", ["create_server", "start_server"])
async def test_a_factory_that_refuses(what: str, session: Session, reported: list[object]) -> None:
    def accept(host: str, port: int) -> asyncssh.SSHTCPSession[bytes]:
        raise asyncssh.ChannelOpenError(asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED, f"not {host} {port}")

    listener = await getattr(session, what)(accept, "127.0.0.1", 0)
    assert await refused(listener.get_port())
    assert reported == []


async def test_a_factory_that_has_to_wait(session: Session, reported: list[object]) -> None:
    async with serving() as port:
        listener = await session.create_server(
            lambda _host, _port: session.connection.forward_connection("127.0.0.1", port), "127.0.0.1", 0
        )
        assert await ask(listener.get_port()) == b"hello"
    assert await refused(listener.get_port())
    assert reported == []


@pytest.mark.parametrize("coroutine", [False, True])
async def test_a_handler(coroutine: bool, session: Session, reported: list[object]) -> None:  # noqa: FBT001
    async def wait_and_fail(reader: Reader, writer: Writer) -> None:
        await reader.read(1)
        fail(reader, writer)

    def fail(reader: Reader, writer: Writer) -> None:
        raise LookupError(reader, writer)

    handler: Callable[[Reader, Writer], Any] = wait_and_fail if coroutine else fail
    listener = await session.start_server(lambda _host, _port: handler, "127.0.0.1", 0)
    assert await refused(listener.get_port())
    assert reported == [LookupError]


async def test_a_handler_whose_peer_is_gone(session: Session, reported: list[object]) -> None:
    ended = asyncio.Event()

    async def pour(reader: Reader, writer: Writer) -> None:
        try:
            while True:
                writer.write(bytes(100_000))
                await writer.drain()
        finally:
            ended.set()

    listener = await session.start_server(lambda _host, _port: pour, "127.0.0.1", 0)
    with socket.create_connection(("127.0.0.1", listener.get_port())) as peer:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # closing resets it
        peer.setblocking(False)  # noqa: FBT003 - the standard library's
        await asyncio.get_running_loop().sock_recv(peer, 1)
    await asyncio.wait_for(ended.wait(), 40)
    assert reported == []


async def refused(port: int) -> bool:
    """Whether one's connection is ended without a word, once one has spoken."""
    try:
        async with asyncio.timeout(30), connected(port) as (reader, writer):
            writer.write(b"hello")
            return await reader.read() == b""
    except ConnectionError:
        return True
