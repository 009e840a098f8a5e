"""ProxyCommand: the connection goes through a program, whose complaints are told and which is gone afterwards."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvloop

from mooring import connect
from mooring.model.errors import AuthenticationFailed, ConnectFailed, InvalidTarget
from mooring.transport.proxycommand import ProxyCommand
from tests.leaks import Census
from tests.peers.account import Account
from tests.peers.fixtures import StartSshd
from tests.peers.sshd import Sshd
from tests.session.held import credentials, held

from .loops import on_each_loop

pytestmark = pytest.mark.anyio

RELAY = (
    "import os, socket, sys, threading\n"
    "s = socket.create_connection((sys.argv[1], int(sys.argv[2])))\n"
    "def up():\n"
    "    while data := os.read(0, 65536): s.sendall(data)\n"
    "    s.shutdown(socket.SHUT_WR)\n"
    "threading.Thread(target=up, daemon=True).start()\n"
    "while data := s.recv(65536): os.write(1, data)\n"
)


@pytest.fixture
def relay(tmp_path: Path) -> str:
    """A proxy command, but for its two arguments."""
    script = tmp_path / "relay.py"
    script.write_text(RELAY)
    return f"{sys.executable} -S {script}"


def children() -> set[str]:
    """Our children, zombies included."""
    tasks = Path(f"/proc/{os.getpid()}/task")
    found: set[str] = set()
    for task in tasks.iterdir():
        with contextlib.suppress(OSError):
            found |= set((task / "children").read_text().split())
    return found


@pytest.fixture(autouse=True)
def no_child_is_left(sshd: Sshd) -> Iterator[None]:
    before = children()
    yield
    assert children() <= before


async def test_a_connection_through_a_program(sshd: Sshd, relay: str) -> None:
    async with held(sshd, proxy_command=f"{relay} 127.0.0.1 {sshd.port}") as session:
        assert (await session.run("echo $((6 * 7))")).stdout == "42\n"
        result = await session.run("head -c 3000000 /dev/zero", encoding=None)
        assert len(result.stdout) == 3_000_000
        status = session.status()
        assert (status.peer, status.host_key_policy) == (None, "pinned")


async def test_through_ssh_itself(sshd: Sshd) -> None:
    ssh = " ".join(sshd.ssh_command("-W", f"127.0.0.1:{sshd.port}"))
    async with held(sshd, proxy_command=ssh) as session:
        assert (await session.run("echo on")).stdout == "on\n"


async def test_from_ssh_config_with_its_tokens(sshd: Sshd, relay: str, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text(f"Host edge9\n  HostName 127.0.0.1\n  Port {sshd.port}\n  ProxyCommand {relay} %h %p\n")
    async with connect("edge9", config=config, **credentials(sshd)) as session:
        assert session.status().peer is None
        assert (await session.run("echo on")).stdout == "on\n"


@pytest.mark.parametrize(
    ("command", "complaint"),
    [
        ("sh -c 'echo first >&2; echo \"no way to %h\" >&2; exit 1'", "no way to %h"),
        ("sh -c 'printf \"a\\033[31mb\" >&2'", "a[31mb"),
        ("/nonexistent/program x", "not found"),
    ],
)
async def test_its_last_complaint_is_in_the_error(sshd: Sshd, command: str, complaint: str) -> None:
    for _ in range(5):
        with pytest.raises(ConnectFailed, match=r"the proxy command for .* failed: ") as caught:
            async with held(sshd, proxy_command=command):
                pass
        assert complaint in caught.value.message


@pytest.mark.usefixtures("uvloop_ready")
def test_a_socket_that_uvloop_has_closed_is_not_closed_again() -> None:
    """Its number may be another's by then."""

    async def fail() -> None:
        for command in ["false", "echo no >&2; exit 1"] * 5:
            with pytest.raises(ConnectFailed):
                async with connect(
                    "edge1://x@127.0.0.1",
                    config=None,
                    host_key="off",
                    identity="none",
                    agent_path=None,
                    proxy_command=f"sh -c '{command}'",
                ):
                    pass

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(fail())
    gc.collect()  # who is not closed says so


async def test_one_that_ends_without_a_word(sshd: Sshd) -> None:
    with pytest.raises(ConnectFailed):
        async with held(sshd, proxy_command="true"):
            pass


async def test_one_that_is_silent_ends_with_the_timeout(sshd: Sshd) -> None:
    command = "sh -c 'trap \"\" TERM; echo waiting >&2; sleep 60 & sleep 60'"
    with pytest.raises(ConnectFailed, match="waiting"):
        async with held(sshd, proxy_command=command, connect_timeout=2.0):
            pass


async def test_what_it_says_does_not_hide_why_the_login_failed(
    start_sshd: StartSshd, account: Account, relay: str
) -> None:
    """A warning on standard error must not make a wrong password look like a broken network, which is retried."""
    server = start_sshd(account=account)
    command = f"sh -c 'echo Warning: this is logged >&2; exec {relay} 127.0.0.1 {server.port}'"
    with pytest.raises(AuthenticationFailed):
        async with held(server, proxy_command=command, identity="none", password="wrong"):
            pass


