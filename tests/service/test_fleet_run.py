"""Commands through the fleet: their ends, their readers, their cancellation, over a real sshd where that counts."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from mooring import Pool
from mooring.model.errors import BudgetSpent, CommandFailed, CommandTimeout, InvalidInput, SessionNotUp, UnknownAlias
from mooring.service import Fleet
from mooring.simulate import SimulatedHosts
from tests.peers.sshd import Sshd
from tests.pool.fleet import hold as hold_peer
from tests.pool.fleet import soon, true

from .held import ROOT, hold, target

pytestmark = pytest.mark.anyio


async def test_the_keywords_are_passed_on(sshd: Sshd) -> None:
    async with Pool(config=None) as pool:
        fleet = Fleet(pool, None)
        await hold_peer(pool, "a", sshd)
        result = await fleet.run(ROOT, "a", "cat; echo err >&2", input=b"\xff12345", encoding=None, max_output=4)
        assert (result.stdout, result.stderr, result.dropped) == (b"\xff123", b"err\n", 2)
        with pytest.raises(CommandFailed):
            await fleet.run(ROOT, "a", "exit 3", check=True)
        with pytest.raises(CommandTimeout):
            await fleet.run(ROOT, "a", "sleep 60", timeout=0.2, kill="wrap")
        with pytest.raises(UnknownAlias):
            await fleet.run(ROOT, "b", "true")


async def test_cancelling_ends_the_command_at_the_far_side(sshd: Sshd) -> None:
    async with Pool(config=None) as pool:
        fleet = Fleet(pool, None)
        await hold_peer(pool, "a", sshd)
        call = asyncio.create_task(fleet.run(ROOT, "a", "exec sleep 61.73"))
        await fleet.run(ROOT, "a", "until pgrep -fx 'sleep 61.73'; do sleep 0.05; done", timeout=30)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await fleet.run(ROOT, "a", "while pgrep -fx 'sleep 61.73'; do sleep 0.05; done", timeout=30)
        await true(lambda: pool["a"].status().channels.open <= 1)


async def test_closing_a_fan_out_ends_its_commands(fleet: Fleet, pool: Pool, hosts: SimulatedHosts) -> None:
    for number in range(4):
        await hold(fleet, target(hosts, number))
    async with aclosing(fleet.run_many(ROOT, "all", "sleep 60")) as running:
        reading = asyncio.ensure_future(anext(running))
        await true(lambda: sum(host.commands for host in hosts) == 4)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
    await true(lambda: all(session.status().channels.open <= 1 for session in pool.sessions))


async def test_a_slow_reader_holds_back_its_own_commands_alone(fleet: Fleet, hosts: SimulatedHosts) -> None:
    for number in range(4):
        await hold(fleet, target(hosts, number))
    async with aclosing(fleet.run_many(ROOT, "all", "true", concurrency=1)) as slow:
        await soon(anext(slow))
        assert [outcome.ok async for outcome in fleet.run_many(ROOT, "all", "true")] == [True] * 4
        await asyncio.sleep(0.2)  # in which the rest would run
        assert sum(host.commands for host in hosts) == 4 + 2  # one read, one waiting to be read
        assert [outcome.ok async for outcome in slow] == [True] * 3


async def test_outcomes_and_their_numbers(fleet: Fleet, hosts: SimulatedHosts) -> None:
    for number in range(4):
        await hold(fleet, target(hosts, number))
    found = [outcome async for outcome in fleet.run_many(ROOT, "all", "exit 3", concurrency=1, max_failures=2)]
    assert [outcome.result.exit_status for outcome in found if outcome.result] == [3, 3]
    assert [type(outcome.error) for outcome in found[2:]] == [BudgetSpent] * 2
    for numbers in ({"concurrency": 0}, {"max_failures": 0}):
        with pytest.raises(InvalidInput, match="at least 1"):
            fleet.run_many(ROOT, "all", "true", **numbers)
    bad = [outcome.error async for outcome in fleet.run_many(ROOT, "all", "")]
    assert [type(error) for error in bad] == [InvalidInput] * 4


async def test_a_session_that_is_not_up_says_so(fleet: Fleet, hosts: SimulatedHosts) -> None:
    await fleet.start(ROOT, target(hosts, port=1))
    with pytest.raises(SessionNotUp):
        await fleet.run(ROOT, "host-1", "true")
    assert [type(outcome.error) async for outcome in fleet.run_many(ROOT, "all", "true")] == [SessionNotUp]


async def test_retry_cuts_a_back_off_short(hosts: SimulatedHosts) -> None:
    async with Pool(config=None, dice=lambda: 1.0) as pool:
        fleet = Fleet(pool, None)
        await hold(fleet, target(hosts))
        losing = asyncio.create_task(pool["host-1"].wait_change())
        await asyncio.sleep(0)
        hosts.drop()
        await losing
        assert (await fleet.retry(ROOT, "host-1")).state == "connecting"
        await pool["host-1"].wait_up(timeout=30)
