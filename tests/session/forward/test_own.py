"""AsyncSSH's own connections and listeners on a session."""

from __future__ import annotations

import asyncio
import socket

import asyncssh
import pytest

from mooring import ChannelLimit, ChannelRefused, ForwardRefused, InvalidInput, Session
from mooring.simulate import FaultyLink
from tests.peers.sshd import Sshd
from tests.session.forward.ends import ask, refused, serving
from tests.session.held import held

pytestmark = pytest.mark.anyio


async def test_asyncssh_own_connections_and_listeners(session: Session) -> None:
    async with serving() as port:
        reader, writer = await session.open_connection("127.0.0.1", port)
        writer.write(b"abc")
        assert session.status().channels.forwarded == 1
        writer.write_eof()
        assert await reader.read() == b"abc"
        writer.close()
        await writer.wait_closed()
        assert session.status().channels.forwarded == 0

    async def greet(reader: asyncssh.SSHReader[bytes], writer: asyncssh.SSHWriter[bytes]) -> None:
        writer.write(b"welcome to " + await reader.read())
        writer.close()

    listener = await session.start_server(lambda _host, _port: greet, "127.0.0.1", 0)
    assert await ask(listener.get_port()) == b"welcome to hello"
    with pytest.raises(ForwardRefused):
        await session.start_server(lambda _host, _port: greet, "127.0.0.1", listener.get_port())
    listener.close()
    await listener.wait_closed()
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        with pytest.raises(ChannelRefused, match="edge1 refused the channel: Connection refused"):
            await session.open_connection("127.0.0.1", nobody.getsockname()[1])


async def test_bytes_that_are_no_text_do_not_cost_the_connection(session: Session) -> None:
    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        del reader
        writer.write(b"a\xffb")

    async with serving(babble) as port:
        reader, writer = await session.open_connection("127.0.0.1", port, encoding="utf-8")
        assert await reader.read() == "a\\xffb"
        writer.close()
        await writer.wait_closed()
    assert session.status().connects == 1


async def test_a_host_with_a_nul_is_not_asked_for(session: Session) -> None:
    with pytest.raises(InvalidInput, match="NUL"):
        await session.open_connection("local\0host", 22)
    with pytest.raises(InvalidInput, match="NUL"):
        await session.start_server(lambda _host, _port: None, "local\0host", 0)
    assert (await session.run("echo on")).stdout == "on\n"
    assert session.status().connects == 1


class Echo(asyncssh.SSHTCPSession[bytes]):
    """Sends back what comes, and then the end; it tells when it is over."""

    def connection_made(self, chan: asyncssh.SSHTCPChannel[bytes]) -> None:
        self.channel = chan
        self.got = b""
        self.over = asyncio.Event()

    def data_received(self, data: bytes, datatype: int | None) -> None:
        self.got += data
        self.channel.write(data)

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.over.set()


async def test_sessions_of_asyncssh_s_own_at_either_end(session: Session) -> None:
    listener = await session.create_server(lambda _host, _port: Echo(), "127.0.0.1", 0)
    assert await ask(listener.get_port()) == b"hello"
    channel, end = await session.create_connection(Echo, "127.0.0.1", listener.get_port())
    assert isinstance(end, Echo)
    channel.write(b"ping")  # which goes round between the two for as long as nobody ends it
    async with asyncio.timeout(30):
        while not end.got:  # noqa: ASYNC110 - as it is seen
            await asyncio.sleep(0.01)
    assert end.got.startswith(b"ping")
    channel.close()
    async with asyncio.timeout(30):
        await end.over.wait()
    listener.close()
    await listener.wait_closed()


async def test_connections_of_asyncssh_s_own_are_bounded(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mooring.session.tunnels.MOST", 3)
    async with serving() as port:
        listener = await session.create_server(lambda _host, _port: Echo(), "127.0.0.1", 0)
        writers = [(await session.open_connection("127.0.0.1", port))[1] for _ in range(3)]
        with pytest.raises(ChannelLimit, match="edge1: 3 connections are open over it"):
            await session.open_connection("127.0.0.1", port)
        assert await refused(listener.get_port())
        for writer in writers:
            writer.close()
            await writer.wait_closed()
        assert await ask(listener.get_port()) == b"hello"
        listener.close()
        await listener.wait_closed()


async def test_a_far_side_that_does_not_answer_is_given_up(sshd: Sshd) -> None:
    async with FaultyLink(sshd.host, sshd.port) as link, held(sshd, link) as session:
        link.blackhole()
        with pytest.raises(ChannelRefused, match=r"edge1 did not answer within 0\.1 s"):
            await session.open_connection("127.0.0.1", 1, timeout=0.1)
        with pytest.raises(ChannelRefused, match=r"edge1 did not answer within 0\.1 s"):
            await session.start_server(lambda _host, _port: None, "127.0.0.1", 0, timeout=0.1)
        late = asyncio.create_task(session.create_connection(Echo, "127.0.0.1", 1))
        await asyncio.sleep(0)
        late.cancel()
        with pytest.raises(asyncio.CancelledError):
            await late
        link.heal()
        assert (await session.run("echo here")).stdout == "here\n"
        async with asyncio.timeout(30):
            while session.status().channels.forwarded:  # noqa: ASYNC110 - what came late is closed
                await asyncio.sleep(0.01)
