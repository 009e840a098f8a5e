"""The folder of the recordings: a full disk, a slow one, old ones, too many, and what a killed daemon left."""

from __future__ import annotations

import asyncio
import errno
import os
import stat
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mooring.model.access import Actor
from mooring.model.errors import InvalidInput, StateError, UnknownRecording
from mooring.model.recording import Recording, RecordingSettings
from mooring.store.clock import Clock
from mooring.store.recordings.archive import Archive
from mooring.store.recordings.folder import Folder
from mooring.store.recordings.tape import Backlog, Tape
from tests import asciicast

pytestmark = pytest.mark.anyio

ANN = Actor(name="ann", door="unix", grants=())
BOUND = 30.0
SlowDisk = Callable[[], threading.Event]


def settings(**more: Any) -> RecordingSettings:
    return RecordingSettings(**{"enabled": True, "free_mib": 1, **more})


def begun(archive: Archive, alias: str = "edge1") -> Tape:
    return archive.begin(ANN, "shell.terminal", alias, "xterm", (80, 24))


@pytest.fixture
async def archive(tmp_path: Path) -> AsyncIterator[Archive]:
    archive = await Archive.open(tmp_path, settings(input=True))
    yield archive
    await archive.aclose()


async def content(archive: Archive, recording_id: str) -> bytes:
    return b"".join([part async for part in archive.read(recording_id)])


async def ended(archive: Archive, tape: Tape) -> Recording:
    """A recording once its file is closed."""
    async with asyncio.timeout(BOUND):
        while archive.find(tape.id).seconds is None:  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(0.01)
    return archive.find(tape.id)


async def failed(tape: Tape) -> StateError:
    """Why a recording has ended before its time."""
    async with asyncio.timeout(BOUND):
        told = asyncio.get_running_loop().create_future()
        tape.when_failed(told.set_result)
        error: StateError = await told
    return error


async def test_what_happens_is_recorded(archive: Archive, tmp_path: Path) -> None:
    tape = begun(archive)
    await tape.kept()
    tape.output(b"$ ")
    tape.input(b"ls\r")
    tape.resize(100, 30)
    tape.output("grün \x1b[1m\r\n".encode()[:3])
    tape.output("grün \x1b[1m\r\n".encode()[3:])
    [running] = archive.list()
    assert (running.id, running.seconds, running.alias, running.who) == (tape.id, None, "edge1", "ann")
    tape.end(3)
    tape.output(b"too late")
    recording = await ended(archive, tape)

    cast = asciicast.read(await content(archive, tape.id))
    assert cast.text() == "$ grün \x1b[1m\r\n"
    assert (cast.each("i"), cast.each("r"), cast.each("x")) == (["ls\r"], ["100x30"], ["3"])
    path = tmp_path / "recordings" / f"{tape.id}.cast"
    assert (recording.bytes, recording.columns, recording.rows) == (path.stat().st_size, 80, 24)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


async def test_input_is_not_unless_it_is_asked_for(tmp_path: Path) -> None:
    archive = await Archive.open(tmp_path, settings())
    tape = begun(archive)
    tape.input(b"a-password\r")
    tape.output(b"shown")
    tape.end()
    await archive.aclose()
    assert asciicast.read((tmp_path / "recordings" / f"{tape.id}.cast").read_bytes()).text("i") == ""


async def test_they_are_known_again_after_a_restart(archive: Archive, tmp_path: Path) -> None:
    before = []
    for alias in ("edge1", "a" * 16_384):
        tape = begun(archive, alias)
        tape.output(b"one")
        tape.end(0)
        before.append(await ended(archive, tape))
    again = await Archive.open(tmp_path, settings())
    assert again.list() == before
    await again.aclose()


