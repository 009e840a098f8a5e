"""Every fault of the link, over real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from mooring.model.errors import WaitTimeout
from mooring.simulate import FaultyLink

pytestmark = pytest.mark.anyio

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
MEGABYTE = bytes(range(256)) * 4096


class EchoServer:
    """Sends back what comes, and after a FIN ends its own side."""

    def __init__(self) -> None:
        self.received = bytearray()
        self.ends: list[str] = []
        self._writers: list[asyncio.StreamWriter] = []
        self.all_ended = asyncio.Event()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=1024)
        self.port: int = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        self._server.close()
        for writer in self._writers:
            writer.close()
        for writer in self._writers:
            with contextlib.suppress(OSError):
                await writer.wait_closed()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        try:
            while data := await reader.read(65536):
                self.received += data
                writer.write(data)
                await writer.drain()
            self.ends.append("fin")
        except OSError:
            self.ends.append("rst")
        writer.close()
        if len(self.ends) == len(self._writers):
            self.all_ended.set()


@pytest.fixture
async def echo() -> AsyncIterator[EchoServer]:
    server = EchoServer()
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def link(echo: EchoServer) -> AsyncIterator[FaultyLink]:
    async with FaultyLink("127.0.0.1", echo.port, rng=random.Random(7)) as link:
        yield link


@pytest.fixture
async def dial(link: FaultyLink) -> AsyncIterator[Callable[[], Awaitable[Streams]]]:
    writers: list[asyncio.StreamWriter] = []

    async def connect() -> Streams:
        reader, writer = await asyncio.open_connection(link.host, link.port)
        writers.append(writer)
        return reader, writer

    yield connect
    for writer in writers:
        writer.transport.abort()
    for writer in writers:
        with contextlib.suppress(OSError):
            await writer.wait_closed()


Dial = Callable[[], Awaitable[Streams]]


async def said(streams: Streams, text: bytes) -> bytes:
    """What comes back after the text was sent."""
    reader, writer = streams
    writer.write(text)
    async with asyncio.timeout(30):
        return await reader.readexactly(len(text))


async def silent(reader: asyncio.StreamReader) -> bool:
    """Whether nothing comes, not even an end."""
    try:
        async with asyncio.timeout(0.1):
            await reader.read(1)
    except TimeoutError:
        return True
    return False


async def test_passes_bytes_and_counts_them(link: FaultyLink, dial: Dial) -> None:
    streams = await dial()
    reader, writer = streams
    writer.write(MEGABYTE)
    writer.write_eof()
    assert await reader.read() == MEGABYTE
    assert link.bytes_to_server == link.bytes_to_client == len(MEGABYTE)
    assert (link.accepted, link.peak, link.connections) == (1, 1, 0)


async def test_half_close_of_the_client_reaches_the_server_and_the_answer_comes_back(
    echo: EchoServer, dial: Dial
) -> None:
    reader, writer = await dial()
    writer.write(b"last words")
    writer.write_eof()
    assert await reader.read() == b"last words"
    assert echo.ends == ["fin"]


async def test_latency_delays_and_keeps_order(link: FaultyLink, dial: Dial) -> None:
    streams = await dial()
    assert await said(streams, b"x") == b"x"
    link.latency, link.jitter = 0.02, 0.02
    began = asyncio.get_running_loop().time()
    numbers = b"".join(b"%06d" % n for n in range(2000))
    reader, writer = streams
    for start in range(0, len(numbers), 60):
        writer.write(numbers[start : start + 60])
        await asyncio.sleep(0)
    assert await reader.readexactly(len(numbers)) == numbers
    link.jitter = 0
    await said(streams, b"y")
    assert asyncio.get_running_loop().time() - began >= 0.04  # never sooner than both ways


async def test_bandwidth_is_a_ceiling_shared_by_connections(link: FaultyLink, dial: Dial) -> None:
    both = [await dial(), await dial()]
    link.bandwidth = 100_000
    began = asyncio.get_running_loop().time()
    await asyncio.gather(*(said(streams, bytes(10_000)) for streams in both))
    assert asyncio.get_running_loop().time() - began >= 0.19  # 20,000 bytes, the last of them on the line
    link.bandwidth = None
    assert await said(both[0], MEGABYTE[:100_000]) == MEGABYTE[:100_000]


class Pieces(asyncio.Protocol):
    """Records what each read brought."""

    def __init__(self) -> None:
        self.seen: list[bytes] = []
        self.ended = asyncio.Event()

    def data_received(self, data: bytes) -> None:
        self.seen.append(data)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self.ended.set()


async def test_slices_arrive_one_byte_at_a_time(link: FaultyLink, echo: EchoServer) -> None:
    link.slice_bytes = 1
    transport, pieces = await asyncio.get_running_loop().create_connection(Pieces, link.host, link.port)
    transport.write(b"one by one")
    transport.write_eof()
    await asyncio.wait_for(pieces.ended.wait(), 5)
    assert pieces.seen == [bytes([byte]) for byte in b"one by one"]
    assert bytes(echo.received) == b"one by one"


async def test_stop_after_forwards_exactly_so_many_bytes_then_is_silent_until_healed(
    link: FaultyLink, echo: EchoServer, dial: Dial
) -> None:
    streams = reader, writer = await dial()
    assert await said(streams, b"before") == b"before"
    link.stop_after(4, "to_server")
    writer.write(b"abcdefgh")
    assert await reader.readexactly(4) == b"abcd"
    assert await silent(reader)
    assert bytes(echo.received) == b"beforeabcd"
    assert link.connections == 1
    link.heal()
    assert await reader.readexactly(4) == b"efgh"


async def test_stop_after_to_client_leaves_the_other_way_open(link: FaultyLink, echo: EchoServer, dial: Dial) -> None:
    reader, writer = await dial()
    link.stop_after(0, "to_client")
    writer.write(b"heard, not answered")
    await link.wait_bytes(19, "to_server")
    assert await silent(reader)
    assert bytes(echo.received) == b"heard, not answered"


async def test_reset_is_a_reset_on_both_sides_and_new_connections_pass(
    link: FaultyLink, echo: EchoServer, dial: Dial
) -> None:
    streams = reader, _ = await dial()
    assert await said(streams, b"x") == b"x"
    link.reset()
    with pytest.raises(ConnectionResetError):
        await reader.read()
    await asyncio.wait_for(echo.all_ended.wait(), 5)
    assert echo.ends == ["rst"]
    await link.wait_connections(0)
    assert await said(await dial(), b"again") == b"again"


async def test_reset_of_a_connection_not_yet_connected_to_the_server(link: FaultyLink, dial: Dial) -> None:
    link.blackhole()
    reader, _ = await dial()
    await link.wait_connections(1)
    link.reset()
    with pytest.raises(ConnectionResetError):
        await reader.read()
    await link.wait_connections(0)


async def test_fin_to_client_leaves_the_way_to_the_server(link: FaultyLink, echo: EchoServer, dial: Dial) -> None:
    streams = reader, writer = await dial()
    assert await said(streams, b"x") == b"x"
    link.fin("to_client")
    assert await reader.read() == b""
    writer.write(b"still heard")
    await link.wait_bytes(12, "to_server")
    writer.write_eof()
    await asyncio.wait_for(echo.all_ended.wait(), 5)
    assert bytes(echo.received) == b"xstill heard"
    assert echo.ends == ["fin"]


async def test_fin_to_server_leaves_the_way_to_the_client(link: FaultyLink, echo: EchoServer, dial: Dial) -> None:
    streams = reader, _ = await dial()
    assert await said(streams, b"x") == b"x"
    link.fin("to_server")
    assert await reader.read() == b""  # the echo server ends when its client does
    assert echo.ends == ["fin"]


async def test_blackhole_swallows_the_living_and_the_new_until_healed(
    link: FaultyLink, echo: EchoServer, dial: Dial
) -> None:
    old = await dial()
    assert await said(old, b"x") == b"x"
    link.blackhole()
    old[1].write(b"lost?")
    new = await dial()
    new[1].write(b"anybody?")
    await link.wait_connections(2)
    assert await silent(old[0])
    assert await silent(new[0])
    assert bytes(echo.received) == b"x"
    link.heal()
    assert await old[0].readexactly(5) == b"lost?"
    assert await new[0].readexactly(8) == b"anybody?"


async def test_blackhole_hides_the_end_of_a_client_until_healed(link: FaultyLink, echo: EchoServer, dial: Dial) -> None:
    streams = await dial()
    assert await said(streams, b"x") == b"x"
    link.blackhole()
    streams[1].transport.abort()
    await link.wait_connections(0)
    await asyncio.sleep(0.05)
    assert echo.ends == []
    link.heal()
    await asyncio.wait_for(echo.all_ended.wait(), 5)


async def test_a_client_that_gave_up_in_the_dark_never_reaches_the_server(
    link: FaultyLink, echo: EchoServer, dial: Dial
) -> None:
    link.blackhole()
    _, writer = await dial()
    await link.wait_connections(1)
    writer.close()
    await link.wait_connections(0)
    link.heal()
    assert await said(await dial(), b"next") == b"next"
    assert bytes(echo.received) == b"next"


async def test_half_open_stops_reading_so_that_the_writer_is_held_back(link: FaultyLink, dial: Dial) -> None:
    streams = reader, writer = await dial()
    assert await said(streams, b"x") == b"x"
    link.half_open()
    writing = asyncio.create_task(_write_all(writer, 32))
    done, _ = await asyncio.wait([writing], timeout=0.3)
    assert not done
    assert await silent(reader)
    assert await said(await dial(), b"others pass") == b"others pass"
    link.heal()
    assert await reader.readexactly(len(MEGABYTE) * 32) == MEGABYTE * 32
    await writing


async def test_a_slow_reader_slows_the_writer_and_loses_nothing(link: FaultyLink, dial: Dial) -> None:
    reader, writer = await dial()
    total = 32
    writing = asyncio.create_task(_write_all(writer, total))
    await link.wait_bytes(1, "to_client")
    done, _ = await asyncio.wait([writing], timeout=0.3)
    assert not done  # what nobody reads is held in the sockets, not here
    received = bytearray()
    while len(received) < total * len(MEGABYTE):
        received += await reader.read(1 << 20)
    assert received == MEGABYTE * total
    await writing


async def _write_all(writer: asyncio.StreamWriter, megabytes: int) -> None:
    for _ in range(megabytes):
        writer.write(MEGABYTE)
        await writer.drain()


async def test_refuse_keeps_the_living_and_heal_listens_on_the_same_port(link: FaultyLink, dial: Dial) -> None:
    streams = await dial()
    assert await said(streams, b"x") == b"x"
    port = link.port
    link.refuse()
    with pytest.raises(ConnectionRefusedError):
        await dial()
    assert await said(streams, b"still here") == b"still here"
    link.heal()
    assert link.port == port
    assert await said(await dial(), b"back") == b"back"


async def test_cut_resets_and_refuses(link: FaultyLink, dial: Dial) -> None:
    reader, _ = streams = await dial()
    assert await said(streams, b"x") == b"x"
    link.cut()
    with pytest.raises(ConnectionResetError):
        await reader.read()
    with pytest.raises(ConnectionRefusedError):
        await dial()


async def test_corrupt_flips_one_bit_of_one_byte(link: FaultyLink, dial: Dial) -> None:
    streams = await dial()
    link.corrupt(offset=5, direction="to_client")
    assert await said(streams, b"abcd") == b"abcd"
    assert await said(streams, b"efgh") == b"e" + bytes([ord("f") ^ 1]) + b"gh"
    assert await said(streams, b"ijkl") == b"ijkl"


async def test_without_a_server_the_client_is_reset(link: FaultyLink, echo: EchoServer, dial: Dial) -> None:
    await echo.stop()
    reader, _ = await dial()
    with pytest.raises(ConnectionResetError):
        await reader.read()
    await link.wait_connections(0)


async def test_a_vanished_client_is_a_reset_for_the_server(link: FaultyLink, echo: EchoServer, dial: Dial) -> None:
    streams = _, writer = await dial()
    assert await said(streams, b"x") == b"x"
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    writer.transport.abort()
    await asyncio.wait_for(echo.all_ended.wait(), 5)
    assert echo.ends == ["rst"]
    await link.wait_connections(0)


async def test_waits_end_in_a_named_error(link: FaultyLink) -> None:
    with pytest.raises(WaitTimeout, match=r"3 connections did not come within 0\.01 s"):
        await link.wait_connections(3, timeout=0.01)
    with pytest.raises(WaitTimeout, match="5 bytes to_client"):
        await link.wait_bytes(5, "to_client", timeout=0.01)


async def test_holds_500_connections_and_all_end_with_the_link(echo: EchoServer) -> None:
    async with FaultyLink("127.0.0.1", echo.port) as link:
        link.latency = 0.01
        clients = await asyncio.gather(*(asyncio.open_connection(link.host, link.port) for _ in range(500)))
        answers = await asyncio.gather(*(said(client, b"%d" % n) for n, client in enumerate(clients)))
        assert answers == [b"%d" % n for n in range(500)]
        assert (link.connections, link.peak, link.accepted) == (500, 500, 500)
    for reader, _ in clients:
        with pytest.raises(ConnectionResetError):
            await reader.read()
    for _, writer in clients:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
    await asyncio.wait_for(echo.all_ended.wait(), 10)
    assert echo.ends == ["rst"] * 500


async def test_ends_in_any_state(echo: EchoServer) -> None:
    for trouble in ("blackhole", "half_open", "refuse", "cut", "reset"):
        async with FaultyLink("127.0.0.1", echo.port) as link:
            _, writer = await asyncio.open_connection(link.host, link.port)
            await link.wait_connections(1)
            link.latency = 60
            writer.write(b"on its way for ever")
            getattr(link, trouble)()
        with contextlib.suppress(OSError):
            writer.close()
            await writer.wait_closed()


async def test_a_given_port_is_listened_on(echo: EchoServer) -> None:
    async with FaultyLink("127.0.0.1", echo.port) as first:
        port = first.port
    async with FaultyLink("127.0.0.1", echo.port, listen_port=port) as second:
        assert second.port == port
        with pytest.raises(OSError, match="in use"):
            await FaultyLink("127.0.0.1", echo.port, listen_port=port).__aenter__()
