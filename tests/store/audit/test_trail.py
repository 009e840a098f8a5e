"""What is acknowledged is on the disk: killed at any moment, on a disk that is full, and by many at once."""

from __future__ import annotations

import asyncio
import json
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE, Popen
from sys import executable

import pytest

from mooring.model.access import ADMIN, Actor
from mooring.model.audit import AuditQuery, AuditSettings
from mooring.model.errors import StateError
from mooring.service import Audit
from mooring.store.audit import journal, ledger, trail
from mooring.store.audit.trail import Trail
from tests.peers.ending import ending

pytestmark = pytest.mark.anyio

BOUND = 30.0
ROOT = Actor(name="root", door="unix", grants=(ADMIN,))
ALL = AuditQuery()
REFUSED = {"who": "ann", "door": "tcp", "what": "run", "alias": "edge3", "outcome": "refused", "of": None}


@contextmanager
def files_at_most(size: int) -> Iterator[None]:
    """No file of this process may grow beyond so many bytes; Python ignores the signal."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("acknowledged", [1, 50, 1500])
async def test_killed_under_load(tmp_path: Path, acknowledged: int) -> None:
    program = Path(__file__).with_name("writer.py")
    with ending(Popen([executable, program, tmp_path], stdout=PIPE, text=True)) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        said = [process.stdout.readline().strip() for _ in range(acknowledged)]
        process.kill()
        said += [word for word in process.stdout.read().split("\n")[:-1] if word]
    kept = await Trail.open(tmp_path)
    try:
        assert (await kept.verify()).faults == ()
        begun = AuditQuery(what="run", outcome="begun")
        records = (await kept.page(begun, ascending=True, limit=100_000)).records
    finally:
        await kept.aclose()
    found = {f"{record.alias[1:]}:{record.detail['command']}" for record in records}
    assert set(said) <= found
    assert len(found) - len(said) <= 8, "no more was begun than there were callers"


async def until_refused(audit: Audit) -> tuple[int, StateError]:
    """Act until that is refused: how often it was done, and how it was refused."""
    done = 0
    while True:
        try:
            async with audit.begin(ROOT, "run", "edge1", command="x" * 1000):
                done += 1
        except StateError as error:
            return done, error


async def until_done(audit: Audit) -> None:
    """Act until that is not refused."""
    async with asyncio.timeout(BOUND):
        while True:
            try:
                audit.begin(ROOT, "run", "edge2").end()
            except StateError:
                await asyncio.sleep(0.02)
            else:
                return


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A journal of 512 KiB, and a disk that is tried again at once."""
    monkeypatch.setattr(journal, "HALF", 1 << 18)
    monkeypatch.setattr(trail, "HALF", 1 << 18)
    monkeypatch.setattr(trail, "_RESERVE", 1 << 16)
    monkeypatch.setattr(trail, "_MOVE", 0.05)


@pytest.mark.usefixtures("small")
async def test_a_full_disk_refuses_and_that_is_on_record(tmp_path: Path) -> None:
    kept = await Trail.open(tmp_path)
    audit = Audit(kept)
    under_way = [audit.begin(ROOT, "run", "edge0") for _ in range(20)]
    try:
        with files_at_most(1 << 19):
            done, refused = await until_refused(audit)
            assert "refused, since it cannot be recorded" in refused.message
            assert refused.hint is not None
            for deed in under_way:
                deed.end()
            [record] = (await kept.page(AuditQuery(outcome="refused"))).records
            assert (record.what, record.alias, record.detail["error"]) == ("run", "edge1", "state-error")
            ended = AuditQuery(what="run", alias="edge0", outcome="done")
            assert len((await kept.page(ended)).records) == len(under_way)
            more, _ = await until_refused(audit)
            with pytest.raises(StateError):
                audit.begin(ROOT, "run", "edge1")
            assert (await kept.verify()).faults == ()
        await until_done(audit)
        begun = AuditQuery(what="run", alias="edge1", outcome="begun")
        assert len((await kept.page(begun, limit=100_000)).records) == done + more
        assert (await kept.verify()).faults == ()
    finally:
        await kept.aclose()


@pytest.mark.usefixtures("small")
async def test_what_is_refused_does_not_fill_what_is_left(tmp_path: Path) -> None:
    kept = await Trail.open(tmp_path)
    audit = Audit(kept)
    try:
        with files_at_most(1 << 19):
            last = audit.begin(ROOT, "run", "edge0")
            await until_refused(audit)
            for _ in range(5000):
                kept.append_end({**REFUSED, "detail": {"command": "x" * 100}})
            last.end()
        await until_done(audit)
        async with asyncio.timeout(BOUND):
            while not (told := (await kept.page(AuditQuery(what="audit.uncounted"))).records):
                await kept.verify()  # the thread is asked, and tells the loop first what it has taken
        there = len((await kept.page(AuditQuery(what="run", alias="edge3"), limit=100_000)).records)
        assert there + told[0].detail["refused"] >= 5000
        assert 100 < there < 5000
        assert len((await kept.page(AuditQuery(alias="edge0", outcome="done"))).records) == 1
        assert (await kept.verify()).faults == ()
    finally:
        await kept.aclose()


@pytest.mark.usefixtures("small")
async def test_what_a_full_disk_did_not_take_is_there_after_a_restart(tmp_path: Path) -> None:
    kept = await Trail.open(tmp_path)
    with files_at_most(1 << 19):
        done, _ = await until_refused(Audit(kept))
        await kept.aclose()
    kept = await Trail.open(tmp_path)
    try:
        begun = AuditQuery(what="run", outcome="begun")
        assert len((await kept.page(begun, limit=100_000)).records) == done
        assert (await kept.verify()).faults == ()
    finally:
        await kept.aclose()


