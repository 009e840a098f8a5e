"""Many files: what a source means, where each goes, and the tree below it; files side by side, links and times last."""

from __future__ import annotations

import asyncio
import contextlib
import fnmatch
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from ...model.errors import FileError, FileMissing, MooringError, UnsafePath
from .copying import Copying, quietly
from .names import DEEPEST, MOST, check_link, check_name, partial

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

    from ...model.files import FileInfo
    from .ends import End
    from .how import How

__all__ = ["Tree", "expand"]

_SIDE_BY_SIDE: Final = 32
"""Files that are copied at once: small ones wait for answers more than for bytes."""
_QUEUED: Final = 256
_WILD: Final = frozenset("*?[")


@dataclass(frozen=True, slots=True)
class _Job:
    source: str
    target: str
    info: FileInfo
    depth: int


class Tree:
    """Copies sources to a target. Use one for one transfer.

    Args:
        source: The end that they are on.
        target: The other one.
        how: How.
    """

    def __init__(self, source: End, target: End, how: How) -> None:
        self.copying = Copying(source, target, how)
        self._source = source
        self._target = target
        self._how = how
        self._jobs: asyncio.Queue[_Job | None] = asyncio.Queue(_QUEUED)
        self._links: list[_Job] = []
        self._folders: list[_Job] = []
        self._held = 0

    async def copy(self, sources: Sequence[str], target: str, *, into: bool = False) -> None:
        """Copy them all. Cancelling is safe, as for each file.

        Args:
            sources: Paths at the source.
            target: Where to: a folder that is there, or the name of the one copy.
            into: Whether it must be a folder; it is made if there is none.

        Raises:
            FileError, SessionLost: One was not copied, and ``on_error`` was not given or has raised.
        """
        found = await self._target.info(target)
        folder = found is not None and found.kind == "folder"
        if not folder and (into or len(sources) > 1 or target.endswith("/")):
            await self._target.make_folder(target, 0o755, follow=True)
            folder = True
        try:
            async with asyncio.TaskGroup() as group:
                workers = [group.create_task(self._work()) for _ in range(_SIDE_BY_SIDE)]
                for source in dict.fromkeys(sources):  # as cp has it, named twice is copied once
                    await self._begin(source, target, folder=folder)
                for _ in workers:
                    await self._jobs.put(None)
        except BaseExceptionGroup as errors:
            raise _first(errors) from None
        await self._finish()

    async def _work(self) -> None:
        while (job := await self._jobs.get()) is not None:
            await self._trying(self.copying.file(job.source, job.target, job.info))

    async def _trying(self, step: Awaitable[None]) -> None:
        try:
            await step
        except MooringError as error:
            self.copying.broken(error)

    async def _begin(self, source: str, target: str, *, folder: bool) -> None:
        """Begin with one source; a link that was named itself is followed, as scp does."""
        try:
            info = await self._source.info(source)
            if info is None:
                raise FileMissing("there is no such file", path=source, where=self._source.where)
            if info.kind == "folder" and not self._how.recurse:
                raise FileError("it is a folder", path=source, where=self._source.where, hint="recurse copies folders")
            name = self._source.split(source.rstrip("/"))[1]
            place = self._target.join(target, name) if folder and name not in {"", ".", ".."} else target
            if folder and info.kind != "folder" and place == target:
                raise FileError("it has no name", path=source, where=self._source.where)
            self._check(name, source, place == target)
            if info.kind != "folder" or place != target:  # a folder's content may join what is there
                self._how.give(place, source, self._source.where)
        except MooringError as error:
            self.copying.broken(error)
            return
        job = _Job(source, place, info, 0)
        await (self._folder(job) if info.kind == "folder" else self._entry(job))

    def _check(self, name: str, source: str, unused: bool) -> None:  # noqa: FBT001 - a private step
        if not unused and not self._source.trusted:
            check_name(name, source, self._source.where, windows=self._windows)

    @property
    def _windows(self) -> bool:
        return self._target.trusted and sys.platform == "win32"

    async def _folder(self, job: _Job) -> None:
        """Make a folder, and begin with what it holds. Only the topmost may be a link to one: the caller named it."""
        try:
            if job.depth > DEEPEST:
                raise FileError("folders inside one another have no end", path=job.source, where=self._source.where)
            await self._target.make_folder(job.target, job.info.mode, follow=job.depth == 0)
            self._folders.append(job)
            inner: list[_Job] = []
            async with contextlib.aclosing(self._source.scan(job.source)) as entries:
                async for info in entries:
                    below = await self._below(job, info)
                    if below is None:
                        continue
                    if below.info.kind in {"folder", "link"}:
                        self._hold(job)
                    if below.info.kind == "folder":
                        inner.append(below)  # a folder is read to its end before the next: one handle at a time
                    else:
                        await self._entry(below)
        except MooringError as error:
            self.copying.broken(error)
            return
        for each in inner:
            if self._held <= MOST:
                await self._folder(each)

    def _hold(self, job: _Job) -> None:
        """One more folder or link is kept until later."""
        self._held += 1
        if self._held > MOST:
            raise FileError(f"more than {MOST} folders and links", path=job.source, where=self._source.where)

    async def _below(self, job: _Job, info: FileInfo) -> _Job | None:
        """What is to be done with one entry of a folder."""
        source = self._source.join(job.source, info.name)
        try:
            if not self._source.trusted:
                check_name(info.name, job.source, self._source.where, windows=self._windows)
            if info.kind == "link" and self._how.links == "follow":
                followed = await self._source.info(source)
                if followed is None:
                    raise FileMissing("the link leads nowhere", path=source, where=self._source.where)
                info = replace(followed, name=info.name)
        except MooringError as error:
            self.copying.broken(error)
            return None
        return _Job(source, self._target.join(job.target, info.name), info, job.depth + 1)

    async def _entry(self, job: _Job) -> None:
        """A file goes to the workers, a link waits until all files are there: nothing is written through it."""
        if job.info.kind == "file":
            self.copying.known += job.info.size
            await self._jobs.put(job)
        elif job.info.kind == "link":
            if self._how.links == "keep":
                self._links.append(job)
        else:
            error = FileError("it is no file, folder or link", path=job.source, where=self._source.where)
            self.copying.broken(error)

    async def _finish(self) -> None:
        for job in self._links:
            await self._trying(self._link(job))
        if self._how.preserve:
            for job in reversed(self._folders):  # what is made in a folder later would change its time
                await self._trying(self._target.set(job.target, job.info))

    async def _link(self, job: _Job) -> None:
        leads = await self._source.read_link(job.source)
        if not self._source.trusted:
            check_link(leads, job.depth - 1, job.source, self._source.where)
        folder, _ = self._target.split(job.target)
        part = self._target.join(folder, partial())
        try:
            await self._target.link(leads, part)
            await self._target.replace(part, job.target)
        except BaseException:
            await quietly(self._target.remove(part))
            raise
        self.copying.files += 1


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    """One of several failures: one of ours, unless a bug is among them."""
    found: list[BaseException] = []
    stack: list[BaseException] = [errors]
    while stack:
        error = stack.pop()
        if isinstance(error, BaseExceptionGroup):
            stack.extend(error.exceptions)
        else:
            found.append(error)
    bugs = [error for error in found if not isinstance(error, MooringError)]
    return (bugs or found)[-1]


