"""Clients and devices that keep to no rule: memory stays bounded, and nobody else is troubled."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any

import asyncssh
import pytest
from asyncssh.constants import (
    MSG_CHANNEL_DATA,
    MSG_CHANNEL_EOF,
    MSG_CHANNEL_REQUEST,
    MSG_CHANNEL_SUCCESS,
    MSG_CHANNEL_WINDOW_ADJUST,
)
from asyncssh.packet import Boolean, String, UInt32

from mooring import ChannelStatus, Pool
from mooring.gateway import forwards, share
from mooring.model.access import ADMIN, Actor
from tests.peers.bare import bare
from tests.pool.fleet import true

from .carried import TEXT, echoing, exchanged
from .deaf import connect, deaf
from .door import PATIENCE, Done, Door

pytestmark = pytest.mark.anyio
BOUND = 3 * 1024 * 1024
"""Bytes that wait for one channel of a visitor at most: a window, and what lies in buffers."""


def waiting(door: Door) -> int:
    """Bytes that wait for visitors to read them."""
    return sum(
        visitor.connection._transport.get_write_buffer_size()  # noqa: SLF001 - nothing else tells
        for visitor in door.gateway.visitors
        if visitor.connection._transport is not None  # noqa: SLF001
    )


BIG = String("x" * 30_000)


class Told(asyncssh.SSHServerSession[bytes]):
    """Notes what a device is told on a channel, in its order."""

    def __init__(self) -> None:
        self.told: list[Any] = []
        self.closed = asyncio.Event()

    def connection_made(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        self.channel = chan

    def pty_requested(self, term_type: str, term_size: Any, term_modes: Any) -> bool:  # noqa: ANN401 - AsyncSSH's
        self.told.append(("pty", term_type, term_size, term_modes[asyncssh.PTY_VERASE]))
        return True

    def exec_requested(self, command: str) -> bool:
        self.told.append((command, dict(self.channel.get_environment())))
        return True

    def terminal_size_changed(self, width: int, height: int, pixwidth: int, pixheight: int) -> None:
        self.told.append(("size", width, height, pixwidth, pixheight))

    def break_received(self, msec: int) -> bool:
        self.told.append(("break", msec))
        return msec == 300

    def signal_received(self, signal: str) -> None:
        self.told.append(("signal", signal))

    def data_received(self, data: bytes, datatype: asyncssh.DataType) -> None:
        self.told.append(data)

    def eof_received(self) -> bool:
        self.told.append("eof")
        self.channel.write(b"after the end")
        self.channel.write_stderr(b"err")
        self.channel.write_eof()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed.set()


async def test_all_that_a_client_says_and_in_its_order(pool: Pool, tmp_path: Path) -> None:
    session = Told()
    async with (
        deaf(pool, tmp_path, process_factory=None) as (door, device),
        connect(door) as connection,
        asyncio.timeout(PATIENCE),
    ):
        device.session_requested = lambda: session  # type: ignore[method-assign]
        process = await connection.create_process(
            "x",
            encoding=None,
            term_type="vt220",
            term_size=(80, 24, 640, 480),
            term_modes={asyncssh.PTY_VERASE: 9},
            env={"LC_A": "b"},
        )
        process.change_terminal_size(132, 43, 1, 2)
        process.send_signal("USR1")
        assert await process.channel._make_request(b"break", UInt32(300))  # noqa: SLF001 - its answer is wanted
        assert not await process.channel._make_request(b"break", UInt32(1))  # noqa: SLF001
        process.stdin.write(b"in")
        process.stdin.write_eof()
        assert await process.stdout.read() == b"after the end"
        assert not session.closed.is_set()
        session.channel.exit_with_signal("TERM", core_dumped=True, msg="why", lang="en")
        await process.wait_closed()
        assert (await process.stderr.read(), process.exit_signal) == (b"err", ("TERM", True, "why", "en"))
        await session.closed.wait()
    size = ("size", 132, 43, 1, 2)
    begun = [("pty", "vt220", (80, 24, 640, 480), 9), ("x", {"LC_A": "b"})]
    assert session.told == [*begun, size, ("signal", "USR1"), ("break", 300), ("break", 1), b"in", "eof"]


async def test_a_command_that_missed_a_hangup_gets_another(pool: Pool, tmp_path: Path) -> None:
    """As one that sshd has only just begun, and that would hold its slot for ever."""
    session = Told()
    async with deaf(pool, tmp_path, process_factory=None) as (door, device), asyncio.timeout(PATIENCE):
        device.session_requested = lambda: session  # type: ignore[method-assign]
        async with connect(door) as connection:
            await connection.create_process("x", encoding=None)
            connection.abort()
        await session.closed.wait()
        await true(lambda: pool["a"].status().channels.open == 0)
    assert session.told == [("x", {}), ("signal", "HUP"), "eof", ("signal", "HUP")]


async def test_what_pays_no_heed_to_a_hangup_is_told_of(door: Door, pool: Pool, shared: Path) -> None:
    """An operator sees why a session is full."""
    async with asyncio.timeout(PATIENCE):
        async with connect(door) as connection:
            command = f"trap '' HUP; echo on; until [ -e {shared}/end ]; do sleep 0.1; done"
            process = await connection.create_process(command)
            assert await process.stdout.readline() == "on\n"
            assert pool["a"].status().channels.abandoned == 0
            connection.abort()
        await true(lambda: pool["a"].status().channels.abandoned == 1)
        error = pool["a"].attachment.gate.limit_error(0.0)
        assert "1 of 6 are held by held gateway (abandoned)" in error.message
        (shared / "end").touch()
        await true(lambda: pool["a"].status().channels == ChannelStatus(limit=6))


async def test_a_window_without_end_and_nobody_who_reads(door: Door) -> None:
    async with asyncio.timeout(PATIENCE), connect(door) as connection:
        process = await connection.create_process(
            "head -c 100000000 /dev/zero", encoding=None, window=0xFFFFFF00, stdin=asyncssh.DEVNULL
        )
        connection._transport.pause_reading()  # noqa: SLF001 - as who is stopped
        await true(lambda: waiting(door) > 100_000)
        for _ in range(5):
            assert await door.ssh("a", "--", "echo other") == Done(0, b"other\n", b"")
            assert waiting(door) < BOUND
        connection._transport.resume_reading()  # noqa: SLF001
        assert len(await process.stdout.read()) == 100_000_000


async def test_a_device_that_takes_more_as_soon_as_the_channel_is_open(pool: Pool, tmp_path: Path) -> None:
    """It is counted once, and what comes of it waits until the command was asked for."""
    async with deaf(pool, tmp_path) as (door, device), connect(door) as connection:
        to_gateway = device.connections[-1]
        confirm = to_gateway.send_channel_open_confirmation

        def confirm_and_widen(channel: int, *args: Any) -> None:
            confirm(channel, *args)
            to_gateway.send_packet(MSG_CHANNEL_WINDOW_ADJUST, UInt32(channel), UInt32(100_000))

        to_gateway.send_channel_open_confirmation = confirm_and_widen
        await connection.create_process("x", encoding=None)
        (visitor,) = door.gateway.visitors
        near: Any = next(iter(visitor.connection._channels.values()))  # noqa: SLF001 - nothing else tells
        assert near._recv_window + near._allowed == near.other._send_window  # noqa: SLF001
        connection.abort()


async def test_a_device_that_takes_nothing_holds_back_its_own_channel(door: Door) -> None:
    async with asyncio.timeout(PATIENCE), connect(door) as connection:
        process = await connection.create_process("sleep 1000", encoding=None)
        process.stdin.write(bytes(10_000_000))
        await true(lambda: process.channel.get_write_buffer_size() > 1_000_000)
        assert await door.ssh("a", "--", "cat", stdin=b"x" * 3_000_000) == Done(0, b"x" * 3_000_000, b"")
        assert process.channel.get_write_buffer_size() > 1_000_000


@pytest.mark.parametrize(
    "packet",
    [
        (MSG_CHANNEL_DATA, String(bytes(30_000)), 100),
        (MSG_CHANNEL_SUCCESS, b"", 1),
    ],
)
async def test_who_breaks_the_protocol_loses_their_own_connection(door: Door, packet: tuple[int, bytes, int]) -> None:
    """More than was allowed, and an answer to no question."""
    kind, content, times = packet
    async with asyncio.timeout(PATIENCE), connect(door) as beside:
        async with connect(door) as connection:
            process = await connection.create_process("sleep 1000", encoding=None)
            for _ in range(times):
                process.channel.send_packet(kind, content)
            await connection.wait_closed()
        assert (await beside.run("echo on")).stdout == "on\n"


async def test_a_window_beyond_all_costs_its_channel(door: Door, caplog: pytest.LogCaptureFixture) -> None:
    async with asyncio.timeout(PATIENCE), connect(door) as connection:
        process = await connection.create_process("sleep 1000", encoding=None)
        for _ in range(2):
            process.channel.send_packet(MSG_CHANNEL_WINDOW_ADJUST, UInt32(0xFFFFFFFF))
        await true(lambda: not connection._channels)  # noqa: SLF001 - nothing else tells
        assert (await connection.run("echo on")).stdout == "on\n"
    assert not [record for record in caplog.records if record.exc_info]


async def test_requests_without_end_before_there_is_a_channel(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(*_: object, **_more: bool) -> None:
        await asyncio.Event().wait()

    async with asyncio.timeout(PATIENCE), connect(door) as connection:
        with monkeypatch.context() as patch:
            patch.setattr("mooring.gateway.visitor.Visitor.reach", never)
            channel = await bare(connection)
            for _ in range(30):
                channel.send_packet(MSG_CHANNEL_REQUEST, String("signal"), Boolean(value=False), BIG)
            await true(lambda: not connection._channels)  # noqa: SLF001 - nothing else tells
        assert (await connection.run("echo on")).stdout == "on\n"


async def test_a_surplus_of_variables_is_refused_and_the_channel_goes_on(door: Door, pool: Pool) -> None:
    """As OpenSSH's server has it; likewise whatever is to be set when the program has begun."""
    async with asyncio.timeout(PATIENCE), connect(door) as connection:
        channel = await bare(connection)

        async def put(name: str, value: str) -> bool:
            return bool(await channel._make_request(b"env", String(name), String(value)))  # noqa: SLF001 - it is bare

        assert [await put(f"LC_{number}", "x" * 30_000) for number in range(6)] == [*[True] * 4, *[False] * 2]
        assert [await put(f"LC_{number}", "x") for number in range(6, 262)] == [*[True] * 252, *[False] * 4]
        assert await channel._make_request(b"exec", String("sleep 60"))  # noqa: SLF001
        assert not await put("LC_A", "late")
        assert (await connection.run("echo $LC_A", env={"LC_A": "on"})).stdout == "on\n"
    assert pool["a"].status().connects == 1, "the device's answers are no surprise"


