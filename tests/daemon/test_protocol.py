"""What a connection may cost: nobody holds one for ever, and nobody holds many."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from mooring.daemon import protocol
from mooring.daemon.server import Server
from mooring.daemon.sockets import listen_tcp, listen_unix
from mooring.daemon.strangers import Limits
from tests.daemon import certificate

pytestmark = pytest.mark.anyio

QUICK = 0.2
SLOW = 20.0
REQUEST = b"GET /%s HTTP/1.1\r\nHost: a\r\n\r\n"

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class App:
    """Answers by the path: ``hold`` until let go, ``big`` with much, ``admit`` as one who is known."""

    def __init__(self) -> None:
        self.release = asyncio.Event()
        self.held = asyncio.Event()
        self.cancelled = 0
        self.peers: list[int | None] = []
        self.bodies: list[bytes] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            what = {"/refused": self._refuse, "/flood": self._flood}.get(scope["path"], self._echo)
            await what(receive, send)
            return
        self.peers.append(scope["state"]["peer"])
        path = scope["path"].strip("/")
        if path in {"admit", "hold", "stream", "body"}:
            scope["state"]["admit"]()
        if path == "body":
            await self._read(receive)
        body = b"x" * 50_000_000 if path == "big" else b"ok"
        headers = [(b"content-length", b"%d" % len(body))] if path != "stream" else []
        if path != "hold":
            await send({"type": "http.response.start", "status": 200, "headers": headers})
        if path == "stream":
            await send({"type": "http.response.body", "body": b"first", "more_body": True})
        if path in {"hold", "stream"}:
            self.held.set()
            try:
                await self.release.wait()
            except asyncio.CancelledError:
                self.cancelled += 1
                raise
            await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _read(self, receive: Receive) -> None:
        message: dict[str, Any] = {"type": "http.request", "more_body": True}
        while message["type"] == "http.request" and message.get("more_body"):
            message = await receive()
            self.bodies.append(bytes(message.get("body", b"")))

    async def _refuse(self, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.http.response.start", "status": 404, "headers": [(b"content-length", b"4")]})
        await send({"type": "websocket.http.response.body", "body": b"none"})

    async def _flood(self, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        sending = asyncio.ensure_future(send({"type": "websocket.send", "bytes": bytes(50_000_000)}))
        await receive()
        self.held.set()
        await asyncio.wait([sending])

    async def _echo(self, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "bytes": message["bytes"]})


class Running:
    """A server on a TCP port, with limits of the test's own."""

    def __init__(self, app: App, server: Server, port: int) -> None:
        self.app = app
        self.server = server
        self.port = port

    @asynccontextmanager
    async def connect(
        self, tls: ssl.SSLContext | None = None
    ) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, ssl=tls)
        try:
            yield reader, writer
        finally:
            writer.transport.abort()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


@asynccontextmanager
async def running(tls: ssl.SSLContext | None = None, **limits: float) -> AsyncIterator[Running]:
    app = App()
    server = Server(app, Limits(**limits))  # type: ignore[arg-type]  # as it has them
    with listen_tcp("127.0.0.1", 0) as listener:
        await server.start(listener, tls)
        try:
            yield Running(app, server, listener.getsockname()[1])
        finally:
            await server.stop(0.0, 1.0)


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    body = await reader.readexactly(int(lengths[0].split(b":")[1])) if lengths else b""
    return int(head.split()[1]), body


