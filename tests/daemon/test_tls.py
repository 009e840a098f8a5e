"""The TLS door by itself: what a crowd that comes at once leaves behind."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
import ssl

import pytest

from mooring.daemon.strangers import Strangers
from mooring.daemon.tls import TlsDoor

pytestmark = pytest.mark.anyio


async def test_who_is_sent_away_before_a_handshake_began_is_hung_up_on() -> None:
    """They wait when the door opens: all are accepted in one go, before the task of any has run."""
    loop = asyncio.get_running_loop()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with socket.create_server(("127.0.0.1", 0)) as listener, contextlib.ExitStack() as stack:
        listener.setblocking(False)  # noqa: FBT003 - the standard library's signature
        clients = [stack.enter_context(socket.create_connection(listener.getsockname())) for _ in range(4)]
        door = TlsDoor(listener, context, 30.0, Strangers(1, 30.0), asyncio.Protocol)
        async with asyncio.timeout(30):
            for client in clients[:-1]:
                client.setblocking(False)  # noqa: FBT003 - likewise
                assert await loop.sock_recv(client, 1) == b""
            door.close()
            await door.wait_closed()
    gc.collect()  # a socket that was left open is an error here
