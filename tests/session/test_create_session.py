"""`create_session()`: a caller's own AsyncSSH session object on a channel, its slot counted."""

from __future__ import annotations

import asyncio

import asyncssh
import pytest

from mooring import ChannelRefused, InvalidInput, Session, SessionNotUp
from mooring.simulate import FaultyLink
from tests.peers.sshd import Sshd

from .held import held

pytestmark = pytest.mark.anyio


class Log(asyncssh.SSHClientSession[str]):
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[object] = []

    def connection_made(self, chan: asyncssh.SSHClientChannel[str]) -> None:
        self.told.append("made")
        self.channel = chan

    def session_started(self) -> None:
        self.told.append("started")

    def data_received(self, data: str, datatype: asyncssh.DataType) -> None:
        self.told.append((data, datatype))

    def eof_received(self) -> bool:
        self.told.append("eof")
        return True

    def exit_status_received(self, status: int) -> None:
        self.told.append(status)

    def exit_signal_received(self, signal: str, core_dumped: bool, msg: str, lang: str) -> None:  # noqa: FBT001 - AsyncSSH's
        self.told.append(signal)

    def connection_lost(self, exc: Exception | None) -> None:
        self.told.append(exc)


async def test_it_is_told_everything_in_order(session: Session) -> None:
    channel, log = await session.create_session(Log, "read it; echo \"<$it>\"; printf 'e\\377' >&2; exit 3")
    assert session.status().channels.open == 1
    assert isinstance(log, Log)
    assert log.channel is channel
    channel.write("ü\n")
    await channel.wait_closed()
    assert session.status().channels.open == 0
    assert log.told[:2] == ["made", "started"]
    assert set(log.told[2:4]) == {("<ü>\n", None), ("e\\xff", asyncssh.EXTENDED_DATA_STDERR)}
    assert sorted(map(str, log.told[4:-1])) == ["3", "eof"]
    assert log.told[-1] is None
    assert session.status().connects == 1


async def test_a_signal_and_bytes(session: Session) -> None:
    channel, log = await session.create_session(Log, "printf '\\377'; kill -s USR2 $$", encoding=None)
    await channel.wait_closed()
    assert (b"\xff", None) in log.told
    assert "USR2" in log.told


async def test_a_callback_that_fails_ends_its_channel_alone(session: Session) -> None:
    class Failing(Log):
        def data_received(self, data: str, datatype: asyncssh.DataType) -> None:
            super().data_received(data, datatype)
            raise LookupError(data)

    seen: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: seen.append(context))
    try:
        channel, log = await session.create_session(Failing, "echo one; exec cat")
        await asyncio.wait_for(channel.wait_closed(), 20)
    finally:
        asyncio.get_running_loop().set_exception_handler(None)
    (context,) = seen
    fault = context["exception"]
    assert isinstance(fault, LookupError)
    assert log.told[2:] == [("one\n", None), fault]
    assert (await session.run("echo more")).stdout == "more\n"
    assert session.status().connects == 1


async def test_a_factory_that_fails_ends_its_channel_alone(session: Session) -> None:
    def factory() -> Log:
        raise LookupError

    seen: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: seen.append(context))
    try:
        with pytest.raises(ChannelRefused):
            await session.create_session(factory, "exec cat")
    finally:
        asyncio.get_running_loop().set_exception_handler(None)
    assert [type(context["exception"]) for context in seen] == [LookupError]
    assert (await session.run("echo more")).stdout == "more\n"
    assert session.status().connects == 1


async def test_a_lost_connection_is_told(sshd: Sshd) -> None:
    async with FaultyLink(sshd.host, sshd.port) as link, held(sshd, link) as session:
        channel, log = await session.create_session(Log, "sleep 60")
        link.reset()
        await asyncio.wait_for(channel.wait_closed(), 20)
        assert isinstance(log.told[-1], Exception)
        with pytest.raises(SessionNotUp):
            await session.create_session(Log, "true")


@pytest.mark.parametrize("keywords", [{"stdin": asyncssh.DEVNULL}, {"input": "x"}, {"comand": "x"}, {"timeout": 0}])
async def test_what_cannot_be_meant(session: Session, keywords: dict[str, object]) -> None:
    with pytest.raises(InvalidInput):
        await session.create_session(Log, "true", **keywords)  # type: ignore[arg-type]
    assert session.status().channels.open == 0
