"""Channels on a bare connection: which refusals mean that nothing ran, and giving up at any moment."""

from __future__ import annotations

import asyncio

import asyncssh
import pytest

from mooring.transport.channel import (
    PROCESS_KEYWORDS,
    REDIRECTIONS,
    ExecChannel,
    HeldProcess,
    open_exec,
    open_process,
    refused,
)
from tests.session.odd import Channel, OddServer

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("code", "again"),
    [
        (asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED, True),
        (asyncssh.OPEN_CONNECT_FAILED, True),
        (asyncssh.OPEN_RESOURCE_SHORTAGE, True),
        (asyncssh.OPEN_UNKNOWN_CHANNEL_TYPE, False),
        (asyncssh.OPEN_REQUEST_SESSION_FAILED, False),
        (asyncssh.OPEN_REQUEST_PTY_FAILED, False),
    ],
)
def test_which_refusals_mean_that_nothing_ran(code: int, *, again: bool) -> None:
    assert refused(asyncssh.ChannelOpenError(code, "no")) is again


def test_other_errors_are_no_refusals() -> None:
    assert not refused(asyncssh.ConnectionLost("gone"))
    assert not refused(ConnectionResetError())


def test_the_keywords_are_those_of_the_installed_asyncssh() -> None:
    assert {"command", "subsystem", "env", "term_type", "term_size", "encoding", "errors", "input"} <= PROCESS_KEYWORDS
    assert REDIRECTIONS < PROCESS_KEYWORDS
    assert not {"self", "session_factory", "args", "kwargs"} & PROCESS_KEYWORDS


async def test_an_abandoned_channel_never_asks_for_its_command() -> None:
    async with OddServer() as server, server.held() as session:
        ended: list[str] = []
        channel = ExecChannel(lambda: ended.append("freed"))
        channel.abandon()  # before there is anything to close
        channel.send("TERM")
        with pytest.raises(asyncssh.ChannelOpenError):
            await open_exec(session.connection, channel, "never", {})
        await channel.ended
        assert (server.opened, server.commands, ended) == (1, [], ["freed"])


async def test_a_channel_that_has_ended_takes_anything() -> None:
    async with OddServer() as server, server.held() as session:
        channel = ExecChannel(lambda: None)
        await open_exec(session.connection, channel, "done", {})
        await channel.finished()
        assert (channel.status, channel.signal, channel.complete, channel.output()) == (0, None, True, (b"", b""))
        channel.send("TERM")
        channel.abandon()
        channel.abandon()
        await session.ping()
        assert server.signals == []


async def test_each_stream_is_bounded_by_itself() -> None:
    def act(channel: Channel, command: str) -> None:
        for letter in (b"a", b"b", b"c"):
            channel.write(letter * 10)
            channel.write_stderr(letter * 5)
        channel.exit_with_signal("XCPU", core_dumped=True, msg=command)

    async with OddServer(act) as server, server.held() as session:
        channel = ExecChannel(lambda: None, max_output=12)
        await open_exec(session.connection, channel, "bounded", {})
        await channel.finished()
        assert channel.output() == (b"aaaaaaaaaabb", b"aaaaabbbbbcc")
        assert (channel.dropped, channel.status, channel.signal) == (21, -1, "XCPU")
        assert server.commands == ["bounded"]


async def test_a_process_frees_its_slot_once() -> None:
    async with OddServer(lambda *_: None) as server, server.held() as session:
        freed: list[int] = []
        process: HeldProcess = HeldProcess(lambda: freed.append(1))
        await open_process(session.connection, process, ("cat",))
        assert process.exit_status is None
        process.abandon()
        await asyncio.wait_for(process.ended, 10)
        await server.wait(lambda: server.closed == 1)
        assert freed == [1]
