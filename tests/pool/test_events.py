"""Events: each change with its reason, in order; what a slow reader missed is counted."""

from __future__ import annotations

import asyncio
import gc
import weakref

import pytest

from mooring import Pool
from mooring.model.errors import InvalidInput
from mooring.model.event import Event, EventKind
from mooring.model.status import SessionState
from mooring.pool.events import EventHub
from mooring.simulate import SimulatedHosts

from .fleet import quick, soon, until

pytestmark = pytest.mark.anyio

S = SessionState


def event(number: int) -> Event:
    return Event(kind=EventKind.STATE, alias=f"a{number}", at=0.0, reason="test")


async def test_a_life_is_told_in_order_each_change_with_its_reason() -> None:
    async with SimulatedHosts() as hosts, Pool(config=None, dice=quick) as pool:
        with pool.events() as events, pool.events() as others:
            session = await pool.start(
                f"a://admin@127.0.0.1:{hosts[0].port}", identity="none", agent_path=None, host_key=hosts.public_key
            )
            await session.wait_up(timeout=30)
            lost = asyncio.create_task(until(session, S.BACKOFF))
            await asyncio.sleep(0)
            hosts.drop()
            await lost
            await session.wait_up(timeout=30)
            await session.close()
        told = [each async for each in events]
        assert [each async for each in others] == told
    changes = [(each.previous, each.state) for each in told]
    assert changes == [
        (None, S.CONNECTING),
        (S.CONNECTING, S.UP),
        (S.UP, S.BACKOFF),
        (S.BACKOFF, S.CONNECTING),
        (S.CONNECTING, S.UP),
        (S.UP, S.CLOSED),
    ]
    assert all(each.kind is EventKind.STATE and each.alias == "a" and each.reason for each in told)
    assert [each.at for each in told] == sorted(each.at for each in told)
    assert told[0].reason == "started"
    assert told[1].reason.startswith("connected to admin@127.0.0.1:")
    assert (told[2].error, "lost" in told[2].reason or "closed" in told[2].reason) == ("session-lost", True)
    assert told[3].reason == "trying again"
    assert told[5].reason == "closed by us"


async def test_a_learned_host_key_is_an_event(tmp_path: object) -> None:
    async with SimulatedHosts() as hosts, Pool(config=None) as pool:
        with pool.events() as events:
            session = await pool.start(
                f"a://admin@127.0.0.1:{hosts[0].port}",
                identity="none",
                agent_path=None,
                host_key="accept-new",
                known_hosts=f"{tmp_path}/known_hosts",
            )
            await session.wait_up(timeout=30)
        kinds = [each.kind for each in [each async for each in events]]
    assert kinds == [EventKind.STATE, EventKind.HOST_KEY, EventKind.STATE]


async def test_the_end_of_the_pool_ends_the_stream_after_the_last_event() -> None:
    async with SimulatedHosts() as hosts, Pool(config=None) as pool:
        events = pool.events()
        reading = asyncio.create_task(_all(events))
        session = await pool.start(
            f"a://admin@127.0.0.1:{hosts[0].port}", identity="none", agent_path=None, host_key=hosts.public_key
        )
        await session.wait_up(timeout=30)
    assert [each.state for each in await soon(reading)] == [S.CONNECTING, S.UP, S.CLOSED]


async def _all(events: object) -> list[Event]:
    return [each async for each in events]  # type: ignore[attr-defined] # an EventStream


async def test_a_slow_reader_loses_the_oldest_and_is_told_how_many() -> None:
    hub = EventHub()
    with hub.listen(backlog=3) as slow, hub.listen(backlog=10) as fast:
        for number in range(8):
            hub.emit(event(number))
        assert hub.lost == 5
        first = await slow.__anext__()
        assert (first.kind, first.alias, first.lost) == (EventKind.LOST, "", 5)
        assert "5 events" in first.reason
        assert [(await slow.__anext__()).alias for _ in range(3)] == ["a5", "a6", "a7"]
        hub.emit(event(8))
        assert (await slow.__anext__()).alias == "a8"
        assert [(await fast.__anext__()).alias for _ in range(9)] == [f"a{number}" for number in range(9)]


async def test_the_pool_counts_what_its_readers_missed() -> None:
    async with Pool(config=None) as pool, SimulatedHosts() as hosts:
        events = pool.events(backlog=1)
        session = await pool.start(
            f"a://admin@127.0.0.1:{hosts[0].port}", identity="none", agent_path=None, host_key=hosts.public_key
        )
        await session.wait_up(timeout=30)
        await session.close()
        assert pool.statistics().events_lost == 2
        assert (await events.__anext__()).lost == 2
        assert (await events.__anext__()).state is S.CLOSED
        with pytest.raises(InvalidInput, match="backlog"):
            pool.events(backlog=0)


async def test_a_reader_that_is_cancelled_loses_nothing() -> None:
    hub = EventHub()
    with hub.listen() as events:
        reading = asyncio.create_task(events.__anext__())
        await asyncio.sleep(0)
        hub.emit(event(1))
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        assert (await soon(events.__anext__())).alias == "a1"


async def test_a_closed_stream_gives_what_it_has_and_takes_no_more() -> None:
    hub = EventHub()
    events = hub.listen()
    hub.emit(event(1))
    events.close()
    events.close()
    hub.emit(event(2))
    assert [each.alias for each in await _all(events)] == ["a1"]


async def test_a_stream_that_was_dropped_is_forgotten() -> None:
    async with Pool(config=None) as pool:
        streams = [weakref.ref(pool.events()) for _ in range(3)]
        kept = pool.events()
        gc.collect()
        assert [stream() for stream in streams] == [None] * 3
        assert kept is not None
