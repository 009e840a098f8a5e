"""Trees of files to be copied, and whether two are the same."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

__all__ = ["grow", "names_in", "same"]


def grow(top: Path, names: Sequence[str]) -> Path:
    """A tree with a file and a folder of each name, empty ones, links, modes and times."""
    top.mkdir()
    for number, name in enumerate(names):
        (top / name).write_bytes(os.urandom(number * 1000))
        (top / name).chmod(0o600 | number)
        os.utime(top / name, (1_000_000_000 + number, 1_100_000_000 + number))
    for name in names[:-1]:
        (top / "folders" / name).mkdir(parents=True)
        (top / "folders" / name / "inside").write_text(name, errors="surrogateescape")
    (top / "folders" / "empty").mkdir()
    (top / "folders" / "link").symlink_to("empty")
    (top / "link").symlink_to("plain")
    (top / "folders" / "up").symlink_to("../plain")
    (top / "folders").chmod(0o750)
    os.utime(top / "folders", (1_000_000_000, 1_200_000_000))
    return top


def names_in(folder: Path) -> list[str]:
    """What a folder holds, sorted."""
    return sorted(path.name for path in folder.iterdir())


def same(one: Path, other: Path, *, links: bool = True) -> None:
    """That two trees are the same, links themselves where they are kept, and modes and times."""
    options = ["--no-dereference"] if links else []
    subprocess.run(["diff", "-r", *options, one, other], check=True)
    assert _told(one, links=links) == _told(other, links=links)


def _told(top: Path, *, links: bool) -> list[tuple[str, int, int]]:
    found = []
    for folder, folders, files in os.walk(top):
        for name in folders + files:
            path = Path(folder, name)
            if not path.is_symlink():
                state = path.stat()
                found.append((os.path.relpath(path, top), state.st_mode, int(state.st_mtime)))
    return sorted(found) if links else []
