"""`run(timeout=...)`: the command is ended as far as the server lets us, and the error says how far that was."""

from __future__ import annotations

import asyncio
import re
import subprocess
import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import psutil
import pytest

from mooring import ChannelLimit, CommandTimeout, Session
from mooring.simulate import FaultyLink
from tests.peers.account import Account
from tests.peers.dropbear import Dropbear
from tests.peers.fixtures import StartSshd
from tests.peers.sshd import Sshd

from .held import held
from .odd import Channel, OddServer

pytestmark = pytest.mark.anyio
LONG = 2.0
"""Seconds in which a command has begun and said what it has to, on a machine that is slow or busy too."""


class Mark:
    """A word in a command line, by which its processes are found."""

    def __init__(self) -> None:
        self.word = f"mark{uuid.uuid4().hex}"

    def processes(self) -> list[str]:
        lines = (" ".join(each.info["cmdline"] or ()) for each in psutil.process_iter(["cmdline"]))
        return [line for line in lines if self.word in line and "pytest" not in line]

    async def wait_gone(self) -> None:
        async with asyncio.timeout(30):
            while self.processes():  # noqa: ASYNC110 - no event tells of it
                await asyncio.sleep(0.02)


@pytest.fixture
def mark() -> Mark:
    return Mark()


@pytest.fixture
async def root_session(
    anyio_backend: str, start_sshd: StartSshd, current_account: Account
) -> AsyncIterator[tuple[Session, Sshd]]:
    """A session as root, where OpenSSH before 9.4 ignores signals."""
    if current_account.name != "root":
        pytest.skip("needs root, whose sessions ignore signals")
    server = start_sshd(account=current_account)
    version = subprocess.run([server.command()[0], "-V"], capture_output=True, text=True, check=False).stderr
    match = re.search(r"OpenSSH_(\d+)\.(\d+)", version)
    if match is None or (int(match[1]), int(match[2])) >= (9, 4):
        pytest.skip("OpenSSH from 9.4 on heeds signals as root too")
    async with held(server) as session:
        yield session, server


async def test_term_ends_it_and_that_is_confirmed(session: Session, mark: Mark) -> None:
    with pytest.raises(CommandTimeout, match=r"longer than 2 s") as caught:
        await session.run(f"echo out; echo err >&2; sleep 60; : {mark.word}", timeout=LONG)
    error = caught.value
    assert (error.result.stdout, error.result.stderr) == ("out\n", "err\n")
    assert (error.result.exit_status, error.result.exit_signal) == (-1, "TERM")
    assert (error.remote_may_still_run, error.hint) == (False, None)
    await mark.wait_gone()
    assert session.status().channels.open == 0
    assert (await session.run("echo on")).stdout == "on\n"


async def test_one_that_ends_well_on_term_has_its_status(session: Session) -> None:
    with pytest.raises(CommandTimeout) as caught:
        await session.run("trap 'echo bye; exit 7' TERM; while :; do sleep 0.05; done", timeout=LONG)
    assert (caught.value.result.stdout, caught.value.result.exit_status) == ("bye\n", 7)
    assert not caught.value.remote_may_still_run


async def test_one_that_ignores_term_is_killed(session: Session, mark: Mark) -> None:
    with pytest.raises(CommandTimeout) as caught:
        await session.run(f"trap '' TERM; echo deaf; sleep 60; : {mark.word}", timeout=LONG)
    assert (caught.value.result.stdout, caught.value.result.exit_signal) == ("deaf\n", "KILL")
    assert not caught.value.remote_may_still_run
    await mark.wait_gone()


async def test_where_signals_are_ignored_it_may_still_run_and_holds_its_slot(
    root_session: tuple[Session, Sshd], mark: Mark, peers_folder: Path
) -> None:
    session, _ = root_session
    end = peers_folder / mark.word
    with pytest.raises(CommandTimeout) as caught:
        await session.run(f"echo out; until [ -e {end} ]; do sleep 0.1; done", timeout=LONG)
    error = caught.value
    assert (error.remote_may_still_run, error.result.exit_status, error.result.stdout) == (True, None, "out\n")
    assert "it may still run there" in str(error)
    assert mark.processes()
    assert session.status().channels.open == 1
    assert (await session.run("echo on")).stdout == "on\n"
    end.touch()
    await mark.wait_gone()
    async with asyncio.timeout(30):
        while session.status().channels.open:  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(0.02)


