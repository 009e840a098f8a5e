"""Files where a device has no SFTP: one source after another over SCP, staged under another name where that can be."""

from __future__ import annotations

import asyncio
import contextlib
import os
import posixpath
import shutil
import tempfile
from typing import TYPE_CHECKING, Final, Literal

from ...model.errors import FileError, FileMismatch, FilesUnsupported, MooringError, SessionLost
from ...model.files import Progress
from ...transport.channel import HeldProcess, open_process
from ...transport.scp import SCP_FAILURES, Scp
from ...transport.sftp import file_error
from ..attachment import OPEN_TIMEOUT
from ..execute import Command
from ..slots import Kind
from .copying import quietly
from .hashing import hashed_there, operand
from .names import DEEPEST, MOST, partial
from .pace import Pace
from .tree import Tree

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

    from ..attachment import Attachment
    from .how import How
    from .local import LocalEnd

__all__ = ["ScpTransfer"]

_ASK = "if test -d {0}; then echo folder; elif test -e {0}; then echo file; else echo nothing; fi"
_MOVE = "mv -f -- {0} {1}"
_CLEAR = "rm -rf -- {0}"
_STEP = 30.0
"""Seconds for a step at the peer that moves no content."""

_ENDLESS: Final = "folders inside one another have no end"
_TOO_MANY: Final = "more than {} files and folders"

There = Literal["folder", "file", "nothing", "unknown"]


