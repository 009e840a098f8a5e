"""What time is sure, over restarts: no start with a clock that is set wrong lets anything go that is kept."""

from __future__ import annotations

import asyncio
import errno
import os
import stat
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE, Popen
from sys import executable

import pytest

from mooring.model.access import Actor
from mooring.model.audit import AuditQuery, AuditSettings
from mooring.model.errors import StateError
from mooring.model.recording import RecordingSettings
from mooring.store import timekeeping
from mooring.store.audit import rotation
from mooring.store.audit.trail import Trail
from mooring.store.clock import Clock, Kept
from mooring.store.private import write_private
from mooring.store.recordings.archive import Archive
from tests.peers.ending import ending

pytestmark = pytest.mark.anyio

ANN = Actor(name="ann", door="unix", grants=())
BEGIN = 1_700_000_000.0
HOUR = 3600.0
DAY = 24 * HOUR
YEAR = 365 * DAY
BOUND = 30.0


@dataclass
class Running:
    """What a daemon has open."""

    clock: Clock
    trail: Trail
    archive: Archive

    async def work(self) -> None:
        """Be as busy as makes both look for what is to go."""
        for number in range(50):
            self.trail.note("run", number=number)
        await self.trail.verify()
        tape = self.archive.begin(ANN, "shell.terminal", "edge1", "xterm", (80, 24))
        tape.end()
        async with asyncio.timeout(BOUND):
            while self.archive.find(tape.id).seconds is None:  # noqa: ASYNC110 - no event tells of it
                await asyncio.sleep(0.01)
        await self.archive.check()

    async def kept(self) -> tuple[bool, bool]:
        """Whether the first record, and the first recording, are there."""
        rotated = (await self.trail.page(AuditQuery(what="audit.rotated"))).records
        began = min(recording.began for recording in self.archive.list())
        return not rotated, began == BEGIN


@dataclass
class Machine:
    """One with a clock that can be set, and a state directory."""

    folder: Path
    now: float = BEGIN
    passed: float = 1000.0

    @property
    def file(self) -> Path:
        return self.folder / "clock"

    def run(self, seconds: float) -> None:
        self.now += seconds
        self.passed += seconds

    @asynccontextmanager
    async def daemon(self) -> AsyncIterator[Running]:
        """As the daemon puts them together."""
        clock = timekeeping.load(self.file, lambda: self.now, lambda: self.passed)
        async with timekeeping.keeping(clock, self.file):
            trail = await self.trail(clock)
            try:
                archive = await Archive.open(self.folder, RecordingSettings(enabled=True, free_mib=1), clock)
                try:
                    yield Running(clock, trail, archive)
                finally:
                    await archive.aclose()
            finally:
                await trail.aclose()

    async def trail(self, clock: Clock) -> Trail:
        return await Trail.open(self.folder, AuditSettings(keep_days=90), clock)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """One on which the daemon looks every ten records what is to go."""
    monkeypatch.setattr(rotation, "_EVERY", 10)
    return Machine(tmp_path)


