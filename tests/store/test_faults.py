"""Disks that are full, directories that may not be written, files that are damaged: each is named, nothing is lost."""

from __future__ import annotations

import asyncio
import os
import resource
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from mooring.model.errors import StateError
from mooring.model.target import Target
from mooring.store import Store

from .held import EDGE, PASSWORD, WEB, recall, remembered, writer

pytestmark = pytest.mark.anyio

NOBODY = 65_534


@contextmanager
def files_at_most(size: int) -> Iterator[None]:
    """No file of this process may grow beyond so many bytes; Python ignores the signal."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextmanager
def somebody_s_directory() -> Iterator[Path]:
    """A directory of a user for whom modes count: root gives itself up for a while, and has it back afterwards."""
    directory = Path(tempfile.mkdtemp())
    root = os.geteuid() == 0
    if root:
        os.chown(directory, NOBODY, NOBODY)
        os.seteuid(NOBODY)
    try:
        yield directory
    finally:
        if root:
            os.seteuid(0)
        directory.chmod(0o700)
        shutil.rmtree(directory)


async def fill(store: Store) -> tuple[int, StateError]:
    """Remember until it is refused: how many were remembered, and how it was refused."""
    for count in range(10_000):
        try:
            await store.remember(Target.parse(f"s{count}://h", label=["key:" + "v" * 400], password=PASSWORD))
        except StateError as error:
            return count, error
    pytest.fail("there was room for all")


async def test_no_room_to_grow(store: Store, tmp_path: Path) -> None:
    await store.remember(EDGE)
    with files_at_most(100_000):
        count, refused = await fill(store)
        assert refused.message == f"{tmp_path}/mooring.db cannot be read or written: disk I/O error"
        assert refused.hint == "look whether that disk is full, or failing"
        assert len(await store.sessions()) == count + 1
    await store.remember(WEB)
    await store.aclose()
    found = await recall(tmp_path)
    assert len(found) == count + 2
    assert (found[0], found[-1]) == (remembered(EDGE), remembered(WEB))


async def test_no_room_for_the_key(store: Store, tmp_path: Path) -> None:
    with files_at_most(0), pytest.raises(StateError, match="key cannot be written: File too large"):
        await store.remember(EDGE)
    assert not list(tmp_path.glob("key*"))
    await store.remember(EDGE)
    assert await store.sessions() == [remembered(EDGE)]


async def test_no_room_for_a_new_key(store: Store, tmp_path: Path) -> None:
    await store.remember(EDGE)
    before = (tmp_path / "key").read_bytes()
    with files_at_most(40), pytest.raises(StateError, match="key cannot be written"):
        await store.rotate()
    assert (tmp_path / "key").read_bytes() == before
    assert await store.sessions() == [remembered(EDGE)]


async def test_no_room_for_a_database(tmp_path: Path) -> None:
    with files_at_most(0), pytest.raises(StateError, match=r"mooring\.db cannot be"):
        await Store.open(tmp_path)
    assert await recall(tmp_path) == []


FULL = """
import asyncio, pathlib, sys
from mooring.model.errors import StateError
from mooring.model.target import Target
from mooring.store import Store

async def main():
    directory = pathlib.Path(sys.argv[1])
    store = await Store.open(directory)
    await store.remember(Target.parse("edge1", password="secret"))
    ballast = directory / "ballast"
    with ballast.open("wb", buffering=0) as stream:
        try:
            while stream.write(bytes(4096)):
                pass
        except OSError as error:
            print(error.strerror)
    try:
        for number in range(1000):
            await store.remember(Target.parse(f"s{number}://h", label=["key:" + "v" * 400]))
    except StateError as error:
        print(str(error).removeprefix(f"{directory}/"))
    kept = await store.sessions()
    await store.aclose()
    store = await Store.open(directory)
    print(await store.sessions() == kept, kept[0].target.password.reveal())
    try:
        await store.forget("edge1")
        print("forgotten")
    except StateError as error:
        print(str(error).removeprefix(f"{directory}/"))
    ballast.unlink()
    await store.remember(Target.parse("late://h", password="secret"))
    print((await store.sessions())[-1].target)
    await store.aclose()

