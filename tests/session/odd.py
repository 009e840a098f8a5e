"""An SSH server that answers as no good server would, and tells what it saw."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any, Self

import asyncssh

import mooring
from mooring import Session
from mooring.simulate import FaultyLink

Channel = asyncssh.SSHServerChannel[bytes]


class OddServer:
    """An AsyncSSH server on 127.0.0.1, from entering to leaving, that lets everybody in.

    Args:
        act: What to do once a command was asked for.
        admit: Awaited before a channel is confirmed.
        most: Channels open at once; one more is refused.

    Attributes:
        opened: Channels that were asked for.
        commands: Commands that were asked for.
        refused: Channels that were refused.
        closed: Channels that came to their end.
        signals: Signals that were asked for.
        connections: Connections, in the order in which they came.
    """

    def __init__(
        self,
        act: Callable[[Channel, str], None] = lambda channel, _: channel.exit(0),
        admit: Callable[[], Awaitable[object]] | None = None,
        most: int = 1_000,
        **options: Any,
    ) -> None:
        self.act = act
        self.admit = admit
        self.most = most
        self.opened = 0
        self.refused = 0
        self.closed = 0
        self.commands: list[str] = []
        self.signals: list[str] = []
        self.connections: list[asyncssh.SSHServerConnection] = []
        self.changed = asyncio.Event()
        self._options = options

    async def __aenter__(self) -> Self:
        key = asyncssh.generate_private_key("ssh-ed25519")
        self.pin = key.export_public_key().decode().strip()
        self._listener = await asyncssh.listen(
            "127.0.0.1", 0, server_factory=lambda: _Server(self), server_host_keys=[key], encoding=None, **self._options
        )
        self.port: int = self._listener.get_port()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.close()
        for connection in self.connections:
            connection.abort()
            await connection.wait_closed()
        await self._listener.wait_closed()

    async def wait(self, reached: Callable[[], bool]) -> None:
        """Wait until what it saw is as wanted, at most ten seconds."""
        async with asyncio.timeout(30):
            while not reached():
                self.changed.clear()
                await self.changed.wait()

    def held(self, link: FaultyLink | None = None, **keywords: Any) -> AbstractAsyncContextManager[Session]:
        """A session to it."""
        usual = {"host_key": self.pin, "username": "somebody", "agent_path": None, "identity": "none"}
        port = link.port if link else self.port
        return mooring.connect(f"odd1://127.0.0.1:{port}", config=None, **{**usual, **keywords})


class _Server(asyncssh.SSHServer):
    def __init__(self, odd: OddServer) -> None:
        self._odd = odd

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._odd.connections.append(conn)

    def begin_auth(self, username: str) -> bool:
        return False

    def session_requested(self) -> Any:  # noqa: ANN401 - also awaitable, which AsyncSSH does not say
        self._odd.opened += 1
        self._odd.changed.set()
        if self._odd.opened - self._odd.refused - self._odd.closed > self._odd.most:
            self._odd.refused += 1
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_RESOURCE_SHORTAGE, "no more")
        return self._admitted() if self._odd.admit else _Session(self._odd)

    async def _admitted(self) -> asyncssh.SSHServerSession[bytes]:
        assert self._odd.admit is not None
        await self._odd.admit()
        return _Session(self._odd)


class _Session(asyncssh.SSHServerSession[bytes]):
    def __init__(self, odd: OddServer) -> None:
        self._odd = odd
        self._command = ""

    def connection_made(self, chan: Channel) -> None:
        self._channel = chan

    def exec_requested(self, command: str) -> bool:
        self._command = command
        self._odd.commands.append(command)
        self._odd.changed.set()
        return command != "refuse me"

    def shell_requested(self) -> bool:
        return True

    def session_started(self) -> None:
        self._odd.act(self._channel, self._command)

    def signal_received(self, signal: str) -> None:
        self._odd.signals.append(signal)
        self._odd.changed.set()

    def eof_received(self) -> bool:
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self._odd.closed += 1
        self._odd.changed.set()
