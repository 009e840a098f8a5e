"""Forwards through a server: none without a policy, and what it says with one."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import asyncssh
import pytest

import mooring
from mooring.simulate.ports import ReservedPort
from mooring.transport.server import forwards

from .ground import PATIENCE, Ground, authorized, line

pytestmark = pytest.mark.anyio
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
KEY = asyncssh.generate_private_key("ssh-ed25519")


@pytest.fixture
async def greeter() -> AsyncIterator[int]:
    """The port of a server that says hello, and repeats what it hears."""

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            writer.write(b"hello ")
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()


async def ask(connection: asyncssh.SSHClientConnection, host: str, port: int, text: bytes = b"to you") -> bytes:
    """Say something there and its end, and return all that comes back."""
    reader, writer = await connection.open_connection(host, port)
    writer.write(text)
    writer.write_eof()
    return bytes(await asyncio.wait_for(reader.read(), PATIENCE))


async def idle(process: asyncssh.SSHServerProcess[str]) -> None:
    await process.stdin.read()


# To where a client wants.


async def test_no_more_is_fetched_than_a_client_takes(ground: Ground) -> None:
    """Whatever it says that it would."""
    sent = 0

    async def pour(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        with contextlib.suppress(ConnectionError):
            while sent < 200 << 20:
                writer.write(bytes(1 << 16))
                sent += 1 << 16
                await writer.drain()
        writer.close()

    source = await asyncio.start_server(pour, "127.0.0.1", 0)
    async with source, asyncio.timeout(PATIENCE):
        connection: Any = await ground.connect(await ground.start(process=idle, forward_local=lambda _: True))
        where = "127.0.0.1", source.sockets[0].getsockname()[1]
        _, writer = await connection.open_connection(*where, encoding=None, window=1 << 31)
        connection._transport.pause_reading()  # noqa: SLF001 - as who is stopped
        before, still = -1, 0
        while still < 5:
            before, still = sent, still + 1 if sent == before else 0
            await asyncio.sleep(0.1)
        assert sent < 100 << 20  # what the system keeps for two sockets, and little more
        writer.channel.abort()
        connection.abort()


async def test_nothing_is_forwarded_unless_it_is_allowed(ground: Ground, greeter: int, tmp_path: Path) -> None:
    connection = await ground.connect(await ground.start(process=idle))
    with pytest.raises(asyncssh.ChannelOpenError, match="refused"):
        await ask(connection, "127.0.0.1", greeter)
    with pytest.raises(asyncssh.ChannelListenError):
        await connection.forward_remote_port("localhost", 0, "127.0.0.1", greeter)
    with pytest.raises(asyncssh.ChannelOpenError):
        await connection.open_unix_connection(str(tmp_path / "socket"))
    with pytest.raises(asyncssh.ChannelListenError):
        await connection.forward_remote_path(str(tmp_path / "socket"), str(tmp_path / "other"))
    assert not (tmp_path / "socket").exists()
    with pytest.raises(asyncssh.ChannelOpenError):
        await connection.create_tun(lambda: None)  # type: ignore[arg-type, return-value] # it comes to none


async def test_a_policy_is_asked_with_all_that_is_known(ground: Ground, greeter: int) -> None:
    asked: list[mooring.ForwardRequest] = []

    def choose(request: mooring.ForwardRequest) -> bool:
        asked.append(request)
        return request.place.port == greeter

    connection = await ground.connect(await ground.start(forward_local=choose))
    assert await ask(connection, "127.0.0.1", greeter) == b"hello to you"
    with pytest.raises(asyncssh.ChannelOpenError, match="Not allowed") as caught:
        await ask(connection, "db", 5432)
    assert caught.value.code == asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED
    assert [(each.user, str(each.place)) for each in asked] == [("guest", f"127.0.0.1:{greeter}"), ("guest", "db:5432")]


Answers = list[tuple[str, Callable[[int], Any]]]
ANSWERS: Answers = [
    ("a port", lambda port: port),
    ("a text", lambda port: f"127.0.0.1:{port}"),
    ("a pair", lambda port: ("127.0.0.1", port)),
    ("a place", lambda port: mooring.Place("127.0.0.1", port)),
]


@pytest.mark.parametrize(("name", "answer"), ANSWERS, ids=[name for name, _ in ANSWERS])
@pytest.mark.parametrize("later", [False, True])
async def test_a_policy_leads_elsewhere(
    ground: Ground,
    greeter: int,
    name: str,
    answer: Callable[[int], Any],
    later: bool,  # noqa: FBT001
) -> None:
    async def choose_later(request: mooring.ForwardRequest) -> Any:  # noqa: ANN401 - each kind
        await asyncio.sleep(0)
        return answer(greeter)

    policy = choose_later if later else lambda _: answer(greeter)
    connection = await ground.connect(await ground.start(forward_local=policy))
    data = bytes(range(256)) * 4096
    assert await ask(connection, "no.such.host", 1, data) == b"hello " + data


async def test_a_policy_leads_to_a_unix_socket(ground: Ground, tmp_path: Path) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"here")
        writer.close()

    path = tmp_path / "socket"
    async with await asyncio.start_unix_server(answer, path):
        connection = await ground.connect(await ground.start(forward_local=lambda _: str(path)))
        assert await ask(connection, "any", 1) == b"here"


class Upper(asyncssh.SSHTCPSession[bytes]):
    """Repeats loudly."""

    def connection_made(self, chan: asyncssh.SSHTCPChannel[bytes]) -> None:
        self._chan = chan

    def data_received(self, data: bytes, datatype: asyncssh.DataType) -> None:
        if data == b"wrong":
            raise RuntimeError("a mistake in a session")
        self._chan.write(data.upper())

    def eof_received(self) -> bool:
        self._chan.close()
        return False


async def upper(reader: asyncssh.SSHReader[bytes], writer: asyncssh.SSHWriter[bytes]) -> None:
    data = await reader.read()
    if data == b"wrong":
        raise RuntimeError("a mistake in a handler")
    writer.write(data.upper())
    writer.close()


@pytest.mark.parametrize("kind", ["session", "handler"])
@pytest.mark.parametrize("later", [False, True])
async def test_a_policy_answers_itself(ground: Ground, kind: str, later: bool) -> None:  # noqa: FBT001
    def choose(request: mooring.ForwardRequest) -> Any:  # noqa: ANN401 - each kind
        return Upper() if kind == "session" else upper

    async def choose_later(request: mooring.ForwardRequest) -> Any:  # noqa: ANN401 - each kind
        return choose(request)

    connection = await ground.connect(await ground.start(forward_local=choose_later if later else choose))
    assert await ask(connection, "any", 1) == b"TO YOU"
    with contextlib.suppress(asyncssh.Error, OSError):
        assert await ask(connection, "any", 1, b"wrong") == b""
    assert await ask(connection, "any", 1) == b"TO YOU"
    assert len(ground.faults) == 1


@pytest.mark.parametrize("later", [False, True])
async def test_a_policy_that_raises_refuses(ground: Ground, later: bool) -> None:  # noqa: FBT001
    def choose(request: mooring.ForwardRequest) -> bool:
        raise RuntimeError("a mistake in a policy")

    async def choose_later(request: mooring.ForwardRequest) -> bool:
        return choose(request)

    policy = choose_later if later else choose
    connection = await ground.connect(await ground.start(forward_local=policy, forward_remote=policy))
    with pytest.raises(asyncssh.ChannelOpenError, match="Refused"):
        await ask(connection, "any", 1)
    with pytest.raises(asyncssh.ChannelListenError):
        await connection.forward_remote_port("localhost", 0, "127.0.0.1", 1)
    assert not connection.is_closed()
    assert len(ground.faults) == 2


async def test_a_policy_may_say_why(ground: Ground) -> None:
    def choose(request: mooring.ForwardRequest) -> bool:
        raise asyncssh.ChannelOpenError(asyncssh.OPEN_CONNECT_FAILED, "come back at noon")

    connection = await ground.connect(await ground.start(forward_local=choose))
    with pytest.raises(asyncssh.ChannelOpenError, match="come back at noon"):
        await ask(connection, "any", 1)
    assert ground.faults == []


@pytest.mark.parametrize("answer", ["no port", "host:99999", (1, 2, 3), 3.5])
async def test_an_answer_that_is_none_refuses(ground: Ground, answer: object) -> None:
    connection = await ground.connect(await ground.start(forward_local=lambda _: answer))
    with pytest.raises(asyncssh.ChannelOpenError, match="Refused"):
        await ask(connection, "any", 1)
    assert len(ground.faults) == 1


@pytest.mark.parametrize(
    ("host", "port"),
    [("127.0.0.1", 70_000), ("127.0.0.1", 4_294_967_295), ("a\nb", 80), ("a\0b", 80), ("", 1), ("x" * 100, 80),
     ("a..b", 80), ("\u00df" * 70, 80), ("no.such.host.invalid", 80)],
)  # fmt: skip
async def test_places_that_are_none_end_no_connection(ground: Ground, host: str, port: int) -> None:
    connection = await ground.connect(await ground.start(forward_local=lambda _: True, forward_remote=lambda _: True))
    with pytest.raises(asyncssh.ChannelOpenError):
        await ask(connection, host, port)
    with contextlib.suppress(asyncssh.ChannelListenError):
        (await connection.forward_remote_port(host, port, "127.0.0.1", 1)).close()
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as somebody:
        _, writer = await connection.open_connection("127.0.0.1", somebody.getsockname()[1])
        writer.close()
    assert ground.faults == []


async def test_nobody_there(ground: Ground) -> None:
    with contextlib.closing(socket.socket()) as nobody:
        nobody.bind(("127.0.0.1", 0))
        connection = await ground.connect(await ground.start(forward_local=lambda _: True))
        with pytest.raises(asyncssh.ChannelOpenError):
            await ask(connection, "127.0.0.1", nobody.getsockname()[1])


async def test_a_connection_that_is_not_made_in_time(
    ground: Ground, greeter: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(*_: object, **__: object) -> list[object]:
        await asyncio.Event().wait()
        return []

    connection = await ground.connect(await ground.start(forward_local=lambda _: True))
    monkeypatch.setattr(forwards, "_CONNECT_TIMEOUT", 0.1)
    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", never)
    with pytest.raises(asyncssh.ChannelOpenError, match="No answer in time"):
        await ask(connection, "slow.example", 80)


async def test_only_so_many_connections(ground: Ground, greeter: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mooring.transport.server.owner.CHANNELS", 20)
    connection = await ground.connect(await ground.start(forward_local=lambda _: True))
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(20):
            _, writer = await connection.open_connection("127.0.0.1", greeter)
            stack.callback(writer.close)
        with pytest.raises(asyncssh.ChannelOpenError, match="Too many"):
            await ask(connection, "127.0.0.1", greeter)


async def test_a_client_that_vanishes_while_it_is_connected(ground: Ground) -> None:
    came, left = asyncio.Event(), asyncio.Event()

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.set()
        with contextlib.suppress(ConnectionError):
            await reader.read()
        writer.close()
        left.set()

    async with await asyncio.start_server(hold, "127.0.0.1", 0) as server:
        connection = await ground.connect(await ground.start(forward_local=lambda _: True))
        await connection.open_connection("127.0.0.1", server.sockets[0].getsockname()[1])
        await asyncio.wait_for(came.wait(), PATIENCE)
        connection.abort()
        await asyncio.wait_for(left.wait(), PATIENCE)


# Where a client wants us to listen.


@pytest.fixture
def unheard(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """What is told of refusals, for which the protocol has no place to give the client a reason."""
    caplog.set_level(logging.INFO, "mooring.transport.server.forwards")
    return caplog


async def call(port: int) -> bytes:
    """Connect, say something, and return all that comes back."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    with contextlib.suppress(ConnectionError):
        writer.write(b"to you")
        writer.write_eof()
    try:
        return await asyncio.wait_for(reader.read(), PATIENCE)
    except ConnectionError:
        return b""
    finally:
        writer.close()


