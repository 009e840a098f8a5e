"""Old records go by their age, and nothing that somebody did to them, or to the clock, stops or misleads that."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from mooring.model.audit import AuditQuery, AuditSettings
from mooring.model.errors import StateError
from mooring.store.audit import ledger, rotation
from mooring.store.audit.trail import Trail
from mooring.store.clock import Clock
from mooring.store.worker import Worker

pytestmark = pytest.mark.anyio

BOUND = 30.0
DAY = 86_400.0


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look after every ten records what is to go."""
    monkeypatch.setattr(rotation, "_EVERY", 10)


async def some(trail: Trail, count: int = 50) -> None:
    for number in range(count):
        trail.note("run", number=number)
    await trail.verify()


@pytest.mark.parametrize("at", ["x", None, {"is": 1}, 1e300])
async def test_a_changed_time_ends_nothing(tmp_path: Path, at: object) -> None:
    trail = await Trail.open(tmp_path)
    await some(trail)
    await trail.aclose()
    with closing(sqlite3.connect(tmp_path / "audit.db", isolation_level=None)) as database:
        change = "UPDATE record SET body = json_set(body, '$.at', json(?)) WHERE seq = 1"
        database.execute(change, (json.dumps(at),))
    trail = await Trail.open(tmp_path)
    try:
        for _ in range(3):
            await some(trail)
        async with asyncio.timeout(BOUND):
            await trail.note("run").kept()
        report = await trail.verify()
        assert [fault.seq for fault in report.faults] == [1]
        assert report.records > 200
    finally:
        await trail.aclose()


async def test_what_fails_as_it_is_let_go_ends_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise TypeError("somebody did something to it")

    monkeypatch.setattr(ledger.Ledger, "overdue", fail)
    trail = await Trail.open(tmp_path)
    try:
        await some(trail)
        assert (await trail.verify()).faults == ()
    finally:
        await trail.aclose()


async def test_what_fails_as_it_is_taken_is_told_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trail = await Trail.open(tmp_path, AuditSettings(wait=True))

    def fail(*_: object) -> None:
        raise TypeError("somebody did something to it")

    try:
        with monkeypatch.context() as broken:
            broken.setattr(ledger.Ledger, "keep_head", fail)
            async with asyncio.timeout(BOUND):
                with pytest.raises(StateError, match="somebody did something to it"):
                    await trail.note("run").kept()
        async with asyncio.timeout(BOUND):
            await trail.note("run").kept()
    finally:
        await trail.aclose()


async def test_the_thread_goes_on_after_a_fault(caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> None:
        raise TypeError("somebody did something to it")

    worker = Worker("tests")
    try:
        worker.put(fail)
        async with asyncio.timeout(BOUND):
            assert await worker.ask(lambda: 7, BOUND) == 7
        assert "goes on after a fault" in caplog.text
    finally:
        worker.close(BOUND)


async def test_a_clock_that_was_set_forward_lets_nothing_go(tmp_path: Path) -> None:
    now = 1_000_000_000.0
    settings = AuditSettings(keep_days=365)
    clock = Clock(lambda: now, lambda: now)
    trail = await Trail.open(tmp_path, settings, clock)
    await some(trail)
    await trail.aclose()

    kept = clock.settle()
    now += 400 * DAY
    trail = await Trail.open(tmp_path, settings, Clock(lambda: now, lambda: now, kept))
    try:
        await some(trail)
        await some(trail)
        assert await _rotated(trail) == []
        assert (await trail.verify()).first == 1
        now += 366 * DAY
        async with asyncio.timeout(BOUND):
            while not await _rotated(trail):
                await some(trail)
    finally:
        await trail.aclose()


async def test_a_clock_that_is_set_while_it_runs_lets_nothing_go_and_is_recorded(tmp_path: Path) -> None:
    now = passed = 1_000_000_000.0
    trail = await Trail.open(tmp_path, AuditSettings(keep_days=365), Clock(lambda: now, lambda: passed))
    try:
        await some(trail)
        for step in (400 * DAY, -800 * DAY, 400 * DAY):
            now += step
            await some(trail)
        now, passed = now + 10, passed + 9.5  # which is no more than slewing might do
        await some(trail)
        assert await _rotated(trail) == []
        records = (await trail.page(AuditQuery(what="audit.clock"), ascending=True)).records
        assert [record.detail["set_by"] for record in records] == [400 * DAY, -800 * DAY, 400 * DAY]
        assert [record.at for record in records] == [1_000_000_000.0 + days * DAY for days in (400, -400, 0)]
        report = await trail.verify()
        assert (report.first, report.faults) == (1, ())
    finally:
        await trail.aclose()


async def test_one_that_seems_old_takes_no_younger_ones_before_it_along(tmp_path: Path) -> None:
    now = 1_000_000_000.0
    trail = await Trail.open(tmp_path, AuditSettings(keep_days=365), Clock(lambda: now, lambda: now))
    try:
        await some(trail, 15)
        now += 200 * DAY
        await some(trail, 20)
        young = (await trail.verify()).last - 19
        now -= 900 * DAY
        await some(trail, 1)
        now += 1100 * DAY  # the first are too old by now, and the one that was made just before
        async with asyncio.timeout(BOUND):
            while not await _rotated(trail):
                await some(trail)
        assert (await trail.verify()).first <= young
        assert {record["up_to"] for record in await _rotated(trail)} == {young - 1}
    finally:
        await trail.aclose()


async def _rotated(trail: Trail) -> list[dict[str, Any]]:
    page = await trail.page(AuditQuery(what="audit.rotated"))
    return [record.detail for record in page.records]


async def test_what_goes_before_its_time_is_told_loudly(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    now = 1_000_000_000.0
    trail = await Trail.open(tmp_path, AuditSettings(keep_mib=0), Clock(lambda: now, lambda: now))
    try:
        async with asyncio.timeout(BOUND):
            while not trail.health.young:
                await some(trail, 15)
        told = (await _rotated(trail))[-1]
        assert told["from"] == 1
        assert told["count"] == told["to"] == told["up_to"]
        assert (told["since"], told["until"]) == (now, now)
        assert (await trail.verify()).faults == ()
        assert (trail.health.old, trail.health.stuck) == (0, False)
        warned = [one.getMessage() for one in caplog.records if "younger than 365 days" in one.getMessage()]
        assert len(warned) == 1
    finally:
        await trail.aclose()


async def test_what_goes_in_time_is_told_quietly(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    now = 1_000_000_000.0
    trail = await Trail.open(tmp_path, AuditSettings(), Clock(lambda: now, lambda: now))
    try:
        await some(trail)
        now += 366 * DAY
        async with asyncio.timeout(BOUND):
            while not trail.health.old:
                await some(trail)
        assert trail.health.young == 0
        assert "are let go" not in caplog.text
    finally:
        await trail.aclose()


async def test_a_trail_that_is_stuck_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise StateError("the disk is full")

    trail = await Trail.open(tmp_path)
    try:
        with monkeypatch.context() as full:
            full.setattr(ledger.Ledger, "move", fail)
            trail.note("run")
            async with asyncio.timeout(BOUND):
                while not trail.health.stuck:  # noqa: ASYNC110 - no event tells of it
                    await asyncio.sleep(0.02)
        async with asyncio.timeout(BOUND):
            while trail.health.stuck:  # noqa: ASYNC110 - likewise
                await asyncio.sleep(0.02)
    finally:
        await trail.aclose()