async def test_one_that_was_torn_is_mended(archive: Archive, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    tape = begun(archive)
    tape.output(b"whole")
    tape.end()
    whole = (await ended(archive, tape)).bytes
    path = tmp_path / "recordings" / f"{tape.id}.cast"
    with path.open("ab") as file:
        file.write(b'[0.1, "o", "' + b"x" * 200_000)
    other = path.with_name("20200101-000000-00000000.cast")
    other.write_bytes(b"no recording")
    (path.parent / "notes.txt").write_text("not ours")
    torn = path.with_name("20200101-000000-00000001.cast")
    torn.write_bytes(b'{"version":3')
    flat = path.with_name("20200101-000000-00000002.cast")
    flat.write_bytes(path.read_bytes().replace(b"\n", b" "))
    odd = path.with_name("20200101-000000-00000003.cast")
    odd.write_bytes(b'{"version":2}\n[0.1, "o", "x')
    empty = path.with_name("20200101-000000-00000004.cast")
    empty.touch()
    deep = path.with_name("20200101-000000-00000005.cast")
    deep.write_bytes(b"[" * 4000 + b"\n")
    late = path.with_name("20200101-000000-00000006.cast")
    late.write_bytes(path.read_bytes().replace(b'"began":1', b'"began":1' + b"0" * 400))
    before = {each: each.read_bytes() for each in (other, torn, flat, odd, deep, late)}
    again = await Archive.open(tmp_path, settings())
    assert [(one.id, one.bytes) for one in again.list()] == [(tape.id, whole)]
    assert asciicast.read(await content(again, tape.id)).text() == "whole"
    assert {each: each.read_bytes() for each in before} == before, "what has bytes is left as it is"
    assert not empty.exists()
    for each in (path, *before):
        assert str(each) in caplog.text
    await again.aclose()


async def test_one_that_cannot_be_opened_is_passed_over(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tape, other = begun(archive), begun(archive, "edge2")
    for each in (tape, other):
        each.end()
        await ended(archive, each)
    path, real = tmp_path / "recordings" / f"{tape.id}.cast", os.open

    def refusing(name: Any, *arguments: Any, **more: Any) -> int:  # noqa: ANN401 - as the system has it
        if name == path:  # to root, no mode of a file says so
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))
        return real(name, *arguments, **more)

    monkeypatch.setattr(os, "open", refusing)
    again = await Archive.open(tmp_path, settings(enabled=False))
    assert [one.id for one in again.list()] == [other.id]
    assert str(path) in caplog.text
    await again.aclose()
    assert path.exists()


async def test_a_folder_that_others_may_use_is_refused(tmp_path: Path) -> None:
    (tmp_path / "recordings").mkdir()
    (tmp_path / "recordings").chmod(0o755)
    with pytest.raises(StateError, match="others may use"):
        await Archive.open(tmp_path, settings())


async def test_one_has_a_maximum_and_says_so(tmp_path: Path) -> None:
    archive = await Archive.open(tmp_path, settings(max_mib=1))
    tape = begun(archive)
    for _ in range(200):
        tape.output(b"x" * 10_000)
    assert "maximum of 1 MiB" in (await failed(tape)).message
    recording = await ended(archive, tape)
    assert 900_000 < recording.bytes < 1_049_000
    cast = asciicast.read(await content(archive, tape.id))
    assert cast.events[-1].code == "m"
    assert "maximum of 1 MiB" in cast.events[-1].data
    await archive.aclose()


async def test_nothing_new_below_the_floor(tmp_path: Path) -> None:
    archive = await Archive.open(tmp_path, settings(free_mib=1 << 40))
    await archive.check()
    with pytest.raises(StateError, match="free_mib"):
        begun(archive)
    assert list((tmp_path / "recordings").iterdir()) == []
    await archive.aclose()


async def test_what_goes_on_stops_below_the_floor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = await Archive.open(tmp_path, settings())
    tape = begun(archive)
    await tape.kept()

    def full(_: Folder) -> None:
        raise StateError("no room")

    monkeypatch.setattr(Folder, "check", full)
    tape.output(b"shown")
    assert (await failed(tape)).message == "no room"
    await ended(archive, tape)
    cast = asciicast.read(await content(archive, tape.id))
    assert [event.code for event in cast.events] == ["m"]
    await archive.aclose()