@pytest.mark.parametrize("later", [False, True])
async def test_we_listen_where_a_policy_allows_it(
    ground: Ground,
    greeter: int,
    later: bool,  # noqa: FBT001 - a parameter
    unheard: pytest.LogCaptureFixture,
) -> None:
    asked: list[str] = []

    def choose(request: mooring.ForwardRequest) -> bool:
        asked.append(f"{request.user} {request.place}")
        return request.place.host == "localhost"

    async def choose_later(request: mooring.ForwardRequest) -> bool:
        return choose(request)

    connection = await ground.connect(await ground.start(forward_remote=choose_later if later else choose))
    listener = await connection.forward_remote_port("localhost", 0, "127.0.0.1", greeter)
    assert await call(listener.get_port()) == b"hello to you"
    with pytest.raises(asyncssh.ChannelListenError):
        await connection.forward_remote_port("", 0, "127.0.0.1", greeter)
    assert asked == ["guest localhost:0", "guest *:0"]
    assert unheard.messages == ["no listener on '*:0' for guest: the policy does not allow it"]


async def test_we_listen_no_longer_than_the_client_is_there(ground: Ground, greeter: int) -> None:
    server = await ground.start(forward_remote=lambda _: True)
    connection = await ground.connect(server)
    with contextlib.closing(ReservedPort()) as port:
        await connection.forward_remote_port("127.0.0.1", port.port, "127.0.0.1", greeter)
        assert await call(port.port) == b"hello to you"
        gone = server.connections[0].wait_closed()
        connection.abort()
        await asyncio.wait_for(gone, PATIENCE)
        with pytest.raises(ConnectionRefusedError):
            await call(port.port)


