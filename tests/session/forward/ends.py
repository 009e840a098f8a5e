"""Servers that forwards lead to, and what talks to them."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send back what comes, then the end."""
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()


async def digest(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer the end with a digest of all that came before."""
    seen = hashlib.sha256()
    while data := await reader.read(65536):
        seen.update(data)
    writer.write(seen.digest())


@asynccontextmanager
async def serving(handler: Handler = echo, path: Path | None = None) -> AsyncIterator[int]:
    """A server for the length of a block; its port."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await handler(reader, writer)
        except OSError:
            pass
        finally:
            writer.close()

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    if path is None:
        server = await asyncio.start_server(begin, "127.0.0.1", 0, backlog=256)
    else:
        server = await asyncio.start_unix_server(begin, path)
        path.chmod(0o777)
    try:
        yield 0 if path else server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def connected(where: int | Path) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection for the length of a block, to a port or a path."""
    if isinstance(where, int):
        reader, writer = await asyncio.open_connection("127.0.0.1", where)
    else:
        reader, writer = await asyncio.open_unix_connection(where)
    try:
        yield reader, writer
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


async def ask(where: int | Path, text: bytes = b"hello") -> bytes:
    """Send something and its end, and return all that comes back."""
    async with asyncio.timeout(30), connected(where) as (reader, writer):
        writer.write(text)
        writer.write_eof()
        return await reader.read()


async def refused(port: int) -> bool:
    """Whether a connection is let in nowhere."""
    try:
        return await ask(port) == b""
    except OSError:  # cut before we had ended, or after
        return True
