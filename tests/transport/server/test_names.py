"""What a client names, of any bytes: it is refused at most, and ends nobody else's session."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncssh
import pytest
from asyncssh.packet import String, UInt32

from mooring.transport.server import private
from tests.peers.bare import bare

from .ground import PATIENCE, Ground

pytestmark = pytest.mark.anyio
NO_TEXT = b"a\xff\xfeb"
NUMBERS = UInt32(80) + UInt32(24) + UInt32(0) + UInt32(0)


async def act(process: asyncssh.SSHServerProcess[Any]) -> None:
    """Say what was asked for, and then what is said."""
    known = process.term_type, dict(process.env), process.command, process.subsystem
    process.stdout.write(f"{known!a}\n")
    process.stdout.write(await process.stdin.read())


class Streams(asyncssh.SSHServer):
    """A caller's, whose sessions are streams."""

    def begin_auth(self, username: str) -> bool:
        return False

    def session_requested(self) -> Any:  # noqa: ANN401 - AsyncSSH's
        async def echo(stdin: Any, stdout: Any, _: Any) -> None:  # noqa: ANN401 - likewise
            stdout.write(f"{stdin.channel.get_terminal_type()!a} {len(stdin.channel.get_environment_bytes())}\n")
            stdout.write(await stdin.read())
            stdout.channel.exit(0)

        return echo


REQUESTS = {
    "a terminal": (b"pty-req", String(NO_TEXT) + NUMBERS + String(b"")),
    "a variable": (b"env", String(NO_TEXT) + String(b"x")),
    "its value": (b"env", String(b"A") + String(NO_TEXT)),
    "a command": (b"exec", String(NO_TEXT)),
    "a subsystem": (b"subsystem", String(NO_TEXT)),
}


@pytest.mark.parametrize("editor", [True, False])
async def test_what_is_no_text_ends_no_connection(ground: Ground, editor: bool) -> None:  # noqa: FBT001 - a parameter
    connection = await ground.connect(await ground.start(process=act, line_editor=editor))
    async with asyncio.timeout(PATIENCE), connection.create_process("other") as other:
        assert await other.stdout.readline() == "(None, {}, 'other', None)\n"
        granted = set()
        for name, (request, what) in REQUESTS.items():
            channel = await bare(connection)
            if await channel._make_request(request, what):  # noqa: SLF001 - it is bare
                granted.add(name)
            channel.abort()
        assert granted == {"a terminal", "a variable", "its value"}
        other.channel._send_request(b"signal", String(NO_TEXT))  # noqa: SLF001 - no client does so by mistake
        other.stdin.write("still here")
        other.stdin.write_eof()
        assert await other.stdout.read() == "still here"
    assert ground.faults == []


async def test_a_handler_is_told_of_a_terminal_that_is_no_text(ground: Ground) -> None:
    connection = await ground.connect(await ground.start(process=act, line_editor=False))
    channel = await bare(connection)
    said: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    channel._session = _Reader(said)  # noqa: SLF001 - it is bare
    async with asyncio.timeout(PATIENCE):
        assert await channel._make_request(*REQUESTS["a terminal"])  # noqa: SLF001
        assert await channel._make_request(*REQUESTS["its value"])  # noqa: SLF001
        assert await channel._make_request(b"exec", String(b"x"))  # noqa: SLF001
        channel.resume_reading()
        assert await said == rb"('a\udcff\udcfeb', {}, 'x', None)" + b"\n"


class _Reader(asyncssh.SSHClientSession[bytes]):
    """Tells what was said first."""

    def __init__(self, said: asyncio.Future[bytes]) -> None:
        self._said = said

    def data_received(self, data: bytes, datatype: asyncssh.DataType) -> None:
        if not self._said.done():
            self._said.set_result(data)


async def test_the_sessions_of_a_callers_server_are_spared_too(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(private, "_VARIABLES", 2)
    connection = await ground.connect(await ground.start(server_factory=Streams))
    async with asyncio.timeout(PATIENCE), connection.create_process("x", env={"A": "1", "B": "2", "C": "3"}) as other:
        assert await other.stdout.readline() == "None 2\n"
        channel = await bare(connection)
        assert await channel._make_request(*REQUESTS["a terminal"])  # noqa: SLF001 - it is bare
        channel.abort()
        other.stdin.write("still here")
        other.stdin.write_eof()
        assert await other.stdout.read() == "still here"
    assert ground.faults == []