async def test_a_keyword_that_asyncssh_refuses_leaves_nothing_open(sshd: Sshd, relay: str) -> None:
    with pytest.raises(InvalidTarget, match="AsyncSSH refuses a keyword"):
        async with held(sshd, proxy_command=f"{relay} 127.0.0.1 {sshd.port}", compression_algs=["nonsense"]):
            pass


async def test_cancelled_while_it_connects(sshd: Sshd) -> None:
    async def attempt() -> None:
        async with held(sshd, proxy_command="sleep 60"):
            pass

    task = asyncio.create_task(attempt())
    await asyncio.sleep(0.2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_one_that_dies_is_a_lost_connection(sshd: Sshd, relay: str) -> None:
    before = children()
    async with held(sshd, proxy_command=f"{relay} 127.0.0.1 {sshd.port}") as session:
        for pid in children() - before:
            os.kill(int(pid), 9)
        async with asyncio.timeout(30):
            while session.state == "up":
                await session.wait_change()
        await session.wait_up(timeout=30)
        assert session.status().connects == 2


async def test_stop_ends_its_children_too_and_may_be_called_twice() -> None:
    proxy = ProxyCommand("sh -c 'sleep 61.25 & echo started >&2; sleep 61.25'")
    sock = await proxy.start()
    with sock:
        async with asyncio.timeout(30):
            while not proxy.complaint:  # noqa: ASYNC110 - no event tells of it
                await asyncio.sleep(0.01)
        await proxy.stop()
        await proxy.stop()
    await ProxyCommand("never started").stop()
    process = await asyncio.create_subprocess_exec("pgrep", "-f", "^sleep 61[.]25$", stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    assert out == b""


def alive(pid: int) -> bool:
    """Whether a process runs; one that was killed may be a zombie until whoever inherited it looks."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in {"Z", "X"}
    except (FileNotFoundError, ProcessLookupError):  # the latter where it ends as we look
        return False


@pytest.mark.parametrize("output", ["/dev/null", "&2"], ids=["silent", "on its standard error"])
async def test_stop_ends_a_child_that_pays_no_heed_when_its_parent_has_ended(tmp_path: Path, output: str) -> None:
    told = tmp_path / "pid"
    child = f'trap "" TERM; echo $$ >{told}.new; mv {told}.new {told}; while :; do sleep 0.1; done'
    proxy = ProxyCommand(f"sh -c 'sh -c \"$0\" 2>{output} >/dev/null </dev/null & sleep 0.05' '{child}'")
    with await proxy.start():
        async with asyncio.timeout(30):
            while not told.exists():  # noqa: ASYNC110 - no event tells of it
                await asyncio.sleep(0.01)
        pid = int(told.read_text())
        assert alive(pid)
        await asyncio.sleep(0.3)  # the parent's end
        await proxy.stop()
    async with asyncio.timeout(30):
        while alive(pid):  # noqa: ASYNC110 - likewise
            await asyncio.sleep(0.01)


async def test_stop_hears_no_more_of_a_child_that_has_left_its_group(tmp_path: Path) -> None:
    """As the master of ``ssh -o ControlPersist``, which keeps its standard error."""
    script = tmp_path / "left.py"
    script.write_text(
        "import os, sys, time\nos.setsid()\nprint(os.getpid(), file=sys.stderr, flush=True)\ntime.sleep(600)"
    )
    census = Census()
    proxy = ProxyCommand(f"sh -c '{sys.executable} -S {script} & exec sleep 600'")
    async with asyncio.timeout(30):
        with await proxy.start():
            while not proxy.complaint:  # noqa: ASYNC110 - no event tells of it
                await asyncio.sleep(0.01)
            await proxy.stop()
        try:
            while census.newcomers():  # noqa: ASYNC110 - likewise
                await asyncio.sleep(0.01)
        finally:
            os.kill(int(proxy.complaint), signal.SIGKILL)


@on_each_loop
@pytest.mark.usefixtures("uvloop_ready")
async def test_stop_that_is_cancelled_again_and_again_leaves_nothing(tmp_path: Path) -> None:
    left = tmp_path / "left"
    script = f'trap "" TERM; setsid sh -c "echo \\$\\$ >{left}; echo left >&2; exec sleep 600" & sleep 600'
    census = Census(asyncio.get_running_loop())
    proxy = ProxyCommand(f"sh -c '{script}'")
    async with asyncio.timeout(30):
        with await proxy.start():
            while not proxy.complaint:  # noqa: ASYNC110 - no event tells of it
                await asyncio.sleep(0.01)
            stopping = asyncio.create_task(proxy.stop())
            for _ in range(2):
                await asyncio.sleep(0)
                stopping.cancel()
            with pytest.raises(asyncio.CancelledError):
                await stopping
        try:
            while census.newcomers():  # noqa: ASYNC110 - likewise
                await asyncio.sleep(0.01)
        finally:
            os.kill(int(left.read_text()), signal.SIGKILL)


async def test_stop_of_one_that_we_may_not_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """As with ``ProxyCommand sudo -u other ...``: it ends when the connection is closed."""

    def refuse(pid: int, number: int) -> None:
        raise PermissionError(pid, number)

    proxy = ProxyCommand("cat")
    sock = await proxy.start()
    monkeypatch.setattr(os, "killpg", refuse)
    sock.close()
    await proxy.stop()
