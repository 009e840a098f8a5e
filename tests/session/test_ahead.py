"""A channel opened ahead: who is asked, when it is used and given up, and that nothing is different with it."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import asyncssh
import pytest

from mooring import ChannelRefused, CommandTimeout, Session, SessionLost, SessionNotUp
from mooring.session import ahead
from mooring.simulate import FaultyLink
from tests.peers.fixtures import StartSshd
from tests.session.odd import Channel, OddServer

from .held import held

pytestmark = pytest.mark.anyio


async def _warm(session: Session, server: OddServer) -> None:
    """Two commands in a row, and the channel for the third."""
    await session.run("one")
    await session.run("two")
    await server.wait(lambda: server.opened == 3)
    assert session.status().channels.ahead == 1


async def test_commands_in_a_row_find_a_channel_open() -> None:
    async with OddServer() as server, server.held() as session:
        await session.run("one")
        assert session.status().channels.ahead == 0
        for number in range(2, 12):
            await session.run(str(number))
            await server.wait(lambda wanted=number + 1: server.opened == wanted)  # type: ignore[misc]
        assert server.commands == ["one", *map(str, range(2, 12))]
        assert (session.status().channels.open, session.status().channels.ahead) == (0, 1)


async def test_one_command_opens_one_channel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "_BUSY", 0.0)
    async with OddServer() as server, server.held() as session:
        for _ in range(3):
            await session.run("now and then")
        assert server.opened == 3


async def test_it_is_closed_when_no_command_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "_IDLE", 0.2)
    async with OddServer() as server, server.held() as session:
        await _warm(session, server)
        await server.wait(lambda: server.closed == 3)
        await session.ping()  # behind the server's own close
        assert session.status().channels.ahead == 0
        assert (await session.run("three")).ok


async def test_output_input_and_status_are_as_ever(session: Session) -> None:
    for number in range(5):
        result = await session.run(f"cat; echo err >&2; exit {number}", input=f"line {number}")
        assert (result.stdout, result.stderr, result.exit_status) == (f"line {number}", "err\n", number)
    assert session.status().channels.ahead == 1
    big = await session.run("head -c 3000000 /dev/zero", encoding=None)
    assert big.stdout == bytes(3_000_000)
    assert (await session.run("wc -c", input=bytes(3_000_000))).stdout.split() == ["3000000"]
    assert (await session.run("kill -9 $$")).exit_signal == "KILL"


async def test_the_environment_is_sent(start_sshd: StartSshd) -> None:
    async with held(start_sshd(AcceptEnv="COLOUR")) as session:
        for colour in ("red", "green", "blue"):
            assert (await session.run("echo $COLOUR", env={"COLOUR": colour})).stdout == f"{colour}\n"
        assert session.status().channels.ahead == 1
        assert (await session.run("echo $COLOUR")).stdout == "\n"


async def test_a_server_that_is_not_known_to_bear_it_is_not_asked() -> None:
    async with OddServer(server_version="dropbear_2022.83") as server, server.held() as session:
        for _ in range(5):
            await session.run("one")
        assert server.opened == 5


async def test_a_server_that_refuses_is_not_asked_again() -> None:
    async with OddServer(most=1) as server, server.held() as session:
        running = 0
        for _ in range(5):
            running += (await session.run("one")).ok
        assert running == 5
        assert server.refused == 1
        assert session.status().channels.limit == 6


async def test_with_one_channel_there_is_none_to_spare() -> None:
    async with OddServer() as server, server.held(channels=1) as session:
        for _ in range(5):
            await session.run("one")
        assert server.opened == 5


async def test_who_waits_for_a_slot_gets_that_of_the_idle_channel() -> None:
    async with OddServer() as server, server.held(channels=2) as session:
        await _warm(session, server)
        held = await session.process("stays", encoding=None)
        assert (await session.run("redirected", stdin=asyncssh.DEVNULL, timeout=30)).ok
        held.close()


async def test_a_refused_command_is_said_to_be() -> None:
    async with OddServer() as server, server.held() as session:
        await _warm(session, server)
        with pytest.raises(ChannelRefused):
            await session.run("refuse me")
        assert (await session.run("fine")).ok


async def test_a_timeout_and_a_cancellation_end_the_command() -> None:
    def act(channel: Channel, command: str) -> None:
        if command != "hangs":
            channel.exit(0)

    async with OddServer(act) as server, server.held() as session:
        await _warm(session, server)
        with pytest.raises(CommandTimeout):
            await session.run("hangs", timeout=1.0)
        assert "TERM" in server.signals
        await session.run("one")
        await session.run("two")
        task = asyncio.create_task(session.run("hangs"))
        await server.wait(lambda: server.commands.count("hangs") == 2)
        signals = len(server.signals)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await server.wait(lambda: len(server.signals) > signals)


async def test_cancelling_the_wait_for_it_leaves_it_to_the_next() -> None:
    gate = asyncio.Event()
    gate.set()
    async with OddServer(admit=gate.wait) as server, server.held() as session:
        await session.run("one")
        gate.clear()
        second = asyncio.create_task(session.run("two"))
        await server.wait(lambda: server.opened == 2)
        gate.set()
        await second
        gate.clear()
        await server.wait(lambda: server.opened == 3)
        third = asyncio.create_task(session.run("three"))
        await asyncio.sleep(0)
        third.cancel()
        with pytest.raises(asyncio.CancelledError):
            await third
        gate.set()
        assert (await session.run("four")).ok
        assert server.commands == ["one", "two", "four"]


async def test_it_goes_with_the_connection_and_comes_with_the_next() -> None:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(OddServer())
        link = await stack.enter_async_context(FaultyLink("127.0.0.1", server.port))
        session = await stack.enter_async_context(server.held(link))
        await _warm(session, server)
        link.reset()
        with pytest.raises((SessionLost, SessionNotUp)):
            await session.run("lost")
        await session.wait_up(timeout=30)
        assert session.status().channels.ahead == 0
        for _ in range(3):
            assert (await session.run("again")).ok
