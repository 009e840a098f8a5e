"""What starts servers and clients."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import Any

import asyncssh

import mooring

PATIENCE = 30.0
HOST_KEY = asyncssh.generate_private_key("ssh-ed25519")


class Ground:
    """Starts servers, and clients of them, which are gone in the end.

    Attributes:
        faults: What the loop's exception handler was told.
    """

    def __init__(self, stack: contextlib.AsyncExitStack) -> None:
        self._stack = stack
        self.faults: list[dict[str, Any]] = []

    @property
    def messages(self) -> list[str]:
        """What it was told, in words."""
        return [str(fault["message"]) for fault in self.faults]

    async def start(self, **terms: Any) -> mooring.Server:
        """A server that lets ``guest`` in unless it is told otherwise."""
        if not {"check_password", "authorized_keys", "server_factory"} & terms.keys():
            terms = {"guests": {"guest"}, **terms}
        return await self._stack.enter_async_context(mooring.serve(port=0, host_keys=HOST_KEY, **terms))

    async def connect(self, server: mooring.Server, **more: Any) -> asyncssh.SSHClientConnection:
        """A client that is logged in."""
        options: dict[str, Any] = {"username": "guest", "known_hosts": None, "config": None, "client_keys": None}
        async with asyncio.timeout(PATIENCE):
            connection = await asyncssh.connect("127.0.0.1", server.port, **{**options, "agent_path": None, **more})
        self._stack.push_async_callback(self._hang_up, connection)
        return connection

    @staticmethod
    async def _hang_up(connection: asyncssh.SSHClientConnection) -> None:
        connection.abort()
        await connection.wait_closed()


def authorized(path: Path, *lines: str) -> Path:
    """An authorized_keys file."""
    path.write_text("".join(f"{line}\n" for line in lines))
    path.chmod(0o600)
    return path


def line(key: asyncssh.SSHKey) -> str:
    """A key's public half."""
    return key.export_public_key().decode().strip()
