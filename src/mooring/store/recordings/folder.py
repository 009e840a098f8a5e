"""The files of recordings, as one thread uses them. A file has whole lines only, whenever the daemon ends."""

from __future__ import annotations

import logging
import os
import re
import stat
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from ...model.errors import StateError
from ..faults import faults
from .cast import LONGEST, read_header

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from ...model.recording import Recording

__all__ = ["ID", "CastFile", "Folder"]

_log: Final = logging.getLogger(__name__)
ID: Final = re.compile(r"\d{8}-\d{6}-[0-9a-f]{8}")
_ENDING: Final = ".cast"
_MIB: Final = 1 << 20
_CHUNK: Final = 64 * 1024
_NOT_OURS: Final = "it is left there, and counts for no limit: look at it, or move it away"


class CastFile:
    """One that is written.

    Args:
        path: Its name; it must not be there.

    Attributes:
        size: Bytes of whole lines in it.

    Raises:
        StateError: It cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self.size = 0
        self._path = path
        with faults(path):
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
            self._file = os.open(path, flags, 0o600)

    def write(self, lines: bytes) -> None:
        """Add lines; all of them, or none.

        Raises:
            StateError: They cannot be.
        """
        with faults(self._path):
            try:
                view = memoryview(lines)
                while view:
                    view = view[os.write(self._file, view) :]
            except OSError:
                os.ftruncate(self._file, self.size)
                os.lseek(self._file, self.size, os.SEEK_SET)
                raise
        self.size += len(lines)

    def close(self, ended: float) -> None:
        """Close it; how long it is can be seen from when it was last changed.

        Args:
            ended: When it ended: seconds since 1970.

        Raises:
            StateError: It cannot be told so.
        """
        with faults(self._path):
            try:
                os.utime(self._file, (ended, ended))
            finally:
                os.close(self._file)


class Folder:
    """The folder of the recordings, for this user alone.

    Args:
        path: Its name.
        free_mib: MiB that its disk must have free for something to be written.
    """

    def __init__(self, path: Path, free_mib: int) -> None:
        self.path = path
        self._free = free_mib

    def open(self) -> list[Recording]:
        """Make it where it is missing, and tell what is in it, the oldest first; what a killed daemon left is mended.

        One that cannot be is left where it is, and the log says so.

        Raises:
            StateError: It cannot be used.
        """
        with faults(self.path):
            self.path.mkdir(mode=0o700, exist_ok=True)
            status = self.path.stat()
            if status.st_uid != os.geteuid() or stat.S_IMODE(status.st_mode) & 0o077:
                raise StateError(f"others may use the recordings in {self.path}", hint=f"chmod 700 {self.path}")
            names = sorted(entry.name for entry in os.scandir(self.path) if entry.is_file(follow_symlinks=False))
        found = (self._found(name) for name in names if name.endswith(_ENDING))
        return [recording for recording in found if recording is not None]

    def _found(self, name: str) -> Recording | None:
        try:
            return self._read(name)
        except StateError as error:
            _log.warning("a recording is passed over: %s", error)
            return None

    def _read(self, name: str) -> Recording | None:
        recording_id = name.removesuffix(_ENDING)
        if ID.fullmatch(recording_id) is None:
            return None
        path = self.path / name
        with faults(path):
            file = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                status = os.fstat(file)
                if not status.st_size:  # there was no time for more
                    path.unlink()
                    return None
                line, end, _ = os.pread(file, LONGEST, 0).partition(b"\n")
                found = read_header(line, recording_id, status.st_size, status.st_mtime) if end else None
                if found is None:
                    raise StateError(f"{path} does not begin as a recording does", hint=_NOT_OURS)
                return replace(found, bytes=_mended(file, path))
            finally:
                os.close(file)

    def check(self) -> None:
        """See that there is room.

        Raises:
            StateError: There is less than there must be.
        """
        with faults(self.path):
            status = os.statvfs(self.path)
        free = status.f_bavail * status.f_frsize // _MIB
        if free < self._free:
            raise StateError(
                f"the disk of {self.path} has {free} MiB free, and free_mib of [recordings] is {self._free}",
                hint="make room on that disk, or let recordings go: `mooring rec list`",
            )

    def place(self, recording_id: str) -> Path:
        """Where a recording is."""
        return self.path / f"{recording_id}{_ENDING}"

    def read(self, recording_id: str, start: int, size: int) -> bytes:
        """A part of a recording.

        Raises:
            StateError: It cannot be read.
        """
        path = self.place(recording_id)
        with faults(path):
            file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                return os.pread(file, size, start)
            finally:
                os.close(file)

    def remove(self, recording_id: str) -> None:
        """Remove a recording; one that is gone already is gone.

        Raises:
            StateError: It cannot be removed.
        """
        path = self.place(recording_id)
        with faults(path):
            path.unlink(missing_ok=True)

    def clear(self, recording_ids: Iterable[str]) -> dict[str, StateError]:
        """Remove recordings; of those that cannot be removed, tell why."""
        left = {}
        for recording_id in recording_ids:
            try:
                self.remove(recording_id)
            except StateError as error:
                left[recording_id] = error
        return left


def _mended(file: int, path: Path) -> int:
    """The size of a file, of which a line that is not whole is cut off; it keeps its time."""
    status = os.fstat(file)
    size = end = status.st_size
    while end > 0:
        start = max(0, end - _CHUNK)
        found = os.pread(file, end - start, start).rfind(b"\n")
        end = start
        if found >= 0:
            end += found + 1
            break
    if end != size:
        _log.warning("%s ended within a line, whose %d bytes are cut off", path, size - end)
        os.ftruncate(file, end)
        os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    return end
