"""One file from one end to the other: under another name until it is whole, its blocks asked for ahead."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from ...model.errors import FileError, FileMismatch, MooringError
from ...model.files import Progress, Transferred
from .ends import MOST_FLIGHT
from .how import Copied
from .names import partial
from .pace import Pace

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable, Sequence
    from hashlib import _Hash as Hash

    from ...model.files import FileInfo
    from .ends import End, Reader, Writer
    from .how import How

__all__ = ["MOST_REQUESTS", "Copying", "cancelled", "created", "quietly"]

_COMPARED: Final = 64 * 1024
"""Bytes before the point of resumption that must be the same at both ends."""
_CLEARING: Final = 5.0
"""Seconds for taking away what is half written."""
MOST_REQUESTS: Final = 128
_UNDER_WAY: Final = MOST_FLIGHT
"""Bytes before the end of a part that may have holes, whatever path the attempt that left it went."""

_parts: Final[set[tuple[str, str]]] = set()
"""Those that this process writes now, by session and path: nobody goes on with one of them."""


class Copying:
    """Copies files, and counts.

    Args:
        source: Where they are.
        target: Where they go.
        how: How.
    """

    def __init__(self, source: End, target: End, how: How) -> None:
        self.files = self.size = self.resumed = self.failed = self.known = 0
        self._total = 0
        self._source = source
        self._target = target
        self._how = how
        self._pace = Pace(how.limit) if how.limit else None
        self._block = min(source.block, target.block, self._pace.block if self._pace else source.block)
        self._flight = min(source.flight, target.flight, MOST_FLIGHT)
        self._requests = asyncio.Semaphore(min(MOST_REQUESTS, max(4, self._flight // self._block)))
        self._now = asyncio.get_running_loop().time

    async def file(self, source: str, target: str, info: FileInfo) -> None:
        """Copy one file. Cancelling is safe: nothing stands under its name that is not whole.

        Raises:
            FileError, SessionLost: It could not be read or written; they name the file.
        """
        reader = await self._source.open(source)
        folder, name = self._target.split(target)
        part, resume = "", self._how.resume
        if resume:
            origin = f"{name}\0{self._source.where}:{source}\0{info.size}\0{info.modified}"
            part = self._target.join(folder, partial(origin))
        if not resume or (self._target.where, part) in _parts:  # a peer may tell of a file twice
            part, resume = self._target.join(folder, partial()), False
        key = self._target.where, part
        _parts.add(key)
        try:
            await self._into(reader, part, source, target, info, resume=resume)
        except BaseException:
            await quietly(reader.close())
            raise
        finally:
            _parts.discard(key)
        await reader.close()

    async def _into(self, reader: Reader, part: str, source: str, target: str, info: FileInfo, *, resume: bool) -> None:
        writer = await created(self._target, part, info.mode, fresh=not resume, named=target)
        whole = closed = False
        try:
            start = await self._resumable(reader, writer, info) if resume else 0
            self._moved(source, info, start, start)
            # What was there before did not pass here.
            digest = hashlib.sha256() if self._how.seen is not None and not start else None
            size = await self._blocks(reader, writer, source, start, info, digest=digest)
            # Of one block, the acknowledgement says as much: small files take a fifth less without the question.
            if (size > self._block or start) and (found := await writer.size()) != size:
                raise self._mismatch(target, f"{found} bytes arrived of {size}")
            if self._how.preserve:
                await writer.set(info)
            closed = True
            await writer.close()
            if self._how.checksum and await self._source.digest(source) != await self._target.digest(part):
                raise self._mismatch(target, "its checksum is not the source's")
            await self._target.replace(part, target)
            whole = True
            self.resumed += start
            self._count(source, target, size, None if digest is None else digest.hexdigest())
        except FileMismatch:
            if resume:  # what is there is no beginning of the source
                await quietly(self._target.remove(part))
            raise
        finally:
            if not closed:
                await quietly(writer.close())
            if not whole and not resume:
                await quietly(self._target.remove(part))

    def _count(self, source: str, target: str, size: int, digest: str | None) -> None:
        """One more is there, under its name."""
        self.files += 1
        self.size += size
        if self._how.seen is not None:
            self._how.seen(Copied(self._source.where, source, target, size, digest))

    async def _resumable(self, reader: Reader, writer: Writer, info: FileInfo) -> int:
        """Bytes that are there already. What was under way when it broke off may have holes, and comes again."""
        there = await writer.size()
        start = max(0, min(there, info.size) - _UNDER_WAY)
        start -= start % self._block
        if start:
            compared = min(start, _COMPARED)
            ours, theirs = [await end.read(start - compared, compared) for end in (reader, writer)]
            if ours != theirs:
                start = 0
        if there > start:
            await writer.truncate(start)
        return start

    async def _blocks(
        self, reader: Reader, writer: Writer, source: str, start: int, info: FileInfo, *, digest: Hash | None
    ) -> int:
        """Copy the file from there on, and return the bytes that the whole has."""
        if not info.size:
            return await self._unsized(reader, writer, source, info, digest)
        offsets = range(start, info.size, self._block)
        # The oldest is waited for first, so that what is whole has no holes but for what is under way.
        ahead: deque[asyncio.Task[Sequence[bytes]]] = deque()
        most = max(4, self._flight // self._block)
        keep = digest is not None
        try:
            if len(offsets) == 1:
                _take(digest, await self._move(reader, writer, source, start, info, keep=keep))
                return info.size
            for offset in offsets:
                if len(ahead) >= min(most, MOST_REQUESTS):
                    _take(digest, await ahead.popleft())
                ahead.append(asyncio.create_task(self._move(reader, writer, source, offset, info, keep=keep)))
            while ahead:
                _take(digest, await ahead.popleft())
        finally:
            await cancelled(ahead)
        return info.size

    async def _move(
        self, reader: Reader, writer: Writer, source: str, offset: int, info: FileInfo, *, keep: bool
    ) -> Sequence[bytes]:
        """Copy one block; it is returned where it is to be kept."""
        kept: list[bytes] = []
        end = min(offset + self._block, info.size)
        async with self._requests:
            while offset < end:
                await self._wait(end - offset)
                data = await reader.read(offset, end - offset)
                if not data:
                    raise FileMismatch(
                        f"it ended after {offset} of {info.size} bytes", path=source, where=self._source.where
                    )
                await writer.write(offset, data)
                if keep:
                    kept.append(data)
                offset += len(data)
                self._moved(source, info, offset, len(data))
        return kept

    async def _unsized(self, reader: Reader, writer: Writer, source: str, info: FileInfo, digest: Hash | None) -> int:
        """Copy what has no size but may have content, as files in /proc do."""
        offset = 0
        while True:
            await self._wait(self._block)
            data = await reader.read(offset, self._block)
            if not data:
                return offset
            _take(digest, [data])
            await writer.write(offset, data)
            offset += len(data)
            self._moved(source, info, offset, len(data))

    async def _wait(self, size: int) -> None:
        if self._pace is not None and (wait := self._pace.take(size, self._now())) > 0:
            await asyncio.sleep(wait)

    def _moved(self, source: str, info: FileInfo, done: int, more: int) -> None:
        self._total += more
        if self._how.progress is not None:
            self._how.progress(
                Progress(path=source, size=info.size, done=done, total=self._total, known=self.known, files=self.files)
            )

    def told(self) -> Transferred:
        """What came of it until now."""
        return Transferred(files=self.files, size=self.size, resumed=self.resumed, failed=self.failed)

    def _mismatch(self, path: str, message: str) -> FileMismatch:
        return FileMismatch(message, path=path, where=self._target.where)

    def broken(self, error: MooringError) -> None:
        """One file was not copied: raise it, or go on without it where that is wanted.

        Raises:
            MooringError: It is not wanted, or concerns more than the one file.
        """
        if self._how.on_error is None or not isinstance(error, FileError):
            raise error
        self.failed += 1
        self._how.on_error(error)


def _take(digest: Hash | None, parts: Iterable[bytes]) -> None:
    if digest is not None:
        for part in parts:
            digest.update(part)


async def created(end: End, part: str, mode: int, *, fresh: bool, named: str) -> Writer:
    """``end.create``, which when it is cancelled leaves nothing: the peer may have done it already."""
    try:
        return await end.create(part, mode, fresh=fresh, named=named)
    except asyncio.CancelledError:
        if fresh:
            await quietly(end.remove(part))
        raise


async def quietly(step: Coroutine[Any, Any, None]) -> None:
    """Do a last step, but not for long; its failure says nothing new. It is done even when we are being cancelled."""
    with contextlib.suppress(MooringError, TimeoutError):
        async with asyncio.timeout(_CLEARING):
            await step


async def cancelled(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """End tasks, and see to it that nobody misses what they failed with."""
    tasks = tuple(tasks)
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)
        for task in tasks:
            if not task.cancelled():
                task.exception()
