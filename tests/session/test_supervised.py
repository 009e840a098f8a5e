"""What a session tells those who wait for it."""

from __future__ import annotations

import asyncio

import pytest

from mooring import SessionLost, SessionNotUp
from tests.session.odd import Channel, OddServer

pytestmark = pytest.mark.anyio


def _stay(channel: Channel, command: str) -> None:
    if command == "true":
        channel.exit(0)


async def test_who_is_told_of_a_loss_can_wait_for_the_next_connection_at_once() -> None:
    async with OddServer(_stay) as server, server.held() as session:
        for _ in range(3):
            running = asyncio.create_task(session.run("stay"))
            await server.wait(lambda: "stay" in server.commands)
            server.commands.clear()
            server.connections[-1].abort()
            with pytest.raises(SessionLost):
                await running
            async with asyncio.timeout(30):
                await session.wait_up()
                assert (await session.run("true")).ok


async def test_a_connection_that_has_just_gone_is_not_called_up() -> None:
    async with OddServer(_stay) as server, server.held() as session:
        link = session.link
        server.connections[-1].abort()
        await link.wait_lost()
        with pytest.raises(SessionNotUp, match=r"odd1 (has just lost its connection|is backoff: )"):
            await session.run("true")
        async with asyncio.timeout(30):
            await session.wait_up()
        assert (await session.run("true")).ok
