"""What is told of files: one file, how far a transfer has come, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["FileInfo", "Kind", "Progress", "Transferred"]

Kind = Literal["file", "folder", "link", "other"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FileInfo:
    """One file.

    Attributes:
        name: Its name without the path to it; bytes that are no UTF-8 are surrogates, as Python's own names have them.
        kind: ``other`` is what no copy is made of: devices, pipes and sockets.
        size: Bytes.
        mode: Permission bits.
        modified: When it was last written, in seconds since 1970; None where the peer does not say.
        accessed: The same of the last reading.
    """

    name: str
    kind: Kind
    size: int = 0
    mode: int = 0o644
    modified: float | None = None
    accessed: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a transfer has come.

    Attributes:
        path: The source of the file that has just moved.
        size: Bytes that it has.
        done: Bytes of it that are over.
        total: Bytes of all files that are over.
        known: Bytes of all files that have been found; it may grow while a tree is still being read.
        files: Files that are whole.
    """

    path: str
    size: int
    done: int
    total: int
    known: int
    files: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Transferred:
    """What came of a transfer.

    Attributes:
        files: Files and links that are whole at the target.
        size: Bytes that they have.
        resumed: Bytes of them that were there already.
        failed: Files that are not, where ``on_error`` was given.
        duration: Seconds.
        protocol: ``sftp`` or ``scp``.
    """

    files: int
    size: int
    resumed: int = 0
    failed: int = 0
    duration: float = 0.0
    protocol: Literal["sftp", "scp"] = "sftp"
