"""What a held session finds at an agent: commands, shells, terminals, files, and nothing else."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import shutil
import stat
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from mooring import ForwardRefused, Session
from mooring.agent import login
from mooring.agent.account import Account
from mooring.agent.files import Files
from mooring.model.errors import ChannelRefused, CommandTimeout, MooringError
from mooring.model.status import Direction
from mooring.transport.server import forwards
from mooring.transport.server.root import Root
from tests.pool.fleet import true

from .homes import BOUND, Home

pytestmark = pytest.mark.anyio


@pytest.fixture
async def held(home: Home) -> AsyncIterator[Session]:
    async with home.managed() as session:
        yield session


async def test_a_command_as_below_sshd(held: Session, home: Home) -> None:
    result = await held.run("pwd; echo err >&2; exit 7")
    assert (result.stdout, result.stderr, result.exit_status) == (f"{home.account.home}\n", "err\n", 7)
    assert (held.direction, held.status().host_key_policy) == (Direction.CALLED_HOME, "pinned")


async def test_the_environment_is_that_of_a_login(held: Session, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOORING_AGENT_SECRET", "hunter2")
    said = (await held.run("env", env={"LC_TEST": "y", "HOME": "/elsewhere", "A": "b=c"})).stdout
    found = dict(line.split("=", 1) for line in said.splitlines())
    account = home.account
    assert (found["HOME"], found["USER"], found["LOGNAME"]) == (account.home, account.name, account.name)
    assert (found["SHELL"], found["LC_TEST"], found["A"]) == ("/bin/sh", "y", "b=c")
    assert found["SSH_CONNECTION"].split()[:2] == ["127.0.0.1", str(home.server.port)]
    assert "hunter2" not in said
    assert "TERM" not in found
    assert "SSH_TTY" not in found


async def test_streams_whole_and_both_ways(held: Session) -> None:
    data = os.urandom(3_000_000)
    result = await held.run("tee /dev/stderr", input=data, encoding=None)
    assert hashlib.sha256(result.stdout).digest() == hashlib.sha256(data).digest()
    assert hashlib.sha256(result.stderr).digest() == hashlib.sha256(data).digest()


async def test_how_it_ended_by_a_signal(held: Session) -> None:
    assert (await held.run("kill -TERM $$")).exit_signal == "TERM"
    assert (await held.run("kill -STKFLT $$ 2>/dev/null || kill -16 $$")).exit_signal is not None


async def test_a_command_that_takes_too_long_is_ended_there(held: Session, tmp_path: Path) -> None:
    told = tmp_path / "told"
    for timeout in (0.5, 2.0, 8.0, 20.0):  # as long as a shell needs to begin here, and to end before it is killed
        with pytest.raises(CommandTimeout) as caught:
            await held.run(f"trap 'echo > {told}; exit 7' TERM; sleep 60 & wait", timeout=timeout)
        if caught.value.result.exit_status == 7:
            break
    assert told.exists()


async def test_signals_reach_it(held: Session) -> None:
    process = await held.process("trap 'echo usr1; exit 3' USR1; echo here; while :; do sleep 0.05; done")
    async with asyncio.timeout(BOUND):
        assert await process.stdout.readline() == "here\n"
        process.send_signal("NO-SUCH")
        process.send_signal("USR1")
        assert await process.stdout.readline() == "usr1\n"
        assert (await process.wait()).exit_status == 3


async def test_a_break_is_for_a_terminal(held: Session) -> None:
    process = await held.process("echo here; read line; echo $line", term_type="xterm")
    async with asyncio.timeout(BOUND):
        assert await process.stdout.readline() == "here\r\n"
        process.send_break(100)
        process.stdin.write("still there\n")
        assert "still there" in await process.stdout.read()


async def test_a_channel_that_is_closed_hangs_up_on_its_command(held: Session, tmp_path: Path) -> None:
    told = tmp_path / "told"
    process = await held.process(f"trap 'echo > {told}; exit' HUP; echo here; sleep 60 & wait")
    async with asyncio.timeout(BOUND):
        await process.stdout.readline()
        process.close()
        await process.wait_closed()
    await true(told.exists)


async def test_one_that_reads_nothing_is_hung_up_on_too(held: Session, tmp_path: Path) -> None:
    told = tmp_path / "told"
    process = await held.process(f"trap 'echo > {told}; exit' HUP; echo here; sleep 60 & wait", encoding=None)
    async with asyncio.timeout(BOUND):
        assert await process.stdout.readline() == b"here\n"
        process.stdin.write(bytes(1_500_000))
        assert (await held.run("echo there")).stdout == "there\n", "what was written before has come"
        process.close()
        await process.wait_closed()
    await true(told.exists)
    await true(lambda: held.status().channels.open == 0)


async def test_a_shell_that_is_told_what_to_do(held: Session) -> None:
    process = await held.process()
    async with asyncio.timeout(BOUND):
        done = await process.communicate("echo $0 one; exit 4\n")
    assert done == ("sh one\n", "")
    assert process.exit_status == 4


async def test_a_terminal_with_its_size(held: Session) -> None:
    async with held.terminal(size=(101, 33)) as terminal:
        view = terminal.view()
        shown = b""

        async def until(text: bytes) -> None:
            nonlocal shown
            while text not in shown:
                shown += await anext(view)

        async with asyncio.timeout(BOUND):
            await terminal.write(b"stty size; tty; echo $TERM\n")
            await until(b"33 101")
            await until(b"xterm-256color")
            terminal.resize(90, 20)
            await terminal.write(b"stty size\n")
            await until(b"20 90")
            await terminal.write(b"exit 5\n")
            assert (await terminal.wait()).exit_status == 5


async def test_files_begin_at_home(held: Session, home: Home, tmp_path: Path) -> None:
    (tmp_path / "local").write_bytes(os.urandom(5_000_000))
    await held.put(tmp_path / "local", "there")
    there = Path(home.account.home) / "there"
    assert there.read_bytes() == (tmp_path / "local").read_bytes()
    await held.get("there", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == there.read_bytes()
    client = await held.sftp()
    await client.get("there", tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == there.read_bytes(), "asked for in larger parts than are read"
    assert await client.realpath(".") == home.account.home
    await client.chmod("there", 0o640)
    assert stat.S_IMODE(there.stat().st_mode) == 0o640
    await client.symlink("there", "link")
    assert await client.readlink("link") == "there"
    with pytest.raises(asyncssh.SFTPNoSuchFile):
        await client.stat("~/there")


async def test_pipes_and_devices_are_not_opened_and_hold_up_nobody(held: Session, home: Home) -> None:
    os.mkfifo(Path(home.account.home) / "pipe")
    client = await held.sftp()
    async with asyncio.timeout(BOUND):
        for path in ("pipe", "/dev/zero"):
            for mode in ("rb", "wb", "r+b"):
                with pytest.raises(asyncssh.SFTPError):
                    await client.open(path, mode)
        assert (await held.run("echo alive")).stdout == "alive\n"


async def test_a_slow_disk_holds_up_nobody_else(held: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, go_on = threading.Event(), threading.Event()
    spot = Root.spot

    def slow(self: Root, path: bytes, **keywords: Any) -> Any:  # noqa: ANN401 - a context manager
        if path.endswith(b"/slow"):
            asked.set()
            assert go_on.wait(BOUND)
        return spot(self, path, **keywords)

    monkeypatch.setattr(Root, "spot", slow)
    client = await held.sftp()
    waiting = asyncio.ensure_future(client.exists("slow"))
    try:
        assert await asyncio.to_thread(asked.wait, BOUND)
        assert (await held.run("echo meanwhile")).stdout == "meanwhile\n"
    finally:
        go_on.set()
    assert not await waiting


async def test_what_sshd_lets_the_user_do_to_files(held: Session, home: Home) -> None:
    """Not held to a folder: links lead anywhere, any mode is set, and files may be given away by who may."""
    there = Path(home.account.home) / "there"
    there.write_bytes(b"there")
    client = await held.sftp()
    await client.chmod("there", 0o4750)
    assert stat.S_IMODE(there.stat().st_mode) == 0o4750
    await client.chown("there", os.getuid(), os.getgid())
    await client.symlink("../../out", "out")
    await client.symlink("/etc/hosts", "hosts")
    assert await client.readlink("out") == "../../out"
    assert await client.readlink("hosts") == "/etc/hosts"
    assert (await client.stat("hosts")).size == Path("/etc/hosts").stat().st_size
    async with client.open("there", "r+b") as file:
        await file.chown(os.getuid(), os.getgid())
        await file.chmod(0o600)
    assert stat.S_IMODE(there.stat().st_mode) == 0o600


@pytest.mark.parametrize("size", [1 << 20, (1 << 32) - 1], ids=["as-usual", "all-there-could-be"])
async def test_no_more_of_a_file_is_read_than_the_client_takes(
    held: Session, home: Home, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    with (Path(home.account.home) / "large").open("wb") as large:
        large.truncate(100 << 20)
    read = Files.read
    parts: list[int] = []

    async def counted(self: Files, file_obj: object, offset: int, size: int) -> bytes:
        parts.append(size)
        return await read(self, file_obj, offset, size)

    monkeypatch.setattr(Files, "read", counted)
    connection = held.connection
    assert connection is not None
    client, other = await connection.start_sftp_client(), await connection.start_sftp_client()
    handler: Any = client._handler  # noqa: SLF001 - no other way to it
    async with asyncio.timeout(BOUND):
        file = await client.open("large", "rb", block_size=None)
        handler._writer.channel.pause_reading()  # noqa: SLF001 - as above
        asking = [asyncio.create_task(handler.read(file._handle, 0, size)) for _ in range(40)]  # noqa: SLF001
        await true(lambda: bool(parts))
        for _ in range(300):
            assert await other.exists("large"), "each takes a thread's turn as a read does, and there are more of them"
        assert sum(parts) < 12 << 20, "the window of the channel, and little more"
        handler._writer.channel.resume_reading()  # noqa: SLF001
        assert {len(data) for data, _ in await asyncio.gather(*asking)} == {1 << 20}
        await file.close()
    for each in (client, other):
        each.exit()
        await each.wait_closed()


async def test_no_more_is_taken_of_what_is_written_than_a_slow_disk_takes(
    held: Session, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A window, and one request: the others stay with the client."""
    goes_on = threading.Event()
    write = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda *args: goes_on.wait(BOUND) and write(*args))
    connection = held.connection
    assert connection is not None
    client, other = await connection.start_sftp_client(), await connection.start_sftp_client()
    handler: Any = client._handler  # noqa: SLF001 - no other way to it
    text = os.urandom(1 << 18)
    async with asyncio.timeout(BOUND):
        file = await client.open("slow", "wb")
        offsets = range(0, 64 * len(text), len(text))
        writing = [asyncio.create_task(handler.write(file._handle, offset, text)) for offset in offsets]  # noqa: SLF001
        for _ in range(300):
            assert not await other.exists("none"), "meanwhile all that can be taken is"
        assert handler._writer.channel.get_write_buffer_size() > 60 * len(text) - (2 << 20)  # noqa: SLF001
        goes_on.set()
        await asyncio.gather(*writing)
        await file.close()
    assert (Path(home.account.home) / "slow").read_bytes() == text * 64
    for each in (client, other):
        each.exit()
        await each.wait_closed()


