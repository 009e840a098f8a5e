"""The journal: space taken beforehand, where each record is written as it comes, until the ledger has it."""

from __future__ import annotations

import contextlib
import os
import re
from typing import TYPE_CHECKING, Final, TypeAlias

import msgspec

from ...model.errors import StateError
from ..faults import faults
from ..private import sync_directory

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["HALF", "Body", "Journal", "read_journal"]

Body: TypeAlias = tuple[int, bytes]
"""A record's number, and itself as canonical JSON."""

HALF: Final = 8 << 20
"""Bytes of each of the two halves that are used in turns: some 40,000 records."""
_LINE: Final = re.compile(rb"(\{.*\}) (\d{1,18})")


class Journal:
    """Two halves of one file, used in turns: one is filled while the ledger takes what the other has.

    What is written goes by one system call into space that is there already: it meets no full disk, and outlives this
    process at once. A loss of power it outlives after ``sync``, which alone may be called from another thread.

    Args:
        path: The file; made where it is missing, and what it held is forgotten.

    Raises:
        StateError: It cannot be made, or there is no room for it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._half = HALF
        with faults(path), contextlib.ExitStack() as undo:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            undo.callback(os.close, self._file)
            os.fchmod(self._file, 0o600)
            os.ftruncate(self._file, 0)
            _take(self._file, 2 * self._half)
            os.fsync(self._file)
            undo.pop_all()
        sync_directory(path.parent)
        self._side = 0
        self._used = 0
        self._last = [0, 0]
        self._free_to = 0

    @property
    def room(self) -> int:
        """Bytes that can be written now."""
        other = self._half if self._last[1 - self._side] <= self._free_to else 0
        return self._half - self._used + other

    def write(self, bodies: Sequence[Body]) -> bool:
        """Write records, all or none; the system has them on return.

        Returns:
            Whether there was room for them.

        Raises:
            StateError: They were not written. What is next is written in their place.
        """
        # What ends with a zero is read no further: what follows is older, and was taken by the ledger long ago. A line
        # ends with its number: one that is torn ends with that of an older one.
        data = b"".join([b"%b %d\n" % (body, seq) for seq, body in bodies]) + b"\0"
        if self._used + len(data) > self._half:
            other = 1 - self._side
            if self._last[other] > self._free_to or len(data) > self._half:
                return False
            self._side, self._used = other, 0
        try:
            written = os.pwrite(self._file, data, self._side * self._half + self._used)
        except OSError as error:
            raise StateError(f"{self._path} cannot be written: {error.strerror}") from error
        if written != len(data):
            raise StateError(f"{self._path} took {written} bytes of {len(data)}")
        self._used += written - 1
        self._last[self._side] = bodies[-1][0]
        return True

    def release(self, up_to: int) -> None:
        """Records up to this number are kept elsewhere."""
        self._free_to = up_to

    def sync(self) -> None:
        """Have the disk keep what is written. It may be called from another thread.

        Raises:
            StateError: It does not.
        """
        with faults(self._path):
            _sync(self._file)

    def close(self, *, keep: bool) -> None:
        """Close it; and take it away, unless somebody is to read it."""
        os.close(self._file)
        if not keep:
            self._path.unlink(missing_ok=True)


_sync: Final = getattr(os, "fdatasync", os.fsync)


def _take(file: int, size: int) -> None:
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file, 0, size)
    else:
        os.pwrite(file, bytes(size), 0)  # a hole would take room later


def read_journal(path: Path, after: int) -> tuple[Sequence[Body], bool]:
    """What a journal holds that the ledger does not.

    Args:
        path: The file; one that is missing holds nothing.
        after: The number of the last record of the ledger.

    Returns:
        Records in the order of their numbers, and whether all in it were whole: the last is not where the process was
        killed as it wrote it, and is left out.

    Raises:
        StateError: It cannot be read.
    """
    with faults(path):
        if not path.exists():
            return (), True
        data = path.read_bytes()
    found: dict[int, Body] = {}
    whole = True
    middle = len(data) // 2
    for half in (data[:middle], data[middle:]):
        for line in half.partition(b"\0")[0].split(b"\n"):
            seq, body = _read(line)
            if seq > after:
                found.setdefault(seq, (seq, body))
            whole = whole and (seq > 0 or not line)
    return [found[seq] for seq in sorted(found)], whole


def _read(line: bytes) -> Body:
    match = _LINE.fullmatch(line)
    try:
        if match is not None and msgspec.json.decode(match[1], type=_Numbered).seq == int(match[2]):
            return int(match[2]), match[1]
    except msgspec.DecodeError:
        pass
    return 0, b""


class _Numbered(msgspec.Struct):
    seq: int