async def _ended(reader: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(SLOW):
        try:
            return await reader.read()
        except ConnectionResetError:
            return b""


@pytest.mark.parametrize("half", [b"GET / HT", b"G", b"GET / HTTP/1.1\r\nHost: a\r\nX-Long: ", b"\r\n\r\nGET"])
async def test_half_a_request_ends(half: bytes) -> None:
    async with running(head_seconds=QUICK) as server, server.connect() as (reader, writer):
        writer.write(half)
        status, _, rest = (await _ended(reader)).partition(b"\r\n")
    assert status == b"HTTP/1.1 408 Request Timeout"
    assert json.loads(rest.partition(b"\r\n\r\n")[2])["detail"] == "the request did not come within its time"


@pytest.mark.parametrize("sent", [b"", b"\r\n"])
async def test_nothing_at_all_ends(sent: bytes) -> None:
    async with running(head_seconds=QUICK) as server, server.connect() as (reader, writer):
        writer.write(sent)
        assert await _ended(reader) == b""


@pytest.mark.parametrize("drop", [b"\r\n", b"X: y\r\n"])
async def test_dribbling_gains_no_time(drop: bytes) -> None:
    async with running(head_seconds=2 * QUICK) as server, server.connect() as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\n" if drop != b"\r\n" else b"")
        dribble = asyncio.create_task(_dribble(writer, drop))
        try:
            await _ended(reader)
        finally:
            dribble.cancel()


async def _dribble(writer: asyncio.StreamWriter, drop: bytes) -> None:
    while True:
        writer.write(drop)
        await asyncio.sleep(QUICK / 4)


async def test_dribbling_after_an_answer_gains_no_time() -> None:
    async with running(head_seconds=2 * QUICK) as server, server.connect() as (reader, writer):
        writer.write(REQUEST % b"admit")
        assert await _answer(reader) == (200, b"ok")
        dribble = asyncio.create_task(_dribble(writer, b"\r\n"))
        try:
            assert await _ended(reader) == b""
        finally:
            dribble.cancel()


@pytest.mark.parametrize("parts", [1, 2, 22])
async def test_a_long_head_is_refused(parts: int) -> None:
    async with running(head_bytes=1000) as server, server.connect() as (reader, writer):
        lines = [b"GET / HTTP/1.1\r\n", *[b"X-%d: %s\r\n" % (number, b"x" * 90) for number in range(20)], b"\r\n"]
        size = len(lines) // parts
        for start in range(0, len(lines), size):
            writer.write(b"".join(lines[start : start + size]))
            await writer.drain()
            await asyncio.sleep(0.01 if parts == 2 else 0)
        status, body = await _answer(reader)
        assert (status, json.loads(body)["detail"]) == (431, "the request's head is longer than 1000 bytes")
    assert server.app.peers == []


async def test_one_endless_header_is_refused() -> None:
    async with running(head_bytes=1000) as server, server.connect() as (reader, writer):
        for _ in range(5):
            writer.write(b"GET / HTTP/1.1\r\nX: " if not _ else b"x" * 400)
            await asyncio.sleep(0.01)
        assert (await _answer(reader))[0] == 431


@pytest.mark.parametrize(
    "garbage", [b"\x16\x03\x01\x00\xa5\x01\x00\x00", b"SSH-2.0-OpenSSH_9.9\r\n", b"GET / HTTP/1.1\r\na b: c\r\n\r\n"]
)
async def test_what_is_no_http_is_told_so(garbage: bytes) -> None:
    async with running() as server, server.connect() as (reader, writer):
        writer.write(garbage)
        status, body = await _answer(reader)
    assert status == 400
    assert json.loads(body)["code"] == "invalid-input"


async def test_a_body_that_does_not_come_ends() -> None:
    async with running(body_seconds=QUICK) as server, server.connect() as (reader, writer):
        writer.write(b"POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf")
        assert await _ended(reader) == b""
    assert server.app.bodies[0] == b"half"


async def test_a_request_may_take_as_long_as_it_takes() -> None:
    names = ("head_seconds", "body_seconds", "stranger_seconds", "write_seconds")
    async with running(None, **dict.fromkeys(names, QUICK)) as server, server.connect() as (reader, writer):
        writer.write(REQUEST % b"hold")
        await server.app.held.wait()
        await asyncio.sleep(3 * QUICK)
        server.app.release.set()
        assert await _answer(reader) == (200, b"ok")
        await asyncio.sleep(2 * QUICK)  # and its connection is kept
        writer.write(REQUEST % b"admit")
        assert await _answer(reader) == (200, b"ok")


async def test_an_answer_that_is_not_taken_ends() -> None:
    async with running(write_seconds=QUICK) as server, server.connect() as (reader, writer):
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        reader._transport.pause_reading()  # type: ignore[attr-defined]  # noqa: SLF001 - a client that stands still
        writer.write(REQUEST % b"big")
        async with asyncio.timeout(SLOW):
            while not server.app.peers or server.server.connections:  # noqa: ASYNC110 - nothing tells of its end
                await asyncio.sleep(0.05)


async def test_strangers_are_few_and_the_oldest_goes_first() -> None:
    async with running(strangers=3) as server, contextlib.AsyncExitStack() as stack:
        known, _ = reader, writer = await stack.enter_async_context(server.connect())
        writer.write(REQUEST % b"admit")
        assert await _answer(reader) == (200, b"ok")
        strangers = []
        for number in range(5):
            reader, writer = await stack.enter_async_context(server.connect())
            strangers.append((reader, writer))
            if number == 0:  # one that asked, and was not let in, is a stranger still
                writer.write(REQUEST % b"")
                await _answer(reader)
            await asyncio.sleep(0.02)
        assert [await _ended(reader) for reader, _ in strangers[:2]] == [b"", b""]
        for reader, writer in strangers[2:]:
            writer.write(REQUEST % b"admit")
            assert await _answer(reader) == (200, b"ok")
        assert not known.at_eof()


async def test_a_stranger_does_not_stay() -> None:
    async with running(stranger_seconds=2 * QUICK) as server, server.connect() as (reader, writer):
        writer.write(REQUEST % b"")
        assert await _answer(reader) == (200, b"ok")
        assert await _ended(reader) == b""


async def test_another_user_at_the_unix_socket_is_a_stranger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "_peer_uid", lambda _: 54_321)
    server = Server(App(), Limits(stranger_seconds=2 * QUICK))
    with listen_unix(tmp_path / "s") as listener:
        await server.start(listener)
        reader, writer = await asyncio.open_unix_connection(str(tmp_path / "s"))
        writer.write(REQUEST % b"")
        assert await _answer(reader) == (200, b"ok")
        assert await _ended(reader) == b""
        writer.close()
        await server.stop(0.0, 1.0)