async def test_a_port_that_is_taken_is_refused(ground: Ground, unheard: pytest.LogCaptureFixture) -> None:
    connection = await ground.connect(await ground.start(forward_remote=lambda _: True))
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(asyncssh.ChannelListenError):
        await connection.forward_remote_port("127.0.0.1", taken.getsockname()[1], "127.0.0.1", 1)
    assert not connection.is_closed()
    [message] = unheard.messages
    assert "address already in use" in message.lower()


async def test_a_key_says_where_may_be_listened(
    ground: Ground, greeter: int, tmp_path: Path, unheard: pytest.LogCaptureFixture
) -> None:
    path = authorized(tmp_path / "users", f'permitlisten="localhost:*" {line(KEY)}')
    server = await ground.start(authorized_keys=path, forward_remote=lambda _: True)
    connection = await ground.connect(server, client_keys=[KEY])
    listener = await connection.forward_remote_port("localhost", 0, "127.0.0.1", greeter)
    assert await call(listener.get_port()) == b"hello to you"
    with pytest.raises(asyncssh.ChannelListenError):
        await connection.forward_remote_port("127.0.0.1", 0, "127.0.0.1", greeter)
    assert unheard.messages == ["no listener on '127.0.0.1:0' for guest: its key permits it elsewhere alone"]


