"""An agent stays small, whatever its client asks for and does not take."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncssh
import psutil
import pytest
from asyncssh.packet import String, UInt32, UInt64

from mooring import Session
from tests.pool.fleet import true

from .homes import BOUND, Home
from .running import RunningAgent

pytestmark = pytest.mark.anyio


@contextlib.asynccontextmanager
async def apart(home: Home, folder: Path, *words: str) -> AsyncIterator[tuple[Session, psutil.Process]]:
    """The session of an agent in a process of its own, and that process."""
    (folder / "token").write_text(home.server.agent_token("web1").text())
    (folder / "token").chmod(0o600)
    told = "--id", "web1", "--token-file", str(folder / "token"), *words
    agent = RunningAgent(folder / "agent", home.server.port, *told)
    await asyncio.to_thread(agent.start)
    with contextlib.closing(agent):
        await home.pool["web1"].wait_up(timeout=BOUND)
        assert agent.pid is not None
        yield home.pool["web1"], psutil.Process(agent.pid)


def peak(process: psutil.Process) -> int:
    """Bytes of memory that a process has had at most."""
    line = next(line for line in Path(f"/proc/{process.pid}/status").read_text().splitlines() if "VmHWM" in line)
    return int(line.split()[1]) * 1024


async def at_rest(process: psutil.Process) -> None:
    """Wait until a process has read nothing more for half a second."""
    before, still = -1, 0
    while still < 5:
        now = process.io_counters().read_chars
        before, still = now, still + 1 if now == before else 0
        await asyncio.sleep(0.1)


class Unread(asyncio.Protocol):
    """Somebody who says much and reads nothing."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport
        transport.pause_reading()  # type: ignore[attr-defined] # TCP's has it
        transport.write(bytes(1 << 20))  # type: ignore[attr-defined] # likewise


class Files(asyncssh.SSHClientSession[bytes]):
    """A client of SFTP that asks for much of a file, without waiting for anything."""

    def read(self, channel: asyncssh.SSHClientChannel[bytes], path: Path) -> None:
        def ask(*parts: bytes) -> None:
            channel.write(String(b"".join(parts)))

        ask(b"\x01", UInt32(3))
        ask(b"\x03", UInt32(1), String(str(path)), UInt32(1), UInt32(0))
        for number in range(64):
            ask(b"\x05", UInt32(number + 2), String(UInt32(0)), UInt64(number << 18), UInt32(1 << 18))


async def test_a_read_of_all_there_could_be_takes_no_more_memory_than_an_agent_may(home: Home, tmp_path: Path) -> None:
    with (tmp_path / "large").open("wb") as large:
        large.truncate(600_000_000)
    async with apart(home, tmp_path) as (session, process):
        client = await session.sftp()
        async with asyncio.timeout(BOUND), client.open(str(tmp_path / "large"), "rb", block_size=0) as file:
            assert len(await file.read(500_000_000, 0)) == 1 << 20
        assert peak(process) < 64 << 20


@pytest.mark.parametrize("kind", ["output", "input", "files"])
async def test_a_client_of_many_channels_that_reads_nothing_costs_no_more_memory_than_an_agent_may_have(
    home: Home, tmp_path: Path, kind: str
) -> None:
    (large := tmp_path / "large").write_bytes(bytes(17 << 20))
    async with apart(home, tmp_path) as (session, process):
        connection: Any = session.connection
        options: dict[str, Any] = {"encoding": None, "window": 1 << 31, "env": {"SHLVL": "2"}}  # bash reads no .bashrc

        async def begin(number: int) -> None:
            if kind == "files":
                channel, files = await connection.create_session(Files, subsystem="sftp", **options)
                files.read(channel, large)
            elif kind == "input":
                channel, _ = await connection.create_session(asyncssh.SSHClientSession, "exec sleep 60", **options)
                channel.write(bytes(3 << 20))
            else:
                command = "exec head -c 10000000 /dev/zero"
                terminal = "vt100" if number % 2 else None
                await connection.create_session(asyncssh.SSHClientSession, command, term_type=terminal, **options)

        async with asyncio.timeout(BOUND):
            await asyncio.gather(*map(begin, range(64)))
            if kind != "input":
                connection._transport.pause_reading()  # noqa: SLF001 - as who is stopped
            await at_rest(process)
        assert peak(process) < 64 << 20
        connection.abort()
        await true(lambda: not process.children())


async def test_connections_that_nobody_reads_cost_no_more_memory_than_an_agent_may_have(
    home: Home, tmp_path: Path
) -> None:
    """In both directions: those that its client opens, and those of who comes to where it listens."""
    loop, ends = asyncio.get_running_loop(), list[Unread]()

    def unread() -> Unread:
        ends.append(Unread())
        return ends[-1]

    async with apart(home, tmp_path, "--allow-forwarding") as (session, process), asyncio.timeout(BOUND):
        connection: Any = session.connection
        there = await loop.create_server(unread, "127.0.0.1", 0)
        try:
            port = there.sockets[0].getsockname()[1]

            async def open_one(_: int) -> None:
                options = {"encoding": None, "window": 1 << 31}
                channel, _ = await connection.create_connection(asyncssh.SSHTCPSession, "127.0.0.1", port, **options)
                channel.pause_reading()
                channel.write(bytes(3 << 20))

            await asyncio.gather(*map(open_one, range(64)))
            listener = await connection.create_server(lambda *_: asyncio.Event().wait(), "127.0.0.1", 0)
            connection._transport.pause_reading()  # noqa: SLF001 - as who is stopped
            for _ in range(64):
                await loop.create_connection(unread, "127.0.0.1", listener.get_port())
            await at_rest(process)
            assert len(ends) == 128
            assert peak(process) < 64 << 20, peak(process)
        finally:
            for end in ends:
                end.transport.abort()
            connection.abort()
            there.close()
            await there.wait_closed()
