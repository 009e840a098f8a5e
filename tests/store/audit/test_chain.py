"""What was changed, dropped or moved in the file is found, and where; what was not is not complained of."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TypeVar

import pytest

from mooring.model.audit import AuditQuery, AuditReport, AuditSettings, Head
from mooring.model.errors import StateError
from mooring.store.audit.chain import sealed
from mooring.store.audit.ledger import Ledger
from mooring.store.audit.reading import verify, verify_files
from mooring.store.audit.trail import Trail
from mooring.store.clock import Clock

pytestmark = pytest.mark.anyio

COUNT = 20
BOUND = 30.0
ALL = AuditQuery()
ROTATED = AuditQuery(what="audit.rotated")
T = TypeVar("T")
Tamper = Callable[[sqlite3.Connection], object]


async def fill(folder: Path, count: int = COUNT, first: int = 1) -> None:
    """Records, between those of a daemon's begin and end."""
    trail = await Trail.open(folder)
    for number in range(first, first + count - 2):
        trail.note("run", number=number)
    await trail.aclose()


async def check(folder: Path, known: Head | None = None) -> AuditReport:
    """What a new daemon finds, without its own records."""
    trail = await Trail.open(folder)
    try:
        return await trail.verify(known)
    finally:
        await trail.aclose()


def found(report: AuditReport) -> list[tuple[str, int]]:
    return [(fault.kind, fault.seq) for fault in report.faults]


async def test_what_nobody_touched_holds(tmp_path: Path) -> None:
    await fill(tmp_path)
    await fill(tmp_path)
    report = await check(tmp_path)
    assert (report.first, report.faults) == (1, ())
    assert report.records >= 2 * COUNT
    assert await check(tmp_path, Head(report.last, report.hash)) != report
    assert found(await check(tmp_path, Head(report.last, report.hash))) == []


def swap(database: sqlite3.Connection) -> None:
    database.executescript(
        "UPDATE record SET seq = -1 WHERE seq = 5; UPDATE record SET seq = 5 WHERE seq = 6;"
        "UPDATE record SET seq = 6 WHERE seq = -1;"
    )


def forge(database: sqlite3.Connection, seq: int) -> None:
    database.execute("INSERT INTO record (seq, body, hash) SELECT ?, body, hash FROM record WHERE seq = 3", (seq,))


TAMPERED: dict[str, tuple[Tamper, list[tuple[str, int]]]] = {
    "changed": (
        lambda database: database.execute("UPDATE record SET body = replace(body, 'ring', 'king') WHERE seq = 7"),
        [("changed", 7)],
    ),
    "no JSON": (lambda database: database.execute("UPDATE record SET body = '{' WHERE seq = 7"), [("changed", 7)]),
    "dropped": (lambda database: database.execute("DELETE FROM record WHERE seq = 7"), [("dropped", 7)]),
    "several": (lambda database: database.execute("DELETE FROM record WHERE seq BETWEEN 7 AND 9"), [("dropped", 7)]),
    "first": (lambda database: database.execute("DELETE FROM record WHERE seq <= 2"), [("dropped", 1)]),
    "first, hidden": (
        lambda database: database.executescript(
            "UPDATE base SET seq = 2, hash = (SELECT hash FROM record WHERE seq = 2); DELETE FROM record WHERE seq <= 2"
        ),
        [("dropped", 1)],
    ),
    "reordered": (swap, [("reordered", 5), ("reordered", 6)]),
    "before the first": (lambda database: forge(database, 0), [("added", 0)]),
    "far before it": (lambda database: forge(database, -7), [("added", -7)]),
    "behind the last": (lambda database: forge(database, COUNT + 5), [("dropped", COUNT + 1)]),
}


@pytest.mark.parametrize("how", TAMPERED)
async def test_what_somebody_did_to_it_is_found(tmp_path: Path, how: str) -> None:
    tamper, expected = TAMPERED[how]
    await fill(tmp_path)
    with closing(sqlite3.connect(tmp_path / "audit.db", isolation_level=None)) as database:
        tamper(database)
    faults = found(await check(tmp_path))
    assert set(expected) <= set(faults)
    assert {seq for _, seq in faults} <= {seq + more for _, seq in expected for more in (0, 1)}


async def listed(folder: Path) -> set[int]:
    trail = await Trail.open(folder)
    try:
        pages = [await trail.page(ALL, ascending=ascending, limit=1000) for ascending in (False, True)]
    finally:
        await trail.aclose()
    return {record.seq for page in pages for record in page.records}


