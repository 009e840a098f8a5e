"""A client of one channel, whose WebSocket is an implementation by others."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from mooring.wire.channel import ClientSide, Frame, Kind, Opening

from .door import TOKEN, Running


class Channel:
    """A client of one channel."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.side = ClientSide()

    async def open(self, kind: str, **fields: Any) -> Frame:
        """Ask for it; what the daemon says first."""
        await self.socket.send(self.side.open(Opening(kind, **fields)))
        return await self.receive()

    async def receive(self) -> Frame:
        """The next frame."""
        message = await self.socket.recv()
        assert isinstance(message, bytes)
        return self.side.receive(message)

    async def send(self, data: bytes) -> None:
        """Standard input, all of it, as the window allows; what comes meanwhile but WINDOW is dropped."""
        while data:
            while not self.side.window:
                await self.receive()
            part, data = data[: self.side.window], data[self.side.window :]
            await self.socket.send(self.side.stdin(part))

    async def rest(self) -> tuple[bytes, bytes, Frame]:
        """All output up to the last frame, and that."""
        output = {Kind.STDOUT: b"", Kind.STDERR: b""}
        while (came := await self.receive()).kind not in {Kind.EXIT, Kind.ERROR}:
            if came.kind in output:
                output[came.kind] += came.payload
        return output[Kind.STDOUT], output[Kind.STDERR], came


@contextlib.asynccontextmanager
async def channel(door: Running, alias: str = "web1", *, token: str = TOKEN, **options: Any) -> AsyncIterator[Channel]:
    """A WebSocket that was accepted."""
    async with connected(door, f"/v1/sessions/{alias}/channel", token=token, **options) as socket:
        yield Channel(socket)


@contextlib.asynccontextmanager
async def connected(door: Running, path: str, *, token: str = TOKEN, **options: Any) -> AsyncIterator[ClientConnection]:
    """A WebSocket to a path."""
    headers = {"Authorization": f"Bearer {token}", **options.pop("headers", {})}
    options = {"compression": None, "max_size": None, "ping_interval": None, "proxy": None, **options}
    url = f"ws://localhost:{door.port}{path}"
    async with asyncio.timeout(30.0), connect(url, additional_headers=headers, **options) as socket:
        yield socket
