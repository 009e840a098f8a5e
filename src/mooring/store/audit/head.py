"""The end of the chain, kept beside the database: what was dropped from its end is missed by it."""

from __future__ import annotations

import hashlib
import os
import re
from typing import TYPE_CHECKING, Final

from ...model.audit import Head
from ..private import sync_directory

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["HeadFile"]

_SLOT: Final = 128
_LINE: Final = re.compile(rb"(\d{1,19}) ([0-9a-f]{64}) ([0-9a-f]{16}) *\n")


class HeadFile:
    """A file of two lines, written in turns: one that was torn leaves the other, and each tells whether it is whole.

    It is written whenever the disk has what it tells of, and so never tells of more than there is; after a loss of
    power it may tell of a little less.

    Args:
        path: Where; it is made where it is missing.
        read_only: To be read alone: it is not made.

    Raises:
        OSError: It cannot be opened.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self._turn = 0
        self._fresh = not path.exists()
        if read_only:
            self._file = os.open(os.devnull if self._fresh else path, os.O_RDONLY | os.O_CLOEXEC)
            return
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        os.fchmod(self._file, 0o600)
        if self._fresh:
            sync_directory(path.parent)

    def read(self) -> Head | None:
        """The latest that is whole; None where there is none."""
        text = os.pread(self._file, 2 * _SLOT, 0)
        found = [head for place in (0, _SLOT) if (head := _parsed(text[place : place + _SLOT])) is not None]
        return max(found, key=lambda head: head.seq, default=None)

    def write(self, head: Head) -> None:
        """Keep another. It outlives this process at once, and a loss of power after ``sync``."""
        line = f"{head.seq} {head.hash}"
        os.pwrite(self._file, f"{line} {_check(line)}".ljust(_SLOT - 1).encode() + b"\n", self._turn * _SLOT)
        self._turn = 1 - self._turn
        if self._fresh:  # from now on it always tells of an end
            self.sync()
            self._fresh = False

    def sync(self) -> None:
        """Have the disk keep it."""
        os.fsync(self._file)

    def close(self) -> None:
        """Close it."""
        os.close(self._file)


def _parsed(slot: bytes) -> Head | None:
    found = _LINE.fullmatch(slot)
    if found is None or _check(f"{found[1].decode()} {found[2].decode()}") != found[3].decode():
        return None
    return Head(int(found[1]), found[2].decode())


def _check(line: str) -> str:
    return hashlib.sha256(line.encode()).hexdigest()[:16]