async def test_what_is_not_of_the_chain_is_not_shown_as_if_it_were(tmp_path: Path) -> None:
    await fill(tmp_path)
    with closing(sqlite3.connect(tmp_path / "audit.db", isolation_level=None)) as database:
        forge(database, 0)
        forge(database, -3)
    assert min(await listed(tmp_path)) == 1


def begin_later(database: sqlite3.Connection, seq: int) -> Head:
    """A chain of which no record is true, as a rotation would leave it: the end of what it says was let go."""
    base = Head(seq, "ab" * 32)
    database.execute("DELETE FROM record")
    database.execute("UPDATE base SET seq = ?, hash = ?", (base.seq, base.hash))
    before, detail = base.hash, {"up_to": base.seq, "hash": base.hash}
    for number in range(seq + 1, seq + 6):
        record = {"seq": number, "what": "audit.rotated", "detail": detail}
        body = json.dumps(record, sort_keys=True, separators=(",", ":"))
        before = sealed(before, body.encode())
        database.execute("INSERT INTO record (seq, body, hash) VALUES (?, ?, ?)", (number, body, before))
    return base


async def test_a_head_older_than_what_is_kept_cannot_be_checked_and_that_is_said(tmp_path: Path) -> None:
    await fill(tmp_path)
    known = (await asyncio.to_thread(verify_files, tmp_path)).hash
    with closing(sqlite3.connect(tmp_path / "audit.db", isolation_level=None)) as database:
        base = begin_later(database, 1_000_000)
    report = await asyncio.to_thread(verify_files, tmp_path, Head(5, known))
    assert found(report) == [("head", 5), ("head", COUNT)], "what is kept beside the chain is older too"
    assert report.faults[0].message == "5 is older than what is kept (from 1000001): it cannot be checked"
    assert found(await asyncio.to_thread(verify_files, tmp_path, base)) == [("head", COUNT)]


@pytest.mark.parametrize("seq", [0, COUNT], ids=["before the first", "the last, whose hash is kept beside it"])
async def test_a_head_that_is_not_of_the_chain_is_told(tmp_path: Path, seq: int) -> None:
    await fill(tmp_path)
    assert found(await asyncio.to_thread(verify_files, tmp_path, Head(seq, "ab" * 32))) == [("changed", seq)]
    assert found(await asyncio.to_thread(verify_files, tmp_path, Head(0, "0" * 64))) == []


DAMAGE = {
    "no base": "DELETE FROM base",
    "base of text": "UPDATE base SET seq = 'x'",
    "base below none": "UPDATE base SET seq = -1",
    "base of bytes": "UPDATE base SET hash = x'ff00'",
    "base of no hash": "UPDATE base SET hash = 'x'",
    "trigger": "CREATE TRIGGER x AFTER INSERT ON record BEGIN DELETE FROM record WHERE seq = new.seq - 1; END",
    "column": "PRAGMA writable_schema = on;"
    "UPDATE sqlite_master SET sql = replace(sql, 'json_extract(good, ''$.what'')', '''login''') WHERE name = 'record'",
    "no table": "DROP TABLE record",
}


@pytest.mark.parametrize("how", DAMAGE)
async def test_a_damaged_database_is_neither_used_nor_said_to_hold(tmp_path: Path, how: str) -> None:
    await fill(tmp_path)
    with closing(sqlite3.connect(tmp_path / "audit.db", isolation_level=None)) as database:
        database.executescript(DAMAGE[how])
    with pytest.raises(StateError, match=r"audit\.db is damaged"):
        await asyncio.to_thread(verify_files, tmp_path)
    with pytest.raises(StateError, match=r"audit\.db is damaged"):
        await Trail.open(tmp_path)


async def test_what_sqlite_found_out_about_the_tables_does_no_harm(tmp_path: Path) -> None:
    await fill(tmp_path)
    with closing(sqlite3.connect(tmp_path / "audit.db", isolation_level=None)) as database:
        database.execute("CREATE INDEX mine ON record (hash)")
        database.execute("ANALYZE")  # which leaves what it found in a table of its own
        with pytest.raises(StateError, match="the index 'mine' is added") as caught:
            await asyncio.to_thread(verify_files, tmp_path)
        assert caught.value.hint == f"""drop it: sqlite3 {tmp_path / "audit.db"} 'DROP INDEX mine'"""
        database.execute("DROP INDEX mine")
    assert (await asyncio.to_thread(verify_files, tmp_path)).faults == ()
    assert found(await check(tmp_path)) == []


