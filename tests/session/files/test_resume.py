"""Going on with what an earlier attempt left, and two sources that want one place."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from mooring import FileError, Session
from mooring.session.files.names import partial
from tests.session.odd import OddServer

from .test_hostile import Hostile, entry
from .trees import names_in

pytestmark = pytest.mark.anyio

MIB = 1024 * 1024


@pytest.mark.parametrize("direction", ["get", "put"])
async def test_holes_as_large_as_any_attempt_may_leave_are_filled(
    session: Session, tmp_path: Path, far: str, direction: str
) -> None:
    source, place = tmp_path / "file", Path(far) / "file"
    if direction == "get":
        source, place = Path(far) / "source", tmp_path / "file"
    content = os.urandom(30 * MIB)
    source.write_bytes(content)
    info = source.stat()
    where, modified = ("edge1", int(info.st_mtime)) if direction == "get" else ("", info.st_mtime)
    part = place.with_name(partial(f"file\0{where}:{source}\0{info.st_size}\0{modified}"))
    # What a long path leaves: up to 16 MiB were under way, and only the last of them arrived.
    part.write_bytes(content[: 13 * MIB] + bytes(15 * MIB) + content[28 * MIB : 29 * MIB])
    part.chmod(0o666)
    done = await (session.get if direction == "get" else session.put)(str(source), str(place), resume=True)
    assert 8 * MIB < done.resumed < 14 * MIB
    assert place.read_bytes() == content
    assert not part.exists()


async def test_a_file_that_is_told_of_twice_has_two_parts(tmp_path: Path) -> None:
    both = asyncio.Event()

    class Twice(Hostile):
        entries = (entry("a"), entry("a"))
        opened = 0

        def open(self, path: bytes, pflags: int, attrs: object) -> object:
            type(self).opened += 1
            if self.opened == 2:
                both.set()
            return self

        async def read(self, file_obj: object, offset: int, size: int) -> bytes:  # type: ignore[override]
            await both.wait()
            return self.content[offset : offset + size]

    async with OddServer(sftp_factory=Twice) as server, server.held() as session:
        done = await session.get("/top", tmp_path, recurse=True, resume=True, timeout=60)
    assert done.files == 2
    assert (tmp_path / "top" / "a").read_bytes() == Hostile.content
    assert names_in(tmp_path / "top") == ["a"]


async def test_two_transfers_of_one_file_at_once_have_two_parts(session: Session, tmp_path: Path, far: str) -> None:
    content = os.urandom(3 * MIB)
    (tmp_path / "file").write_bytes(content)
    async with asyncio.timeout(50):
        sent = await asyncio.gather(
            *(session.put(tmp_path / "file", f"{far}/file", resume=True, limit=20 * MIB) for _ in range(3))
        )
    assert [done.files for done in sent] == [1, 1, 1]
    assert (Path(far) / "file").read_bytes() == content
    assert names_in(Path(far)) == ["file"]


@pytest.mark.parametrize("resume", [False, True])
async def test_two_sources_of_one_name_do_not_replace_each_other(
    session: Session, tmp_path: Path, far: str, *, resume: bool
) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "file").write_text(folder)
    errors: list[Exception] = []
    paths = [tmp_path / "one" / "file", tmp_path / "two" / "file"]
    sent = await session.put(paths, far, resume=resume, on_error=errors.append)
    assert [str(error) for error in errors] == [
        f"{tmp_path}/two/file: another source has its name, and would be replaced by it (copy it under another name)"
    ]
    assert (sent.files, sent.failed) == (1, 1)
    assert (Path(far) / "file").read_text() == "one"
    with pytest.raises(FileError, match="another source has its name"):
        await session.put(paths, far, resume=resume)


async def test_a_source_that_is_named_twice_is_copied_once(session: Session, tmp_path: Path, far: str) -> None:
    (tmp_path / "file").write_text("content")
    sent = await session.put([tmp_path / "file", tmp_path / "f*"], far, glob=True, resume=True)
    assert (sent.files, sent.failed) == (1, 0)
    assert names_in(Path(far)) == ["file"]


async def test_folders_of_one_name_do_not_become_one_unless_told_to(session: Session, tmp_path: Path, far: str) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder / "same").mkdir(parents=True)
        (tmp_path / folder / "same" / folder).touch()
    folders = [tmp_path / "one" / "same", tmp_path / "two" / "same"]
    errors: list[Exception] = []
    await session.put(folders, far, recurse=True, on_error=errors.append)
    assert [str(error).partition(",")[0] for error in errors] == [f"{tmp_path}/two/same: another source has its name"]
    assert names_in(Path(far) / "same") == ["one"]
    await session.put([f"{folder}/." for folder in folders], f"{far}/joined", recurse=True)
    assert names_in(Path(far) / "joined") == ["one", "two"]