@pytest.mark.parametrize("there", [True, False], ids=["of-the-host", "of-ours"])
async def test_scp(held: Session, home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, there: bool) -> None:
    if there and shutil.which("scp") is None:
        pytest.skip("this machine has no scp")
    if not there:
        monkeypatch.setattr(shutil, "which", lambda _: None)
    (tmp_path / "local").write_bytes(os.urandom(300_000))
    await asyncssh.scp(tmp_path / "local", (held.connection, "sent"))
    assert (Path(home.account.home) / "sent").read_bytes() == (tmp_path / "local").read_bytes()
    await asyncssh.scp((held.connection, "~/sent"), tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == (tmp_path / "local").read_bytes()


async def test_no_other_subsystem_and_no_command_with_a_nul(held: Session) -> None:
    for refused in (held.run("echo a\0b"), held.process(subsystem="netconf")):
        with pytest.raises(MooringError):
            await refused
    assert (await held.run("echo still here")).stdout == "still here\n"


async def test_there_are_so_many_channels(held: Session) -> None:
    connection = held.connection
    assert connection is not None
    async with asyncio.timeout(BOUND):
        several = [await connection.create_process("cat", encoding=None) for _ in range(64)]
        with pytest.raises(asyncssh.ChannelOpenError, match="64 channels are open"):
            await connection.create_process("cat")
        for process in several:
            process.stdin.write_eof()
            assert (await process.wait()).exit_status == 0
        assert (await connection.run("echo again")).stdout == "again\n"


async def test_a_shell_that_is_not_there_is_said(home: Home) -> None:
    account = type(home.account)(home.account.name, home.account.home, "/no/such/shell")
    async with home.managed(account=account) as session:
        result = await session.run("true")
        assert (result.exit_status, result.stderr) == (
            127,
            "/no/such/shell cannot be started: No such file or directory\n",
        )


async def test_nothing_is_forwarded_unless_it_is_allowed(
    held: Session, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "mooring.transport.server.forwards")
    with pytest.raises(ChannelRefused, match="forwards nothing"):
        await held.open_connection("127.0.0.1", 9)
    connection = held.connection
    assert connection is not None
    with pytest.raises(asyncssh.ChannelOpenError):
        await connection.open_unix_connection(str(tmp_path / "s"))
    with pytest.raises(asyncssh.ChannelListenError):
        await connection.forward_remote_path(str(tmp_path / "s"), str(tmp_path / "t"))
    with pytest.raises(ForwardRefused):
        await held.forward_remote(0, "127.0.0.1:9")
    name, why = Account.own().name, "this agent forwards nothing: --allow-forwarding"
    assert caplog.messages == [
        f"no listener on {place!r} for {name}: {why}" for place in (str(tmp_path / "s"), "localhost:0")
    ]
    with pytest.raises(asyncssh.ChannelOpenError):
        await connection.create_process("true", x11_forwarding=True)


async def test_what_is_forwarded_where_it_is_allowed(home: Home) -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.read(100))
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with home.managed(forwarding=True) as session, asyncio.timeout(BOUND):
        reader, writer = await session.open_connection("127.0.0.1", port, encoding=None)
        writer.write(b"there and back")
        assert await reader.read(100) == b"there and back"
        writer.close()
        async with await session.forward_remote(0, f"127.0.0.1:{port}") as forward:
            near, far = await asyncio.open_connection("127.0.0.1", forward.get_port())
            far.write(b"back and there")
            assert await near.read(100) == b"back and there"
            far.close()
            await far.wait_closed()
    server.close()
    await server.wait_closed()


async def test_unix_sockets_that_are_listened_on_and_their_callers_are_bounded(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.read(100))
        writer.close()
        await writer.wait_closed()

    monkeypatch.setattr(forwards, "_LISTENERS", 3)
    monkeypatch.setattr(login, "_CHANNELS", 1)
    async with home.managed(forwarding=True) as session, asyncio.timeout(BOUND):
        connection = session.connection
        assert connection is not None
        with pytest.raises(asyncssh.ChannelOpenError, match="no such place"):
            await connection.open_unix_connection("")
        for name in "abc":
            await connection.start_unix_server(lambda: echo, str(tmp_path / name))
        for name in "cd":  # one that there is, and one too many
            with pytest.raises(asyncssh.ChannelListenError):
                await connection.forward_remote_path(str(tmp_path / name), str(tmp_path / "t"))
        near, far = await asyncio.open_unix_connection(tmp_path / "a")
        too_many, beyond = await asyncio.open_unix_connection(tmp_path / "a")
        assert await too_many.read(100) == b""  # and it says nothing, for it would be reset
        far.write(b"back")
        assert await near.read(100) == b"back"
        for writer in (far, beyond):
            writer.close()
            await writer.wait_closed()
