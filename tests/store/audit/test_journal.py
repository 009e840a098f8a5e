"""What a killed daemon leaves in the journal is all there, and what somebody did to that is found."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from pathlib import Path
from subprocess import PIPE, Popen
from sys import executable

import pytest

from mooring.model.audit import AuditQuery, AuditReport
from mooring.model.errors import StateError
from mooring.store.audit import journal
from mooring.store.audit.journal import Journal, read_journal
from mooring.store.audit.ledger import Ledger
from mooring.store.audit.reading import verify_files
from mooring.store.audit.trail import Trail
from tests.peers.ending import ending

pytestmark = pytest.mark.anyio

COUNT = 20
Lines = list[bytes]


def bodies(first: int, last: int) -> list[tuple[int, bytes]]:
    return [(seq, b'{"seq":%d,"what":"%s"}' % (seq, b"x" * (seq % 90))) for seq in range(first, last + 1)]


def killed(folder: Path) -> Path:
    """What is left of a daemon that recorded 20 things, which were synced, and was killed; its journal."""
    ledger = Ledger(folder / "audit.db")
    ledger.open()
    ledger.recover([])
    left = Journal(folder / "audit.journal")
    written = bodies(1, COUNT)
    assert left.write(written[:10])
    assert left.write(written[10:])
    left.sync()
    ledger.take(written)
    ledger.keep_head()
    left.close(keep=True)
    ledger._late = []  # noqa: SLF001 - it was never moved
    ledger.close()
    return folder / "audit.journal"


def edit(path: Path, change: Callable[[Lines], Lines]) -> None:
    """Change the lines of the first half."""
    data = path.read_bytes()
    lines, rest = data.partition(b"\0")[::2]
    changed = b"".join(change(lines.splitlines(keepends=True)))
    path.write_bytes((changed + b"\0" + rest)[: len(data)].ljust(len(data), b"\0"))


def replaced(number: int, old: bytes, new: bytes) -> Callable[[Lines], Lines]:
    return lambda lines: [line.replace(old, new) if place == number - 1 else line for place, line in enumerate(lines)]


def swapped(lines: Lines) -> Lines:
    """The content of two records, and not their numbers."""
    lines[4] = re.sub(rb'"what":"x*"', rb'"what":"xxxxxx"', lines[4])
    lines[5] = re.sub(rb'"what":"x*"', rb'"what":"xxxxx"', lines[5])
    return lines


async def found(folder: Path) -> tuple[list[str], int]:
    """The kinds of fault, which a check of the files and a new daemon agree on, and how many records there are."""
    report = await asyncio.to_thread(verify_files, folder)
    trail = await Trail.open(folder)
    try:
        again: AuditReport = await trail.verify()
    finally:
        await trail.aclose()
    assert bool(again.faults) == bool(report.faults)
    return [fault.kind for fault in report.faults], report.records


async def test_what_nobody_touched_holds(tmp_path: Path) -> None:
    killed(tmp_path)
    assert await found(tmp_path) == ([], COUNT)


TAMPERED: dict[str, tuple[Callable[[Lines], Lines], list[str], int]] = {
    "changed": (replaced(7, b'"what":"', b'"what":"y'), ["changed"], COUNT),
    "changed, the last": (replaced(20, b'"what":"', b'"what":"y'), ["changed"], COUNT),
    "dropped": (lambda lines: lines[:6] + lines[7:], ["dropped", "changed"], COUNT - 1),
    "made unreadable": (replaced(7, b"{", b"["), ["dropped", "changed"], COUNT - 1),
    "reordered": (swapped, ["changed"], COUNT),
    "tail": (lambda lines: lines[:-3], ["tail"], COUNT - 3),
    "all": (lambda _: [], ["tail"], 0),
}


@pytest.mark.parametrize("how", TAMPERED)
async def test_what_somebody_did_to_it_is_found(tmp_path: Path, how: str) -> None:
    change, kinds, count = TAMPERED[how]
    edit(killed(tmp_path), change)
    told, records = await found(tmp_path)
    assert sorted(set(told)) == sorted(set(kinds))
    assert records == count


@pytest.mark.parametrize("cut", [2, 9, 30])
async def test_a_record_that_was_cut_off_is_left_out(
    tmp_path: Path, cut: int, caplog: pytest.LogCaptureFixture
) -> None:
    path = killed(tmp_path)
    torn = b'{"seq":21,"what":"%s"} 21\n' % (b"x" * 40)
    edit(path, lambda lines: [*lines, torn[:-cut]])
    trail = await Trail.open(tmp_path)
    try:
        assert "cut off" in caplog.text
        assert (await trail.verify()).faults == ()
        record = (await trail.page(AuditQuery(), ascending=True, start=21)).records[0]
        assert record.what == "audit.opened"
    finally:
        await trail.aclose()


def test_halves_are_used_in_turns_and_none_before_it_is_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "HALF", 1 << 16)
    path = tmp_path / "audit.journal"
    used = Journal(path)
    written = after = 0
    try:
        for _ in range(5):
            while used.write(more := bodies(written + 1, written + 100)):
                written = more[-1][0]
            assert used.room < 1 << 16
            assert read_journal(path, after) == (bodies(after + 1, written), True)
            used.release(after + 1)
            assert not used.write(more), "half of it is not free yet"
            used.release(written)
            assert used.room > 1 << 16
            after = written
    finally:
        used.close(keep=False)
    assert not path.exists()


def test_there_is_no_trail(tmp_path: Path) -> None:
    with pytest.raises(StateError, match=r"there is no .*audit\.db"):
        verify_files(tmp_path)
    assert not list(tmp_path.iterdir())


async def test_it_is_in_use(tmp_path: Path) -> None:
    trail = await Trail.open(tmp_path)
    try:
        with pytest.raises(StateError, match="in use by another process"):
            await asyncio.to_thread(verify_files, tmp_path)
    finally:
        await trail.aclose()


def test_killed_in_the_midst_it_is_checked_as_it_is(tmp_path: Path) -> None:
    program = Path(__file__).with_name("writer.py")
    with ending(Popen([executable, program, tmp_path], stdout=PIPE, text=True)) as process:
        assert process.stdout is not None
        said = [process.stdout.readline() for _ in range(500)]
        process.kill()
        said += process.stdout.readlines()
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    report = verify_files(tmp_path)
    assert report.faults == ()
    assert report.records >= len(said) - 1
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