@pytest.mark.usefixtures("small")
async def test_many_more_than_the_journal_holds(tmp_path: Path) -> None:
    kept = await Trail.open(tmp_path)
    audit = Audit(kept)
    try:
        for _ in range(20):
            for number in range(200):
                audit.begin(ROOT, "run", "edge1", command=f"{number} " + "x" * 500).end()
            await kept.verify()
        assert len((await kept.page(AuditQuery(outcome="done", what="run"), limit=100_000)).records) == 4000
        assert (await kept.verify()).faults == ()
    finally:
        await kept.aclose()


async def test_no_room_for_a_trail(tmp_path: Path) -> None:
    with files_at_most(4096), pytest.raises(StateError, match=r"audit\.db"):
        await Trail.open(tmp_path)


async def test_one_daemon_at_a_time(tmp_path: Path) -> None:
    kept = await Trail.open(tmp_path)
    try:
        with pytest.raises(StateError, match="in use by another process"):
            await Trail.open(tmp_path)
    finally:
        await kept.aclose()


async def test_nobody_else_may_read_it(tmp_path: Path) -> None:
    kept = await Trail.open(tmp_path)
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    await kept.aclose()
    assert modes == dict.fromkeys(("audit.db", "audit.db-wal", "audit.head", "audit.journal"), 0o600)


async def test_many_share_a_commit(tmp_path: Path) -> None:
    kept = await Trail.open(tmp_path)
    try:
        entries = [kept.note("run", number=number) for number in range(500)]
        assert len({id(entry.batch) for entry in entries}) == 1
        await asyncio.gather(*(entry.kept() for entry in entries))
    finally:
        await kept.aclose()


async def test_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "_WINDOW", 50)
    kept = await Trail.open(tmp_path)
    try:
        for number in range(300):
            kept.append_end(
                {"who": "ann" if number % 3 else "bob", "door": "unix", "what": "files.read", "alias": f"e{number % 7}"}
                | {"outcome": "done", "of": None, "detail": {"number": number}}
            )
        bobs = AuditQuery(who="b*", what="files", alias="e[12]")
        expected = [number for number in range(300) if number % 3 == 0 and number % 7 in {1, 2}]
        found: list[int] = []
        start: int | None = None
        while True:
            page = await kept.page(bobs, start=start, limit=4, ascending=True)
            found += [record.detail["number"] for record in page.records]
            if (start := page.next) is None:
                break
        assert found == expected
        latest = await kept.page(bobs, limit=3)
        assert [record.detail["number"] for record in latest.records] == expected[:-4:-1]
        moment = latest.records[0].at
        assert not (await kept.page(AuditQuery(until=moment - 1e6))).records
        assert (await kept.page(AuditQuery(since=moment - 1e6), limit=1)).records
    finally:
        await kept.aclose()


async def test_who_has_nothing_to_do_does_nothing(tmp_path: Path) -> None:
    kept = await Trail.open(tmp_path)
    try:
        async with asyncio.timeout(BOUND):
            while kept.busy:  # noqa: ASYNC110 - the thread ends it, and no event tells of it
                await asyncio.sleep(0.01)
    finally:
        await kept.aclose()


@pytest.mark.parametrize("wait", [False, True])
async def test_all_is_there_in_the_end(tmp_path: Path, *, wait: bool) -> None:
    kept = await Trail.open(tmp_path, AuditSettings(wait=wait))
    audit = Audit(kept)

    async def act(number: int) -> None:
        async with audit.begin(ROOT, "run", "a", command=str(number)):
            await asyncio.sleep(0)

    for number in range(50):
        await asyncio.gather(act(number), act(-number))
    await kept.aclose()
    kept = await Trail.open(tmp_path)
    found = (await kept.page(AuditQuery(what="run", outcome="begun"), limit=1000)).records
    await kept.aclose()
    assert len(found) == 100


async def test_who_waits_is_answered_by_the_end(tmp_path: Path) -> None:
    kept = await Trail.open(tmp_path, AuditSettings(wait=True))
    deed = Audit(kept).begin(ROOT, "run", "edge1")
    await kept.aclose()
    async with asyncio.timeout(BOUND / 2):
        await deed.kept()
    deed.end()
    with pytest.raises(StateError, match="closed"):
        await kept.page(ALL)


async def test_who_waits_is_told_that_the_disk_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = await Trail.open(tmp_path, AuditSettings(wait=True))
    audit = Audit(kept)

    def fail(_: object) -> None:
        raise StateError("the disk fails")

    try:
        with monkeypatch.context() as broken:
            broken.setattr(journal.Journal, "sync", fail)
            with pytest.raises(StateError, match="could not be recorded: the disk fails"):
                async with audit.begin(ROOT, "run", "edge1"):
                    pass
            with pytest.raises(StateError, match="cannot be recorded: the disk fails"):
                audit.begin(ROOT, "run", "edge1")
        await until_done(audit)
    finally:
        await kept.aclose()


async def test_what_is_no_text_can_be_written_down(tmp_path: Path) -> None:
    kept = await Trail.open(tmp_path)
    audit = Audit(kept)
    try:
        async with audit.begin(ROOT, "run", "a", **audit.command(b"cat \xff\xfe" + b"z" * 9000)):
            pass
        [record] = (await kept.page(AuditQuery(what="run", outcome="begun"))).records
        assert record.detail["command"].startswith("cat \\udcff\\udcfezzz")
        assert len(record.detail["command"]) < 5000
        assert len(record.detail["command_sha256"]) == 64
        assert (await kept.verify()).faults == ()
        assert json.dumps(record.detail)
    finally:
        await kept.aclose()
