"""Sessions to the peers of the tests: pinned host key, the client's key, nothing of the user's own."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from typing import Any

import psutil

import mooring
from mooring import Session
from mooring.simulate import FaultyLink
from tests.peers.dropbear import Dropbear
from tests.peers.keys import public_line
from tests.peers.sshd import Sshd


async def begun(session: Session, *seconds: str) -> None:
    """Wait until each ``sleep SECONDS`` runs, and until what its command had said before has come."""
    missing = set(seconds)
    async with asyncio.timeout(30):
        while missing:
            lines = [process.info["cmdline"] for process in psutil.process_iter(["cmdline"])]
            missing -= {line[1] for line in lines if line and line[0] == "sleep" and len(line) == 2}
            await asyncio.sleep(0.02)
        await session.ping()  # the server reads what its commands say before what we ask


def pin(server: Sshd | Dropbear) -> str:
    """The server's host key, as the option ``host_key`` has it; it fits behind any port."""
    if isinstance(server, Dropbear):
        return server.known_hosts_line.partition(" ")[2]
    return public_line(server.host_keys[0])


def credentials(server: Sshd | Dropbear) -> dict[str, Any]:
    """The keywords to log in to it with the client's key."""
    return {
        "username": server.user,
        "identity": [str(server.client_key)],
        "agent_path": None,
        "host_key": pin(server),
    }


def held(
    server: Sshd | Dropbear, link: FaultyLink | None = None, alias: str = "edge1", **keywords: Any
) -> AbstractAsyncContextManager[Session]:
    """A session to it for the length of a block, through a link where one is given."""
    port = link.port if link else server.port
    return mooring.connect(f"{alias}://127.0.0.1:{port}", config=None, **{**credentials(server), **keywords})