async def test_no_start_with_a_wrong_clock_lets_anything_go_and_a_day_of_running_does(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with machine.daemon() as running:
        await running.work()
    machine.now += 10 * YEAR
    for _ in range(4):
        async with machine.daemon() as running:
            await running.work()
            machine.run(2 * HOUR)
            await running.work()
            assert await running.kept() == (True, True)
    monkeypatch.setattr(timekeeping, "_EVERY", 0.01)
    async with machine.daemon() as running:
        machine.run(16 * HOUR)
        async with asyncio.timeout(BOUND):
            while await running.kept() != (False, False):
                await running.work()


async def test_one_that_is_set_right_again_lets_things_go_in_their_time(machine: Machine) -> None:
    async with machine.daemon() as running:
        await running.work()
    machine.now += 10 * YEAR
    async with machine.daemon():
        machine.run(HOUR)
    machine.now -= 10 * YEAR
    for days in (30, 59):
        async with machine.daemon() as running:
            for _ in range(24 * days):
                machine.run(HOUR)
                running.clock.settle()
            await running.work()
            assert await running.kept() == (True, True)
    async with machine.daemon() as running:
        for _ in range(48):
            machine.run(HOUR)
            running.clock.settle()
        async with asyncio.timeout(BOUND):
            while await running.kept() != (False, False):
                await running.work()


async def test_a_step_is_recorded_although_a_recording_was_dated_after_it(machine: Machine) -> None:
    async with machine.daemon() as running:
        machine.now += 100
        running.archive.begin(ANN, "shell.terminal", "edge1", "xterm", (80, 24))
        running.trail.note("run")
        [record] = (await running.trail.page(AuditQuery(what="audit.clock"))).records
        assert record.detail["set_by"] == 100


NESTED = b'{"x":' + b"[" * 1018


@pytest.mark.parametrize(
    "damage",
    [b"", b"\0" * 64, b"[]", b"\xff", b'{"sure":"x"}', b'{"sure":1e999}', b'{"sure":1,"ran":1e9}', NESTED, None],
)
async def test_a_file_that_is_damaged_or_gone_ends_nothing_and_lets_nothing_go(
    machine: Machine, damage: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    async with machine.daemon() as running:
        await running.work()
    machine.file.unlink()
    if damage is not None:
        machine.file.touch(0o600)
        machine.file.write_bytes(damage)
    machine.now += 10 * YEAR
    for _ in range(2):
        async with machine.daemon() as running:
            await running.work()
            assert await running.kept() == (True, True)
    assert (str(machine.file) in caplog.text) is (damage is not None)
    assert timekeeping.read(machine.file) == Kept(sure=0.0, said=machine.now)


async def test_a_file_from_the_future_is_believed_no_further_than_the_clock(machine: Machine) -> None:
    machine.file.touch(0o600)
    machine.file.write_bytes(b'{"sure":1e300}')
    async with machine.daemon() as running:
        await running.work()
        assert running.clock.least() == BEGIN
        assert await running.kept() == (True, True)


async def test_a_file_that_cannot_be_used_is_told_and_ends_nothing(
    machine: Machine, caplog: pytest.LogCaptureFixture
) -> None:
    machine.file.mkdir()
    (machine.file / "whatever").touch()
    async with machine.daemon() as running:
        await running.work()
    assert f"{machine.file} is not used" in caplog.text
    assert f"what is old may be kept for longer: {machine.file} cannot be written" in caplog.text


@pytest.mark.parametrize("in_its_way", [True, False])
async def test_where_none_can_be_written_no_start_with_a_wrong_clock_lets_anything_go(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, *, in_its_way: bool
) -> None:
    if not in_its_way:
        monkeypatch.setattr(timekeeping, "write_private", _full)
    else:
        machine.file.mkdir()
        (machine.file / "whatever").touch()
    for _ in range(4):
        async with machine.daemon() as running:
            await running.work()
            assert await running.kept() == (True, True)
        machine.now += 10 * YEAR
    async with machine.daemon() as running:
        machine.run(DAY)
        running.clock.settle()
        async with asyncio.timeout(BOUND):
            while await running.kept() != (False, False):
                await running.work()


def _full(_path: Path, _data: bytes) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


async def test_what_a_version_before_left_is_kept_however_the_first_start_ends(machine: Machine) -> None:
    async with machine.daemon() as running:
        await running.work()
    machine.file.unlink()
    machine.now += 10 * YEAR
    trail = await machine.trail(timekeeping.load(machine.file, lambda: machine.now, lambda: machine.passed))
    await trail.aclose()  # a record is dated, and no file was written
    async with machine.daemon() as running:
        await running.work()
        assert await running.kept() == (True, True)


async def test_a_new_one_is_sure_at_once(machine: Machine, caplog: pytest.LogCaptureFixture) -> None:
    async with machine.daemon():
        assert timekeeping.read(machine.file) == Kept(sure=BEGIN)
    assert caplog.text == ""


async def test_a_disk_that_hangs_is_told(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    goes_on = threading.Event()
    with monkeypatch.context() as patch:
        patch.setattr(timekeeping, "write_private", lambda *_: goes_on.wait(BOUND))
        patch.setattr(timekeeping, "_TIMEOUT", 0.01)
        async with timekeeping.keeping(timekeeping.load(machine.file), machine.file):
            assert f"may be kept for longer: {machine.file} did not answer in time" in caplog.text
            goes_on.set()
    assert not machine.file.exists()


async def test_no_fault_is_the_last_that_is_heard_of_it(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    numbers = iter(["1", "x", "2"])
    written = threading.Event()

    def write(path: Path, data: bytes) -> None:
        if int(next(numbers, "3")) == 2:
            written.set()
        write_private(path, data)

    monkeypatch.setattr(timekeeping, "write_private", write)
    monkeypatch.setattr(timekeeping, "_TIMEOUT", BOUND)
    monkeypatch.setattr(timekeeping, "_EVERY", 0)
    async with timekeeping.keeping(timekeeping.load(machine.file), machine.file):
        async with asyncio.timeout(BOUND):
            await asyncio.to_thread(written.wait, BOUND)
    assert "may be kept for longer: invalid literal for int()" in caplog.text


async def test_a_file_that_others_may_write_is_not_used(machine: Machine) -> None:
    async with machine.daemon():
        pass
    assert stat.S_IMODE(machine.file.stat().st_mode) == 0o600
    machine.file.chmod(0o666)
    with pytest.raises(StateError, match="others may use it"):
        timekeeping.read(machine.file)
    async with machine.daemon():
        pass
    assert stat.S_IMODE(machine.file.stat().st_mode) == 0o600


WRITER = """
import asyncio, sys
from pathlib import Path
from mooring.store import timekeeping

async def main():
    timekeeping._EVERY = 0
    path = Path(sys.argv[1])
    async with timekeeping.keeping(timekeeping.load(path), path):
        print("open", flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.mark.parametrize("writes", range(5))
async def test_one_that_is_killed_leaves_a_whole_file(tmp_path: Path, writes: int) -> None:
    path = tmp_path / "clock"
    with ending(Popen([executable, "-c", WRITER, path], stdout=PIPE, text=True)) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        seen: set[Kept | None] = {None}
        async with asyncio.timeout(BOUND):
            while len(seen) < writes + 2:
                seen.add(timekeeping.read(path))
                await asyncio.sleep(0)
    assert timekeeping.read(path) is not None
    async with timekeeping.keeping(timekeeping.load(path), path):  # whatever it had in hand is in nobody's way
        pass
    assert [entry.name for entry in tmp_path.iterdir()] == ["clock"]
