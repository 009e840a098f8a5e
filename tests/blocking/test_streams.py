"""Outcomes and events, read synchronously."""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor

import pytest

import mooring
from mooring import blocking
from mooring.blocking.loop import loop_thread
from mooring.model.event import EventKind

from .conftest import Peer, wait_idle
from .interrupt import Rung, alarm
from .test_pool import start


def test_outcomes_come_as_they_end(fleet: list[Peer]) -> None:
    with blocking.Pool(config=None) as pool:
        start(pool, fleet)
        outcomes = list(pool.run("all", "hostname"))
        assert {outcome.alias for outcome in outcomes} == {f"host-{number}" for number in range(1, 21)}
        assert all(outcome.result and outcome.result.stdout == f"{outcome.alias}\n" for outcome in outcomes)
        failed = list(pool.run("all", "false", max_failures=1, concurrency=1))
        assert [type(outcome.error) for outcome in failed] == [type(None)] + [mooring.BudgetSpent] * 19


def test_what_cannot_be_run_is_said_at_the_call(fleet: list[Peer]) -> None:
    with blocking.Pool(config=None) as pool:
        start(pool, fleet[:1])
        with pytest.raises(mooring.UnknownAlias):
            pool.run("host-9", "true")
        with pytest.raises(mooring.InvalidInput):
            pool.run("all", "true", concurrency=0)
        (outcome,) = pool.run("all", "true", no_such_keyword=True)
        assert isinstance(outcome.error, mooring.InvalidInput)


def test_what_breaks_the_fan_out_is_raised_once() -> None:
    async def broken() -> AsyncGenerator[mooring.RunOutcome]:
        yield mooring.RunOutcome(alias="a")
        raise ZeroDivisionError

    outcomes = blocking.Outcomes(broken(), loop_thread())
    assert next(outcomes).alias == "a"
    with pytest.raises(ZeroDivisionError):
        next(outcomes)
    assert list(outcomes) == []


def test_nothing_runs_before_the_first_is_asked_for(fleet: list[Peer]) -> None:
    with blocking.Pool(config=None) as pool:
        (session,) = start(pool, fleet[:1])
        outcomes = pool.run("all", "true")
        del outcomes
        pool.run("all", "true").close()
        assert session.status().commands == 0


def test_closing_stops_what_is_under_way(fleet: list[Peer]) -> None:
    with blocking.Pool(config=None) as pool:
        start(pool, fleet[:2])
        with pool.run("all", "sleep 0") as outcomes:
            assert next(outcomes).ok
        outcomes = pool.run("all", "sleep 600")
        with ThreadPoolExecutor(1) as other:
            reader = other.submit(list, outcomes)
            while pool.statistics().commands < 4:
                time.sleep(0.01)
            outcomes.close()
            assert reader.result(30) == []
        outcomes.close()
        assert list(outcomes) == []
        wait_idle(*pool.sessions)


def test_leaving_the_loop_stops_what_is_under_way(fleet: list[Peer]) -> None:
    with blocking.Pool(config=None) as pool:
        start(pool, fleet[:2])
        for _ in pool.run("all", "sleep 0.2"):
            break
        wait_idle(*pool.sessions)
        with pytest.raises(Rung), alarm(0.3):
            for _ in pool.run("all", "sleep 600"):
                pass
        wait_idle(*pool.sessions)


def test_several_threads_share_the_outcomes(fleet: list[Peer]) -> None:
    with blocking.Pool(config=None) as pool, ThreadPoolExecutor(4) as threads:
        start(pool, fleet)
        outcomes = pool.run("all", "hostname")
        readers = [threads.submit(list, outcomes) for _ in range(4)]
        aliases = [outcome.alias for reader in readers for outcome in reader.result(30)]
        assert sorted(aliases) == sorted(session.alias for session in pool.sessions)


def test_events_come_until_the_pool_is_closed(fleet: list[Peer]) -> None:
    with blocking.Pool(config=None) as pool, ThreadPoolExecutor(1) as other:
        events = pool.events()
        reader = other.submit(list, events)
        start(pool, fleet[:1])
        pool.close()
        states = [event.state for event in reader.result(30)]
    assert states == ["connecting", "up", "closed"]


def test_waiting_for_an_event_has_a_deadline_and_loses_none(fleet: list[Peer]) -> None:
    with blocking.Pool(config=None) as pool, pool.events(timeout=0.05) as events:
        with pytest.raises(mooring.WaitTimeout):
            next(events)
        start(pool, fleet[:1])
        event = next(events)
        assert (event.kind, event.alias, event.state) == (EventKind.STATE, "host-1", "connecting")
        events.close()
        assert [event.state for event in events] == ["up"]


def test_events_that_are_dropped_are_not_kept(fleet: list[Peer]) -> None:
    with blocking.Pool(config=None) as pool:
        pool.events(backlog=1)
        start(pool, fleet[:3])
        assert pool.statistics().events_lost == 0


def test_shutdown_ends_what_waits(fleet: list[Peer]) -> None:
    with blocking.Pool(config=None) as pool, ThreadPoolExecutor(3) as others:
        (session,) = start(pool, fleet[:1])
        running = others.submit(session.run, "sleep 600")
        fanned_out = others.submit(list, pool.run("all", "sleep 600"))
        listening = others.submit(list, pool.events())
        while pool.statistics().commands < 2:
            time.sleep(0.01)
        blocking.shutdown()
        assert isinstance(running.exception(30), mooring.SessionError)
        (outcome,) = fanned_out.result(30)
        assert isinstance(outcome.error, mooring.SessionError)
        assert isinstance(listening.exception(30), mooring.SessionClosed)
        with pytest.raises(mooring.SessionClosed, match="shut down"):
            session.run("true")
        assert "mooring" not in {thread.name for thread in threading.enumerate()}
    with blocking.Pool(config=None) as pool:
        assert start(pool, fleet[:1])[0].run("true").ok
