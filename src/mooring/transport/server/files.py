"""An SFTP server on one folder, which is ``/`` to its clients: whatever they ask, nothing outside of it is reached."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import posixpath
import stat
from concurrent.futures import ThreadPoolExecutor
from io import FileIO
from typing import TYPE_CHECKING, Any, Final, TypeVar

import asyncssh

from .attributes import set_on, set_open
from .root import Root

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from .root import Spot

__all__ = ["RootedFiles"]

_T = TypeVar("_T")
_OPEN: Final = 128
"""Files and listings that a client may have open at once; OpenSSH's own client has one, sshfs a few."""
_CLIENTS: Final = 1000
"""Clients that are served, or still waited for by a thread, in this process."""
_NAMES: Final = 100
"""Names of a listing that are looked up at once."""
_served: Final[set[RootedFiles]] = set()


class RootedFiles(asyncssh.SFTPServer):
    """What one client sees of a folder.

    What touches the disk runs on a thread of the client's own, one thing after the other: a slow disk holds up nobody
    else, and a file is not closed beneath what still reads it. Links are followed within the folder alone.

    Args:
        chan: The client's channel.
        path: The folder.
        make: Whether it is made if it does not exist.
        free: Whether the client may do what this process may: give files away, have programs run as their owner, and
            write into links what it likes.
    """

    def __init__(
        self, chan: asyncssh.SSHServerChannel[bytes], path: Path, *, make: bool = False, free: bool = False
    ) -> None:
        super().__init__(chan)
        self._where = path
        self._make = make
        self._free = free
        self._modes = 0o7777 if free else 0o777
        self._held: Root | None = None
        self._files: set[FileIO] = set()
        self._listings: set[_Listing] = set()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="mooring-sftp")
        self._over = False

    def exit(self) -> None:
        """The client has left."""
        self.leave()

    def leave(self) -> None:
        """Let go of all, when what is being done is done. Safe to call twice."""
        if not self._over:
            self._over = True
            if self in _served:
                self._thread.submit(self._release)
            self._thread.shutdown(wait=False)

    def _release(self) -> None:
        for file in self._files:
            with contextlib.suppress(OSError):
                file.close()
        self._files.clear()
        for listing in self._listings:
            listing.close()
        if self._held is not None:
            self._held.close()
        _served.discard(self)

    async def _do(self, call: Callable[..., _T], *args: Any) -> _T:
        if self._over:
            raise asyncssh.SFTPConnectionLost("the session is over")
        if self not in _served:
            if len(_served) >= _CLIENTS:
                raise asyncssh.SFTPFailure("too many clients")
            _served.add(self)
        return await asyncio.get_running_loop().run_in_executor(self._thread, call, *args)

    @contextlib.contextmanager
    def _spot(self, path: bytes, *, follow: bool = True) -> Iterator[Spot]:
        """On the thread: where a path leads."""
        if self._held is None:
            if self._make:
                self._where.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._held = Root(self._where)
        with self._held.spot(self._from_top(path), follow=follow) as spot:
            yield spot

    def _from_top(self, path: bytes) -> bytes:
        """A client's path, from the folder on."""
        return path

    def map_path(self, path: bytes) -> bytes:
        """What has no way of its own here has none."""
        raise asyncssh.SFTPOpUnsupported(f"not offered here: {path!r}")

    def format_user(self, uid: int | None) -> str:
        """A number: who there is on this machine is not for clients."""
        return "" if uid is None else str(uid)

    def format_group(self, gid: int | None) -> str:
        """Likewise."""
        return self.format_user(gid)

    # Files.

    async def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> object:
        """Open a file; a device or a pipe is none."""
        return await self._do(self._open, path, pflags, attrs)

    def _open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> FileIO:
        if len(self._files) >= _OPEN:
            raise OSError(errno.EMFILE, f"{_OPEN} files are open")
        flags, mode = _flags(pflags)
        permissions = 0o666 if attrs.permissions is None else attrs.permissions & self._modes
        with self._spot(path, follow=not pflags & asyncssh.FXF_EXCL) as spot:
            descriptor = spot.open(flags, permissions)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            is_folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
            os.close(descriptor)
            raise OSError(errno.EISDIR, "a folder") if is_folder else OSError(errno.EACCES, "not a regular file")
        file = FileIO(descriptor, mode)
        self._files.add(file)
        return file

    async def close(self, file_obj: Any) -> None:
        """Close a file."""
        if not self._over:  # then it is closed with all others
            await self._do(self._close, file_obj)

    def _close(self, file: FileIO) -> None:
        self._files.discard(file)
        file.close()

    async def read(self, file_obj: Any, offset: int, size: int) -> bytes:
        """Some of a file."""
        return await self._do(os.pread, file_obj.fileno(), size, offset)

    async def write(self, file_obj: Any, offset: int, data: bytes) -> int:
        """All of the data, or an error."""
        return await self._do(_write, file_obj.fileno(), offset, data)

    async def fsync(self, file_obj: Any) -> None:
        """Have the disk keep it."""
        await self._do(os.fsync, file_obj.fileno())

    async def fstat(self, file_obj: Any) -> asyncssh.SFTPAttrs:
        """What an open file is."""
        return asyncssh.SFTPAttrs.from_local(await self._do(os.fstat, file_obj.fileno()))

    async def fsetstat(self, file_obj: Any, attrs: asyncssh.SFTPAttrs) -> None:
        """Change an open file's size, permissions and times."""
        await self._do(set_open, file_obj.fileno(), self._settable(attrs))

    # Paths.

    async def stat(self, path: bytes) -> asyncssh.SFTPAttrs:
        """What a path leads to."""
        return asyncssh.SFTPAttrs.from_local(await self._at(path, _stat))

    async def lstat(self, path: bytes) -> asyncssh.SFTPAttrs:
        """What is in the last place, a link included."""
        return asyncssh.SFTPAttrs.from_local(await self._at(path, _stat, follow=False))

    async def setstat(self, path: bytes, attrs: asyncssh.SFTPAttrs) -> None:
        """Change size, permissions and times."""
        await self._at(path, lambda spot: set_on(spot, self._settable(attrs)))

    async def lsetstat(self, path: bytes, attrs: asyncssh.SFTPAttrs) -> None:
        """The same of a link itself."""
        await self._at(path, lambda spot: set_on(spot, self._settable(attrs)), follow=False)

    def _settable(self, attrs: asyncssh.SFTPAttrs) -> asyncssh.SFTPAttrs:
        """What of it may be set.

        Raises:
            PermissionError: It is an owner, who stays as they are here.
        """
        if not self._free and any(each is not None for each in (attrs.uid, attrs.gid, attrs.owner, attrs.group)):
            raise PermissionError(errno.EACCES, "owners cannot be changed here")
        if attrs.permissions is not None:
            attrs.permissions &= self._modes
        return attrs

    async def remove(self, path: bytes) -> None:
        """Remove a file or link."""
        await self._at(path, lambda spot: os.unlink(spot.name, dir_fd=spot.folder), follow=False)

    async def mkdir(self, path: bytes, attrs: asyncssh.SFTPAttrs) -> None:
        """Make a folder."""
        mode = 0o777 if attrs.permissions is None else attrs.permissions & self._modes
        await self._at(path, lambda spot: os.mkdir(spot.name, mode, dir_fd=spot.folder), follow=False)

    async def rmdir(self, path: bytes) -> None:
        """Remove an empty folder."""
        await self._at(path, lambda spot: os.rmdir(spot.name, dir_fd=spot.folder), follow=False)

    async def realpath(self, path: bytes) -> bytes:
        """The path without links."""
        return await self._at(path, lambda spot: spot.path)

    async def statvfs(self, path: bytes) -> Any:
        """How much room there is."""
        return await self._at(path, lambda spot: os.statvfs(spot.folder))

    async def fstatvfs(self, file_obj: Any) -> Any:
        """How much room there is where an open file is."""
        return await self._do(os.statvfs, file_obj.fileno())

    async def readlink(self, path: bytes) -> bytes:
        """Where a link leads."""
        return await self._at(path, lambda spot: os.readlink(spot.name, dir_fd=spot.folder), follow=False)

    async def symlink(self, oldpath: bytes, newpath: bytes) -> None:
        """Make a link. It leads to the same place for others on this machine: one that does not is refused."""

        def make(spot: Spot) -> None:
            target = oldpath if self._free else _inside(oldpath, posixpath.dirname(spot.path))
            os.symlink(target, spot.name, dir_fd=spot.folder)

        await self._at(newpath, make, follow=False)

    async def link(self, oldpath: bytes, newpath: bytes) -> None:
        """Make a hard link."""
        await self._both(oldpath, newpath, _link)

    async def rename(self, oldpath: bytes, newpath: bytes) -> None:
        """Rename to what does not exist yet."""
        await self._both(oldpath, newpath, _rename)

    async def posix_rename(self, oldpath: bytes, newpath: bytes) -> None:
        """Rename, in place of what is there."""
        await self._both(oldpath, newpath, _replace)

    async def scandir(self, path: bytes) -> AsyncIterator[asyncssh.SFTPName]:
        """The names in a folder."""
        listing = await self._do(self._list, path)
        try:
            while names := await self._do(listing.some):
                for name in names:
                    yield name
        finally:
            if not self._over:  # then it is closed with all others
                self._thread.submit(self._close_listing, listing)

    def _close_listing(self, listing: _Listing) -> None:
        self._listings.discard(listing)
        listing.close()

    def _list(self, path: bytes) -> _Listing:
        if len(self._listings) >= _OPEN:
            raise OSError(errno.EMFILE, f"{_OPEN} folders are being listed")
        with self._spot(path) as spot:
            listing = _Listing(spot.open(os.O_RDONLY | os.O_DIRECTORY))
        self._listings.add(listing)
        return listing

    async def _at(self, path: bytes, act: Callable[[Spot], _T], *, follow: bool = True) -> _T:
        def do() -> _T:
            with self._spot(path, follow=follow) as spot:
                return act(spot)

        return await self._do(do)

    async def _both(self, oldpath: bytes, newpath: bytes, act: Callable[[Spot, Spot], None]) -> None:
        def do() -> None:
            with self._spot(oldpath, follow=False) as old, self._spot(newpath, follow=False) as new:
                act(old, new)

        await self._do(do)


