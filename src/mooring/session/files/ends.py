"""What the engine needs of a file system, be it this machine's or a session's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from ...model.files import FileInfo

__all__ = ["MOST_FLIGHT", "NO_FOLDER", "THERE", "End", "Reader", "Writer"]

MOST_FLIGHT: Final = 16 * 1024 * 1024
"""Bytes of a file that are under way at most: a gigabit a second over 130 ms."""
NO_FOLDER: Final = "there is no folder for it"
THERE: Final = "it is there already, and was not to be replaced"


class Reader(Protocol):
    """A file that is read."""

    async def info(self) -> FileInfo:
        """What it is now."""

    async def read(self, offset: int, size: int) -> bytes:
        """At most so many bytes; none at the end. Several may be asked for at once."""

    async def close(self) -> None:
        """Let go of it."""


class Writer(Protocol):
    """A file that is written; what was written can be read."""

    async def read(self, offset: int, size: int) -> bytes:
        """As Reader has it."""

    async def write(self, offset: int, data: bytes) -> None:
        """Write all of it there. Several may be under way at once."""

    async def size(self) -> int:
        """Bytes that it has."""

    async def truncate(self, size: int) -> None:
        """Cut it to so many bytes."""

    async def set(self, info: FileInfo) -> None:
        """Give it a file's permission bits and times."""

    async def close(self) -> None:
        """Let go of it."""


class End(Protocol):
    """A file system. Paths are texts; every method raises FileError or SessionLost, which name the file.

    Attributes:
        where: The session's alias; empty for this machine.
        trusted: Whether the names that it tells may lead anywhere: our own may, a peer's may not.
        block: Bytes that it takes and gives at once.
        flight: Bytes that may be under way to keep the path to it full.
    """

    where: str
    trusted: bool
    block: int
    flight: int

    def join(self, folder: str, name: str) -> str:
        """The path of a name in a folder."""

    def split(self, path: str) -> tuple[str, str]:
        """The folder of a path, and the name in it; the name is empty where the path names a folder by its end."""

    async def info(self, path: str, *, follow: bool = True) -> FileInfo | None:
        """What is there; None where nothing is."""

    def scan(self, path: str) -> AsyncGenerator[FileInfo]:
        """What a folder holds."""

    async def open(self, path: str) -> Reader:
        """Open a file to be read."""

    async def create(self, path: str, mode: int, *, fresh: bool, named: str) -> Writer:
        """Open a file to be written, following no link.

        Args:
            path: The file's.
            mode: Permission bits of a new one.
            fresh: Whether it must be new; else one that is there is opened as it is.
            named: What it is to be called once it is whole, for errors.

        Raises:
            FileMissing: There is no folder to put it into.
        """

    async def make_folder(self, path: str, mode: int, *, follow: bool) -> bool:
        """Make a folder, and tell whether it is new; one that is there will do, but a link to one only with follow."""

    async def replace(self, old: str, new: str) -> None:
        """Rename a file, over another one if there is one."""

    async def remove(self, path: str) -> None:
        """Remove a file."""

    async def read_link(self, path: str) -> str:
        """Where a link leads."""

    async def link(self, target: str, path: str) -> None:
        """Make a symbolic link."""

    async def set(self, path: str, info: FileInfo) -> None:
        """Give a folder a folder's permission bits and times."""

    async def digest(self, path: str) -> str:
        """A file's SHA-256 in hexadecimal digits."""
