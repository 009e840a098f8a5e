"""Commands, shells and subsystems through the gateway, with a real OpenSSH on both sides: as without a gateway."""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
from pathlib import Path

import asyncssh
import pytest

from mooring import Pool
from tests.peers.fixtures import StartSshd
from tests.peers.sshd import Sshd
from tests.pool.fleet import hold, true

from .door import PATIENCE, Done, Door, run

pytestmark = pytest.mark.anyio

COMMANDS = {
    "output": "echo out; echo err >&2",
    "status": "exit 37",
    "nothing": "true",
    "signal": "kill -KILL $$",
    "a signal of its own": "kill -TERM $$",
    "no such command": "no-such-command-here",
    "input": "cat; echo more",
    "bytes": "printf '\\000\\377\\n\\r\\n'",
    "closed output": "exec >&-; echo err >&2",
    "language": "echo $LANG $LC_ALL $MOORING_X",
}


@pytest.mark.parametrize("name", COMMANDS)
async def test_what_comes_is_what_comes_without_a_gateway(door: Door, sshd: Sshd, name: str) -> None:
    variables = {"LANG": "C", "MOORING_X": "one two"}
    words = ("-o", "SendEnv=LANG LC_* MOORING_*")
    through = await run(*door.ssh_command("a", *words, "--", COMMANDS[name]), stdin=b"\0in\xff", env=variables)
    direct = await run(
        *sshd.ssh_command(*words, "-o", "LogLevel=ERROR"), COMMANDS[name], stdin=b"\0in\xff", env=variables
    )
    assert through == direct


async def test_a_command_that_is_no_text(door: Door, sshd: Sshd) -> None:
    command = os.fsdecode(b"printf '\xff\xfe' | od -An -tx1")
    through = await door.ssh("a", "--", command)
    assert through.out.split() == [b"ff", b"fe"]
    assert through == await run(*sshd.ssh_command("-o", "LogLevel=ERROR"), command)


@pytest.mark.parametrize("words", [("-tt",), ("-T",)])
async def test_a_terminal(door: Door, sshd: Sshd, words: tuple[str, ...]) -> None:
    command = "tty >/dev/null && stty -a | head -1; echo $TERM"
    environment = {"TERM": "vt100", "COLUMNS": "80"}
    through = await run(*door.ssh_command("a", *words, "--", command), env=environment)
    direct = await run(*sshd.ssh_command(*words, "-o", "LogLevel=ERROR"), command, env=environment)
    assert through == direct


async def test_a_shell_is_no_command_to_count(door: Door, pool: Pool) -> None:
    done = await door.ssh("a", "-T", stdin=b"echo one\nexit 5\n")
    assert (done.status, done.out) == (5, b"one\n")
    await door.ssh("a", "--", "true")
    async with asyncio.timeout(PATIENCE):
        while not (found := pool.statistics()).command_seconds.total:  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(0.01)
    assert (found.commands, sum(found.command_seconds.counts)) == (1, 1)


async def test_a_terminal_changes_its_size_and_is_broken_off(door: Door) -> None:
    """With AsyncSSH as the client, since ssh looks at a terminal of its own."""
    async with (
        asyncio.timeout(PATIENCE),
        asyncssh.connect(
            "127.0.0.1", door.port, username="a", client_keys=[str(door.key)], known_hosts=None, config=None
        ) as connection,
    ):
        process = await connection.create_process(
            "trap 'stty size' WINCH; echo ready; while :; do read x; done", term_type="xterm", term_size=(80, 24)
        )
        assert "ready" in await process.stdout.readline()
        process.change_terminal_size(132, 43)
        assert "43 132" in await process.stdout.readline()
        process.channel.send_signal("INT")
        process.channel.send_break(100)
        process.stdin.write("\x03")
        await process.wait_closed()
        plain = await connection.create_process("echo ready; sleep 1000", encoding="utf-8")
        await plain.stdout.readline()
        plain.send_signal("TERM")
        await plain.wait_closed()
        assert plain.exit_signal is not None
        assert plain.exit_signal[0] == "TERM"


async def test_the_ends_of_input_and_output_are_told_apart(door: Door) -> None:
    done = await door.ssh("a", "--", "exec 1>&-; wc -c >&2", stdin=b"x" * 100_000)
    assert (done.status, done.out, done.err) == (0, b"", b"100000\n")