asyncio.run(main())
"""


def test_a_full_disk(tmp_path: Path) -> None:
    mount = 'mount -t tmpfs -o size=200k none "$1" && exec "$2" -W error -c "$3" "$1"'
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount, "sh", tmp_path, sys.executable, FULL],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    if "unshare" in done.stderr or "mount:" in done.stderr:
        pytest.skip(f"this system gives nobody a small disk: {done.stderr.strip()}")
    assert done.stderr == ""
    full = "mooring.db cannot grow: the disk is full: database or disk is full (make room on that disk, and try again)"
    assert done.stdout.splitlines() == ["No space left on device", full, "True secret", full, "late://:********@h"]


async def test_a_directory_that_may_not_be_written() -> None:
    with somebody_s_directory() as directory:
        directory.chmod(0o500)
        with pytest.raises(StateError, match=r"mooring\.db cannot be written: Permission denied") as refused:
            await Store.open(directory)
        assert refused.value.hint == "let the daemon's user own that directory and all in it"


async def test_a_database_in_a_directory_that_may_not_be_written() -> None:
    with somebody_s_directory() as directory:
        await recall(directory)
        directory.chmod(0o500)
        with pytest.raises(StateError, match=r"mooring\.db may not be written") as refused:
            await Store.open(directory)
        assert refused.value.hint == "let the daemon's user own that directory and all in it"


async def test_a_database_that_may_not_be_written() -> None:
    with somebody_s_directory() as directory:
        await recall(directory)
        (directory / "mooring.db").chmod(0o400)
        with pytest.raises(StateError, match=r"mooring\.db cannot be locked for writing") as refused:
            await Store.open(directory)
        assert refused.value.hint == "let the daemon's user own that directory and all in it"


async def test_a_database_of_another_user() -> None:
    if os.geteuid():
        pytest.skip("only root can give files away")
    with somebody_s_directory() as directory:
        os.seteuid(0)
        await recall(directory)
        (directory / "mooring.db").chmod(0o644)
        os.seteuid(NOBODY)
        with pytest.raises(StateError, match="Operation not permitted"):
            await Store.open(directory)


async def test_no_directory(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="No such file or directory") as refused:
        await Store.open(tmp_path / "nowhere")
    assert refused.value.hint == "make that directory, or name another state directory"


async def test_a_directory_in_its_place(tmp_path: Path) -> None:
    (tmp_path / "mooring.db").mkdir(0o700)
    with pytest.raises(StateError, match=r"mooring\.db cannot be opened"):
        await Store.open(tmp_path)


async def test_two_writers(store: Store, tmp_path: Path) -> None:
    with pytest.raises(StateError, match="is in use by another process") as refused:
        await Store.open(tmp_path)
    assert refused.value.hint == "stop the other daemon, or name another state directory"
    await store.remember(EDGE)
    await store.aclose()
    with writer(tmp_path, PASSWORD) as process:
        with pytest.raises(StateError, match="is in use by another process"):
            await Store.open(tmp_path)
        assert process.stdout is not None
        assert process.stdout.readline() == "s0\n"
    assert (await recall(tmp_path))[0] == remembered(EDGE)


@pytest.mark.parametrize("new", [True, False])
async def test_two_at_the_same_moment(tmp_path: Path, *, new: bool) -> None:
    if not new:
        await recall(tmp_path)
    outcomes = await asyncio.gather(Store.open(tmp_path), Store.open(tmp_path), return_exceptions=True)
    stores = [outcome for outcome in outcomes if isinstance(outcome, Store)]
    assert len(stores) < 2
    assert len([outcome for outcome in outcomes if isinstance(outcome, StateError)]) == 2 - len(stores)
    for store in stores:
        await store.remember(EDGE)
        await store.aclose()
    assert await recall(tmp_path) == [remembered(EDGE) for _ in stores]


@pytest.fixture
async def database(store: Store, tmp_path: Path) -> Path:
    """The file of a closed store with a hundred sessions."""
    for number in range(100):
        await store.remember(Target.parse(f"s{number}://h", label=["key:" + "v" * 200]))
    await store.aclose()
    return tmp_path / "mooring.db"


def scribble(database: Path) -> None:
    with database.open("r+b") as stream:
        stream.seek(3 * 4096)
        stream.write(b"\xff" * 4096)


def cut(database: Path) -> None:
    os.truncate(database, database.stat().st_size // 2)


def replace(database: Path) -> None:
    database.write_text("once upon a time there was a database\n" * 100)


@pytest.mark.parametrize("damage", [scribble, cut, replace])
async def test_a_damaged_database(database: Path, damage: object) -> None:
    assert callable(damage)
    damage(database)
    before = database.read_bytes()
    with pytest.raises(StateError, match=r"mooring\.db is damaged") as refused:
        await Store.open(database.parent)
    assert refused.value.hint == "move it away, or put a backup in its place"
    assert database.read_bytes() == before
    assert not list(database.parent.glob("*.bak"))


async def test_one_bad_entry_does_not_cost_the_others(database: Path) -> None:
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE session SET target = 'no such://' WHERE alias = 's7'")
    found = await recall(database.parent)
    assert [each.alias for each in found if each.error] == ["s7"]
    assert found[7].target is None
    assert "what was remembered of s7 cannot be read: " in str(found[7].error)
    assert sum(each.target is not None for each in found) == 99