class ScpTransfer:
    """One transfer over SCP. What is asked of it beyond the protocol takes a POSIX shell at the peer.

    Args:
        attachment: The session's link.
        here: This machine's files, entered.
        how: How files are copied; ``resume`` has nothing to go on with, and links are followed.
    """

    def __init__(self, attachment: Attachment, here: LocalEnd, how: How) -> None:
        self.files = self.size = self.failed = 0
        self._attachment = attachment
        self._how = how
        self._pace = Pace(how.limit) if how.limit else None
        self._now = asyncio.get_running_loop().time
        self._total = 0
        self._path = ""
        self._moving = ""
        self._done = self._begun = self._arrived = self._depth = 0
        self._local = here

    async def get(self, sources: Sequence[str], target: str, *, into: bool) -> None:
        """Get them all, as ``Tree.copy``."""
        found = await self._local.info(target)
        folder = found is not None and found.kind == "folder"
        if not folder and (into or len(sources) > 1 or target.endswith("/")):
            await self._local.make_folder(target, 0o755, follow=True)
            folder = True
        for source in dict.fromkeys(sources):
            name = posixpath.basename(source.rstrip("/"))
            if name in {"", ".", ".."} and folder and not self._how.recurse:
                self._broken(FileError("it has no name", path=source, where=self._attachment.alias))
                continue
            place = os.path.join(target, name) if folder and name not in {"", ".", ".."} else target  # noqa: PTH118
            await self._trying(self._receive(source, place, named=place != target), source)

    async def _receive(self, source: str, place: str, *, named: bool) -> None:
        """Get one into a folder of its own first: what a hostile peer sends beside it stays there, and goes."""
        if named or not self._how.recurse:
            self._how.give(place, source, self._attachment.alias)
        beside = os.path.dirname(place.rstrip("/")) or "."  # noqa: PTH120 - a Path would change what was given
        try:
            staging = await self._local.look(tempfile.mkdtemp, prefix=".mooring-", suffix=".part", dir=beside)
        except OSError as error:
            raise file_error(error, place, "") from error
        try:
            part = os.path.join(staging, "0")  # noqa: PTH118 - likewise
            await self._scp().receive(operand(source), part, preserve=self._how.preserve, recurse=self._how.recurse)
            came = await self._local.info(part, follow=False)
            if came is None:
                raise FileError("nothing came", path=source, where=self._attachment.alias)
            if came.kind == "file":
                await self._check(part, source)
            how = type(self._how)(recurse=True, preserve=self._how.preserve)
            if came.kind == "folder" and await self._local.info(place) is not None:
                await Tree(self._local, self._local, how).copy([f"{part}/."], place)
            else:
                await self._local.replace(part, place)
        finally:
            await quietly(self._local.look(shutil.rmtree, staging, ignore_errors=True))

    async def put(self, sources: Sequence[str], target: str, *, into: bool) -> None:
        """Put them all, as ``Tree.copy``."""
        there = await self._there(target)
        folder = there == "folder" or (there == "unknown" and target.endswith("/"))
        if not folder and (into or len(sources) > 1 or target.endswith("/")) and there != "unknown":
            await self._do(f"mkdir -p -- {operand(target)}", target)
            folder = True
        for source in dict.fromkeys(sources):
            name = os.path.basename(source.rstrip("/"))  # noqa: PTH119 - likewise
            place = posixpath.join(target, name) if folder and name not in {"", ".", ".."} else target
            await self._trying(self._send(source, place, staged=there != "unknown"), source)

    async def _send(self, source: str, place: str, *, staged: bool) -> None:
        info = await self._local.info(source)
        if info is None:
            raise file_error(FileNotFoundError(), source, "")
        if info.kind not in {"file", "folder"}:
            raise FileError("it is no file or folder", path=source)
        self._how.give(place, source, "")
        if info.kind == "folder":
            if not self._how.recurse:
                raise FileError("it is a folder", path=source, hint="recurse copies folders")
            if staged and await self._there(place) != "nothing":
                raise FileError(
                    "it is there already, and SCP merges no folders", path=place, where=self._attachment.alias
                )
            await self._survey(source)
        scp = self._scp()
        if not staged:  # no shell that could rename
            await scp.send(source, operand(place), preserve=self._how.preserve, recurse=self._how.recurse)
            return
        part = posixpath.join(posixpath.dirname(place), partial())
        try:
            await scp.send(source, operand(part), preserve=self._how.preserve, recurse=self._how.recurse)
            if info.kind == "file":
                await self._check(source, part)
            await self._do(_MOVE.format(operand(part), operand(place)), place)
        except BaseException:
            with contextlib.suppress(MooringError):
                await self._run(_CLEAR.format(operand(part)))
            raise

    async def _survey(self, top: str) -> None:
        """Refuse a tree without end: AsyncSSH goes down into it as deep as Python's stack is."""
        count = 0
        waiting = [(top, 0)]
        while waiting:
            folder, depth = waiting.pop()
            if depth > DEEPEST:
                raise FileError(_ENDLESS, path=folder)
            async for info in self._local.scan(folder):
                count += 1
                if count > MOST:
                    raise FileError(_TOO_MANY.format(MOST), path=top)
                path = self._local.join(folder, info.name)
                found = await self._local.info(path) if info.kind == "link" else info
                if found is not None and found.kind == "folder":
                    waiting.append((path, depth + 1))

    def _asked(self, line: bytes) -> None:
        """The peer sends one more file or folder, or is at the end of one."""
        kind = line[:1]
        self._arrived += kind in {b"C", b"D"}
        self._depth += {b"D": 1, b"E": -1}.get(kind, 0)
        if self._depth > DEEPEST:
            raise FileError(_ENDLESS, path=self._path, where=self._attachment.alias)
        if self._arrived > MOST:
            raise FileError(_TOO_MANY.format(MOST), path=self._path, where=self._attachment.alias)

    async def _check(self, local: str, remote: str) -> None:
        """Compare the checksums of two files, where that is asked for; of trees, SCP's own sizes have to do."""
        if not self._how.checksum:
            return
        there = await hashed_there(self._attachment, remote)
        if there is None:
            raise FilesUnsupported("it has no program for checksums", where=self._attachment.alias)
        if there != await self._local.digest(local):
            raise FileMismatch("its checksum is not the source's", path=remote, where=self._attachment.alias)

    async def _there(self, path: str) -> There:
        told = await self._run(_ASK.format(operand(path)))
        for known in ("folder", "file", "nothing"):
            if told == known:
                return known
        return "unknown"

    async def _do(self, line: str, path: str) -> None:
        if await self._run(f"{line} && echo done") != "done":
            raise FileError("it cannot be made there", path=path, where=self._attachment.alias)

    async def _run(self, line: str) -> str:
        try:
            result = await Command(line=line, timeout=_STEP, max_output=1024).run(self._attachment)
        except SessionLost:
            raise
        except (MooringError, UnicodeError):
            return ""
        return str(result.stdout).strip()

    async def _trying(self, step: Awaitable[None], path: str) -> None:
        self._path, self._moving = path, ""
        self._done = self._begun = self._arrived = self._depth = 0
        before = self._total
        link = self._attachment.link
        try:
            await step
        except FilesUnsupported as error:
            raise FilesUnsupported(error.message, where=self._attachment.alias) from error
        except MooringError as error:
            self._broken(error)
        except SCP_FAILURES as error:
            self._broken(file_error(error, path, self._attachment.alias, link))
        else:
            self.files += self._begun
            self.size += self._total - before

    def _broken(self, error: MooringError) -> None:
        if self._how.on_error is None or not isinstance(error, FileError):
            raise error
        self.failed += 1
        self._how.on_error(error)

    def _scp(self) -> Scp:
        return Scp(self._attachment.link.connection, self._open, self._wait, self._moved, self._asked)

    async def _open(self, command: str) -> HeldProcess:
        attachment = self._attachment
        return await attachment.open(
            Kind.HELD,
            "scp",
            attachment.now() + OPEN_TIMEOUT,
            HeldProcess,
            lambda process: open_process(attachment.link.connection, process, (command,), encoding=None),
        )

    async def _wait(self, size: int) -> None:
        if self._pace is not None and (wait := self._pace.take(size, self._now())) > 0:
            await asyncio.sleep(wait)

    def _moved(self, name: str, done: int, size: int) -> None:
        if name != self._moving or done <= self._done:  # one file after another
            self._moving, self._done = name, 0
            self._begun += 1
        self._total += done - self._done
        self._done = done
        if self._how.progress is not None:
            self._how.progress(
                Progress(path=name or self._path, size=size, done=done, total=self._total, known=0, files=self.files)
            )
