"""New keys in mid-stream (RFC 4253 section 9): what is sent goes on afterwards, and is not kept for who stops there."""

from __future__ import annotations

import asyncio
import hashlib
import os
from typing import Any

import asyncssh
import pytest

from tests.pool.fleet import true

from .door import PATIENCE, Done, Door

pytestmark = pytest.mark.anyio
BOUND = 3 * 1024 * 1024
"""Bytes that wait for one channel of a visitor at most: a window, and what lies in buffers."""


def connect(door: Door) -> Any:  # noqa: ANN401 - AsyncSSH's
    """A client of AsyncSSH's."""
    options: dict[str, Any] = {"known_hosts": None, "config": None, "agent_path": None, "username": "a"}
    return asyncssh.connect("127.0.0.1", door.port, client_keys=[str(door.key)], **options)


def kept(door: Door) -> int:
    """Bytes that wait for new keys."""
    connections: list[Any] = [visitor.connection for visitor in door.gateway.visitors]
    return sum(len(part) for each in connections for _, args in each._deferred_packets for part in args)  # noqa: SLF001


async def test_a_visitor_who_begins_an_exchange_and_falls_silent(door: Door) -> None:
    async with asyncio.timeout(2 * PATIENCE):
        connection: Any
        async with connect(door) as connection:
            await connection.create_process("cat /dev/zero", encoding=None, window=0xFFFFFF00, stdin=asyncssh.DEVNULL)
            transport = connection._transport  # noqa: SLF001
            connection._send_kexinit()  # noqa: SLF001 - and then
            transport.set_protocol(asyncio.Protocol())  # reads all, and says nothing
            try:
                await true(lambda: kept(door) > 100_000)
                for _ in range(5):
                    assert await door.ssh("a", "--", "echo other") == Done(0, b"other\n", b"")
                    assert kept(door) < BOUND
            finally:
                transport.set_protocol(connection)
                connection.abort()


async def test_new_keys_in_mid_stream(door: Door) -> None:
    content = os.urandom(1_000_000) * 20
    done = await door.ssh("a", "-o", "RekeyLimit=1M", "--", "cat", stdin=content)
    assert (done.status, done.err) == (0, b"")
    assert hashlib.sha256(done.out).digest() == hashlib.sha256(content).digest()
