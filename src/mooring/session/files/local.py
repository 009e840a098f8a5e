"""This machine as an end, whose files may be on a mount that hangs."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import hashlib
import itertools
import os
import stat
from typing import TYPE_CHECKING, Final, ParamSpec, Self, TypeVar

from ...model.errors import FileError, FileMissing, MooringError, UnsafePath
from ...model.files import FileInfo
from ...transport.sftp import file_error
from .aside import Aside
from .disks import near
from .ends import NO_FOLDER
from .names import MOST

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterator
    from types import TracebackType

    from ...model.files import Kind

__all__ = ["LocalEnd"]

_P = ParamSpec("_P")
_T = TypeVar("_T")

_BINARY: Final = getattr(os, "O_BINARY", 0)
_NO_FOLLOW: Final = getattr(os, "O_NOFOLLOW", 0)
_NO_WAIT: Final = getattr(os, "O_NONBLOCK", 0)
_AT_ONCE: Final = 256
"""Entries of a folder that are looked at together."""
_SAFE_MODE: Final = 0o777
"""A peer does not decide that a program here runs as somebody else."""


class _naming:  # noqa: N801 - a block, and a class since a generator would cost a tenth of a small file
    """What fails in the block names the file."""

    __slots__ = ("_path",)

    def __init__(self, path: str) -> None:
        self._path = path

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, OSError | ValueError) and not isinstance(error, MooringError):  # a NUL is a ValueError
            raise file_error(error, self._path, "") from error


class _LocalFile:
    """An open file, read or written."""

    def __init__(self, end: LocalEnd, path: str, descriptor: int) -> None:
        self._end = end
        self._path = path
        self._descriptor = descriptor

    async def info(self) -> FileInfo:
        return _info("", await self._end.do(os.fstat, self._descriptor))

    async def read(self, offset: int, size: int) -> bytes:
        with _naming(self._path):
            return await self._end.do(os.pread, self._descriptor, size, offset)

    async def write(self, offset: int, data: bytes) -> None:
        with _naming(self._path):
            await self._end.do(_write, self._descriptor, offset, data)

    async def size(self) -> int:
        return (await self._end.do(os.fstat, self._descriptor)).st_size

    async def truncate(self, size: int) -> None:
        with _naming(self._path):
            await self._end.do(os.ftruncate, self._descriptor, size)

    async def set(self, info: FileInfo) -> None:
        with _naming(self._path):
            await self._end.do(_set, self._descriptor, info)

    async def close(self) -> None:
        with _naming(self._path):  # a full disk may be told here
            await self._end.do(os.close, self._descriptor)


class LocalEnd:
    """This machine's files; enter it to use it.

    Whatever is looked at for the first time is looked at from a thread. When that shows a file system that is not this
    machine's own, everything is done there from then on. Other calls are made at once: they take microseconds, and the
    way to a thread and back more.
    """

    where = ""
    trusted = True
    block = 1024 * 1024
    flight = 64 * 1024 * 1024

    def __init__(self) -> None:
        self._aside = Aside()
        self._near = near()
        self._far = False
        self._known: set[str] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._aside.close()

    async def do(self, function: Callable[_P, _T], *args: _P.args, **keywords: _P.kwargs) -> _T:
        """Make a call that may take long, if it is to a file system that is not near."""
        if self._far:
            return await self._aside.call(functools.partial(function, *args, **keywords))
        return function(*args, **keywords)

    async def look(self, function: Callable[_P, _T], *args: _P.args, **keywords: _P.kwargs) -> _T:
        """Make a call to what may be anywhere."""
        return await self._aside.call(functools.partial(function, *args, **keywords))

    def _seen(self, found: os.stat_result) -> os.stat_result:
        self._far = self._far or not self._near(found.st_dev)
        return found

    def join(self, folder: str, name: str) -> str:
        return os.path.join(folder, name)  # noqa: PTH118 - a Path would change what was given

    def split(self, path: str) -> tuple[str, str]:
        return os.path.split(path)

    async def info(self, path: str, *, follow: bool = True) -> FileInfo | None:
        with _naming(path):
            try:
                found = await self.look(os.stat, path, follow_symlinks=follow)
            except (FileNotFoundError, NotADirectoryError):
                return None
        return _info(os.path.basename(path), self._seen(found))  # noqa: PTH119 - as above

    async def scan(self, path: str) -> AsyncGenerator[FileInfo]:
        with _naming(path):
            entries = await self._aside.call(lambda: os.scandir(path), undo=lambda found: found.close())
        with entries:
            more = True
            while more:
                found, error, more = await self.look(_some, entries, path)
                for name, status in found:
                    yield _info(name, self._seen(status))
                if error is not None:
                    raise error

    async def open(self, path: str) -> _LocalFile:
        return await self._opened(path, os.O_RDONLY | _NO_WAIT, 0, path)

    async def create(self, path: str, mode: int, *, fresh: bool, named: str) -> _LocalFile:
        await self._know(os.path.dirname(path) or ".")  # noqa: PTH120 - as above
        flags = os.O_RDWR | os.O_CREAT | _NO_FOLLOW | _NO_WAIT | (os.O_EXCL if fresh else 0)
        try:
            return await self._opened(path, flags, mode & _SAFE_MODE | stat.S_IWUSR | stat.S_IRUSR, named)
        except FileMissing as error:
            raise FileMissing(NO_FOLDER, path=named) from error

    async def _opened(self, path: str, flags: int, mode: int, named: str) -> _LocalFile:
        with _naming(named):
            if self._far:
                descriptor = await self._aside.call(lambda: os.open(path, flags | _BINARY, mode), undo=os.close)
            else:
                descriptor = os.open(path, flags | _BINARY, mode)
        return _LocalFile(self, named, descriptor)

    async def _know(self, folder: str) -> None:
        """See to it that it is known whether a folder is near."""
        if not self._far and folder not in self._known:
            with contextlib.suppress(OSError):  # it is told where something is made in it
                self._seen(await self.look(os.stat, folder))
            if len(self._known) < MOST:
                self._known.add(folder)

    async def make_folder(self, path: str, mode: int, *, follow: bool) -> bool:
        with _naming(path):
            try:
                await self.look(os.mkdir, path, mode & _SAFE_MODE | stat.S_IRWXU)
            except FileExistsError:
                found = await self.info(path, follow=follow)
                if found is None or found.kind == "folder":
                    return False
                if found.kind == "link":
                    raise UnsafePath("it is a link, and not followed", path=path) from None
                raise FileError("it is there, and no folder", path=path) from None
        return True

    async def replace(self, old: str, new: str) -> None:
        with _naming(new):
            await self.do(os.replace, old, new)

    async def remove(self, path: str) -> None:
        with _naming(path):
            await self.do(os.unlink, path)

    async def read_link(self, path: str) -> str:
        with _naming(path):
            return await self.do(os.readlink, path)

    async def link(self, target: str, path: str) -> None:
        await self._know(os.path.dirname(path) or ".")  # noqa: PTH120 - as above
        with _naming(path):
            await self.do(os.symlink, target, path)

    async def set(self, path: str, info: FileInfo) -> None:
        with _naming(path):
            await self.do(_set, path, info)

    async def digest(self, path: str) -> str:
        with _naming(path):
            return await (self.do(_digest, path) if self._far else asyncio.to_thread(_digest, path))


def _write(descriptor: int, offset: int, data: bytes) -> None:
    written = os.pwrite(descriptor, data, offset)
    while written < len(data):
        written += os.pwrite(descriptor, data[written:], offset + written)


def _some(
    entries: Iterator[os.DirEntry[str]], folder: str
) -> tuple[list[tuple[str, os.stat_result]], MooringError | None, bool]:
    """The next entries of a folder, what went wrong with the one after them, and whether there may be more."""
    found: list[tuple[str, os.stat_result]] = []
    count = 0
    path = folder
    try:
        for entry in itertools.islice(entries, _AT_ONCE):
            count += 1
            path = entry.path
            with contextlib.suppress(FileNotFoundError):  # gone meanwhile
                found.append((entry.name, entry.stat(follow_symlinks=False)))
            path = folder
    except OSError as error:
        return found, file_error(error, path, ""), False
    return found, None, count == _AT_ONCE


def _digest(path: str) -> str:
    with open(path, "rb") as file:  # noqa: PTH123 - as above
        return hashlib.file_digest(file, "sha256").hexdigest()


def _set(place: str | int, info: FileInfo) -> None:
    os.chmod(place, info.mode & _SAFE_MODE)  # noqa: PTH101 - as above
    _set_times(place, info)


def _set_times(place: str | int, info: FileInfo) -> None:
    if info.modified is not None:
        accessed = info.modified if info.accessed is None else info.accessed
        os.utime(place, (accessed, info.modified))


def _kind(mode: int) -> Kind:
    kinds: tuple[tuple[bool, Kind], ...] = (
        (stat.S_ISREG(mode), "file"),
        (stat.S_ISDIR(mode), "folder"),
        (stat.S_ISLNK(mode), "link"),
    )
    return next((kind for found, kind in kinds if found), "other")


def _info(name: str, found: os.stat_result) -> FileInfo:
    return FileInfo(
        name=name,
        kind=_kind(found.st_mode),
        size=found.st_size,
        mode=stat.S_IMODE(found.st_mode),
        modified=found.st_mtime,
        accessed=found.st_atime,
    )
