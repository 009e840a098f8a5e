"""Local files on a mount that hangs: their transfer waits, and nothing else does."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mooring import Session, WaitTimeout
from mooring.session.files.aside import Aside
from mooring.session.files.disks import near, parsed

from .trees import grow, names_in, same

pytestmark = pytest.mark.anyio

MOUNTS = """\
24 30 0:22 / /proc rw,nosuid shared:12 - proc proc rw
30 1 8:2 / / rw,relatime shared:1 - ext4 /dev/sda2 rw
99 30 0:51 / /mnt/with\\040space rw shared:2 master:3 - nfs4 server:/export rw,hard
100 30 0:52 /sub /home/me/cloud rw - fuse.sshfs me@server: rw
"""


def test_what_is_near() -> None:
    is_near = parsed(MOUNTS)
    assert [is_near(os.makedev(*device)) for device in ((8, 2), (0, 22), (0, 51), (0, 52), (0, 99))] == [
        True, True, False, False, False,
    ]  # fmt: skip
    ours = parsed("\n".join(MOUNTS.splitlines()[:2]))
    assert ours(os.makedev(0, 99))  # a part of what is there
    for nothing in ("", "no table", "1 2\n3 - ext4", " - "):
        assert not parsed(nothing)(os.makedev(8, 2))
    assert isinstance(near()(Path("/").stat().st_dev), bool)


@pytest.fixture
def far_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """No file system is this machine's own."""
    monkeypatch.setattr("mooring.session.files.local.near", lambda: lambda _: False)


class Hanging:
    """A call of the system that hangs from ``hang`` to ``go_on``."""

    def __init__(self, call: Callable[..., Any]) -> None:
        self._call = call
        self._open = threading.Event()
        self._open.set()
        self._loop = asyncio.get_running_loop()
        self.reached = asyncio.Event()
        self.hang = self._open.clear
        self.go_on = self._open.set

    def __call__(self, *args: object, **keywords: object) -> object:
        # On the loop it does not hang: a test that waits for it to be reached fails then.
        if threading.current_thread().name == "files" and not self._open.is_set():
            self._loop.call_soon_threadsafe(self.reached.set)
            assert self._open.wait(50)
        return self._call(*args, **keywords)


def _threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "files"]


async def reached(call: Hanging) -> None:
    async with asyncio.timeout(30):
        await call.reached.wait()


@pytest.fixture
def names() -> list[str]:
    """Names of files."""
    return ["plain", "with space", "in\udcffvalid", "x" * 200]


@pytest.mark.usefixtures("far_away")
async def test_all_of_it_works_from_a_thread(session: Session, tmp_path: Path, far: str, names: list[str]) -> None:
    source = grow(tmp_path / "source", names)
    sent = await session.put(source, far, recurse=True, preserve=True, checksum=True)
    got = await session.get(f"{far}/source", tmp_path / "back", recurse=True, preserve=True, resume=True)
    assert sent.failed == got.failed == 0
    same(source, tmp_path / "back")


@pytest.mark.usefixtures("far_away")
@pytest.mark.parametrize("name", ["stat", "open", "pread", "close"])
async def test_only_the_transfer_waits_for_a_mount_that_hangs(
    session: Session, tmp_path: Path, far: str, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (tmp_path / "file").write_bytes(bytes(3_000_000))
    call = Hanging(getattr(os, name))
    monkeypatch.setattr(os, name, call)
    call.hang()
    putting = asyncio.create_task(session.put(tmp_path / "file", f"{far}/file"))
    await reached(call)
    assert (await session.run("echo here", timeout=30)).stdout == "here\n"
    call.go_on()
    assert (await putting).files == 1


@pytest.mark.usefixtures("far_away")
async def test_who_gives_up_does_not_wait_for_it(
    session: Session, tmp_path: Path, far: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mooring.session.files.copying._CLEARING", 0.1)
    (Path(far) / "file").write_bytes(bytes(3_000_000))
    call = Hanging(os.pwrite)
    monkeypatch.setattr(os, "pwrite", call)
    call.hang()
    try:
        with pytest.raises(WaitTimeout):
            await session.get(f"{far}/file", tmp_path / "file", timeout=1)
        assert (await session.run("echo here", timeout=30)).stdout == "here\n"
    finally:
        call.go_on()
    async with asyncio.timeout(30):  # what was asked for is done when the mount comes back
        while names_in(tmp_path) or _threads():  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.01)


async def test_what_comes_too_late_is_undone() -> None:
    aside, begun, go_on = Aside(), asyncio.Event(), threading.Event()
    undone: list[str] = []
    loop = asyncio.get_running_loop()

    def hang() -> str:
        loop.call_soon_threadsafe(begun.set)
        assert go_on.wait(30)
        return "late"

    late = asyncio.create_task(aside.call(hang, undo=undone.append))
    await begun.wait()
    late.cancel()
    with pytest.raises(asyncio.CancelledError):
        await late
    go_on.set()
    assert await aside.call(lambda: "next") == "next"
    with pytest.raises(ValueError, match="invalid literal"):
        await aside.call(lambda: int("x"))
    await aside.close()
    assert undone == ["late"]


async def test_one_that_was_never_needed_has_no_thread() -> None:
    await Aside().close()
    assert not _threads()
