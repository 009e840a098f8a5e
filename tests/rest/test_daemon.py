"""The door as mooringd has it: in a process of its own, on uvloop, where sockets end in other ways."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from websockets.asyncio.client import ClientConnection, unix_connect

from mooring.wire.channel import WINDOW_SIZE, ClientSide, Kind, Opening
from tests.daemon.running import RunningDaemon
from tests.daemon.targets import table
from tests.peers.sshd import Sshd

from .door import BOUND, Client, until_process

pytestmark = pytest.mark.anyio

RUN = "/v1/sessions/web1/run"
MEGABYTE = 1 << 20


@pytest.fixture
async def daemon(anyio_backend: str, start_daemon: Callable[..., RunningDaemon], sshd: Sshd) -> RunningDaemon:
    """A daemon that holds web1, which is up."""
    del anyio_backend
    daemon = await asyncio.to_thread(start_daemon, config=table("web1", sshd))
    client = await Client.connect(daemon.socket)
    async with asyncio.timeout(BOUND):
        while (await client.ask("GET", "/v1/sessions/web1")).value["state"] != "up":  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(0.05)
    await client.close()
    return daemon


async def idle(daemon: RunningDaemon) -> None:
    """Wait until no command is under way."""
    client = await Client.connect(daemon.socket)
    async with asyncio.timeout(BOUND):
        while (await client.ask("GET", "/v1/sessions/web1")).value["channels"]["open"]:  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(0.02)
    await client.close()


@pytest.mark.parametrize("door", ["unix", "tcp"])
async def test_a_client_that_leaves_ends_its_command(daemon: RunningDaemon, unused_number: str, door: str) -> None:
    where: Path | int = daemon.socket if door == "unix" else daemon.port
    for how in ("hangs up", "half closes", "resets", "had a request ahead"):
        client = await Client.connect(where, token=daemon.token)
        await client.send("POST", RUN, {"command": f"exec sleep {unused_number}"})
        await until_process(unused_number, there=True)
        if how == "had a request ahead":
            await client.send("POST", RUN, {"command": "true"})
        if how == "half closes":
            client.writer.write_eof()
        elif how == "resets":
            client.abort()
        else:
            await client.close()
        await until_process(unused_number, there=False)
        await idle(daemon)
        await client.close()


async def test_a_hundred_megabytes_each_way_in_bounded_memory(daemon: RunningDaemon) -> None:
    process = psutil.Process(daemon.pid)
    block = os.urandom(WINDOW_SIZE // 4)
    count = 100 * MEGABYTE // len(block)
    sent, came = hashlib.sha256(), hashlib.sha256()
    side, room = ClientSide(), asyncio.Event()

    async def pour(socket: ClientConnection) -> None:
        for _ in range(count):
            while side.window < len(block):
                room.clear()
                await room.wait()
            sent.update(block)
            await socket.send(side.stdin(block))
        await socket.send(side.stdin_eof())

    before = most = process.memory_info().rss
    async with (
        asyncio.timeout(40.0),
        unix_connect(
            str(daemon.socket), "ws://localhost/v1/sessions/web1/channel", compression=None, max_size=None
        ) as socket,
    ):
        await socket.send(side.open(Opening("exec", command="cat")))
        while side.receive(await _bytes(socket)).kind is not Kind.WINDOW:
            pass
        pouring = asyncio.create_task(pour(socket))
        while (frame := side.receive(await _bytes(socket))).kind is not Kind.EXIT:
            room.set()
            if frame.kind is Kind.STDOUT:
                came.update(frame.payload)
                most = max(most, process.memory_info().rss)
        await pouring
    assert came.digest() == sent.digest()
    assert most - before < 24 * MEGABYTE
    await idle(daemon)


async def test_a_client_of_a_channel_that_leaves(daemon: RunningDaemon, unused_number: str) -> None:
    side = ClientSide()
    async with unix_connect(str(daemon.socket), "ws://localhost/v1/sessions/web1/channel") as socket:
        await socket.send(side.open(Opening("exec", command=f"exec sleep {unused_number}")))
        await until_process(unused_number, there=True)
        socket.transport.abort()
    await until_process(unused_number, there=False)
    await idle(daemon)


async def _bytes(socket: ClientConnection) -> bytes:
    message = await socket.recv()
    assert isinstance(message, bytes)
    return message