async def test_requests_sent_ahead_are_bounded() -> None:
    async with running(pipelined=4) as server, server.connect() as (reader, writer):
        writer.write(REQUEST % b"hold" + 3 * (REQUEST % b"admit"))
        await server.app.held.wait()
        server.app.release.set()
        assert [await _answer(reader) for _ in range(4)] == [(200, b"ok")] * 4
        server.app.release.clear()
        writer.write(REQUEST % b"hold" + 10 * (REQUEST % b"admit"))
        assert await _ended(reader) == b""


async def test_the_peer_of_a_unix_socket_is_known(tmp_path: Path) -> None:
    app = App()
    server = Server(app)
    with listen_unix(tmp_path / "s") as listener:
        await server.start(listener)
        reader, writer = await asyncio.open_unix_connection(str(tmp_path / "s"))
        writer.write(REQUEST % b"")
        assert await _answer(reader) == (200, b"ok")
        await server.stop(0.0, 1.0)
        writer.close()
    async with running() as tcp, tcp.connect() as (reader, writer):
        writer.write(REQUEST % b"")
        await _answer(reader)
    assert (app.peers, tcp.app.peers) == ([os.geteuid()], [None])


async def test_every_answer_tells_the_time() -> None:
    async with running() as server, server.connect() as (reader, writer):
        writer.write(REQUEST % b"")
        head = await reader.readuntil(b"\r\n\r\n")
    assert b"\r\ndate: " in head
    assert b"server:" not in head.lower()


