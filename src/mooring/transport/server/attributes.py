"""Attributes of files, as SFTP sets them: of those that it names, each alone."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import asyncssh

    from .root import Spot

__all__ = ["set_on", "set_open"]

_NANOSECONDS: Final = 1_000_000_000


def set_on(spot: Spot, attrs: asyncssh.SFTPAttrs) -> None:
    """Set those of what stands at a spot; of a link, its own."""
    if attrs.size is not None:
        descriptor = spot.open(os.O_WRONLY)
        try:
            os.ftruncate(descriptor, attrs.size)
        finally:
            os.close(descriptor)
    if attrs.uid is not None and attrs.gid is not None:
        os.chown(spot.name, attrs.uid, attrs.gid, dir_fd=spot.folder, follow_symlinks=False)
    if attrs.permissions is not None:
        spot.chmod(attrs.permissions)
    if attrs.atime is not None or attrs.mtime is not None:
        os.utime(spot.name, ns=_times(attrs, spot.stat()), dir_fd=spot.folder, follow_symlinks=False)


def set_open(descriptor: int, attrs: asyncssh.SFTPAttrs) -> None:
    """Set those of an open file."""
    if attrs.size is not None:
        os.ftruncate(descriptor, attrs.size)
    if attrs.uid is not None and attrs.gid is not None:
        os.fchown(descriptor, attrs.uid, attrs.gid)
    if attrs.permissions is not None:
        os.fchmod(descriptor, attrs.permissions)
    if attrs.atime is not None or attrs.mtime is not None:
        os.utime(descriptor, ns=_times(attrs, os.fstat(descriptor)))


def _times(attrs: asyncssh.SFTPAttrs, now: os.stat_result) -> tuple[int, int]:
    accessed, modified = now.st_atime_ns, now.st_mtime_ns
    if attrs.atime is not None:
        accessed = int(attrs.atime) * _NANOSECONDS + (attrs.atime_ns or 0)
    if attrs.mtime is not None:
        modified = int(attrs.mtime) * _NANOSECONDS + (attrs.mtime_ns or 0)
    return accessed, modified
