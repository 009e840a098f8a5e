"""A NETCONF server that does what a test says, and nothing of its own accord but the SSH."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any, Self

import asyncssh

import mooring
from mooring import Session
from mooring.wire.netconf.framing import DELIMITER, NEED_DATA, Chunked, EndOfMessage, chunked
from mooring.wire.netconf.hello import BASE

BASE_10 = "urn:ietf:params:netconf:base:1.0"
BASE_11 = "urn:ietf:params:netconf:base:1.1"


def hello(session_id: int = 1, *more: str, new: bool = True) -> bytes:
    """A server's hello."""
    uris = [BASE_10, *[BASE_11] * new, *more]
    listed = "".join(f"<capability>{uri}</capability>" for uri in uris)
    inside = f"<capabilities>{listed}</capabilities><session-id>{session_id}</session-id>"
    return f'<hello xmlns="{BASE}">{inside}</hello>'.encode() + DELIMITER


def reply(message_id: str, inside: str = "<ok/>") -> bytes:
    """A framed reply, in chunks."""
    return chunked(f'<rpc-reply xmlns="{BASE}" message-id="{message_id}">{inside}</rpc-reply>'.encode())


class Channel:
    """One channel: ``write`` to it, and see what came.

    Attributes:
        number: Which one, from 1.
        messages: What the client sent, its hello first.
        others: All channels of the server.
        chunks: Whether the client goes on in chunks after its hello, as it does if both tell base:1.1.
    """

    def __init__(self, others: list[Channel], channel: asyncssh.SSHServerChannel[bytes]) -> None:
        self.number = len(others) + 1
        self.others = others
        self.messages: list[str] = []
        self.chunks = True
        self._channel = channel
        self._full = asyncio.Event()

    def write(self, data: bytes) -> None:
        """Send."""
        if not self._channel.is_closing():
            self._channel.write(data)

    def close(self) -> None:
        """End the channel."""
        self._channel.close()

    async def wait_closed(self) -> None:
        """Wait until the client has closed it."""
        await self._channel.wait_closed()

    def write_error(self, words: str) -> None:
        """Say something on standard error."""
        self._channel.write_stderr(words.encode())


Act = Callable[[Channel, str], None]
"""What to do with a message of the client: its channel and the message, or nothing when the channel opens."""


def obey(channel: Channel, message: str, *, answer: str = "<ok/>") -> None:
    """A server that says ok to all."""
    if not message:
        channel.write(hello(channel.number))
    elif found := re.search(r'message-id="(\w+)"', message):
        channel.write(reply(found[1], answer))
        if "<close-session" in message:
            channel.close()


class ScriptedServer:
    """An AsyncSSH server on 127.0.0.1, from entering to leaving, that lets everybody in and acts as it is told.

    Args:
        act: What to do.
        subsystem: Whether it starts a subsystem.
    """

    def __init__(self, act: Act, *, subsystem: bool = True) -> None:
        self.act = act
        self.subsystem = subsystem
        self.channels: list[Channel] = []
        self.commands: list[str] = []
        self.connections: list[asyncssh.SSHServerConnection] = []

    async def __aenter__(self) -> Self:
        key = asyncssh.generate_private_key("ssh-ed25519")
        self._pin = key.export_public_key().decode().strip()
        self._listener = await asyncssh.listen(
            "127.0.0.1", 0, server_factory=lambda: _Server(self), server_host_keys=[key], encoding=None
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.close()
        for connection in self.connections:
            connection.abort()
            await connection.wait_closed()
        await self._listener.wait_closed()

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._listener.get_port()

    @property
    def login(self) -> dict[str, Any]:
        """The keywords of a session to it."""
        return {"host_key": self._pin, "username": "somebody", "agent_path": None, "identity": "none"}

    def held(self, **keywords: Any) -> AbstractAsyncContextManager[Session]:
        """A session to it."""
        return mooring.connect(f"odd1://127.0.0.1:{self.port}", config=None, **{**self.login, **keywords})


class _Server(asyncssh.SSHServer):
    def __init__(self, scripted: ScriptedServer) -> None:
        self._scripted = scripted

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._scripted.connections.append(conn)

    def begin_auth(self, username: str) -> bool:
        return False

    def session_requested(self) -> asyncssh.SSHServerSession[bytes]:
        return _Session(self._scripted)


class _Session(asyncssh.SSHServerSession[bytes]):
    def __init__(self, scripted: ScriptedServer) -> None:
        self._scripted = scripted
        self._framing: EndOfMessage | Chunked = EndOfMessage()
        self._message = b""

    def connection_made(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        self._raw = chan

    def subsystem_requested(self, subsystem: str) -> bool:
        return self._scripted.subsystem and subsystem == "netconf"

    def exec_requested(self, command: str) -> bool:
        self._scripted.commands.append(command)
        return True

    def session_started(self) -> None:
        self._channel = Channel(self._scripted.channels, self._raw)
        self._scripted.channels.append(self._channel)
        self._scripted.act(self._channel, "")

    def data_received(self, data: bytes, datatype: int | None) -> None:
        self._framing.receive_data(data)
        while (piece := self._framing.next_piece()) is not NEED_DATA:
            if isinstance(piece, bytes):
                self._message += piece
                continue
            message, self._message = self._message.decode(), b""
            self._channel.messages.append(message)
            if len(self._channel.messages) == 1 and self._channel.chunks:
                rest = self._framing.rest()
                self._framing = Chunked()
                self._framing.receive_data(rest)
            self._scripted.act(self._channel, message)

    def eof_received(self) -> bool:
        return True
