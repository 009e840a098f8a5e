"""A folder outside of which nothing is reached, whatever a path says and whatever links lie in it.

Each part of a path is opened in the folder before it, and links are read and followed by us, as if the folder were
``/``. So there is no moment at which the system could follow one that somebody has just put there.
"""

from __future__ import annotations

import contextlib
import errno
import os
import posixpath
import stat
import sys
from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["Root", "Spot"]

_LINKS: Final = 40
"""Links that one path may lead over, as Linux has it (path_resolution(7))."""
_STEPS: Final = 10_000
"""Folders that one path may lead through; ``..`` goes through all of those above anew."""
_LENGTH: Final = 4096
"""Bytes of a path (PATH_MAX)."""
_O_PATH: Final[int] = getattr(os, "O_PATH", os.O_RDONLY)  # no right to read is needed to go through
_STEP: Final[int] = _O_PATH | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)


class Spot:
    """Where a path leads: a name in a folder that is open. It need not exist.

    Attributes:
        folder: The folder's descriptor, for ``dir_fd``.
        name: The name in it; ``.`` where the path leads to the root itself.
        path: The same as a path without links, from the root on.
    """

    __slots__ = ("folder", "name", "path")

    def __init__(self, folder: int, name: bytes, path: bytes) -> None:
        self.folder = folder
        self.name = name
        self.path = path

    def stat(self) -> os.stat_result:
        """What is there, a link included.

        Raises:
            OSError: Nothing is.
        """
        return os.stat(self.name, dir_fd=self.folder, follow_symlinks=False)

    def exists(self) -> bool:
        """Whether something is there."""
        try:
            self.stat()
        except FileNotFoundError:
            return False
        return True

    def open(self, flags: int, mode: int = 0o666) -> int:
        """Open what is there, and return its descriptor; a link is refused, and nothing is waited for.

        Raises:
            OSError: It cannot be.
        """
        flags |= os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        return os.open(self.name, flags, mode, dir_fd=self.folder)

    def chmod(self, mode: int) -> None:
        """Set the permissions of what is there.

        Raises:
            OSError: They cannot be.
        """
        if os.chmod in os.supports_follow_symlinks:
            os.chmod(self.name, mode, dir_fd=self.folder, follow_symlinks=False)
            return
        here = self.open(_O_PATH)
        try:
            os.chmod(f"/proc/self/fd/{here}", mode)  # noqa: PTH101 - Linux has no other way that follows no link
        finally:
            os.close(here)


class Root:
    """The folder.

    Args:
        path: Where it is; links in this path are followed.

    Raises:
        OSError: It cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        if sys.platform == "win32":
            raise OSError(errno.ENOSYS, "a folder cannot be held to here: Windows has no openat")
        self._top = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def close(self) -> None:
        """Let go of it. Safe to call twice."""
        top, self._top = self._top, -1
        if top >= 0:
            os.close(top)

    @contextlib.contextmanager
    def spot(self, path: bytes, *, follow: bool = True) -> Iterator[Spot]:
        """Where a path leads, while the block runs.

        Args:
            path: From the root on, with or without a ``/`` before it.
            follow: Whether a link in the last place is followed.

        Raises:
            OSError: A folder on the way does not exist, may not be entered, or is none; too many links.
        """
        if len(path) > _LENGTH:
            raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))
        if b"\0" in path:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        walk = _Walk(self._top, path)
        try:
            yield walk.go(follow=follow)
        finally:
            walk.close()


class _Walk:
    """The way from the root to where a path leads; at most two folders are open at once."""

    def __init__(self, top: int, path: bytes) -> None:
        self._top = top
        self._here = os.dup(top)
        self._names: list[bytes] = []
        self._parts = deque(_parts(path))
        self._links = 0
        self._steps = 0

    def close(self) -> None:
        os.close(self._here)

    def go(self, *, follow: bool) -> Spot:
        while self._parts:
            name = self._parts.popleft()
            if name == b"..":
                self._back(self._names[:-1])
                continue
            last = not self._parts
            if last and not follow:
                return self._spot(name)
            try:
                mode = os.stat(name, dir_fd=self._here, follow_symlinks=False).st_mode
            except FileNotFoundError:
                if last:
                    return self._spot(name)
                raise
            if stat.S_ISLNK(mode):
                self._follow(name)
            elif last:
                return self._spot(name)
            else:
                self._enter(name)
        return Spot(self._here, b".", self._path())

    def _spot(self, name: bytes) -> Spot:
        return Spot(self._here, name, posixpath.join(self._path(), name))

    def _path(self) -> bytes:
        return b"/" + b"/".join(self._names)

    def _enter(self, name: bytes) -> None:
        self._steps += 1
        if self._steps > _STEPS:
            raise _too_far()
        inner = os.open(name, _STEP, dir_fd=self._here)
        os.close(self._here)
        self._here = inner
        self._names.append(name)

    def _back(self, names: list[bytes]) -> None:
        """Go in anew from the root: what is above this folder by now need not be what was above it."""
        os.dup2(self._top, self._here, inheritable=False)
        self._names = []
        for name in names:
            self._enter(name)

    def _follow(self, name: bytes) -> None:
        self._links += 1
        if self._links > _LINKS:
            raise _too_far()
        target = os.readlink(name, dir_fd=self._here)
        if target.startswith(b"/"):
            self._back([])
        self._parts.extendleft(reversed(_parts(target)))


def _too_far() -> OSError:
    return OSError(errno.ELOOP, os.strerror(errno.ELOOP))


def _parts(path: bytes) -> list[bytes]:
    return [part for part in path.split(b"/") if part not in {b"", b"."}]
