"""What SQLite and the file system say, in our words."""

from __future__ import annotations

import errno
import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from ..model.errors import StateError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

__all__ = ["DAMAGED", "faults"]

_PRIMARY: Final = 0xFF
"""The bits of SQLite's result code that say what kind it is (https://sqlite.org/rescode.html)."""

_OWN: Final = "let the daemon's user own that directory and all in it"
_ROOM: Final = "make room on that disk, and try again"
DAMAGED: Final = "move it away, or put a backup in its place"
"""What to do about a database that cannot be used any more."""

_BY_CODE: Final[Mapping[int, tuple[str, str]]] = {
    sqlite3.SQLITE_BUSY: ("is in use by another process", "stop the other daemon, or name another state directory"),
    sqlite3.SQLITE_FULL: ("cannot grow: the disk is full", _ROOM),
    sqlite3.SQLITE_IOERR: ("cannot be read or written", "look whether that disk is full, or failing"),
    # So it is told when we may read the file and not write it.
    sqlite3.SQLITE_IOERR_LOCK: ("cannot be locked for writing", _OWN),
    sqlite3.SQLITE_READONLY: ("may not be written", _OWN),
    sqlite3.SQLITE_CANTOPEN: ("cannot be opened", _OWN),
    sqlite3.SQLITE_CORRUPT: ("is damaged", DAMAGED),
    sqlite3.SQLITE_NOTADB: ("is damaged, or no database", DAMAGED),
}
_HINTS: Final[Mapping[int, str]] = {
    errno.ENOSPC: _ROOM,
    errno.EDQUOT: _ROOM,
    errno.EFBIG: "the limit on the size of files (ulimit -f) is too small",
    errno.EACCES: _OWN,
    errno.EPERM: _OWN,
    errno.EROFS: "name a state directory that can be written",
    errno.ENOENT: "make that directory, or name another state directory",
    errno.ENOTDIR: "name another state directory",
}


@contextmanager
def faults(path: Path) -> Iterator[None]:
    """Raise StateError, which names the file and what to do, for what SQLite and the system raise inside."""
    try:
        yield
    except TimeoutError:
        raise StateError(
            f"{path} did not answer in time; whether it was changed is not known",
            hint="look whether that disk is overloaded, or failing",
        ) from None
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
        what, hint = _BY_CODE.get(code) or _BY_CODE.get(code & _PRIMARY) or ("cannot be used", None)
        raise StateError(f"{path} {what}: {error}", hint=hint) from error
    except OSError as error:
        words = error.strerror or str(error)
        raise StateError(f"{path} cannot be written: {words}", hint=_HINTS.get(error.errno or 0)) from error