def _flags(pflags: int) -> tuple[int, str]:
    """What an open of SFTP (version 3, section 6.3) is to the system, and to Python."""
    reads, writes = pflags & asyncssh.FXF_READ, pflags & (asyncssh.FXF_WRITE | asyncssh.FXF_APPEND)
    flags = os.O_RDWR if reads and writes else os.O_WRONLY if writes else os.O_RDONLY
    for asked, flag in (
        (asyncssh.FXF_APPEND, os.O_APPEND),
        (asyncssh.FXF_CREAT, os.O_CREAT),
        (asyncssh.FXF_TRUNC, os.O_TRUNC),
        (asyncssh.FXF_EXCL, os.O_EXCL),
    ):
        if pflags & asked and writes:
            flags |= flag
    return flags, "rb+" if reads and writes else "wb" if writes else "rb"


def _write(descriptor: int, offset: int, data: bytes) -> int:
    rest = memoryview(data)
    while rest:
        written = os.pwrite(descriptor, rest, offset)
        offset += written
        rest = rest[written:]
    return len(data)


class _Listing:
    """A folder that is being listed."""

    def __init__(self, folder: int) -> None:
        self._folder = folder
        self._entries = os.scandir(folder)

    def some(self) -> list[asyncssh.SFTPName]:
        """The next names; none at the end."""
        names = []
        for entry in self._entries:
            with contextlib.suppress(FileNotFoundError):  # removed meanwhile
                attrs = asyncssh.SFTPAttrs.from_local(entry.stat(follow_symlinks=False))
                names.append(asyncssh.SFTPName(os.fsencode(entry.name), attrs=attrs))
            if len(names) == _NAMES:
                break
        return names

    def close(self) -> None:
        """Safe to call twice."""
        self._entries.close()
        folder, self._folder = self._folder, -1
        if folder >= 0:
            os.close(folder)


def _stat(spot: Spot) -> os.stat_result:
    return spot.stat()


def _link(old: Spot, new: Spot) -> None:
    os.link(old.name, new.name, src_dir_fd=old.folder, dst_dir_fd=new.folder, follow_symlinks=False)


def _rename(old: Spot, new: Spot) -> None:
    if new.exists():
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
    _replace(old, new)


def _replace(old: Spot, new: Spot) -> None:
    os.replace(old.name, new.name, src_dir_fd=old.folder, dst_dir_fd=new.folder)


def _inside(target: bytes, folder: bytes) -> bytes:
    """What to write into a link in a folder of the root, so that it leads where it is meant to and not outside.

    Raises:
        PermissionError: It would lead outside.
    """
    if target.startswith(b"/"):
        return posixpath.relpath(posixpath.normpath(target), folder)
    depth = len([part for part in folder.split(b"/") if part])
    for part in target.split(b"/"):
        depth += -1 if part == b".." else part not in {b"", b"."}
        if depth < 0:
            raise PermissionError(errno.EACCES, "the link would lead outside")
    return target
