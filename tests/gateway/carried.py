"""Connections that ssh carries: who answers at their end, and what comes back."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path

from .door import PATIENCE, Door

TEXT = os.urandom(300_000)


@contextlib.asynccontextmanager
async def echoing(path: Path | None = None) -> AsyncIterator[int]:
    """A server that sends back what comes and then ends; its port."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
        writer.close()

    if path is not None:
        server = await asyncio.start_unix_server(echo, path)
        path.chmod(0o777)
    else:
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with server:
        yield 0 if path is not None else server.sockets[0].getsockname()[1]


@contextlib.asynccontextmanager
async def standing(door: Door, *words: str, alias: str = "a") -> AsyncIterator[asyncio.subprocess.Process]:
    """An ssh with forwards that stand, until the block is left."""
    command = door.ssh_command(alias, "-o", "ExitOnForwardFailure=yes", *words, "--", "echo ready; cat")
    client = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    assert client.stdin is not None
    assert client.stdout is not None
    try:
        line = await asyncio.wait_for(client.stdout.readline(), PATIENCE)
        assert line == b"ready\n", await client.communicate()
        yield client
    finally:
        if client.returncode is None:
            client.kill()
        await client.communicate()


async def exchanged(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, text: bytes = TEXT) -> bytes:
    """What comes back, to the end."""
    async with asyncio.timeout(PATIENCE):

        async def send() -> None:
            writer.write(text)
            await writer.drain()
            writer.write_eof()

        back, _ = await asyncio.gather(reader.read(), send())
        writer.close()
    return back


async def by_socks(proxy: int, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection to a port of this machine by way of `ssh -D`."""
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy)
    writer.write(b"\x05\x01\x00\x05\x01\x00\x01" + socket.inet_aton("127.0.0.1") + port.to_bytes(2, "big"))
    async with asyncio.timeout(PATIENCE):
        assert await reader.readexactly(2) == b"\x05\x00"
        assert (await reader.readexactly(10))[1] == 0
    return reader, writer