async def test_only_so_many_places_to_listen_at(
    ground: Ground, monkeypatch: pytest.MonkeyPatch, unheard: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(forwards, "_LISTENERS", 5)
    connection = await ground.connect(await ground.start(forward_remote=lambda _: True))
    for _ in range(5):
        await connection.forward_remote_port("127.0.0.1", 0, "127.0.0.1", 1)
    with pytest.raises(asyncssh.ChannelListenError):
        await connection.forward_remote_port("127.0.0.1", 0, "127.0.0.1", 1)
    assert unheard.messages == ["no listener on '127.0.0.1:0' for guest: it has 5 already"]


async def test_strangers_at_a_listener_are_no_more_than_a_connection_may_have(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forwards, "CHANNELS", 3)
    held: list[Any] = []

    async def hold(reader: asyncssh.SSHReader[bytes], writer: asyncssh.SSHWriter[bytes]) -> None:
        held.append(writer)
        writer.write(b"in")
        await reader.read()

    connection = await ground.connect(await ground.start(forward_remote=lambda _: True))
    listener = await connection.start_server(lambda *_: hold, "127.0.0.1", 0)
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(3):
            reader, writer = await asyncio.open_connection("127.0.0.1", listener.get_port())
            stack.callback(writer.close)
            assert await asyncio.wait_for(reader.readexactly(2), PATIENCE) == b"in"
        assert await call(listener.get_port()) == b""
    assert len(held) == 3