@pytest.mark.parametrize("kind", ["session", "connection"])
async def test_a_request_that_cannot_be_read_costs_its_channel_and_no_session(
    door: Door, pool: Pool, kind: str
) -> None:
    """sshd would hang up on all who are on that connection."""
    async with asyncio.timeout(PATIENCE), echoing() as port, connect(door) as connection:
        if kind == "session":
            channel = await bare(connection)
            assert await channel._make_request(b"exec", String("sleep 60"))  # noqa: SLF001 - it is bare
            channel.send_packet(MSG_CHANNEL_REQUEST, String("window-change"), Boolean(value=False), UInt32(80))
        else:
            _, writer = await connection.open_connection("127.0.0.1", port, encoding=None)
            writer.channel.send_packet(MSG_CHANNEL_REQUEST, String("eow@openssh.com"), Boolean(value=False), b"x")
        await true(lambda: not connection._channels)  # noqa: SLF001 - nothing else tells
        assert (await connection.run("echo on")).stdout == "on\n"
    assert pool["a"].status().connects == 1


async def test_a_second_terminal_on_one_channel_is_refused_here(door: Door, pool: Pool) -> None:
    """Likewise."""
    terminal = String("vt100"), *[UInt32(80)] * 4, String("")
    async with asyncio.timeout(PATIENCE), connect(door) as connection:
        channel = await bare(connection)
        assert await channel._make_request(b"pty-req", *terminal)  # noqa: SLF001 - it is bare
        assert not await channel._make_request(b"pty-req", *terminal)  # noqa: SLF001
        assert await channel._make_request(b"exec", String("sleep 60"))  # noqa: SLF001
        assert (await connection.run("echo on")).stdout == "on\n"
    assert pool["a"].status().connects == 1