async def test_what_has_a_name_of_sqlite_s_is_not_passed_over_for_that(tmp_path: Path) -> None:
    await fill(tmp_path)
    with closing(sqlite3.connect(tmp_path / "audit.db", isolation_level=None)) as database:
        database.executescript(
            "ANALYZE; CREATE TRIGGER x AFTER INSERT ON record BEGIN DELETE FROM record WHERE seq = new.seq - 1; END;"
            "PRAGMA writable_schema = on; DELETE FROM sqlite_master WHERE name = 'sqlite_stat1';"
            "UPDATE sqlite_master SET type = 'table', name = 'sqlite_stat1', tbl_name = 'sqlite_stat1' WHERE name = 'x'"
        )
    with pytest.raises(StateError, match=r"audit\.db is damaged.*sqlite_stat1"):
        await Trail.open(tmp_path)


async def test_a_hash_kept_as_bytes_is_the_same_hash(tmp_path: Path) -> None:
    await fill(tmp_path)
    with closing(sqlite3.connect(tmp_path / "audit.db", isolation_level=None)) as database:
        database.execute("UPDATE record SET hash = CAST(hash AS BLOB) WHERE seq = ?", (COUNT,))
    assert found(await asyncio.to_thread(verify_files, tmp_path)) == []
    trail = await Trail.open(tmp_path)
    try:
        [opened] = (await trail.page(ALL, limit=1)).records
        assert opened.detail == {}, "nothing is missed"
        assert found(await trail.verify()) == []
    finally:
        await trail.aclose()


async def test_a_dropped_tail_is_missed_for_good(tmp_path: Path) -> None:
    await fill(tmp_path)
    with closing(sqlite3.connect(tmp_path / "audit.db", isolation_level=None)) as database:
        database.execute("DELETE FROM record WHERE seq > 15")
    first = await check(tmp_path)
    assert found(first) == [("dropped", 16)]
    await fill(tmp_path)
    assert found(await check(tmp_path)) == [("dropped", 16)]


async def test_a_tail_dropped_with_its_head_is_told_by_one_kept_elsewhere(tmp_path: Path) -> None:
    await fill(tmp_path)
    report = await check(tmp_path)
    with closing(sqlite3.connect(tmp_path / "audit.db", isolation_level=None)) as database:
        database.execute("DELETE FROM record WHERE seq > 5")
    (tmp_path / "audit.head").unlink()
    trail = await Trail.open(tmp_path)
    try:
        assert found(await trail.verify(Head(report.last, report.hash))) == [("head", 6), ("tail", 7)]
        page = await trail.page(ALL, ascending=True, start=6)
        assert page.records[0].detail["missed"] == {"seq": 0, "hash": "0" * 64}
    finally:
        await trail.aclose()


@pytest.mark.parametrize(
    "changed",
    ['{"at": 1e300}', '{"at": -1e300}', '{"at": "x"}', '{"at": null}', '{"detail": [1]}', '{"who": 7}', '{"of": "x"}'],
)
async def test_a_changed_record_is_told_as_unreadable(tmp_path: Path, changed: str) -> None:
    await fill(tmp_path)
    with closing(sqlite3.connect(tmp_path / "audit.db", isolation_level=None)) as database:
        # json_patch takes away what is null, which is no record either.
        database.execute("UPDATE record SET body = json_patch(body, ?) WHERE seq = 7", (changed,))
    trail = await Trail.open(tmp_path)
    try:
        records = (await trail.page(ALL, ascending=True)).records
    finally:
        await trail.aclose()
    unreadable = {record.seq for record in records if record.what == "unreadable"}
    assert unreadable == {7}
    assert records[6].at == 0.0
    assert records[6].detail == {}


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("head", [None, b"", b"x" * 256], ids=["missing", "empty", "damaged"])
async def test_a_tail_dropped_with_its_head_is_not_whole(tmp_path: Path, head: bytes | None) -> None:
    await fill(tmp_path)
    with closing(sqlite3.connect(tmp_path / "audit.db", isolation_level=None)) as database:
        database.execute("DELETE FROM record WHERE seq > 5")
    (tmp_path / "audit.head").unlink()
    if head is not None:
        (tmp_path / "audit.head").write_bytes(head)
    before = contents(tmp_path)
    assert found(await asyncio.to_thread(verify_files, tmp_path)) == [("head", 5)]
    assert contents(tmp_path) == before
    assert found(await check(tmp_path)) == [("head", 6)]


async def test_another_chain_in_its_place_is_told_by_a_head(tmp_path: Path) -> None:
    await fill(tmp_path)
    report = await check(tmp_path)
    for path in tmp_path.iterdir():
        path.unlink()
    await fill(tmp_path, 2 * COUNT)
    assert found(await check(tmp_path, Head(report.last, report.hash))) == [("changed", report.last)]


