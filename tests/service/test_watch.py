"""A snapshot, then every change that the actor may read."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from mooring import Pending, Pool, Selector
from mooring.model.errors import InvalidInput, InvalidSelector, UnknownAlias
from mooring.model.event import EventKind
from mooring.model.status import SessionState
from mooring.service import Fleet
from mooring.service.watch import Watch
from mooring.simulate import SimulatedHosts
from tests.pool.fleet import soon, until

from .held import ROOT, actor, hold, target

pytestmark = pytest.mark.anyio

CONNECTING, UP, CLOSED = SessionState.CONNECTING, SessionState.UP, SessionState.CLOSED


async def test_nothing_is_missed_between_snapshot_and_changes(fleet: Fleet, hosts: SimulatedHosts) -> None:
    await hold(fleet, target(hosts))
    states: dict[str, SessionState | None] = {}
    async with fleet.watch(ROOT) as watch:
        states |= {status.alias: status.state for status in watch.snapshot}
        work = asyncio.gather(
            *(fleet.start(ROOT, target(hosts, number)) for number in range(1, 4)), fleet.stop(ROOT, "host-1")
        )
        while states != {"host-1": CLOSED, "host-2": UP, "host-3": UP, "host-4": UP}:
            event = await soon(anext(watch))
            states[event.alias] = event.state
        await work


async def test_only_what_may_be_read_and_was_selected(fleet: Fleet, hosts: SimulatedHosts) -> None:
    joe = actor(read="site:ams")
    async with (
        fleet.watch(joe) as his,
        fleet.watch(ROOT, "site:ams,!host-1") as some,
        fleet.watch(actor(run="all")) as none,
    ):
        for number, site in enumerate(["ams", "lon", "ams"]):
            await hold(fleet, target(hosts, number, label=f"site:{site}"))
        async with fleet.watch(joe) as later:
            assert [status.alias for status in later.snapshot] == ["host-1", "host-3"]
        await fleet.stop(ROOT, "all")  # they are gone when their last events are read
        seen = [(await soon(anext(his))) for _ in range(6)]
        assert {(event.alias, event.state) for event in seen} == {
            (alias, state) for alias in ("host-1", "host-3") for state in (CONNECTING, UP, CLOSED)
        }
        assert {(await soon(anext(some))).alias for _ in range(3)} == {"host-3"}
        for watch in (his, some, none):
            with pytest.raises(TimeoutError):
                await soon(anext(watch), 0.05)


async def test_another_s_events_are_neither_given_nor_counted(fleet: Fleet, hosts: SimulatedHosts) -> None:
    async with fleet.watch(actor(read="host-1"), backlog=3) as watch:
        await hold(fleet, target(hosts))
        for number in range(1, 4):
            await hold(fleet, target(hosts, number))
        await fleet.stop(ROOT, "all")
        assert [(await soon(anext(watch))).state for _ in range(3)] == [CONNECTING, UP, CLOSED]
        assert fleet.statistics(ROOT).events_lost == 0


async def test_a_replaced_session_ends_for_whom_saw_it(fleet: Fleet, pool: Pool, hosts: SimulatedHosts) -> None:
    async with fleet.watch(actor(read="site:ams")) as watch:
        await hold(fleet, target(hosts, label="site:ams"))
        await fleet.start(ROOT, target(hosts, 1, "host-1", label="site:lon"), replace=True)
        await until(pool["host-1"], UP, timeout=30)
        assert [(await soon(anext(watch))).state for _ in range(3)] == [CONNECTING, UP, CLOSED]
        with pytest.raises(TimeoutError):
            await soon(anext(watch), 0.05)


async def test_what_a_slow_reader_lost_is_counted(fleet: Fleet, hosts: SimulatedHosts) -> None:
    async with fleet.watch(ROOT, backlog=2) as slow, fleet.watch(ROOT) as quick:
        await hold(fleet, target(hosts))
        await fleet.stop(ROOT, "all")
        lost = await soon(anext(slow))
        assert (lost.kind, lost.lost, lost.alias) == (EventKind.LOST, 1, "")
        assert [(await soon(anext(slow))).state for _ in range(2)] == [UP, CLOSED]
        assert [(await soon(anext(quick))).state for _ in range(3)] == [CONNECTING, UP, CLOSED]
        assert fleet.statistics(ROOT).events_lost == 1


async def test_measuring_costs_what_may_be_read(
    fleet: Fleet, pool: Pool, hosts: SimulatedHosts, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(2):
        await hold(fleet, target(hosts, number))
    async with fleet.watch(actor(read="host-1,host-3")) as watch:
        await hold(fleet, target(hosts, 2))
        with monkeypatch.context() as patch:
            patch.setattr(type(pool), "sessions", ())  # nobody else's are looked at
            sessions, _, _ = await watch.measure()
        assert sorted(one.alias for one in sessions) == ["host-1", "host-3"]
        await fleet.stop(ROOT, "host-1")
        await pool["host-3"].run("true")
        assert [one.alias for one in (await watch.measure())[0]] == ["host-3"]


async def test_measuring_tells_who_called_meanwhile_to_who_may_see_that(pool: Pool) -> None:
    device = Pending(
        id="1",
        device_id="device1",
        host_key="ssh-ed25519 x",
        fingerprint="SHA256:x",
        address="127.0.0.1:1",
        first_seen=1.0,
        last_seen=1.0,
    )
    calling = [device]
    limited = actor(read="site:ams")
    async with (
        Watch(pool, ROOT, Selector.parse("all"), 10, lambda: calling) as watch,
        Watch(pool, limited, Selector.parse("all"), 10, lambda: calling) as other,
    ):
        assert (await watch.measure())[2] == [device]
        assert (await watch.measure())[2] == []
        calling[:] = [replace(device, calls=2)]
        assert [one.calls for one in (await watch.measure())[2]] == [2]
        assert (await other.measure())[2] == []


async def test_it_ends_with_the_pool_and_when_it_is_left(fleet: Fleet, pool: Pool, hosts: SimulatedHosts) -> None:
    await hold(fleet, target(hosts))
    async with fleet.watch(ROOT) as watch:
        await pool.aclose()
        assert [event.state async for event in watch] == [CLOSED]
    assert [event async for event in watch] == []


async def test_what_cannot_be_watched(fleet: Fleet, hosts: SimulatedHosts) -> None:
    await hold(fleet, target(hosts))
    with pytest.raises(UnknownAlias):
        fleet.watch(ROOT, "nobody")
    with pytest.raises(UnknownAlias):
        fleet.watch(actor(read="host-2"), "host-1")
    with pytest.raises(InvalidSelector):
        fleet.watch(ROOT, "@file")
    with pytest.raises(InvalidInput, match="backlog"):
        async with fleet.watch(ROOT, backlog=0):
            pass
    async with fleet.watch(ROOT, "site:nowhere") as watch:
        assert watch.snapshot == []
