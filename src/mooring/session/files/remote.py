"""A session's files, over SFTP."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import posixpath
import time
from typing import TYPE_CHECKING, Final

from ...model.errors import DiskFull, FileError, FileExists, FileMissing, UnsafePath
from ...model.files import FileInfo
from ...transport.sftp import (
    CREATE,
    EXCLUSIVE,
    FAILURES,
    KINDS,
    READ,
    UNSUPPORTED,
    WRITE,
    NotThere,
    attributes,
    file_error,
    refused_by_sftp,
)
from .ends import MOST_FLIGHT, NO_FOLDER, THERE
from .hashing import hashed_there

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from types import TracebackType

    from ...model.errors import MooringError
    from ...transport.sftp import Attributes, ClientFile, SftpChannel
    from ..attachment import Attachment

__all__ = ["RemoteEnd"]

_RATE: Final = 125_000_000
"""Bytes a second that a path is to carry, a gigabit's worth: what is under way at once follows from its round trip."""
_LEAST: Final = 4 * 1024 * 1024
_SMALLEST: Final = 32 * 1024
"""Bytes that every server takes at once (draft-ietf-secsh-filexfer-02 section 3), whatever it says of itself."""
_LARGEST: Final = 1024 * 1024
_SAFE_MODE: Final = 0o777
"""Of permission bits: one peer does not decide that a program of another runs as somebody else."""
_SILENCE: Final = 120.0
"""Seconds without a byte from the server after which it is taken for stuck, though its SSH may still answer."""


class RemoteEnd:
    """The files of whoever logged in, on one SFTP channel.

    Args:
        attachment: The session's link.
        channel: The channel, its client started.
    """

    trusted = False

    def __init__(self, attachment: Attachment, channel: SftpChannel) -> None:
        self.where = attachment.alias
        limits = channel.client.limits
        self.block = min(max(_SMALLEST, min(limits.max_read_len, limits.max_write_len)), _LARGEST)
        self.flight = _LEAST
        self._attachment = attachment
        self._channel = channel
        self._client = channel.client
        self._now = asyncio.get_running_loop().time
        self._watch: asyncio.TimerHandle | None = None
        self._waiting = 0

    async def measure(self) -> None:
        """Size what may be under way for the path: one round trip tells."""
        start = time.perf_counter()
        with self.naming("."):
            await self._client.realpath(".")
        seconds = time.perf_counter() - start
        self.flight = int(min(MOST_FLIGHT, max(_LEAST, seconds * _RATE)))

    def naming(self, path: str) -> _Naming:
        """Around requests: what fails names the file, and a server that says nothing more is given up."""
        return _Naming(self, path)

    def asked(self) -> None:
        """A request begins."""
        self._waiting += 1
        if self._watch is None:
            self._channel.heard = self._now()
            self._watch = asyncio.get_running_loop().call_later(_SILENCE, self._look)

    def answered(self) -> None:
        """It has ended."""
        self._waiting -= 1

    def named(self, error: BaseException, path: str) -> MooringError | None:
        """What a failure means; None for what is no failure of a request."""
        if isinstance(error, FAILURES):
            return file_error(error, path, self.where, self._attachment.link)
        return None

    def _look(self) -> None:
        """Give up a server that was asked and has said nothing for long: whoever waits is told that SFTP ended."""
        self._watch = None
        if not self._waiting:
            return
        rest = self._channel.heard + _SILENCE - self._now()
        if rest > 0:
            self._watch = asyncio.get_running_loop().call_later(rest, self._look)
        else:
            self._channel.give_up()

    def close(self) -> None:
        """Close the channel; its slot is free when the server has closed it too."""
        if self._watch is not None:
            self._watch.cancel()
        self._channel.abandon()

    def join(self, folder: str, name: str) -> str:
        return posixpath.join(folder, name)

    def split(self, path: str) -> tuple[str, str]:
        return posixpath.split(path)

    async def info(self, path: str, *, follow: bool = True) -> FileInfo | None:
        with self.naming(path):
            try:
                found = await (self._client.stat(path) if follow else self._client.lstat(path))
            except NotThere:
                return None
        return _info(posixpath.basename(path), found)

    async def scan(self, path: str) -> AsyncGenerator[FileInfo]:
        with self.naming(path):
            entries = self._client.scandir(path)
            async with contextlib.aclosing(entries):  # type: ignore[type-var] # it is a generator
                async for entry in entries:
                    name = str(entry.filename)
                    if name not in {".", ".."}:
                        yield _info(name, entry.attrs)

    async def open(self, path: str) -> RemoteFile:
        with self.naming(path):
            return RemoteFile(self, path, await self._client.open(path, READ, encoding=None, block_size=0))

    async def create(self, path: str, mode: int, *, fresh: bool, named: str) -> RemoteFile:
        flags = READ | WRITE | CREATE | (EXCLUSIVE if fresh else 0)
        if not fresh and (there := await self.info(path, follow=False)) is not None and there.kind != "file":
            raise UnsafePath("where its part is to go on there is no file", path=named, where=self.where)
        with self.naming(named):
            try:
                opened = await self._client.open(
                    path, flags, attributes(mode=mode & _SAFE_MODE | 0o600), encoding=None, block_size=0
                )
            except NotThere as error:
                raise FileMissing(NO_FOLDER, path=named, where=self.where) from error
            return RemoteFile(self, named, opened)

    async def make_folder(self, path: str, mode: int, *, follow: bool) -> bool:
        with self.naming(path):
            try:
                await self._client.mkdir(path, attributes(mode=mode & _SAFE_MODE | 0o700))
            except FAILURES as error:
                found = await self.info(path, follow=follow)
                if found is None:
                    raise
                if found.kind == "folder":
                    return False
                if found.kind == "link":
                    raise UnsafePath("it is a link, and not followed", path=path, where=self.where) from error
                raise FileError("it is there, and no folder", path=path, where=self.where) from error
        return True

    async def replace(self, old: str, new: str) -> None:
        with self.naming(new):
            try:
                await self._client.posix_rename(old, new)
            except UNSUPPORTED:
                with contextlib.suppress(*NotThere):  # version 3 renames over nothing, and has no step that does both
                    await self._client.remove(new)
                await self._client.rename(old, new)

    async def place(self, old: str, new: str) -> None:
        """Rename a file to a name that is free: by the rename of version 3, which is to replace nothing.

        So says draft-ietf-secsh-filexfer-02, section 6.5. For servers that replace all the same it is looked before.

        Raises:
            FileExists: Something is there.
        """
        await self._check_free(new)
        try:
            with self.naming(new):
                await self._client.rename(old, new)
        except FileError:  # of whatever kind: version 3 has no code that says it
            await self._check_free(new)
            raise

    async def _check_free(self, path: str) -> None:
        if await self.info(path, follow=False) is not None:
            raise FileExists(THERE, path=path, where=self.where)

    async def remove(self, path: str) -> None:
        with self.naming(path):
            await self._client.remove(path)

    async def read_link(self, path: str) -> str:
        with self.naming(path):
            return str(await self._client.readlink(path))

    async def link(self, target: str, path: str) -> None:
        with self.naming(path):
            await self._client.symlink(target, path)

    async def set(self, path: str, info: FileInfo) -> None:
        with self.naming(path):
            await self._client.setstat(path, attributes(info.mode & _SAFE_MODE, info.accessed, info.modified))

    async def digest(self, path: str) -> str:
        """As End has it: by a program of the peer's where there is one, else by reading the file once more."""
        if (there := await hashed_there(self._attachment, path)) is not None:
            return there
        file = await self.open(path)
        found = hashlib.sha256()
        offset = 0
        try:
            while data := await file.read(offset, self.block):
                found.update(data)
                offset += len(data)
        finally:
            await file.close()
        return found.hexdigest()

    async def out_of_space(self, path: str, size: int) -> bool:
        """Whether the file system has no room for so many bytes, as far as the server tells."""
        with contextlib.suppress(*FAILURES):
            found = await self._client.statvfs(posixpath.dirname(path) or ".")
            return found.bavail * found.frsize < size
        return False


