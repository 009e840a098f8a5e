"""What a channel holds back for a slow reader stays within its window, however it is read."""

from __future__ import annotations

import asyncio

import asyncssh
import pytest

from tests.peers.sshd import Sshd
from tests.session.held import held

pytestmark = pytest.mark.anyio

SIZE = 16_000_000


class Hesitant(asyncssh.SSHClientSession[bytes]):
    """Takes one piece at a time, and writes down how much waited then."""

    def __init__(self) -> None:
        self.most = self.size = 0
        self.over: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()

    def connection_made(self, chan: asyncssh.SSHClientChannel[bytes]) -> None:
        self.channel = chan

    def data_received(self, data: bytes, datatype: int | None) -> None:
        assert datatype is None
        self.size += len(data)
        self.channel.pause_reading()
        self.most = max(self.most, sum(len(held) for held, _ in self.channel._recv_buf))  # noqa: SLF001 - what is tested
        asyncio.get_running_loop().call_later(0.0001, self.channel.resume_reading)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.over.done():
            self.over.set_result(exc)


async def test_a_reader_that_pauses_again_and_again(sshd: Sshd) -> None:
    async with held(sshd) as session, asyncio.timeout(60):
        reader = Hesitant()
        channel, _ = await session.connection.create_session(lambda: reader, f"head -c {SIZE} /dev/zero", encoding=None)
        assert await reader.over is None
        assert reader.size == SIZE
        assert reader.most <= channel.get_recv_window()


class Fickle(Hesitant):
    """Lets much wait; then pauses and goes on within one call."""

    within = False

    def data_received(self, data: bytes, datatype: int | None) -> None:
        self.size += len(data)
        if self.within:
            return
        self.channel.pause_reading()
        if self.channel._recv_buf:  # noqa: SLF001 - as much as the peer may send
            self.within = True
            self.channel.resume_reading()
            self.within = False
        else:
            asyncio.get_running_loop().call_later(0.01, self.channel.resume_reading)


async def test_a_reader_that_goes_on_within_the_call(sshd: Sshd) -> None:
    async with held(sshd) as session, asyncio.timeout(60):
        reader = Fickle()
        await session.connection.create_session(lambda: reader, f"head -c {SIZE} /dev/zero", encoding=None)
        assert await reader.over is None
        assert reader.size == SIZE