def is_pattern(path: str) -> bool:
    """Whether a path has any of ``*``, ``?`` and ``[`` in it."""
    return not _WILD.isdisjoint(path)


async def expand(end: End, pattern: str) -> list[str]:
    """The paths that a pattern with ``*``, ``?`` and ``[...]`` in any of its parts means, sorted.

    Names with a dot first are meant by patterns with one. A file whose name is the pattern is what is meant.

    Raises:
        FileMissing: It means none.
    """
    if not is_pattern(pattern) or await end.info(pattern, follow=False) is not None:
        return [pattern]
    top, _, rest = pattern.partition("/") if pattern.startswith("/") else ("", "", pattern)
    found = [top + "/" if pattern.startswith("/") else ""]
    parts = [part for part in rest.split("/") if part]
    for index, part in enumerate(parts):
        last = index == len(parts) - 1
        if _WILD.isdisjoint(part):
            found = [end.join(folder, part) for folder in found]
            continue
        matched: list[str] = []
        for folder in found:
            matched += await _matching(end, folder, part, last=last, most=MOST - len(matched))
        found = matched
    if not _WILD.isdisjoint(parts[-1] if parts else ""):
        return sorted(found) or _none(end, pattern)
    there = [path for path in found if await end.info(path) is not None]
    return there or _none(end, pattern)


def _none(end: End, pattern: str) -> list[str]:
    raise FileMissing("nothing is meant by this", path=pattern, where=end.where)


async def _matching(end: End, folder: str, part: str, *, last: bool, most: int) -> list[str]:
    names: list[str] = []
    try:
        async for info in end.scan(folder or "."):
            if len(names) > most:
                break
            if info.name.startswith(".") and not part.startswith("."):
                continue
            if fnmatch.fnmatchcase(info.name, part) and (last or info.kind in {"folder", "link"}):
                with contextlib.suppress(UnsafePath):
                    check_name(info.name, folder, end.where, windows=False)
                    names.append(end.join(folder, info.name))
    except FileError:
        if last and folder == "":
            raise
    if len(names) > most:
        raise FileError(f"more than {MOST} names are meant", path=folder or ".", where=end.where)
    return names