class _Naming:
    """The block of ``naming``: a class, since a generator would cost a tenth of a small file."""

    __slots__ = ("_end", "_path")

    def __init__(self, end: RemoteEnd, path: str) -> None:
        self._end = end
        self._path = path

    def __enter__(self) -> None:
        self._end.asked()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.answered()
        if error is not None and (failure := self._end.named(error, self._path)) is not None and failure is not error:
            raise failure from error


class RemoteFile:
    """An open file, read or written."""

    def __init__(self, end: RemoteEnd, path: str, file: ClientFile) -> None:
        self._end = end
        self._path = path
        self._file = file

    async def info(self) -> FileInfo:
        with self._end.naming(self._path):
            return _info("", await self._file.stat())

    async def read(self, offset: int, size: int) -> bytes:
        with self._end.naming(self._path):
            data: bytes = await self._file.read(size, offset)
        if len(data) > size:
            raise FileError("the server gave more than was asked for", path=self._path, where=self._end.where)
        return data

    async def write(self, offset: int, data: bytes) -> None:
        with self._end.naming(self._path):
            try:
                await self._file.write(data, offset)
            except FAILURES as error:
                if refused_by_sftp(error) and await self._end.out_of_space(self._path, len(data)):
                    raise DiskFull("there is no space left", path=self._path, where=self._end.where) from error
                raise

    async def size(self) -> int:
        return (await self.info()).size

    async def truncate(self, size: int) -> None:
        with self._end.naming(self._path):
            await self._file.setstat(attributes(size=size))

    async def set(self, info: FileInfo) -> None:
        with self._end.naming(self._path):
            await self._file.setstat(attributes(info.mode & _SAFE_MODE, info.accessed, info.modified))

    async def close(self) -> None:
        with self._end.naming(self._path):
            await self._file.close()


def _info(name: str, found: Attributes) -> FileInfo:
    mode = found.permissions
    return FileInfo(
        name=name,
        kind=KINDS.get(found.type, "other"),
        size=found.size or 0,
        mode=0o644 if mode is None else mode & 0o7777,
        modified=found.mtime,
        accessed=found.atime,
    )