class FullDisk:
    """Takes so many bytes more, and then none."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, room: int) -> None:
        self._room = room
        self._write = os.write
        monkeypatch.setattr("mooring.store.recordings.folder.os.write", self)

    def __call__(self, file: int, data: bytes) -> int:
        if not self._room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        part = data[: self._room]
        self._room -= len(part)
        return self._write(file, part)


async def test_a_disk_that_is_full(archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    FullDisk(monkeypatch, 20)
    tape = begun(archive)
    with pytest.raises(StateError, match="cannot be written: No space left"):
        await tape.kept()
    assert archive.list() == []
    assert list((tmp_path / "recordings").iterdir()) == []


async def test_a_disk_that_fills_up(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    tape = begun(archive)
    await tape.kept()
    before = archive.list()[0].bytes
    tape.output(b"whole")
    async with asyncio.timeout(BOUND):
        while archive.list()[0].bytes == before:  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(0.01)
    FullDisk(monkeypatch, 1000)
    tape.output(b"x" * 2000)
    assert "No space left" in (await failed(tape)).message
    await ended(archive, tape)
    assert asciicast.read(await content(archive, tape.id)).text() == "whole"


@pytest.fixture
def slow_disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], threading.Event]]:
    """Makes a disk on which nothing is written until the event that it gives is set."""
    going = threading.Event()
    check = Folder.check

    def wait(folder: Folder) -> None:
        going.wait(BOUND)
        check(folder)

    def start() -> threading.Event:
        monkeypatch.setattr(Folder, "check", wait)
        return going

    yield start
    going.set()


async def test_a_slow_disk_holds_nobody_up_and_loses_nothing(archive: Archive, slow_disk: SlowDisk) -> None:
    tape = begun(archive)
    await tape.kept()
    going = slow_disk()
    for number in range(1000):
        tape.output(b"%d " % number)
        if number % 100 == 0:
            await asyncio.sleep(0)  # the loop goes on
    tape.end(0)
    assert archive.find(tape.id).seconds is None
    going.set()
    await ended(archive, tape)
    assert asciicast.read(await content(archive, tape.id)).text() == "".join(f"{number} " for number in range(1000))


async def test_what_waits_for_a_slow_disk_is_bounded(
    archive: Archive, slow_disk: SlowDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "_backlog", backlog := Backlog(one=100_000, all=200_000))
    tapes = [begun(archive, f"edge{number}") for number in range(3)]
    for tape in tapes:
        await tape.kept()
    going = slow_disk()
    for _ in range(12):
        tapes[0].output(b"x" * 10_000)
    assert "does not keep up" in (await failed(tapes[0])).message
    for tape in tapes[1:]:
        for _ in range(9):
            tape.output(b"y" * 10_000)
    assert tapes[1].error is None
    assert tapes[2].error is not None
    assert backlog.now <= 210_000
    going.set()
    tapes[1].end()
    for tape in tapes:
        await ended(archive, tape)
    assert backlog.now == 0
    last = asciicast.read(await content(archive, tapes[0].id)).events[-1]
    assert (last.code, "did not keep up" in last.data) == ("m", True)
    assert asciicast.read(await content(archive, tapes[1].id)).text() == "y" * 90_000


async def test_a_disk_that_does_not_answer(
    archive: Archive, slow_disk: SlowDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mooring.store.recordings.archive._TIMEOUT", 0.05)
    monkeypatch.setattr("mooring.store.recordings.tape._KEEP_TIMEOUT", 0.05)
    going = slow_disk()
    tape = begun(archive)
    with pytest.raises(StateError, match="does not answer"):
        await tape.kept()
    await archive.check()
    with pytest.raises(StateError, match="does not answer"):
        begun(archive)
    going.set()


async def test_a_disk_that_does_not_answer_any_more(
    archive: Archive, slow_disk: SlowDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    tape = begun(archive)
    await tape.kept()
    monkeypatch.setattr("mooring.store.recordings.tape._WRITE_TIMEOUT", 0.05)
    going = slow_disk()
    tape.output(b"quiet")
    assert "does not answer" in (await failed(tape)).message
    going.set()
    await ended(archive, tape)
    assert asciicast.read(await content(archive, tape.id)).text() == "quiet"


async def test_the_old_go(tmp_path: Path) -> None:
    first = await Archive.open(tmp_path, settings(), Clock(lambda: time.time() - 3 * 86_400))
    old = begun(first)
    old.output(b"old")
    old.end()
    await first.aclose()
    second = await Archive.open(tmp_path, settings(keep_days=4))
    assert [one.id for one in second.list()] == [old.id]
    await second.aclose()
    third = await Archive.open(tmp_path, settings(keep_days=2))
    assert third.list() == []
    await third.aclose()
    assert list((tmp_path / "recordings").iterdir()) == []


async def test_the_old_go_although_a_long_one_began_before(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    now = time.time() - 20 * 86_400
    archive = await Archive.open(tmp_path, settings(keep_days=5), Clock(lambda: now))
    long, short = begun(archive), begun(archive)
    for tape, days in ((short, 1), (long, 16)):
        tape.end()
        path = tmp_path / "recordings" / f"{(await ended(archive, tape)).id}.cast"
        os.utime(path, (now + days * 86_400,) * 2)  # when it ended
    await archive.aclose()
    again = await Archive.open(tmp_path, settings(keep_days=5))
    assert [one.id for one in again.list()] == [long.id]
    await again.aclose()
    assert "younger" not in caplog.text


async def test_a_clock_that_is_set_lets_none_go(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    offset = passed = 0.0
    clock: Clock | None = None
    gone: list[tuple[str, bool]] = []

    async def opened() -> Archive:
        nonlocal clock
        kept = None if clock is None else clock.settle()
        clock = Clock(lambda: time.time() + offset, lambda: time.monotonic() + passed, kept)
        return await Archive.open(tmp_path, settings(), clock, lambda one, young: gone.append((one.id, young)))

    async def one_more(archive: Archive) -> str:
        tape = begun(archive)
        tape.output(b"x")
        tape.end()
        return (await ended(archive, tape)).id

    archive = await opened()
    first = await one_more(archive)
    offset = 100 * 86_400.0  # set forward, while it runs
    second = await one_more(archive)
    await archive.aclose()
    archive = await opened()  # or while it does not
    assert ([one.id for one in archive.list()], gone) == ([first, second], [])
    assert "nothing is known of the last 100 days" in caplog.text
    passed = 91 * 86_400.0
    offset += passed
    third = await one_more(archive)
    assert [one.id for one in archive.list()] == [second, third]
    await archive.aclose()
    assert gone == [(first, False)]


async def test_the_oldest_go_when_there_are_too_many(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    archive = await Archive.open(tmp_path, settings(keep_mib=1))
    tapes = []
    for _ in range(4):
        assert "younger" not in caplog.text
        tapes.append(tape := begun(archive))
        tape.output(b"x" * 300_000)
        tape.end()
        await ended(archive, tape)
    assert [one.id for one in archive.list()] == [tape.id for tape in tapes[1:]]
    goes_on = begun(archive)
    await goes_on.kept()
    assert "1 recordings younger than keep_days = 90 are let go" in caplog.text
    assert [one.id for one in archive.list()] == [*(tape.id for tape in tapes[1:]), goes_on.id]
    await archive.aclose()
    assert len(list((tmp_path / "recordings").iterdir())) == 4


async def test_what_cannot_be_removed_is_there_until_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    passed, gone, real = 0.0, [], Path.unlink
    clock = Clock(lambda: time.time() + passed, lambda: time.monotonic() + passed)
    archive = await Archive.open(tmp_path, settings(), clock, lambda one, _: gone.append(one.id))

    async def one_more() -> str:
        tape = begun(archive)
        tape.end()
        await ended(archive, tape)
        await archive.check()  # after what was let go
        return tape.id

    def refusing(path: Path, *, missing_ok: bool = False) -> None:
        if path.stem == stuck:
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))
        real(path, missing_ok=missing_ok)

    stuck, old = await one_more(), await one_more()
    passed = 91 * 86_400.0
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", refusing)
        third = await one_more()
    assert ([one.id for one in archive.list()], gone) == ([stuck, third], [old])
    assert f"{stuck}.cast cannot be written" in caplog.text
    fourth = await one_more()
    assert ([one.id for one in archive.list()], gone) == ([third, fourth], [old, stuck])
    await archive.aclose()


async def test_one_is_let_go(archive: Archive, tmp_path: Path) -> None:
    tape = begun(archive)
    await tape.kept()
    with pytest.raises(InvalidInput, match="goes on"):
        await archive.remove(tape.id)
    tape.end()
    await ended(archive, tape)
    assert (await archive.remove(tape.id)).id == tape.id
    for name in (tape.id, "../mooring", "none"):
        with pytest.raises(UnknownRecording):
            await archive.remove(name)
        with pytest.raises(UnknownRecording):
            await content(archive, name)
    assert list((tmp_path / "recordings").iterdir()) == []


async def test_what_never_began_leaves_nothing(archive: Archive, tmp_path: Path) -> None:
    tape = begun(archive)
    await tape.kept()
    tape.discard()
    async with asyncio.timeout(BOUND):
        while archive.list():  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(0.01)
    assert list((tmp_path / "recordings").iterdir()) == []
