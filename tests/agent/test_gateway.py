"""Real OpenSSH clients at a gateway, and behind it an agent: what they know from sshd, they find here."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncssh
import pytest
from asyncssh.constants import MSG_CHANNEL_REQUEST
from asyncssh.packet import Boolean, String

from mooring.model.access import Action
from tests.gateway.carried import TEXT, echoing, exchanged
from tests.gateway.deaf import connect
from tests.gateway.door import PATIENCE, Done, Door, make_key, opened, run, user
from tests.peers.bare import bare
from tests.peers.sshd import Sshd
from tests.pool.fleet import true

from .homes import Home

pytestmark = pytest.mark.anyio


@pytest.fixture
async def door(home: Home, tmp_path: Path) -> AsyncIterator[Door]:
    folder = tmp_path / "door"
    folder.mkdir()
    async with home.managed("web1", forwarding=True), opened(home.pool, folder) as door:
        yield door


COMMANDS = {
    "output": "echo out; echo err >&2",
    "status": "exit 37",
    "signal": "kill -KILL $$",
    "no such command": "no-such-command-here",
    "input": "cat; echo more",
    "bytes": "printf '\\000\\377\\n\\r\\n'",
    "no text": os.fsdecode(b"printf '\xff\xfe' | od -An -tx1"),
    "closed output": "exec >&-; echo err >&2",
    "language": "echo $LC_ALL $LC_TEST",
}


@pytest.mark.parametrize("name", COMMANDS)
async def test_commands_as_with_sshd(door: Door, sshd: Sshd, name: str) -> None:
    variables = {"LC_ALL": "C", "LC_TEST": "one two"}
    words = ("-o", "SendEnv=LC_*")
    through = await run(*door.ssh_command("web1", *words, "--", COMMANDS[name]), stdin=b"\0in\xff", env=variables)
    direct = await run(
        *sshd.ssh_command(*words, "-o", "LogLevel=ERROR"), COMMANDS[name], stdin=b"\0in\xff", env=variables
    )
    if name in {"no such command", "closed output"}:  # which shell complains is the account's affair
        assert (through.status, through.out, bool(through.err)) == (direct.status, direct.out, bool(direct.err))
    else:
        assert through == direct


async def test_a_terminal_as_with_sshd(door: Door, sshd: Sshd) -> None:
    command = 'tty >/dev/null && stty -a; echo $TERM; [ -n "$SSH_TTY" ]'
    through = await run(*door.ssh_command("web1", "-tt", "--", command), env={"TERM": "vt100"})
    direct = await run(*sshd.ssh_command("-tt", "-o", "LogLevel=ERROR"), command, env={"TERM": "vt100"})
    assert (through.status, through.out.splitlines()[-1]) == (0, b"vt100")
    assert through.out == direct.out


async def test_what_sshd_passes_over_costs_nobody_the_session(door: Door, home: Home) -> None:
    """A terminal's type that is no text, input that is none, and a question that nobody knows, on any channel."""
    words = ("-tt", "--", "printf %s $TERM | od -An -tx1")
    done = await run(*door.ssh_command("web1", *words), env={"TERM": os.fsdecode(b"xt\xe9rm")})
    assert done == Done(0, b" 78 74 e9 72 6d\r\n", b"")
    async with asyncio.timeout(PATIENCE), echoing() as port, connect(door, "web1") as connection:
        process = await connection.create_process("cat", encoding=None)
        reader, writer = await connection.open_connection("127.0.0.1", port, encoding=None)
        for channel in (process.channel, writer.channel):
            channel.send_packet(MSG_CHANNEL_REQUEST, String(b"\xff"), Boolean(value=False))
            assert not await channel._make_request(b"x@y")  # noqa: SLF001 - nobody asks so by mistake
            channel._write_datatypes = {asyncssh.EXTENDED_DATA_STDERR}  # noqa: SLF001 - likewise
            channel.write(bytes(5_000_000), asyncssh.EXTENDED_DATA_STDERR)
        process.stdin.write(b"in")
        process.stdin.write_eof()
        assert await process.stdout.read() == b"in"
        assert await exchanged(reader, writer) == TEXT
    assert home.pool["web1"].status().connects == 1


