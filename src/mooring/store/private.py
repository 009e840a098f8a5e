"""Small files that are for this user's eyes alone: read with a look at who else may, replaced as a whole."""

from __future__ import annotations

import os
import shlex
import stat
from typing import TYPE_CHECKING

from ..model.errors import StateError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["read_private", "sync_directory", "write_private"]


def read_private(path: Path, what: str, most: int) -> bytes:
    """What a file holds, if it is a file that nobody else may use.

    Args:
        path: The file.
        what: What it is, for the message.
        most: Bytes to read at most.

    Raises:
        StateError: Others may use it, or it is no file.
        OSError: It cannot be read.
    """
    # A named pipe would hold whoever opens it until somebody writes.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise StateError(f"the {what} {path} is no file", hint="move it away")
        mode = stat.S_IMODE(status.st_mode)
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise StateError(
                f"the {what} {path} has mode {mode:04o}, and others may use it",
                hint=f"chmod 600 {shlex.quote(str(path))}",
            )
        with os.fdopen(descriptor, "rb", closefd=False) as stream:  # it leaves open what it refuses
            return stream.read(most)
    finally:
        os.close(descriptor)


def write_private(path: Path, data: bytes) -> None:
    """Replace a file as a whole or not at all, and return when the disk has it.

    Raises:
        OSError: It cannot be written; what was there still is.
    """
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        fresh.replace(path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Make the names in a directory durable (open(2), fsync(2))."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