async def test_wrap_ends_the_process_group_even_there(root_session: tuple[Session, Sshd], mark: Mark) -> None:
    session, _ = root_session
    command = f"echo out; echo err >&2; (sleep 61; : {mark.word}) & (sleep 62; : {mark.word}) | cat; wait"
    with pytest.raises(CommandTimeout) as caught:
        await session.run(command, timeout=LONG, kill="wrap")
    error = caught.value
    assert not error.remote_may_still_run
    assert error.result.exit_signal in {"TERM", "KILL"}  # the latter where a slow machine needs longer than the grace
    assert (error.result.stdout, error.result.stderr) == ("out\n", "err\n")
    await mark.wait_gone()
    assert session.status().channels.open == 0


async def test_wrap_kills_what_ignores_term_there(root_session: tuple[Session, Sshd], mark: Mark) -> None:
    session, _ = root_session
    with pytest.raises(CommandTimeout) as caught:
        await session.run(f"trap '' TERM; (sleep 61; : {mark.word}) & sleep 62", timeout=LONG, kill="wrap")
    assert (caught.value.remote_may_still_run, caught.value.result.exit_signal) == (False, "KILL")
    await mark.wait_gone()


@pytest.mark.parametrize("channels", [1, 4])
async def test_wrap_finds_a_slot_to_kill_by_when_all_are_taken(
    root_session: tuple[Session, Sshd], mark: Mark, channels: int
) -> None:
    _, server = root_session
    async with held(server, channels=channels) as session:
        command = f"sleep 60; : {mark.word}"
        calls = [session.run(command, timeout=LONG, kill="wrap") for _ in range(channels)]
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        assert [isinstance(error, CommandTimeout) and error.remote_may_still_run for error in outcomes] == [
            False
        ] * channels
        await mark.wait_gone()
        assert (await session.run("echo on")).stdout == "on\n"


@pytest.mark.parametrize(
    ("command", "stdout", "stderr", "status"),
    [
        ("exit 7", "", "", 7),
        ("echo o; echo e >&2", "o\n", "e\n", 0),
        ("printf 'no newline' >&2", "", "no newline", 0),
        ("""printf '%s' 'it'"'"'s "quoted" $0 $1 \\n'""", 'it\'s "quoted" $0 $1 \\n', "", 0),
        ("echo one\necho two >&2\n# comment\necho 'ü 😀'", "one\nü 😀\n", "two\n", 0),
        ("cat; echo; echo $#", "in\n0\n", "", 0),
        ("false && true", "", "", 1),
        ("printf '\\377\\n' >&2", "", "\\xff\n", 0),
    ],
)
async def test_wrap_changes_nothing_else(session: Session, command: str, stdout: str, stderr: str, status: int) -> None:
    result = await session.run(command, kill="wrap", input="in")
    assert (result.stdout, result.stderr, result.exit_status) == (stdout, stderr, status)
    assert result.command == command


async def test_wrap_keeps_the_signal(session: Session) -> None:
    result = await session.run("kill -s USR1 $$", kill="wrap")
    assert (result.exit_status, result.exit_signal) == (-1, "USR1")


@pytest.mark.parametrize("size", [0, 5, 100])
async def test_wrap_with_max_output(session: Session, size: int) -> None:
    result = await session.run("printf '%050d' 0; printf '%050d' 0 >&2", kill="wrap", max_output=size)
    kept = min(size, 50)
    assert (result.stdout, result.stderr, result.dropped) == ("0" * kept, "0" * kept, 2 * (50 - kept))


async def test_wrap_where_the_shell_says_something_first(
    start_sshd: StartSshd, login: Account, peers_folder: Path
) -> None:
    """sshd runs ~/.ssh/rc with sh before the command, and what that prints comes first."""
    folder = login.home / ".ssh"
    if folder.joinpath("rc").exists():
        pytest.skip("whoever runs the tests has an rc of their own")
    folder.mkdir(mode=0o755, exist_ok=True)
    (folder / "rc").write_text("echo welcome >&2\n")
    (folder / "rc").chmod(0o644)
    try:
        async with held(start_sshd()) as session:
            result = await session.run("echo e >&2", kill="wrap")
            assert result.stderr == "welcome\ne\n"
            with pytest.raises(CommandTimeout) as caught:
                await session.run("echo e >&2; sleep 60", kill="wrap", timeout=LONG)
            assert caught.value.result.stderr == "welcome\ne\n"
    finally:
        (folder / "rc").unlink()


