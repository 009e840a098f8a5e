"""One daemon for a state directory: the lock, and the directory itself."""

from __future__ import annotations

import fcntl
import os
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..model.errors import StateError
from ..store.faults import faults

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["own"]


@contextmanager
def own(directory: Path) -> Iterator[None]:
    """Be the one daemon of a state directory, which is made if need be, for its user alone.

    The lock goes with the process however it ends, so a killed daemon leaves nothing to clean up.

    Raises:
        StateError: Another daemon has it; it cannot be made or used; others may write to it.
    """
    with faults(directory):
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        _check(directory)
        descriptor = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        with faults(directory / "lock"):
            _lock(descriptor, directory)
        yield
    finally:
        os.close(descriptor)


def _check(directory: Path) -> None:
    state = directory.stat()
    if not stat.S_ISDIR(state.st_mode):
        raise StateError(f"the state directory {directory} is a file")
    if state.st_uid not in {os.geteuid(), 0}:
        raise StateError(
            f"the state directory {directory} belongs to uid {state.st_uid}, and we are {os.geteuid()}",
            hint="run as its owner, or name another one with --state-dir",
        )
    if state.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise StateError(f"others may write to the state directory {directory}", hint=f"chmod 700 {directory}")


def _lock(descriptor: int, directory: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        pid = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip() or "unknown"
        raise StateError(
            f"another mooringd, process {pid}, uses the state directory {directory}",
            hint=f"stop it (kill {pid}), or name another directory with --state-dir",
        ) from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
