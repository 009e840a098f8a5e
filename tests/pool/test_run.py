"""One command on many sessions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from mooring import Pool, RunOutcome
from mooring.model.errors import (
    BudgetSpent,
    InvalidInput,
    InvalidSelector,
    NothingSelected,
    SessionClosed,
    SessionLost,
    SessionNotUp,
    SessionParked,
    UnknownAlias,
)
from mooring.model.status import SessionState
from mooring.pool.fanout import Begun, FanOutLimits, fan_out
from mooring.simulate import SimulatedHosts
from tests.peers.sshd import Sshd

from .fleet import hold, quick, soon, true, until

pytestmark = pytest.mark.anyio

COUNT = 12


@pytest.fixture
async def hosts() -> AsyncIterator[SimulatedHosts]:
    async with SimulatedHosts(count=COUNT) as hosts:
        yield hosts


@pytest.fixture
async def pool(hosts: SimulatedHosts) -> AsyncIterator[Pool]:
    """A pool with a session to every host, all of them up."""
    async with Pool(config=None, dice=quick) as pool:
        for host in hosts:
            await pool.start(
                f"{host.name}://admin@127.0.0.1:{host.port}",
                identity="none",
                agent_path=None,
                host_key=hosts.public_key,
            )
        for session in pool.sessions:
            await session.wait_up(timeout=30)
        yield pool


async def outcomes(pool: Pool, command: str, **keywords: object) -> list[RunOutcome]:
    return [outcome async for outcome in pool.run("all", command, **keywords)]  # type: ignore[arg-type] # as run()


async def test_one_outcome_for_each(pool: Pool) -> None:
    found = await outcomes(pool, "hostname")
    assert sorted(outcome.alias for outcome in found) == sorted(session.alias for session in pool.sessions)
    assert all(outcome.ok and outcome.result and outcome.result.stdout == f"{outcome.alias}\n" for outcome in found)


async def test_a_status_is_a_result_and_no_error(pool: Pool) -> None:
    found = await outcomes(pool, "exit 3")
    assert {(outcome.ok, outcome.error, outcome.result and outcome.result.exit_status) for outcome in found} == {
        (False, None, 3)
    }


async def test_outcomes_come_as_they_end_and_not_in_order(sshd: Sshd) -> None:
    async with Pool(config=None) as pool:
        for name, seconds in (("late", "2.0"), ("soon", "0.0"), ("middle", "1.0")):
            await hold(pool, name, sshd, env={"MOORING_SECONDS": seconds})
        command = "echo $MOORING_SECONDS; sleep $MOORING_SECONDS"
        found = [outcome.alias async for outcome in pool.run("all", command)]
    assert found == ["soon", "middle", "late"]


@pytest.mark.parametrize("concurrency", [1, 3, COUNT, 1000])
async def test_no_more_run_at_once_than_asked(concurrency: int, pool: Pool, hosts: SimulatedHosts) -> None:
    seen: set[int] = set()

    async def watch() -> None:
        while True:
            seen.add(sum(host.channels for host in hosts))
            await asyncio.sleep(0.005)

    def begun() -> int:
        return sum(host.commands for host in hosts)

    watcher = asyncio.create_task(watch())
    found = await outcomes(pool, "sleep 0.05", concurrency=concurrency)
    watcher.cancel()
    most = min(concurrency, COUNT)
    assert all(outcome.ok for outcome in found)
    assert max(seen) <= most
    # As many as may, whatever time it takes them to begin.
    before = begun()
    async with aclosing(pool.run("all", "sleep 60", concurrency=concurrency)) as running:
        waiting = asyncio.ensure_future(running.__anext__())
        await true(lambda: begun() - before >= most)
        await asyncio.sleep(0.05)
        assert begun() - before == most
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)


async def test_a_spent_budget_stops_the_rest(pool: Pool, hosts: SimulatedHosts) -> None:
    found = await outcomes(pool, "false", concurrency=1, max_failures=3)
    tried = [outcome for outcome in found if outcome.result]
    spared = [outcome for outcome in found if isinstance(outcome.error, BudgetSpent)]
    assert (len(tried), len(spared), len(found)) == (3, COUNT - 3, COUNT)
    assert sum(host.commands for host in hosts) == 3
    assert "3 had failed" in str(spared[0].error)


@pytest.mark.parametrize(("batch", "size"), [(5, 5), ("50%", 6), ("1%", 1), (100, COUNT)])
async def test_a_batch_begins_when_the_one_before_has_ended(batch: int | str, size: int, pool: Pool) -> None:
    steps = fan_out(pool.sessions, lambda session: session.run("true"), FanOutLimits(100, batch, None))
    ended = begun = 0
    async for step in steps:
        if isinstance(step, Begun):
            assert ended >= begun // size * size
            begun += 1
        ended += isinstance(step, RunOutcome)
    assert (begun, ended) == (COUNT, COUNT)


async def test_no_batch_follows_a_spent_budget(pool: Pool, hosts: SimulatedHosts) -> None:
    found = await outcomes(pool, "false", batch=4, max_failures="20%")
    assert sum(isinstance(outcome.error, BudgetSpent) for outcome in found) == COUNT - 4
    assert sum(host.commands for host in hosts) == 4


@pytest.mark.parametrize("wrong", [0, -1, True, "0%", "101%", "5", "x%", "5.5%", ""])
@pytest.mark.parametrize("name", ["batch", "max_failures"])
async def test_an_amount_that_is_none_is_refused(name: str, wrong: int | str, pool: Pool) -> None:
    with pytest.raises(InvalidInput, match=f"{name} must be at least 1, or a percentage"):
        pool.run("all", "true", **{name: wrong})  # type: ignore[arg-type] # as they are


async def test_a_budget_that_is_not_spent_stops_nothing(pool: Pool) -> None:
    await pool.stop("host-1")
    assert all(outcome.ok for outcome in await outcomes(pool, "true", concurrency=1, max_failures=1))


async def test_errors_count_against_the_budget(pool: Pool, hosts: SimulatedHosts) -> None:
    await hosts.aclose()
    for session in pool.sessions:
        await until(session, SessionState.BACKOFF, SessionState.CONNECTING)
    found = await outcomes(pool, "true", concurrency=1, max_failures=2)
    assert [type(outcome.error) for outcome in found] == [SessionNotUp] * 2 + [BudgetSpent] * (COUNT - 2)


async def test_sessions_that_are_not_up_say_so_and_hold_up_nobody(pool: Pool, hosts: SimulatedHosts) -> None:
    parked = await pool.start("parked://127.0.0.1", identity="/no/such/key", agent_path=None)
    await until(parked, SessionState.PARKED)
    await pool.start("connecting://127.0.0.1:1", identity="none", agent_path=None)
    found = {outcome.alias: outcome for outcome in await soon(_gathered(pool), 30)}
    assert len(found) == COUNT + 2
    assert isinstance(found["parked"].error, SessionParked)
    assert isinstance(found["connecting"].error, SessionNotUp)
    assert sum(outcome.ok for outcome in found.values()) == COUNT


async def _gathered(pool: Pool) -> list[RunOutcome]:
    return await outcomes(pool, "true")


async def test_a_lost_session_is_an_outcome(pool: Pool, hosts: SimulatedHosts) -> None:
    async def drop() -> None:
        await true(lambda: sum(host.channels for host in hosts) == COUNT)
        hosts.drop()

    dropping = asyncio.create_task(drop())
    found = await soon(_sleeping(pool), 30)
    await dropping
    assert [type(outcome.error) for outcome in found] == [SessionLost] * COUNT


async def _sleeping(pool: Pool) -> list[RunOutcome]:
    return await outcomes(pool, "sleep 60")


async def test_a_stopped_session_is_an_outcome(pool: Pool) -> None:
    found: list[RunOutcome] = []
    async for outcome in pool.run("host-1,host-2,host-3", "true", concurrency=1):
        found.append(outcome)
        if len(found) == 1:
            await pool.stop("host-3")
    assert isinstance(found[-1].error, SessionClosed)


async def test_leaving_early_cancels_what_runs(pool: Pool, hosts: SimulatedHosts) -> None:
    async with aclosing(pool.run("all", "sleep 60", concurrency=4, timeout=60)) as running:
        waiting = asyncio.ensure_future(running.__anext__())
        await true(lambda: sum(host.commands for host in hosts) == 4)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    assert sum(host.commands for host in hosts) == 4
    await true(lambda: sum(host.channels for host in hosts) == 0)


async def test_a_loop_that_is_left_starts_no_more(pool: Pool, hosts: SimulatedHosts) -> None:
    hosts.latency = 0.05
    async with aclosing(pool.run("all", "true", concurrency=1)) as running:
        async for _ in running:
            break
    await asyncio.sleep(0.2)
    assert sum(host.commands for host in hosts) <= 2


async def test_cancelling_the_reader_passes_through(pool: Pool, hosts: SimulatedHosts) -> None:
    reading = asyncio.create_task(_sleeping(pool))
    await true(lambda: sum(host.channels for host in hosts) == COUNT)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await outcomes(pool, "sleep 60")


async def test_what_cannot_be_meant_is_raised_at_the_call(pool: Pool) -> None:
    for keywords in ({"concurrency": 0}, {"concurrency": -1}, {"max_failures": 0}):
        with pytest.raises(InvalidInput, match="at least 1"):
            pool.run("all", "true", **keywords)
    with pytest.raises(UnknownAlias):
        pool.run("nobody", "true")
    with pytest.raises(NothingSelected):
        pool.run("nobody*", "true")
    with pytest.raises(InvalidSelector):
        pool.run("a b", "true")


async def test_a_bad_argument_of_the_command_does_not_hang(pool: Pool) -> None:
    found = await soon(outcomes(pool, "  "), 30)
    assert [type(outcome.error) for outcome in found] == [InvalidInput] * COUNT
    found = await soon(outcomes(pool, "true", encoding="no-such-encoding"), 30)
    assert [type(outcome.error) for outcome in found] == [InvalidInput] * COUNT
    found = await soon(outcomes(pool, "true", no_such_keyword=1), 30)
    assert all("no_such_keyword" in str(outcome.error) for outcome in found)


async def test_a_timeout_is_an_outcome(pool: Pool) -> None:
    found = await soon(outcomes(pool, "sleep 60", timeout=0.2), 30)
    assert {outcome.error.code for outcome in found if outcome.error} == {"command-timeout"}
    assert len(found) == COUNT
