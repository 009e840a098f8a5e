"""OpenSSH's client at each kind of target: what an sshd gives it directly, it gets through the gateway."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from mooring.simulate.ports import ReservedPort
from tests.peers.sshd import Sshd

from .carried import TEXT, by_socks, echoing, exchanged, standing
from .door import Done, run
from .targets import SERVERS, Targets

pytestmark = pytest.mark.anyio

COMMANDS = {
    "output": "echo out; echo err >&2",
    "status": "exit 37",
    "a signal": "kill -KILL $$",
    "another signal": "kill -TERM $$",
    "input": "cat; echo more",
    "bytes": "printf '\\000\\377\\n\\r\\n'",
    "language": "echo $LC_ALL $LC_TEST",
    "much": "head -c 3000000 /dev/zero; cat | wc -c >&2; exit 3",
}
VARIABLES = {"LC_ALL": "C", "LC_TEST": "one two"}
QUIET = ("-o", "SendEnv=LC_*", "-o", "LogLevel=ERROR")


@asynccontextmanager
async def shared_by(command: list[str], path: Path) -> AsyncIterator[list[str]]:
    """The words with which ssh goes over one connection for all (ControlMaster), until the block is left."""
    control = ["-o", f"ControlPath={path}", "-o", "ControlMaster=auto", "-o", "ControlPersist=60"]
    try:
        yield control
    finally:
        await run(*command, *control, "-O", "exit", "127.0.0.1")


@pytest.mark.parametrize("alias", SERVERS)
async def test_commands_on_a_connection_of_their_own_and_on_a_shared_one(
    targets: Targets, sshd: Sshd, alias: str, tmp_path: Path
) -> None:
    door = targets.door
    direct = {
        name: await run(*sshd.ssh_command(*QUIET), command, stdin=TEXT, env=VARIABLES)
        for name, command in COMMANDS.items()
    }
    for name, command in COMMANDS.items():
        through = await run(*door.ssh_command(alias, *QUIET, "--", command), stdin=TEXT, env=VARIABLES)
        assert through == direct[name], name
    base = door.ssh_command(alias)[:-1]
    async with shared_by(base, tmp_path / "control") as control:
        commands = [[*base, *control, *QUIET, "127.0.0.1", command] for command in COMMANDS.values()]
        first = await run(*commands[0], stdin=TEXT, env=VARIABLES)
        others = await asyncio.gather(*(run(*words, stdin=TEXT, env=VARIABLES) for words in commands[1:]))
        assert dict(zip(COMMANDS, [first, *others], strict=True)) == direct
    assert direct["another signal"].status == 255
    assert direct["status"] == Done(37, b"", b"")


@pytest.mark.parametrize("alias", SERVERS)
async def test_a_terminal(targets: Targets, sshd: Sshd, alias: str) -> None:
    command = "read line; tty >/dev/null && stty -a | head -1; echo $TERM $line; cat; exit 4"  # its echo comes first
    environment = {"TERM": "vt100"}
    words = ("-tt", *QUIET)
    through = await run(*targets.door.ssh_command(alias, *words, "--", command), stdin=b"typed\n\x04", env=environment)
    direct = await run(*sshd.ssh_command(*words), command, stdin=b"typed\n\x04", env=environment)
    assert through == direct
    assert (through.status, b"typed" in through.out) == (4, True)


@pytest.mark.parametrize("alias", SERVERS)
async def test_forwards_of_each_kind(targets: Targets, alias: str, tmp_path: Path) -> None:
    door = targets.door
    async with echoing() as port:
        with contextlib.closing(ReservedPort()) as socks, contextlib.closing(ReservedPort()) as there:
            words = ["-L", f"{tmp_path}/l:127.0.0.1:{port}", "-D", f"127.0.0.1:{socks.port}"]
            async with standing(door, *words, "-R", f"127.0.0.1:{there.port}:127.0.0.1:{port}", alias=alias):
                local = await exchanged(*await asyncio.open_unix_connection(f"{tmp_path}/l"))
                proxied = await exchanged(*await by_socks(socks.port, port))
                remote = await exchanged(*await asyncio.open_connection("127.0.0.1", there.port))
        assert (local == TEXT, proxied == TEXT, remote == TEXT) == (True, True, True)
        done = await door.ssh(alias, "-W", f"127.0.0.1:{port}", stdin=TEXT)
        assert (done.status, done.out == TEXT) == (0, True)


async def test_junos_over_a_shared_connection(targets: Targets, tmp_path: Path) -> None:
    """Commands, a command line with a terminal, and NETCONF beside one another."""
    door = targets.door
    base = door.ssh_command("junos")[:-1]
    alone = await door.ssh("junos", "--", "show version")
    async with shared_by(base, tmp_path / "control") as control:
        assert await run(*base, *control, "127.0.0.1", "show version") == alone
        typed = run(*base, *control, "-tt", "127.0.0.1", stdin=b"show version\nexit\n")
        netconf = run(*base, *control, "-s", "127.0.0.1", "netconf", stdin=b"]]>]]>")
        on_terminal, hello = await asyncio.gather(typed, netconf)
    assert b"device1" in on_terminal.out
    assert b"<hello" in hello.out
    assert b"device1" in alone.out