async def test_what_was_not_started_may_be_followed_by_something_else(door: Door, home: Home, tmp_path: Path) -> None:
    """On the same channel, as PuTTY's clients for files do; and nothing follows what was started."""
    async with asyncio.timeout(PATIENCE), connect(door, "web1") as connection:
        channel = await bare(connection)
        for request in (String(b"no-such"), String(b"netconf")):
            assert not await channel._make_request(b"subsystem", request)  # noqa: SLF001 - it is bare
        assert await channel._make_request(b"exec", String(f"echo > {tmp_path}/begun; exec cat"))  # noqa: SLF001
        assert not await channel._make_request(b"exec", String("id"))  # noqa: SLF001
        await true((tmp_path / "begun").exists)
        straight: Any = home.pool["web1"].connection
        channel = await bare(straight)  # past the gateway, which would not ask
        assert not await channel._make_request(b"subsystem", String(b"no-such"))  # noqa: SLF001
        assert await channel._make_request(b"subsystem", String(b"sftp"))  # noqa: SLF001
        for request, what in ((b"exec", String("id")), (b"subsystem", String(b"sftp")), (b"shell", b"")):
            assert not await channel._make_request(request, what)  # noqa: SLF001
        channel.abort()


async def test_files_by_sftp_and_by_both_protocols_of_scp(door: Door, home: Home, tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(os.urandom(2_000_000))
    place = "web1@127.0.0.1"
    options = [*door.options(), "-P", str(door.port)]
    for words in (["-O"], ["-s"]):
        name = f"copy{words[0]}"
        sent = await run("scp", *words, *options, str(tmp_path / "large"), f"{place}:{name}")
        assert (sent.status, sent.err) == (0, b"")
        got = await run("scp", *words, *options, f"{place}:{name}", str(tmp_path / name))
        assert (got.status, got.err) == (0, b"")
        assert (tmp_path / name).read_bytes() == (tmp_path / "large").read_bytes()
    done = await run("sftp", "-b", "-", *options, place, stdin=b"pwd\nls -1\nrename copy-O x\nrm x\n")
    assert done.status == 0, done.err
    assert f"Remote working directory: {home.account.home}".encode() in done.out
    assert [path.name for path in Path(home.account.home).iterdir()] == ["copy-s"]


@pytest.mark.skipif(shutil.which("rsync") is None, reason="this machine has no rsync")
async def test_rsync(door: Door, home: Home, tmp_path: Path) -> None:
    for number in range(20):
        (tmp_path / "tree" / f"d{number}").mkdir(parents=True)
        (tmp_path / "tree" / f"d{number}" / "f").write_bytes(os.urandom(10_000))
    ssh = " ".join(["ssh", *door.options(), "-p", str(door.port)])
    done = await run("rsync", "-a", "-e", ssh, f"{tmp_path}/tree/", "web1@127.0.0.1:there/")
    assert (done.status, done.err) == (0, b"")
    assert len(list(Path(home.account.home).glob("there/d*/f"))) == 20


async def test_a_connection_out_from_the_agents_side(door: Door) -> None:
    async def greet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"from there")
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    done = await door.ssh("web1", "-W", f"127.0.0.1:{port}")
    assert (done.status, done.out) == (0, b"from there")
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize("terminal", [False, True])
async def test_a_client_that_wants_no_more(door: Door, *, terminal: bool) -> None:
    """As ``ssh host command | head -1``: the command is told so, and its end is not waited for in vain."""
    reader, writer = os.pipe()
    words = ("-tt",) if terminal else ()
    client = await asyncio.create_subprocess_exec(
        *door.ssh_command("web1", *words, "--", "seq 1000000; exit 3"), stdin=asyncio.subprocess.DEVNULL, stdout=writer
    )
    os.close(writer)
    async with asyncio.timeout(PATIENCE):
        assert (await asyncio.to_thread(os.read, reader, 1)) == b"1"
        os.close(reader)
        assert await client.wait() == 3


async def test_a_client_that_goes_takes_its_command_along(door: Door, tmp_path: Path) -> None:
    told = tmp_path / "told"
    client = await asyncio.create_subprocess_exec(
        *door.ssh_command("web1", "--", f"trap 'echo > {told}; exit' HUP; echo here; sleep 60 & wait"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert client.stdout is not None
    async with asyncio.timeout(PATIENCE):
        assert await client.stdout.readline() == b"here\n"
        client.send_signal(signal.SIGKILL)
        await client.wait()
        while not told.exists():  # noqa: ASYNC110 - another process's event
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("action", [Action.FILES, Action.RUN])
async def test_variables_of_who_may_only_carry_files(door: Door, tmp_path: Path, action: Action) -> None:
    """A library that is loaded before rsync is another program; the loader tells that it was asked for one."""
    key = make_key(tmp_path, "bob")
    door.allow(user("bob", key, [action]))
    result = await door.ssh("web1", "-o", "SetEnv=LD_PRELOAD=/none.so", "--", "rsync --server --sender . x", key=key)
    assert b"mooring:" not in result.err
    assert (b"/none.so" in result.err) == (action is Action.RUN)