@pytest.mark.parametrize("size", [100, 40_000_000])
async def test_much_goes_both_ways_at_once(door: Door, size: int) -> None:
    text = os.urandom(1000) * (size // 1000 + 1)
    done = await door.ssh("a", "--", "cat", stdin=text)
    assert (done.status, len(done.out), done.err) == (0, len(text), b"")
    assert hashlib.sha256(done.out).digest() == hashlib.sha256(text).digest()


async def test_who_does_not_read_holds_the_device_back_and_nobody_else(door: Door, shared: Path) -> None:
    mark = shared / "sent"
    mark.write_text("")
    mark.chmod(0o666)
    reader, writer = os.pipe()
    command = f"for i in $(seq 400); do head -c 100000 /dev/zero; echo >> {mark}; done"
    client = await asyncio.create_subprocess_exec(
        *door.ssh_command("a", "--", command), stdin=asyncio.subprocess.DEVNULL, stdout=writer
    )
    os.close(writer)
    try:
        before = -1
        async with asyncio.timeout(PATIENCE):
            while before < (before := mark.stat().st_size) or not before:
                done = await door.ssh("a", "--", "echo other")
                assert done.out == b"other\n"
        assert before < 200  # of 400: windows, pipes and sockets hold some megabytes
    finally:
        os.close(reader)
        assert await asyncio.wait_for(client.wait(), PATIENCE) == 0
    assert mark.stat().st_size == 400  # once nobody can read, nothing is held back


async def test_who_vanishes_leaves_no_slot_behind(door: Door, pool: Pool) -> None:
    client = await asyncio.create_subprocess_exec(
        *door.ssh_command("a", "--", "echo ready; exec sleep 1000"),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
    )
    assert client.stdout is not None
    assert await asyncio.wait_for(client.stdout.readline(), PATIENCE) == b"ready\n"
    assert pool["a"].status().channels.open == 1
    client.send_signal(signal.SIGKILL)
    await client.wait()
    await true(lambda: pool["a"].status().channels.open == 0)


async def test_a_session_that_is_lost_under_a_command(start_sshd: StartSshd, pool: Pool, door: Door) -> None:
    server = start_sshd()
    await hold(pool, "b", server)
    client = await asyncio.create_subprocess_exec(
        *door.ssh_command("b", "--", "echo ready; exec sleep 1000"),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert client.stdout is not None
    assert await asyncio.wait_for(client.stdout.readline(), PATIENCE) == b"ready\n"
    server.kill()
    _, err = await asyncio.wait_for(client.communicate(), PATIENCE)
    assert client.returncode == 255
    assert err == b"mooring: the session was lost; the command may have run\n"


async def test_a_session_that_is_not_up_is_told_of_in_one_line(start_sshd: StartSshd, pool: Pool, door: Door) -> None:
    server = start_sshd()
    await hold(pool, "b", server)
    server.stop()
    await true(lambda: pool["b"].status().state.value != "up")
    for words in (("--", "true"), ("-tt", "--", "true"), ("-T",), ("-s", "--", "sftp")):
        done = await door.ssh("b", *words)
        assert (done.status, done.out) == (255, b"")
        assert done.err.startswith(b"mooring: b is "), words
        assert done.err.count(b"\n") == 1
    command = door.ssh_command("b", "-W", "127.0.0.1:1")
    done = await run(*(word.replace("LogLevel=ERROR", "LogLevel=INFO") for word in command))
    assert b"channel 0: open failed: connect failed: b is " in done.err


async def test_a_session_is_waited_for_where_that_is_configured(start_sshd: StartSshd, pool: Pool, door: Door) -> None:
    server = start_sshd()
    await hold(pool, "b", server)
    server.stop()
    await true(lambda: pool["b"].status().state.value != "up")
    door.allow(*door.gateway.users.configured, wait=PATIENCE)
    waiting = asyncio.create_task(door.ssh("b", "--", "echo here"))
    server.start()
    assert await waiting == Done(0, b"here\n", b"")


async def test_more_at_once_than_the_device_has_channels_for(start_sshd: StartSshd, pool: Pool, door: Door) -> None:
    await hold(pool, "b", start_sshd(MaxSessions=2))
    done = await asyncio.gather(*(door.ssh("b", "--", f"sleep 0.1; echo {number}") for number in range(8)))
    assert [one.out for one in done] == [f"{number}\n".encode() for number in range(8)]


async def test_sftp_and_scp_by_both_protocols(door: Door, shared: Path) -> None:
    tmp_path = shared
    text = os.urandom(3_000_000)
    (tmp_path / "from").write_bytes(text)
    (tmp_path / "from").chmod(0o644)
    base = [*door.options(), "-P", str(door.port)]
    for number, words in enumerate((["-O"], ["-s"])):
        there = tmp_path / f"there{number}"
        done = await run("scp", *words, *base, str(tmp_path / "from"), f"a@127.0.0.1:{there}")
        assert (done.status, done.err) == (0, b"")
        assert there.read_bytes() == text
        back = tmp_path / f"back{number}"
        done = await run("scp", *words, *base, f"a@127.0.0.1:{there}", str(back))
        assert (done.status, done.err) == (0, b"")
        assert back.read_bytes() == text
    batch = f"put {tmp_path}/from {tmp_path}/sftp\nls -l {tmp_path}/sftp\nget {tmp_path}/sftp {tmp_path}/again\n"
    done = await run("sftp", "-b", "-", *base, "a@127.0.0.1", stdin=batch.encode())
    assert done.status == 0, done.err
    assert b"3000000" in done.out
    assert (tmp_path / "again").read_bytes() == text


async def test_one_connection_for_many_commands(door: Door, tmp_path: Path) -> None:
    control = ["-o", f"ControlPath={tmp_path}/control", "-o", "ControlMaster=auto", "-o", "ControlPersist=60"]
    try:
        done = await asyncio.gather(*(door.ssh("a", *control, "--", f"echo {number}") for number in range(6)))
        assert [one.out for one in done] == [f"{number}\n".encode() for number in range(6)]
        for status in (0, 3, 5, 7, 11):  # ssh closes such a channel before it has heard the exit status
            assert (await door.ssh("a", *control, "--", f"echo out; exit {status}")) == Done(status, b"out\n", b"")
    finally:
        await door.ssh("a", *control, "-O", "exit")