async def test_what_the_device_did_not_start_may_be_followed_by_something_else(door: Door, pool: Pool) -> None:
    """As PuTTY's pscp does, which tries a subsystem first; not before it was answered, and not after it was started."""
    async with asyncio.timeout(PATIENCE), connect(door) as connection:
        channel = await bare(connection)
        nothing = channel._make_request(b"subsystem", String("no-such"))  # noqa: SLF001 - it is bare
        at_once = channel._make_request(b"exec", String("echo too early"))  # noqa: SLF001
        assert list(await asyncio.gather(nothing, at_once)) == [False, False]
        assert await channel._make_request(b"exec", String("sleep 60"))  # noqa: SLF001
        assert not await channel._make_request(b"exec", String("echo too late"))  # noqa: SLF001
        connection.abort()
    await true(lambda: pool["a"].status().channels == ChannelStatus(limit=6))


async def test_a_place_with_a_nul_is_refused_here(door: Door, pool: Pool) -> None:
    """Likewise."""
    async with asyncio.timeout(PATIENCE), connect(door) as connection:
        for opening in (
            connection.open_connection("a\0b", 1),
            connection.create_connection(asyncssh.SSHTCPSession, "127.0.0.1", 1, "a\0b", 1),
            connection.open_unix_connection("/a\0b"),
        ):
            with pytest.raises(asyncssh.ChannelOpenError):
                await opening
        for listening in (
            connection.forward_remote_port("a\0b", 0, "127.0.0.1", 1),
            connection.forward_remote_path("/a\0b", "/a"),
        ):
            with pytest.raises(asyncssh.ChannelListenError):
                await listening
        assert (await connection.run("echo on")).stdout == "on\n"
    assert pool["a"].status().connects == 1


