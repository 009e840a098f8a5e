"""Channels of every kind, over a real sshd."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from mooring import Pool
from mooring.model.errors import ChannelRefused, SessionNotUp
from mooring.model.status import SessionState
from mooring.service import Fleet
from mooring.simulate import FaultyLink
from mooring.wire.channel import Opening, Terminal
from tests.peers.fixtures import StartSshd
from tests.peers.sshd import Sshd
from tests.pool.fleet import BOUND, hold, quick, soon, true, until

from .held import ROOT

pytestmark = pytest.mark.anyio


@pytest.fixture
async def fleet(sshd: Sshd) -> AsyncIterator[Fleet]:
    async with Pool(config=None, dice=quick) as pool:
        await hold(pool, "a", sshd)
        yield Fleet(pool, None)


@asynccontextmanager
async def echoing() -> AsyncIterator[tuple[int, list[asyncio.StreamWriter]]]:
    """A TCP server that sends back what comes, in capitals; its port and its connections."""
    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        while data := await reader.read(65536):
            writer.write(data.upper())
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], writers
        for writer in writers:
            writer.close()


async def test_a_command_s_streams_are_bytes(fleet: Fleet) -> None:
    opening = Opening("exec", command=r"cat; printf '\377' >&2; exit 3", env={"LANG": "C"})
    process = await fleet.open(ROOT, "a", opening)
    process.stdin.write(b"\xff\x00in")
    process.stdin.write_eof()
    assert await soon(process.stdout.read()) == b"\xff\x00in"
    assert await soon(process.stderr.read()) == b"\xff"
    await soon(process.wait_closed())
    assert process.exit_status == 3
    assert process.exit_signal is None


async def test_a_terminal_and_its_size(fleet: Fleet) -> None:
    opening = Opening("exec", command="stty size; read x; stty size", term=Terminal("vt100", 101, 33))
    process = await fleet.open(ROOT, "a", opening)
    assert b"33 101" in await soon(process.stdout.readuntil(b"\n"))
    process.change_terminal_size(80, 24)
    process.stdin.write(b"\n")
    assert b"24 80" in await soon(process.stdout.read())


async def test_a_shell(fleet: Fleet) -> None:
    process = await fleet.open(ROOT, "a", Opening("shell"))
    process.stdin.write(b"echo $((6 * 7)); exit 4\n")
    assert b"42\n" in await soon(process.stdout.read(), 30)
    await soon(process.wait_closed())
    assert process.exit_status == 4


async def test_a_subsystem(fleet: Fleet) -> None:
    process = await fleet.open(ROOT, "a", Opening("subsystem", subsystem="sftp"))
    process.stdin.write(b"\0\0\0\5\1\0\0\0\3")  # SSH_FXP_INIT, version 3
    assert (await soon(process.stdout.readexactly(9)))[4:] == b"\2\0\0\0\3"
    process.close()
    await soon(process.wait_closed())
    with pytest.raises(ChannelRefused):
        await fleet.open(ROOT, "a", Opening("subsystem", subsystem="no-such"))


async def test_a_connection_from_the_far_side(fleet: Fleet) -> None:
    async with echoing() as (port, _):
        channel = await fleet.open(ROOT, "a", Opening("direct-tcpip", host="localhost", port=port))
        channel.stdin.write(b"ahoy\xff")
        assert await soon(channel.stdout.readexactly(5)) == b"AHOY\xff"
        assert channel.exit_status is None
        channel.stdin.write_eof()
        assert await soon(channel.stdout.read()) == b""
        assert await soon(channel.stderr.read()) == b""
        await soon(channel.wait_closed())
        assert channel.exit_status == 0
        assert channel.exit_signal is None


async def test_a_connection_that_the_other_end_closes(fleet: Fleet) -> None:
    async with echoing() as (port, writers):
        channel = await fleet.open(ROOT, "a", Opening("direct-tcpip", host="127.0.0.1", port=port))
        channel.stdin.write(b"x")
        await soon(channel.stdout.readexactly(1))
        writers[0].close()
        assert await soon(channel.stdout.read()) == b""
        await soon(channel.wait_closed())
        assert channel.exit_status == 0


async def test_a_connection_that_is_refused(fleet: Fleet) -> None:
    async with echoing() as (port, _):
        pass
    with pytest.raises(ChannelRefused, match="refused the channel"):
        await fleet.open(ROOT, "a", Opening("direct-tcpip", host="127.0.0.1", port=port))
    assert (await fleet.run(ROOT, "a", "echo fine")).stdout == "fine\n"


async def test_forwarding_that_the_server_forbids(start_sshd: StartSshd) -> None:
    async with Pool(config=None, dice=quick) as pool, echoing() as (port, _):
        await hold(pool, "a", start_sshd(AllowTcpForwarding="no"))
        with pytest.raises(ChannelRefused):
            await Fleet(pool, None).open(ROOT, "a", Opening("direct-tcpip", host="127.0.0.1", port=port))


async def test_an_opening_that_is_cancelled_leaves_nothing(fleet: Fleet, sshd: Sshd) -> None:
    async with echoing() as (port, writers):
        opening = asyncio.create_task(fleet.open(ROOT, "a", Opening("direct-tcpip", host="127.0.0.1", port=port)))
        await asyncio.sleep(0)
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
        await true(lambda: len(writers) == 1 and writers[0].is_closing())


async def test_channels_of_a_lost_session_end(start_sshd: StartSshd) -> None:
    server = start_sshd()
    async with (
        FaultyLink(server.host, server.port) as link,
        Pool(config=None, dice=quick) as pool,
        echoing() as (port, _),
    ):
        session = await hold(pool, "a", server, link)
        fleet = Fleet(pool, None)
        process = await fleet.open(ROOT, "a", Opening("exec", command="sleep 60"))
        channel = await fleet.open(ROOT, "a", Opening("direct-tcpip", host="127.0.0.1", port=port))
        link.blackhole()
        await until(session, SessionState.BACKOFF, SessionState.CONNECTING)
        await soon(asyncio.gather(process.wait_closed(), channel.wait_closed(), return_exceptions=True), BOUND)
        assert process.exit_status is None
        assert channel.exit_status is None
        with pytest.raises(SessionNotUp):
            await fleet.open(ROOT, "a", Opening("direct-tcpip", host="127.0.0.1", port=port))
