"""Cancelling and losing the link, at each phase of a command: nobody waits in vain, and no slot is lost."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import asyncssh
import pytest
from asyncssh.packet import UInt32

from mooring import ChannelRefused, CommandFailed, MooringError, Session, SessionLost, SessionNotUp, connect
from mooring.session.attachment import Attachment
from mooring.session.slots import Kind
from mooring.simulate import FaultyLink, SimulatedHosts
from mooring.transport.channel import SlotHolder
from tests.peers.sshd import Sshd

from .held import begun, held
from .odd import Channel, OddServer

pytestmark = pytest.mark.anyio


async def settle(session: Session, taken: int = 0) -> None:
    """Wait until so many slots are taken: a close has to be confirmed by the server."""
    async with asyncio.timeout(30):
        while session.status().channels.open != taken:  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(0.01)


async def cancelled(task: asyncio.Task[object]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.fixture
async def link(anyio_backend: str, sshd: Sshd) -> AsyncIterator[FaultyLink]:
    async with FaultyLink(sshd.host, sshd.port) as link:
        yield link


# Cancelling.


async def test_cancelled_in_the_queue(session: Session) -> None:
    processes = [await session.process("cat") for _ in range(5)]
    running = asyncio.create_task(session.run("sleep 60"))
    waiting = [asyncio.create_task(session.run("echo late")) for _ in range(3)]
    async with asyncio.timeout(30):
        while session.status().channels.waiting != 3:  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(0.01)
    for task in waiting:
        await cancelled(task)
    assert session.status().channels.waiting == 0
    await cancelled(running)
    for process in processes:
        process.close()
    await settle(session)
    assert (await session.run("echo on")).stdout == "on\n"


async def test_cancelled_in_the_open() -> None:
    answer = asyncio.Event()
    async with OddServer(admit=answer.wait) as server, server.held() as session:
        task = asyncio.create_task(session.run("echo never"))
        await server.wait(lambda: server.opened == 1)
        await cancelled(task)
        assert session.status().channels.open == 1
        answer.set()
        await server.wait(lambda: server.closed == 1)
        await settle(session)
        assert server.commands == []
        assert (await session.run("echo on")).exit_status == 0


async def test_cancelled_when_the_server_is_about_to_answer() -> None:
    """At whatever moment it is cancelled, the channel is closed and the slot comes back."""
    async with OddServer(lambda *_: None) as server, server.held() as session:
        for turns in range(12):
            task = asyncio.create_task(session.run("echo maybe"))
            for _ in range(turns * 3):
                await asyncio.sleep(0)
            await cancelled(task)
        await settle(session)
        await server.wait(lambda: server.closed == server.opened)
        assert session.state == "up"


async def test_cancelled_while_it_runs(session: Session) -> None:
    task = asyncio.create_task(session.run("echo $$; exec sleep 61.0625"))
    await begun(session, "61.0625")
    await cancelled(task)
    await settle(session)
    assert (await session.run("pgrep -fx 'sleep 61[.]0625' || echo gone")).stdout == "gone\n"


async def test_cancelled_while_it_is_being_ended() -> None:
    async with OddServer(lambda *_: None) as server, server.held() as session:
        task = asyncio.create_task(session.run("deaf", timeout=1.0))
        await server.wait(lambda: server.signals == ["TERM"])
        await cancelled(task)
        await server.wait(lambda: server.closed == 1)
        await settle(session)


async def test_cancelled_just_when_it_ends(session: Session) -> None:
    """Cancelling is never swallowed, nor turned into another error, in the turn in which the result is there."""
    for _ in range(3):
        task = asyncio.create_task(session.run("true"))
        while session.status().channels.open == 0:  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(0)
        while session.status().channels.open == 1 and not task.done():  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(0)
        if not task.done():
            await cancelled(task)
    await settle(session)


async def test_cancelled_process_while_it_opens() -> None:
    answer = asyncio.Event()
    async with OddServer(admit=answer.wait) as server, server.held() as session:
        task = asyncio.create_task(session.process("cat"))
        await server.wait(lambda: server.opened == 1)
        await cancelled(task)
        answer.set()
        await server.wait(lambda: server.closed == 1)
        await settle(session)
        assert server.commands == []


@pytest.mark.parametrize("refused", [False, True])
async def test_the_answer_counts_in_the_turn_of_the_deadline(session: Session, refused: bool) -> None:  # noqa: FBT001
    """What the server said is the outcome, not that time was up as well."""
    attachment = Attachment(session.alias, session.link, 1)
    loop = asyncio.get_running_loop()
    deadline = loop.time() + 0.5

    async def start(_: SlotHolder) -> None:
        await asyncio.sleep(deadline - 0.02 - loop.time())
        time.sleep(0.05)  # it ends when time is up as well
        if refused:
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_REQUEST_SESSION_FAILED, "no")

    opening = attachment.open(Kind.RUN, "true", deadline, SlotHolder, start)
    if refused:
        with pytest.raises(ChannelRefused, match="refused the channel: no"):
            await opening
    else:
        assert isinstance(await opening, SlotHolder)


# Losing the link.


async def test_lost_while_it_runs_with_what_had_arrived(sshd: Sshd, link: FaultyLink) -> None:
    async with held(sshd, link) as session:
        task = asyncio.create_task(session.run("echo out; echo err >&2; exec sleep 61.1875"))
        raw = asyncio.create_task(session.run("printf '\\377'; exec sleep 61.3125", encoding=None))
        await begun(session, "61.1875", "61.3125")
        await session.run("true")  # behind which sshd has confirmed those two, and sent what they said
        link.reset()
        with pytest.raises(SessionLost, match="edge1 was lost while the command ran") as caught:
            await task
        assert (caught.value.stdout, caught.value.stderr) == ("out\n", "err\n")
        assert "it may have run" in str(caught.value)
        with pytest.raises(SessionLost) as caught:
            await raw
        assert (caught.value.stdout, caught.value.stderr) == (b"\xff", b"")


async def test_lost_in_the_queue_and_in_the_open() -> None:
    never = asyncio.Event()
    async with OddServer(admit=never.wait) as server, server.held(channels=1) as session:
        opening = asyncio.create_task(session.run("opening"))
        queued = asyncio.create_task(session.run("queued"))
        process = asyncio.create_task(session.process("queued"))
        await server.wait(lambda: server.opened == 1)
        server.connections[0].abort()
        with pytest.raises(SessionLost):
            await opening
        for task in (queued, process):
            with pytest.raises(SessionNotUp):  # nothing of it was sent
                await task
        assert server.commands == []
        never.set()


async def test_lost_in_the_queue_behind_one_that_runs() -> None:
    """What ends with the connection frees its slot, but nothing can be sent any more."""
    async with OddServer(lambda *_: None) as server, server.held(channels=1) as session:
        running = asyncio.create_task(session.run("running"))
        await server.wait(lambda: server.commands == ["running"])
        await session.ping()
        queued = [asyncio.create_task(session.run("queued")) for _ in range(2)]
        while session.status().channels.waiting != 2:  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(0)
        session.connection.abort()
        with pytest.raises(SessionLost):
            await running
        for task in queued:
            with pytest.raises(SessionNotUp):
                await task
        assert server.commands == ["running"]


async def test_lost_before_it_was_asked(sshd: Sshd, link: FaultyLink) -> None:
    async with held(sshd, link) as session:
        link.cut()
        async with asyncio.timeout(30):
            while session.state == "up":
                await session.wait_change()
        with pytest.raises(SessionNotUp, match=r"edge1 is (backoff|connecting)"):
            await session.run("true")
        with pytest.raises(SessionNotUp):
            await session.process("cat")
        with pytest.raises(SessionNotUp):
            await session.ping()
        with pytest.raises(SessionNotUp):
            _ = session.connection


def _status_only(channel: Channel, command: str) -> None:
    """An exit status, and then no end."""
    channel.write(b"all of it")
    if "eof" in command:
        channel.write_eof()
    channel._send_request(b"exit-status", UInt32(0))  # noqa: SLF001 - AsyncSSH would close with it
    if "close" in command:
        channel.close()


async def test_lost_after_the_status_but_before_the_end_of_output() -> None:
    """More output might have come: it is no result."""
    async with OddServer(_status_only) as server, server.held() as session:
        task = asyncio.create_task(session.run("status"))
        await server.wait(lambda: bool(server.commands))
        await session.ping()
        server.connections[0].abort()
        with pytest.raises(SessionLost) as caught:
            await task
        assert caught.value.stdout == "all of it"


async def test_lost_after_status_and_end_of_output() -> None:
    async with OddServer(_status_only) as server, server.held() as session:
        task = asyncio.create_task(session.run("status eof"))
        await server.wait(lambda: bool(server.commands))
        await session.ping()
        server.connections[0].abort()
        result = await task
        assert (result.stdout, result.exit_status) == ("all of it", 0)


@pytest.mark.parametrize("command", ["status eof close", "status close"])
async def test_a_device_that_hangs_up_after_the_command(command: str) -> None:
    """The close of the channel and the end of the connection come in one read."""

    def hang_up(channel: Channel, command: str) -> None:
        _status_only(channel, command)
        channel.get_connection().disconnect(asyncssh.DISC_BY_APPLICATION, "bye")

    def act(channel: Channel, command: str) -> None:
        asyncio.get_running_loop().call_later(0.1, hang_up, channel, command)

    async with OddServer(act) as server, server.held() as session:
        result = await session.run(command)
        assert (result.stdout, result.exit_status) == ("all of it", 0)


async def test_closed_without_a_status_on_a_live_link() -> None:
    """Some devices do that: it is a result, whose status nobody knows."""
    async with SimulatedHosts(1, exit_without_status=True) as hosts:
        address = f"sim1://anybody@127.0.0.1:{hosts[0].port}"

        async with connect(address, config=None, host_key="off", identity="none", agent_path=None) as session:
            result = await session.run("echo hello")
            assert (result.stdout, result.exit_status, result.exit_signal, result.ok) == ("hello\n", None, None, False)
            assert session.state == "up"
            with pytest.raises(CommandFailed, match="the command on sim1 ended without a status"):
                await session.run("echo hello", check=True)


# Refusals.


async def test_a_command_that_is_refused_costs_neither_slot_nor_connection() -> None:
    async with OddServer() as server, server.held() as session:
        for _ in range(8):  # more than there are slots
            with pytest.raises(ChannelRefused, match="odd1 refused the channel: Session request failed"):
                await session.run("refuse me")
        await settle(session)
        assert (session.status().channels.refused, session.status().connects) == (0, 1)
        assert len(server.commands) == 8


@pytest.mark.parametrize(
    "code",
    [
        asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED,
        asyncssh.OPEN_CONNECT_FAILED,
        asyncssh.OPEN_RESOURCE_SHORTAGE,
    ],
)
async def test_refusals_that_are_asked_again(code: int) -> None:
    """Nothing ran, so the channel is asked for again until the server opens it."""
    refusals = iter(range(3))

    async def admit() -> None:
        if next(refusals, None) is not None:
            raise asyncssh.ChannelOpenError(code, "too many")

    async with OddServer(admit=admit) as server, server.held() as session:
        assert (await session.run("echo")).exit_status == 0
        assert (server.commands, server.opened) == (["echo"], 4)
        assert session.status().channels.refused == 3


async def test_a_refusal_for_another_reason_is_final() -> None:
    async def admit() -> None:
        raise asyncssh.ChannelOpenError(asyncssh.OPEN_UNKNOWN_CHANNEL_TYPE, "no sessions here")

    async with OddServer(admit=admit) as server, server.held() as session:
        with pytest.raises(ChannelRefused, match="odd1 refused the channel: no sessions here"):
            await session.run("echo")
        assert (server.opened, session.status().channels.open) == (1, 0)


async def test_a_failure_of_ours_after_the_open_closes_the_channel(session: Session, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "no folder" / "file")
    with pytest.raises(MooringError):
        await session.process("cat", term_type="vt100", term_modes={999: 1})
    with pytest.raises(MooringError):
        await session.process("cat", stdout=tmp_path / "link")
    await settle(session)
    assert (await session.run("echo on")).stdout == "on\n"
