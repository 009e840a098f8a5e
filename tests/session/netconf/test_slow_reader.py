"""Who takes a reply slowly, and those who wait behind."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncGenerator, AsyncIterator

import pytest

from mooring import SlowReader
from mooring.session.netconf import NetconfSession
from mooring.session.netconf.patience import Patience
from mooring.session.netconf.stream import ReplyStream
from mooring.wire.netconf.operation import custom

from .scripted import Channel, ScriptedServer, obey, reply

pytestmark = pytest.mark.anyio
LARGE = f"<data>{'<i>0123456789</i>' * 500_000}</data>"
BOUND = 20.0


def number(message: str) -> str:
    found = re.search(r'message-id="(\w+)"', message)
    assert found
    return found[1]


class Behind:
    """A server that sends a large reply once something was asked for behind it."""

    def __init__(self) -> None:
        self.owed = b""

    def __call__(self, channel: Channel, message: str) -> None:
        if "<large/>" in message:
            self.owed = reply(number(message), LARGE)
            return
        if self.owed and message:
            channel.write(self.owed)
            self.owed = b""
        obey(channel, message)


@contextlib.asynccontextmanager
async def slowly(patience: float | None) -> AsyncIterator[tuple[NetconfSession, AsyncGenerator[bytes]]]:
    """A large reply, of which the first part was taken, and what it is taken with."""
    act = Behind()
    async with ScriptedServer(act) as server, server.held() as session, session.netconf(timeout=BOUND) as nc:
        parts = nc.stream(custom("<large/>"), None, patience)
        async with contextlib.aclosing(parts):
            first = asyncio.create_task(anext(parts))
            async with asyncio.timeout(BOUND):
                while not act.owed:  # noqa: ASYNC110 - nothing tells of it
                    await asyncio.sleep(0.01)
            behind = asyncio.create_task(nc.get())
            assert b"<rpc-reply" in await first
            yield nc, parts
            assert (await behind).ok
        assert len(server.channels) == 1


async def test_it_is_cut_off_where_others_wait() -> None:
    async with slowly(0.1) as (nc, parts):
        async with asyncio.timeout(BOUND):
            while nc.statistics().late == 0:  # noqa: ASYNC110 - nothing tells of it
                await asyncio.sleep(0.01)
        with pytest.raises(SlowReader, match="others waited behind it"):
            await anext(parts)
        assert (await nc.get()).ok


async def test_it_may_take_its_time_by_default() -> None:
    async with slowly(None) as (nc, parts):
        await asyncio.sleep(0.2)
        assert len(b"".join([part async for part in parts])) > len(LARGE) // 2
        assert nc.statistics().late == 0


async def test_it_may_take_its_time_while_nobody_waits() -> None:
    def act(channel: Channel, message: str) -> None:
        obey(channel, message, answer=LARGE if "<large/>" in message else "<ok/>")

    async with ScriptedServer(act) as server, server.held() as session, session.netconf(timeout=BOUND) as nc:
        async with contextlib.aclosing(nc.stream(custom("<large/>"), None, 0.02)) as parts:
            whole = await anext(parts)
            await asyncio.sleep(0.2)
            whole += b"".join([part async for part in parts])
        assert LARGE.encode() in whole
        assert (await nc.get()).ok


async def test_a_whole_reply_that_is_not_taken_holds_back_nobody() -> None:
    asked: list[bool] = []
    stream = ReplyStream("odd1", asked.append)
    stream.put(b"x" * 2_000_000)
    assert asked == [True]
    stream.end()
    assert asked == [True, False]
    assert b"".join([part async for part in stream.batches(None)]) == b"x" * 2_000_000
    assert asked == [True, False]


async def test_who_takes_a_little_now_and_then_wins_no_time() -> None:
    over = asyncio.Event()
    patience = Patience(0.1, lambda: True, over.set)
    async with asyncio.timeout(BOUND):
        while not over.is_set():
            patience.run(True)  # noqa: FBT003 - as a pause is asked for
            await asyncio.sleep(0.01)
            patience.run(False)  # noqa: FBT003 - likewise
