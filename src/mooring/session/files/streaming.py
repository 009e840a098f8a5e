"""One file as a stream of bytes, either way: what a door sends and takes without a file of its own."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from typing import TYPE_CHECKING

from ...model.errors import FileError, FileExists, FileMismatch, FileMissing
from .copying import MOST_REQUESTS, cancelled, created, quietly
from .ends import THERE
from .names import partial

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable

    from ...model.files import FileInfo
    from .ends import End, Reader, Writer
    from .remote import RemoteEnd

__all__ = ["read_stream", "write_stream"]


async def read_stream(
    end: End, path: str, pick: Callable[[FileInfo], tuple[int, int]]
) -> AsyncGenerator[FileInfo | bytes]:
    """Read a file: first what it is, then its bytes. Closing the generator is safe at any moment.

    Args:
        end: Where it is.
        path: The file's.
        pick: Says which part is wanted, once it is known what there is: from where, and up to where.

    Raises:
        FileError, SessionLost: It cannot be read.
        FileMismatch: It became shorter meanwhile.
    """
    info = await end.info(path)
    if info is None:
        raise FileMissing("there is no such file", path=path, where=end.where)
    if info.kind != "file":
        raise FileError("it is no file", path=path, where=end.where)
    start, stop = pick(info)
    reader = await end.open(path)
    try:
        yield info
        async with contextlib.aclosing(_ahead(end, reader, start, stop)) as parts:
            async for part in parts:
                yield part
    finally:
        await quietly(reader.close())


async def _ahead(end: End, reader: Reader, start: int, stop: int) -> AsyncGenerator[bytes]:
    """The bytes from one place to another, blocks asked for ahead of the reader."""
    ahead: deque[asyncio.Task[bytes]] = deque()
    most = min(MOST_REQUESTS, max(4, end.flight // end.block))
    offsets = iter(range(start, stop, end.block))
    try:
        while True:
            while len(ahead) < most and (offset := next(offsets, None)) is not None:
                ahead.append(asyncio.create_task(_block(end, reader, offset, min(offset + end.block, stop))))
            if not ahead:
                return
            yield await ahead.popleft()
    finally:
        await cancelled(ahead)


async def _block(end: End, reader: Reader, offset: int, stop: int) -> bytes:
    parts: list[bytes] = []
    while offset < stop:
        data = await reader.read(offset, stop - offset)
        if not data:
            raise FileMismatch(f"it ended after {offset} bytes", where=end.where)
        parts.append(data)
        offset += len(data)
    return parts[0] if len(parts) == 1 else b"".join(parts)


async def write_stream(
    end: RemoteEnd, path: str, mode: int, parts: AsyncIterator[bytes], *, fresh: bool = False
) -> FileInfo:
    """Write a file as its bytes come, under another name until it is whole. Cancelling is safe: nothing is left.

    Args:
        end: Where to.
        path: The file's.
        mode: Permission bits.
        parts: The content; raising ends the writing.
        fresh: Whether there must be nothing of its name, neither now nor when it is whole.

    Returns:
        What there is now.

    Raises:
        FileExists: There is something.
        FileError, SessionLost: It cannot be written.
    """
    found = await end.info(path, follow=not fresh)
    if found is not None and fresh:
        raise FileExists(THERE, path=path, where=end.where)
    if found is not None and found.kind == "folder":
        raise FileError("it is a folder", path=path, where=end.where)
    folder, _ = end.split(path)
    part = end.join(folder, partial())
    writer = await created(end, part, mode, fresh=True, named=path)
    whole = False
    try:
        size = await _pour(end, writer, parts)
        if (there := await writer.size()) != size:
            raise FileMismatch(f"{there} bytes arrived of {size}", path=path, where=end.where)
        await writer.close()
        await (end.place(part, path) if fresh else end.replace(part, path))
        whole = True
    finally:
        if not whole:
            await quietly(writer.close())
            await quietly(end.remove(part))
    info = await end.info(path)
    if info is None:
        raise FileMissing("it has gone again", path=path, where=end.where)
    return info


async def _pour(end: End, writer: Writer, parts: AsyncIterator[bytes]) -> int:
    """Write what comes, and return how many bytes it was."""
    ahead: deque[asyncio.Task[None]] = deque()
    most = min(MOST_REQUESTS, max(4, end.flight // end.block))
    size = 0
    try:
        async for data in _blocks(parts, end.block):
            if len(ahead) >= most:
                await ahead.popleft()
            ahead.append(asyncio.create_task(writer.write(size, data)))
            size += len(data)
        while ahead:
            await ahead.popleft()
    finally:
        await cancelled(ahead)
    return size


async def _blocks(parts: AsyncIterator[bytes], block: int) -> AsyncGenerator[bytes]:
    """The same bytes in blocks of one size, but for the last."""
    held = bytearray()
    async for part in parts:
        held += part
        while len(held) >= block:
            yield bytes(held[:block])
            del held[:block]
    if held:
        yield bytes(held)
