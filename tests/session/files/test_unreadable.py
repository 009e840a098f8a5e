"""What cannot be read on this machine is named, and stops nothing else where that is wanted."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from mooring import FileError, FileMissing, Session

from .trees import names_in

pytestmark = pytest.mark.anyio


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A tree with an entry that cannot be looked at, one that cannot be read, and one that leads nowhere."""
    tree = tmp_path / "tree"
    (tree / "inner").mkdir(parents=True)
    (tree / "a").write_text("a")
    (tree / "inner" / "z").write_text("z")
    (tree / "inner" / "loop").symlink_to("loop")
    (tree / "inner" / "memory").symlink_to("/proc/self/mem")  # its first page is nobody's, not even root's
    (tree / "gone").symlink_to("nothing")
    return tree


async def test_unreadable_entries_are_named_and_the_rest_goes_on(session: Session, tree: Path, far: str) -> None:
    errors: list[FileError] = []

    def take(error: Exception) -> None:
        assert isinstance(error, FileError)
        errors.append(error)

    sent = await session.put(tree, far, recurse=True, links="follow", on_error=take)
    assert (sent.files, sent.failed) == (2, 3)
    told = {error.path: error for error in errors}
    assert sorted(told) == [f"{tree}/gone", f"{tree}/inner/loop", f"{tree}/inner/memory"]
    assert all(error.where == "" for error in errors)
    assert isinstance(told[f"{tree}/gone"], FileMissing)
    assert str(told[f"{tree}/inner/loop"]) == f"{tree}/inner/loop: Too many levels of symbolic links"
    assert str(told[f"{tree}/inner/memory"]) == f"{tree}/inner/memory: Input/output error"
    assert names_in(Path(far) / "tree") == ["a", "inner"]
    assert names_in(Path(far) / "tree" / "inner") == ["z"]


async def test_one_of_them_ends_it_otherwise(session: Session, tree: Path, far: str) -> None:
    (tree / "gone").unlink()
    (tree / "inner" / "memory").unlink()
    with pytest.raises(FileError, match="/inner/loop: Too many levels"):
        await session.put(tree, far, recurse=True, links="follow")
    assert not [name for name in names_in(Path(far) / "tree") if name.endswith(".part")]


@contextlib.contextmanager
def as_somebody() -> Iterator[None]:
    """Be a user who may not read all: root becomes nobody for the length of a block."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65_534)
    try:
        yield
    finally:
        os.seteuid(0)


async def test_folders_that_may_not_be_read(session: Session, far: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder, "tree")
        Path(folder).chmod(0o755)
        (tree / "locked").mkdir(parents=True)
        (tree / "a").touch(mode=0)
        (tree / "locked").chmod(0)
        errors: list[Exception] = []
        try:
            with as_somebody():
                sent = await session.put(tree, far, recurse=True, on_error=errors.append)
        finally:
            (tree / "locked").chmod(0o700)
    assert sent.failed == 2
    assert sorted(str(error) for error in errors) == [
        f"{tree}/a: permission denied",
        f"{tree}/locked: permission denied",
    ]