async def test_a_channel_on_which_nothing_is_started_is_taken_back(door: Door, pool: Pool) -> None:
    door.gateway.begins = 0.5
    async with asyncio.timeout(PATIENCE), connect(door) as connection, connect(door) as beside:
        for _ in range(20):
            await bare(connection)
        assert (await beside.run("echo on")).stdout == "on\n"
        await true(lambda: pool["a"].status().channels.open == 0)


async def test_requests_without_end_to_a_device_that_reads_nothing(pool: Pool, tmp_path: Path) -> None:
    async with deaf(pool, tmp_path) as (door, device), connect(door) as connection:
        process = await connection.create_process("x", encoding=None)
        device.connections[-1]._transport.pause_reading()  # noqa: SLF001 - as who is stopped
        for _ in range(300):
            process.channel.send_packet(MSG_CHANNEL_REQUEST, String("signal"), Boolean(value=False), BIG)
        async with asyncio.timeout(PATIENCE):
            await process.wait_closed()
        device.connections[-1]._transport.resume_reading()  # noqa: SLF001


async def test_requests_without_end_to_a_visitor_who_reads_nothing(pool: Pool, tmp_path: Path) -> None:
    async with deaf(pool, tmp_path) as (door, device), connect(door) as connection:
        await connection.create_process("x", encoding=None)
        (channel,) = device.connections[-1]._channels.values()  # noqa: SLF001 - nothing else tells
        connection._transport.pause_reading()  # noqa: SLF001
        for _ in range(300):
            channel.send_packet(MSG_CHANNEL_REQUEST, String("x@y"), Boolean(value=False), BIG)
        await true(lambda: pool["a"].status().channels.open == 0)
        assert waiting(door) < BOUND
        assert pool["a"].state == "up"
        connection.abort()