async def test_wrap_on_dropbear(start_dropbear: Callable[[], Dropbear], mark: Mark) -> None:
    async with held(start_dropbear()) as session:
        assert (await session.run("echo e >&2; exit 3", kill="wrap")).stderr == "e\n"
        with pytest.raises(CommandTimeout) as caught:
            await session.run(f"echo out; (sleep 61; : {mark.word}) & sleep 62", kill="wrap", timeout=LONG)
        assert (caught.value.result.stdout, caught.value.remote_may_still_run) == ("out\n", False)


async def test_the_time_in_the_queue_counts(start_sshd: StartSshd) -> None:
    async with held(start_sshd(), channels=1) as session:
        process = await session.process("cat")
        with pytest.raises(ChannelLimit):
            await session.run("true", timeout=0.2)
        process.close()
        await process.wait_closed()
        assert (await session.run("echo on")).stdout == "on\n"


async def test_a_server_that_never_answers_the_open() -> None:
    never = asyncio.Event()
    async with OddServer(admit=never.wait) as server, server.held() as session:
        with pytest.raises(CommandTimeout) as caught:
            await session.run("echo x", timeout=0.2)
        assert not caught.value.remote_may_still_run
        assert (caught.value.result.exit_status, caught.value.result.stdout) == (None, "")
        assert session.status().channels.open == 1  # who knows what the server has
        assert server.commands == []
        never.set()  # AsyncSSH's server would wait for ever


async def test_after_an_abandoned_open_the_command_never_starts() -> None:
    answer = asyncio.Event()
    async with OddServer(admit=answer.wait) as server, server.held() as session:
        with pytest.raises(CommandTimeout):
            await session.run("echo x", timeout=0.2)
        answer.set()
        await server.wait(lambda: server.closed == 1)
        assert (server.opened, server.commands) == (1, [])
        assert (await session.run("echo y")).exit_status == 0
        assert server.commands == ["echo y"]
        assert session.status().channels.open == 0


async def test_a_command_that_the_server_does_not_confirm_may_run(sshd: Sshd, mark: Mark) -> None:
    async with FaultyLink(sshd.host, sshd.port) as link, held(sshd, link) as session:
        await session.run("true")
        link.latency = 0.5  # the open is answered after 1 s, the command after 2
        with pytest.raises(CommandTimeout) as caught:
            await session.run(f"sleep 60; : {mark.word}", timeout=1.5)
        assert caught.value.remote_may_still_run
        async with asyncio.timeout(30):
            while session.status().channels.open:  # noqa: ASYNC110 - no event tells of it
                await asyncio.sleep(0.02)
        await mark.wait_gone()  # it was sent TERM before the close


async def test_the_server_is_told_by_signals_and_then_by_the_close() -> None:
    def silent(channel: Channel, command: str) -> None:
        channel.write(b"partial " + command.encode())

    async with OddServer(silent) as server, server.held() as session:
        with pytest.raises(CommandTimeout) as caught:
            await session.run("cmd", timeout=1.0, encoding=None)
        assert caught.value.result.stdout == b"partial cmd"
        await server.wait(lambda: server.closed == 1)
        assert server.signals == ["TERM", "KILL"]


@pytest.mark.parametrize(("group", "killed"), [(0, False), (1, False), (2, True)])
async def test_a_peer_cannot_have_everything_killed(group: int, killed: bool) -> None:  # noqa: FBT001
    """``kill -- -1`` would end all that the login may end."""

    def tell(channel: Channel, command: str) -> None:
        if command.startswith("kill"):
            channel.exit(0)
        elif marker := re.search(r"mooring-[0-9a-f]{16}", command):
            channel.write_stderr(f"{marker[0]} {group}\n".encode())

    async with OddServer(tell) as server, server.held() as session:
        with pytest.raises(CommandTimeout):
            await session.run("cmd", timeout=1.0, kill="wrap")
        kills = [command for command in server.commands if command.startswith("kill")]
        assert kills == ([f"kill -s {signal} -- -{group}" for signal in ("TERM", "KILL")] if killed else [])