UPGRADE = (
    b"GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


async def test_a_websocket_outlives_what_bounds_a_request() -> None:
    async with running(head_seconds=QUICK, body_seconds=QUICK) as server, server.connect() as (reader, writer):
        writer.write(UPGRADE)
        assert (await _answer(reader))[0] == 101
        await asyncio.sleep(3 * QUICK)
        writer.write(b"\x82\x82\0\0\0\0hi")  # RFC 6455, 5.2: FIN, binary, masked with zeros
        assert await reader.readexactly(4) == b"\x82\x02hi"


async def test_a_refused_websocket_is_no_error_of_ours(caplog: pytest.LogCaptureFixture) -> None:
    async with running() as server, server.connect() as (reader, writer):
        writer.write(UPGRADE.replace(b"/ws", b"/refused"))
        assert await _answer(reader) == (404, b"none")
        assert await _ended(reader) == b""
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []


async def test_stopping_lets_a_request_end_by_itself() -> None:
    async with running() as server, server.connect() as (reader, writer):
        writer.write(REQUEST % b"hold")
        await server.app.held.wait()
        stopping = asyncio.create_task(server.server.stop(SLOW, SLOW))
        await asyncio.sleep(0)
        server.app.release.set()
        assert await _answer(reader) == (200, b"ok")
        await stopping
        assert await _ended(reader) == b""
    assert server.app.cancelled == 0


async def test_stopping_ends_what_does_not_and_says_why() -> None:
    async with running() as server, server.connect() as (held, one), server.connect() as (stream, two):
        one.write(REQUEST % b"hold")
        two.write(REQUEST % b"stream")
        await stream.readuntil(b"first\r\n")
        await server.app.held.wait()
        await server.server.stop(0.0, SLOW)
        status, body = await _answer(held)
        assert (status, json.loads(body)["code"]) == (503, "daemon-unreachable")
        assert await _ended(stream) == b""  # and not the end of a whole answer
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", server.port)
    assert server.app.cancelled == 2


async def test_stopping_cuts_a_websocket() -> None:
    async with running() as server, server.connect() as (reader, writer):
        writer.write(UPGRADE)
        assert (await _answer(reader))[0] == 101
        await server.server.stop(0.0, SLOW)
        assert await _ended(reader) == b"\x88\x02\x03\xf4"  # RFC 6455, 7.4.1: 1012, restarting


async def test_stopping_cuts_a_websocket_that_its_client_closes_without_reading() -> None:
    async with running() as server, server.connect() as (reader, writer):
        writer.write(UPGRADE.replace(b"/ws", b"/flood"))
        assert (await _answer(reader))[0] == 101
        writer.write(b"\x88\x82\0\0\0\0\x03\xe8")  # RFC 6455, 5.5.1: a masked close, 1000
        await asyncio.wait_for(server.app.held.wait(), SLOW)
        await server.server.stop(0.0, SLOW)
        await _ended(reader)


@pytest.fixture(scope="module")
def contexts(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's side of TLS, and a client's that trusts it."""
    cert, key = certificate.make(tmp_path_factory.mktemp("tls"))
    ours = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ours.load_cert_chain(cert, key)
    return ours, ssl.create_default_context(cafile=str(cert))


async def test_tls_is_http_after_its_handshake(contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    ours, theirs = contexts
    async with running(ours, head_seconds=SLOW) as server, server.connect(theirs) as (reader, writer):
        for _ in range(2):
            writer.write(REQUEST % b"admit")
            assert await _answer(reader) == (200, b"ok")
        writer.write(REQUEST % b"hold")
        await server.app.held.wait()
        await server.server.stop(0.0, SLOW)
        assert (await _answer(reader))[0] == 503


@pytest.mark.parametrize("sent", [b"", b"\x16\x03\x01\x02\x00\x01", b"GET / HTTP/1.1\r\n\r\n"])
async def test_half_a_handshake_ends(contexts: tuple[ssl.SSLContext, ssl.SSLContext], sent: bytes) -> None:
    async with running(contexts[0], head_seconds=QUICK) as server, server.connect() as (reader, writer):
        writer.write(sent)
        await _ended(reader)
    assert server.app.peers == []


async def test_half_handshakes_are_few(contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    ours, theirs = contexts
    async with running(ours, strangers=3, head_seconds=SLOW) as server, contextlib.AsyncExitStack() as stack:
        idle = [await stack.enter_async_context(server.connect()) for _ in range(6)]
        assert [await _ended(reader) for reader, _ in idle[:2]] == [b"", b""]
        reader, writer = await stack.enter_async_context(server.connect(theirs))
        writer.write(REQUEST % b"admit")
        assert await _answer(reader) == (200, b"ok")


async def test_stopping_cuts_a_handshake(contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    async with running(contexts[0], head_seconds=SLOW) as server, server.connect() as (reader, writer):
        writer.write(b"\x16")
        await asyncio.sleep(QUICK)
        await server.server.stop(0.0, SLOW)
        await _ended(reader)