async def test_old_records_are_let_go_and_the_rest_stays_linked(tmp_path: Path) -> None:
    now = 1_000_000.0
    trail = await Trail.open(tmp_path, AuditSettings(keep_days=1), Clock(lambda: now, lambda: now))
    for number in range(3000):
        trail.note("run", number=number)
    await trail.verify()
    now += 2 * 86_400
    for number in range(6000):
        trail.note("run", number=number)
    async with asyncio.timeout(BOUND):
        while (await trail.verify()).first <= 3000:  # noqa: ASYNC110 - the thread is asked, and rotates before it answers
            await asyncio.sleep(0)
    await trail.aclose()
    report = await check(tmp_path)
    assert report.faults == ()
    trail = await Trail.open(tmp_path)
    rotated = (await trail.page(ROTATED, ascending=True)).records
    await trail.aclose()
    assert rotated
    assert rotated[-1].detail["up_to"] == report.first - 1


async def test_what_is_let_go_during_a_check_is_not_missed(tmp_path: Path) -> None:
    await fill(tmp_path, 1200)
    ledger = Ledger(tmp_path / "audit.db")
    ledger.open()
    asked = 0

    async def ask(work: Callable[[], T], /) -> T:
        nonlocal asked
        asked += 1
        if asked == 3:  # it has begun, and has a first part
            ledger.let_go(Head(last.seq, last.hash))
        return work()

    try:
        [last] = ledger.page(ALL, 700, 1, ascending=True)[0]
        report = await verify(ask, ledger, Head(600, "ab" * 32))
    finally:
        ledger.close()
    assert (found(report), report.last, asked > 3) == ([("head", 600)], 1200, True)


def add(ledger: Ledger, count: int, what: str = "run", **detail: object) -> None:
    for _ in range(count):
        record = {"seq": ledger.end.seq + 1, "what": what, "detail": detail}
        ledger.take([(ledger.end.seq + 1, json.dumps(record, sort_keys=True, separators=(",", ":")).encode())])
    ledger.move()


def rotate(ledger: Ledger, up_to: int) -> None:
    [last] = ledger.page(ALL, up_to, 1, ascending=True)[0]
    add(ledger, 1, "audit.rotated", up_to=last.seq, hash=last.hash)
    ledger.let_go(Head(last.seq, last.hash))


async def test_a_rotation_that_is_let_go_during_a_check_is_missed_by_none(tmp_path: Path) -> None:
    await fill(tmp_path, 1200)
    ledger = Ledger(tmp_path / "audit.db")
    ledger.open()

    asked = 0

    async def ask(work: Callable[[], T], /) -> T:
        nonlocal asked
        asked += 1
        if asked == 3:  # it has not come to the record that says from where on the chain is whole
            rotate(ledger, 1201)
        return work()

    try:
        rotate(ledger, 100)
        ledger.take([(seq, b"{}") for seq in range(1202, 1300)])
        ledger.move()
        ledger.keep_head()
        report = await verify(ask, ledger, None)
    finally:
        ledger.close()
    assert (found(report), report.last, asked > 3) == ([], 1300, True)


async def test_an_end_that_is_let_go_during_a_check_is_missed_by_none(tmp_path: Path) -> None:
    await fill(tmp_path, 1200)
    ledger = Ledger(tmp_path / "audit.db")
    ledger.open()
    asked = 0

    async def ask(work: Callable[[], T], /) -> T:
        nonlocal asked
        asked += 1
        if asked == 3:  # of what there was when it began nothing stays, the ends that it looks for included
            add(ledger, 700)
            rotate(ledger, 1300)
        return work()

    try:
        report = await verify(ask, ledger, None)
    finally:
        ledger.close()
    assert (found(report), report.last, asked > 3) == ([], 1901, True)


async def test_the_end_that_is_kept_beside_is_never_older_than_what_is_kept(tmp_path: Path) -> None:
    await fill(tmp_path)
    ledger = Ledger(tmp_path / "audit.db")
    ledger.open()
    try:
        add(ledger, 100)
        rotate(ledger, COUNT + 10)
    finally:
        ledger.close()  # killed before the end of these is kept
    assert found(await asyncio.to_thread(verify_files, tmp_path)) == []


async def test_the_hash_is_what_the_document_says(tmp_path: Path) -> None:
    from hashlib import sha256  # noqa: PLC0415 - as a reader would do it

    await fill(tmp_path)
    trail = await Trail.open(tmp_path)
    records = (await trail.page(ALL, ascending=True, limit=1000)).records
    await trail.aclose()
    before = "0" * 64
    for record in records:
        told = {name: getattr(record, name) for name in record.__slots__ if name != "hash"}
        text = json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        before = sha256((before + text).encode()).hexdigest()
        assert record.hash == before
