"""An agent behind a link that breaks, for its whole life: what is asked is done or fails by name, and it is back."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from mooring import MooringError, Session
from mooring.model.errors import SessionLost, SessionNotUp
from mooring.model.status import SessionState
from mooring.simulate import FaultyLink
from tests.pool.fleet import true

from .homes import BOUND, HOST, Home
from .homes import home as serving

pytestmark = pytest.mark.anyio

FAULTS: dict[str, Callable[[FaultyLink], object]] = {
    "reset": lambda link: link.reset(),
    "cut": lambda link: link.cut(),
    "fin-to-client": lambda link: link.fin("to_client"),
    "fin-to-server": lambda link: link.fin("to_server"),
    "corrupted": lambda link: link.corrupt(20, "to_server"),
}


async def back(session: Session, connects: int) -> None:
    """Wait until it is up on another connection."""
    async with asyncio.timeout(BOUND):
        while session.state is not SessionState.UP or session.status().connects <= connects:
            await session.wait_change()


async def answers(session: Session) -> None:
    """Wait until it is up and a command comes to its end there: what is up may have been lost a moment ago."""
    async with asyncio.timeout(BOUND):
        while True:
            await session.wait_up(timeout=None)
            with contextlib.suppress(SessionLost, SessionNotUp):
                assert (await session.run("echo back")).stdout == "back\n"
                return


@pytest.mark.parametrize("fault", list(FAULTS))
async def test_a_link_that_breaks(home: Home, fault: str) -> None:
    async with (
        FaultyLink(HOST, home.server.port) as link,
        home.managed(port=link.port) as session,
    ):
        before = session.status().connects
        asking = asyncio.create_task(session.run("while echo here; do sleep 0.05; done"))
        await true(lambda: session.status().channels.open > 0)
        FAULTS[fault](link)
        with pytest.raises((SessionLost, SessionNotUp)):
            await asyncio.wait_for(asking, BOUND)
        link.heal()
        await back(session, before)
        assert (await session.run("echo back")).stdout == "back\n"


@pytest.mark.parametrize("fault", [FaultyLink.blackhole, FaultyLink.half_open])
async def test_a_link_that_falls_silent(home: Home, fault: Callable[[FaultyLink], None]) -> None:
    """The agent finds out by itself, and calls again; the server takes the newer connection."""
    async with FaultyLink(HOST, home.server.port) as link, home.managed(port=link.port, keepalive=0.2) as session:
        before = session.status().connects
        fault(link)
        await true(lambda: link.accepted > 1)
        link.heal()
        await back(session, before)
        assert (await session.run("echo back")).stdout == "back\n"


async def test_a_command_that_is_cut_off_gets_a_hangup(home: Home, tmp_path: Path) -> None:
    told = tmp_path / "told"
    async with FaultyLink(HOST, home.server.port) as link, home.managed(port=link.port) as session:
        process = await session.process(f"trap 'echo > {told}; exit' HUP; echo here; while :; do sleep 0.1; done")
        async with asyncio.timeout(BOUND):
            await process.stdout.readline()
        link.reset()
        await true(told.exists)


@pytest.mark.parametrize("after", [10, 500, 1500, 2500])
@pytest.mark.parametrize("way", ["to_client", "to_server"])
async def test_a_link_that_is_cut_in_the_midst_of_the_first_login(home: Home, after: int, way: str) -> None:
    """Wherever it breaks, the same token still serves the same agent, and the agent comes again by itself."""
    async with FaultyLink(HOST, home.server.port) as link:
        link.stop_after(after, way)  # type: ignore[arg-type]  # one of the two
        async with home.agent(port=link.port) as agent:
            await link.wait_bytes(after, way, timeout=BOUND)  # type: ignore[arg-type]  # as above
            link.reset()
            link.heal()
            await agent.wait_up(BOUND)
            session = home.pool["web1"]
            await session.wait_up(timeout=BOUND)
            assert (await session.run("echo in")).stdout == "in\n"


async def test_a_server_that_is_not_there_yet(home: Home, caplog: pytest.LogCaptureFixture) -> None:
    async with FaultyLink(HOST, home.server.port) as link:
        link.refuse()
        async with home.agent(port=link.port) as agent:
            await true(lambda: "onnection refused" in caplog.text)
            link.heal()
            await agent.wait_up(BOUND)


@pytest.mark.timeout(240)
async def test_a_link_that_is_bad_for_long(tmp_path: Path) -> None:
    """Faults of every kind, one after the other, under commands, files and terminals."""
    dice = random.Random(8)
    async with serving(tmp_path) as home, FaultyLink(HOST, home.server.port, rng=dice) as link:
        strike = [*FAULTS.values(), FaultyLink.half_open, FaultyLink.blackhole]
        async with home.managed(port=link.port, dice=lambda: 0.01) as session:
            for number in range(8):
                calls = [
                    asyncio.create_task(call)
                    for call in (
                        *(session.run(f"cat; echo {each}", input="x" * 100_000) for each in range(3)),
                        session.run("stty size; sleep 0.05", term_type="xterm", term_size=(80, 24)),
                        session.put(Path(__file__), f"copy{number}"),
                    )
                ]
                await asyncio.sleep(dice.random() * 0.1)
                strike[number % len(strike)](link)
                await asyncio.sleep(dice.random() * 0.1)
                link.reset()
                link.heal()
                link.slice_bytes = dice.choice([None, 1000])
                async with asyncio.timeout(BOUND):
                    ended = await asyncio.gather(*calls, return_exceptions=True)
                assert all(not isinstance(each, BaseException) or isinstance(each, MooringError) for each in ended), (
                    ended
                )
                await answers(session)
        ours = psutil.Process().children(recursive=True)
        await true(lambda: not any(map(_is_zombie, ours)))


def _is_zombie(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):  # it may go as we look
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    return False
