"""What the tests of calling home share: how to call as a device does, with a real server behind it or without."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

from mooring import Event, Pool
from mooring.model.device import Device
from mooring.model.event import EventKind
from mooring.pool.callhome import CallHomeServer
from mooring.simulate import SimulatedDevice, SimulatedDevices

HOST = "127.0.0.1"
PASSWORD = "juniper123"
HOME = {EventKind.PENDING, EventKind.APPROVED, EventKind.REJECTED, EventKind.REPLACED, EventKind.REFUSED}


@asynccontextmanager
async def listening(*devices: Device | str, **keywords: Any) -> AsyncIterator[CallHomeServer]:
    """A server on a port of its own."""
    async with Pool(config=None) as pool, CallHomeServer(HOST, 0, pool=pool, devices=devices, **keywords) as server:
        yield server


def calling(server: CallHomeServer, **keywords: Any) -> SimulatedDevices:
    """Devices that call the server, and call again soon."""
    return SimulatedDevices(**{"host": HOST, "port": server.port, "reconnect": 0.1, **keywords})


def known(device: SimulatedDevice, alias: str = "core1", **keywords: Any) -> Device:
    """A device that is pinned to its key."""
    usual = {"username": "admin", "password": PASSWORD, "host_key": device.public_key, "device_id": device.device_id}
    return Device.parse(f"{alias}://device", **{**usual, **keywords})


async def told(server: CallHomeServer, text: str, timeout: float = 10.0) -> Event:
    """The next event of a call that has a text in it. Listen before what brings it about: use ``listening_for``."""
    async with asyncio.timeout(timeout):
        async for event in server.pool.events():
            if event.kind in HOME and text in event.reason:
                return event
    raise AssertionError("the pool was closed")


@asynccontextmanager
async def expecting(server: CallHomeServer, text: str) -> AsyncIterator[list[Event]]:
    """Wait at the end of the block for an event that came since its beginning; it is then in the list."""
    found: list[Event] = []
    task = asyncio.create_task(told(server, text))
    await asyncio.sleep(0)
    try:
        yield found
        found.append(await task)
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@asynccontextmanager
async def relayed(server: CallHomeServer, port: int, preamble: bytes = b"") -> AsyncIterator[asyncio.Task[None]]:
    """A real server calls home: a relay dials us, and on the other side the server's own port."""
    ours, theirs = await asyncio.gather(asyncio.open_connection(HOST, server.port), asyncio.open_connection(HOST, port))
    ours[1].write(preamble)

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def both() -> None:
        await asyncio.gather(copy(ours[0], theirs[1]), copy(theirs[0], ours[1]))

    task = asyncio.create_task(both())
    try:
        yield task
    finally:
        for _, writer in (ours, theirs):
            writer.close()
        await asyncio.gather(task, return_exceptions=True)
        for _, writer in (ours, theirs):
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


@contextlib.contextmanager
def dialed(server: CallHomeServer, source: str = HOST) -> Iterator[socket.socket]:
    """A bare TCP connection to it."""
    with socket.socket() as sock:
        sock.bind((source, 0))
        sock.settimeout(30)
        sock.connect((HOST, server.port))
        yield sock