@pytest.mark.parametrize("kind", ["session", "connection"])
async def test_a_device_asks_whether_anybody_is_there_and_a_visitor_reads_nothing(
    pool: Pool, tmp_path: Path, kind: str
) -> None:
    """sshd asks on any channel (ClientAliveInterval), and ends the session when nobody answers."""
    async with (
        asyncio.timeout(PATIENCE),
        echoing() as port,
        deaf(pool, tmp_path) as (door, device),
        connect(door) as connection,
    ):
        device.connection_requested = lambda *_: True  # type: ignore[method-assign]
        if kind == "session":
            await connection.create_process("x", encoding=None)
        else:
            await connection.open_connection("127.0.0.1", port, encoding=None)
        (channel,) = device.connections[-1]._channels.values()  # noqa: SLF001 - nothing else tells
        connection._transport.pause_reading()  # noqa: SLF001 - as who is stopped
        assert not await channel._make_request(b"keepalive@openssh.com")  # noqa: SLF001 - as sshd does
        connection.abort()


async def test_more_channels_than_one_may_have(door: Door) -> None:
    async with asyncio.timeout(PATIENCE), connect(door) as connection:

        async def listener(reader: Any, writer: Any) -> None:  # noqa: ANN401 - AsyncSSH's
            await reader.read()
            writer.close()

        server = await asyncio.start_server(listener, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            opened = await asyncio.gather(
                *(connection.open_connection("127.0.0.1", port) for _ in range(300)), return_exceptions=True
            )
            refused = [one for one in opened if isinstance(one, BaseException)]
            assert len(refused) >= 44
            assert all(isinstance(one, asyncssh.ChannelOpenError) for one in refused)
            connection.close()  # the server waits for the end of those that stand


async def test_less_is_sent_ahead_where_more_is_forwarded(door: Door, pool: Pool) -> None:
    async with asyncio.timeout(PATIENCE), echoing() as port, connect(door) as connection:
        streams = [await connection.open_connection("127.0.0.1", port, encoding=None) for _ in range(40)]
        ahead = [writer.channel._send_window for _, writer in streams]  # noqa: SLF001 - nothing else tells
        (visitor,) = door.gateway.visitors
        sides: Any = list(visitor.connection._channels.values())  # noqa: SLF001
        back = [side.other._recv_window for side in sides]  # noqa: SLF001
        for windows in (ahead, back):
            assert windows[0] == max(windows) <= 2 << 20
            assert windows[-1] <= (32 << 20) // 40
            assert windows == sorted(windows, reverse=True)
        assert await exchanged(*streams[-1]) == TEXT
        connection.abort()


async def test_many_connections_of_a_user_share_what_one_may_have(
    door: Door, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(share, "_CHANNELS", 9)
    async with asyncio.timeout(PATIENCE), echoing() as port, connect(door) as one, connect(door) as two:
        monkeypatch.setattr(share, "_AHEAD", 4 << 20)
        streams = [await (one, two)[n % 2].open_connection("127.0.0.1", port, encoding=None) for n in range(8)]
        ahead = [writer.channel._send_window for _, writer in streams]  # noqa: SLF001 - nothing else tells
        assert ahead == [min(2 << 20, (4 << 20) // n) for n in range(1, 9)]
        process = await one.create_process("sleep 60", encoding=None)
        near: Any = [side for visitor in door.gateway.visitors for side in visitor.connection._channels.values()][-1]  # noqa: SLF001
        await true(lambda: process.channel._send_window == (4 << 20) // 9)  # noqa: SLF001
        assert near.window <= (4 << 20) // 8
        with pytest.raises(asyncssh.ChannelOpenError, match="too many"):
            await two.open_connection("127.0.0.1", port)
        for connection in (one, two):
            connection.abort()
    await true(lambda: not door.gateway.shares._shares)  # noqa: SLF001
    assert pool["a"].state == "up"


async def test_what_is_kept_for_all_channels_of_a_user(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(share, "_KEPT", 100_000)

    async def never(*_: object, **_more: bool) -> None:
        await asyncio.Event().wait()

    async with asyncio.timeout(PATIENCE), connect(door) as connection:
        with monkeypatch.context() as patch:
            patch.setattr("mooring.gateway.visitor.Visitor.reach", never)
            first, second = await bare(connection), await bare(connection)
            (visitor,) = door.gateway.visitors
            for channel in (first, second):
                for _ in range(2):
                    channel.send_packet(MSG_CHANNEL_REQUEST, String("signal"), Boolean(value=False), BIG)
            await true(lambda: list(connection._channels.values()) == [first])  # noqa: SLF001 - nothing else tells
            assert 60_000 < visitor.share.kept < 100_000
            first.close()
            await true(lambda: not visitor.share.kept)
        assert (await connection.run("echo on")).stdout == "on\n"
        assert visitor.share.kept == 0


async def test_a_user_with_too_many_connections(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mooring.gateway.visitor._CONNECTIONS", 2)
    async with asyncio.timeout(PATIENCE), connect(door) as one:
        async with connect(door):
            await true(lambda: len(door.gateway.visitors) == 2)
            done = await door.ssh("a", "--", "echo in")
            assert (done.status, done.out) == (255, b"")
            assert b"ann has too many connections" in done.err
            assert (await one.run("echo on")).stdout == "on\n"
        await true(lambda: len(door.gateway.visitors) == 1)
        assert (await door.ssh("a", "--", "echo in")).out == b"in\n"


async def test_channels_without_end_at_a_visitor_who_answers_none(
    pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those beyond the bound are refused at once, the others when nobody has answered for long enough."""
    monkeypatch.setattr(forwards, "_ANSWER", 3.0)
    async with deaf(pool, tmp_path) as (door, device), connect(door) as connection:
        listener = await connection.forward_remote_port("127.0.0.1", 0, "127.0.0.1", 9)
        connection._transport.pause_reading()  # noqa: SLF001 - as who is stopped
        place = "127.0.0.1", listener.get_port(), "127.0.0.1", 1
        opens = [
            asyncio.ensure_future(device.connections[-1].create_connection(asyncssh.SSHTCPSession, *place))
            for _ in range(300)
        ]
        async with asyncio.timeout(PATIENCE):
            answers = await asyncio.gather(*opens, return_exceptions=True)
        refused = [answer for answer in answers if isinstance(answer, asyncssh.ChannelOpenError)]
        assert len(refused) == 300
        assert len([answer for answer in refused if answer.code == asyncssh.OPEN_RESOURCE_SHORTAGE]) >= 44
        connection.abort()


async def test_an_end_that_comes_before_the_command(door: Door) -> None:
    """Input that has ended before anything was asked for is input that has ended."""
    async with asyncio.timeout(PATIENCE), connect(door) as connection:

        class Session(asyncssh.SSHClientSession[bytes]):
            def __init__(self) -> None:
                self.out = b""
                self.ended = asyncio.Event()

            def connection_made(self, chan: asyncssh.SSHClientChannel[bytes]) -> None:
                chan.send_packet(MSG_CHANNEL_EOF)

            def data_received(self, data: bytes, datatype: int | None) -> None:
                del datatype
                self.out += data

            def connection_lost(self, exc: Exception | None) -> None:
                del exc
                self.ended.set()

        _, session = await connection.create_session(Session, "cat; echo end", encoding=None)
        await session.ended.wait()
        assert session.out == b"end\n"


async def test_an_end_that_comes_when_there_is_a_channel_and_no_command(door: Door, pool: Pool) -> None:
    """sshd would take it for none: it waits for the command."""
    async with asyncio.timeout(PATIENCE), connect(door) as connection:
        channel = await bare(connection)
        near: Any = next(iter(next(iter(door.gateway.visitors)).connection._channels.values()))  # noqa: SLF001
        await true(lambda: near._passage is not None)  # noqa: SLF001 - nothing else tells
        channel.send_packet(MSG_CHANNEL_EOF)
        await true(lambda: near._recv_state == "eof")  # noqa: SLF001
        assert await channel._make_request(b"exec", String("cat; echo end"))  # noqa: SLF001 - it is bare
        await true(lambda: pool["a"].status().channels.open == 0)


async def test_an_end_waits_for_those_who_arrive(door: Door) -> None:
    """A connection that another door has handed over, and on which nothing was said yet."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        transport, _ = await asyncio.get_running_loop().connect_accepted_socket(asyncio.Protocol, ours)
        door.gateway.receive(transport, Actor(name="root", door="unix", grants=(ADMIN,)), "a")
        (arriving,) = door.gateway._arriving  # noqa: SLF001 - nothing else tells
        await asyncio.sleep(0)
        await door.gateway.aclose(PATIENCE)
        assert arriving.done()
        assert transport.is_closing()
