"""A gateway before a device that does what a test says, and a client of AsyncSSH's at it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncssh

from mooring import Pool
from mooring.service import Audit
from mooring.transport.serve import KEEPALIVE

from .door import PATIENCE, Door, opened


def connect(door: Door, alias: str = "a", *, port: int | None = None, **more: Any) -> Any:  # noqa: ANN401 - AsyncSSH's
    """A client of AsyncSSH's."""
    options: dict[str, Any] = {"known_hosts": None, "config": None, "agent_path": None, "username": alias}
    options |= {"client_keys": [str(door.key)], **more}
    return asyncssh.connect("127.0.0.1", port or door.port, **options)


class Device(asyncssh.SSHServer):
    """One of AsyncSSH's, on which every command goes on without end; ``connections`` are those that it has."""

    def __init__(self, connections: list[Any]) -> None:
        self.connections = connections

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self.connections.append(conn)

    def begin_auth(self, username: str) -> bool:
        del username
        return False

    def server_requested(self, listen_host: str, listen_port: int) -> bool:
        del listen_host, listen_port
        return True


@contextlib.asynccontextmanager
async def deaf(
    pool: Pool, folder: Path, audit: Audit | None = None, *, keepalive: float = KEEPALIVE, **more: Any
) -> AsyncIterator[tuple[Door, Device]]:
    """A gateway before a device of which everything is in our hands."""
    device = Device([])
    options: dict[str, Any] = {"process_factory": lambda _: None, "encoding": None, **more}
    key = asyncssh.generate_private_key("ssh-ed25519")
    async with asyncssh.listen(
        "127.0.0.1", 0, server_factory=lambda: device, server_host_keys=[key], **options
    ) as server:
        session = await pool.start(f"a://x@127.0.0.1:{server.get_port()}", host_key="off", password="x")
        await session.wait_up(PATIENCE)
        async with opened(pool, folder, audit, keepalive=keepalive) as door:
            yield door, device
        await pool.aclose()
