"""Simulated hosts, asked by AsyncSSH's client and by OpenSSH's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import asyncssh
import pytest

from mooring.model.errors import ConfigError
from mooring.simulate import FaultyLink, SimulatedHost, SimulatedHosts
from tests.peers.keys import Keyring, public_line
from tests.peers.sshd import Sshd

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def client(host: SimulatedHost, **options: object) -> AsyncIterator[asyncssh.SSHClientConnection]:
    given: dict[str, object] = {
        "known_hosts": None,
        "config": None,
        "username": "admin",
        "client_keys": [],
        "agent_path": None,
    }
    async with asyncssh.connect(host.address, host.port, **{**given, **options}) as connection:
        yield connection


@pytest.fixture
async def hosts() -> AsyncIterator[SimulatedHosts]:
    async with SimulatedHosts(count=2) as hosts:
        yield hosts


@pytest.mark.parametrize(
    ("command", "stdout", "stderr", "status"),
    [
        ("true", b"", b"", 0),
        ("false", b"", b"", 1),
        ("hostname", b"host-1\n", b"", 0),
        ("echo  hello   world", b"hello world\n", b"", 0),
        ("echo 'hello   world'", b"hello   world\n", b"", 0),
        ("echo it's open", b"it's open\n", b"", 0),
        ("stderr oh no", b"", b"oh no\n", 0),
        ("cat", b"", b"", 0),
        ("cat /etc/passwd", b"", b"cat: /etc/passwd: No such file or directory\n", 1),
        ("sleep 0", b"", b"", 0),
        ("sleep long", b"", b"sleep: 'long' is no number of seconds\n", 2),
        ("sleep nan", b"", b"sleep: 'nan' is no number of seconds\n", 2),
        ("sleep -1", b"", b"sleep: '-1' is no number of seconds\n", 2),
        ("exit 255", b"", b"", 255),
        ("exit -1", b"", b"exit: '-1' is no status\n", 2),
        ("bytes 300", bytes(range(256)) + bytes(range(44)), b"", 0),
        ("bytes", b"", b"bytes: '' is no number of bytes\n", 2),
        ("show chassis", b"% Invalid input: try 'show version'\n", b"", 1),
        ("rm -rf /", b"", b"rm: command not found\n", 127),
    ],
)
async def test_commands(hosts: SimulatedHosts, command: str, stdout: bytes, stderr: bytes, status: int) -> None:
    async with client(hosts[0]) as connection:
        result = await connection.run(command, encoding=None, stdin=asyncssh.DEVNULL)
    assert (result.stdout, result.stderr, result.exit_status) == (stdout, stderr, status)


async def test_a_network_device_and_an_uptime(hosts: SimulatedHosts) -> None:
    async with client(hosts[1]) as connection:
        assert "Hostname: host-2\n" in str((await connection.run("show version")).stdout)
        assert "load average" in str((await connection.run("uptime")).stdout)


async def test_cat_copies_megabytes_both_ways_at_once(hosts: SimulatedHosts) -> None:
    data = bytes(range(256)) * 20_000
    async with client(hosts[0]) as connection:
        result = await connection.run("cat", input=data, encoding=None)
    assert result.stdout == data


async def test_bytes_waits_for_a_slow_reader(hosts: SimulatedHosts) -> None:
    size = 20_000_000
    async with client(hosts[0]) as connection:
        process = await connection.create_process(f"bytes {size}", encoding=None)
        await connection.run("true")  # the reader sleeps, others are served
        received = 0
        while data := await process.stdout.read(1 << 20):
            received += len(data)
        assert received == size
        assert (await process.wait()).exit_status == 0


@pytest.mark.parametrize("command", ["sleep 60", "cat", "bytes 1000000000"])
async def test_a_signal_ends_what_runs(hosts: SimulatedHosts, command: str) -> None:
    async with client(hosts[0]) as connection, connection.create_process(command, encoding=None) as process:
        process.send_signal("TERM")
        result = await process.wait()
    assert result.exit_signal is not None
    assert result.exit_signal[0] == "TERM"


async def test_signals_may_be_ignored() -> None:
    async with SimulatedHosts(ignore_signals=True) as hosts, client(hosts[0]) as connection:
        process = await connection.create_process("sleep 0.05")
        process.kill()
        assert (await process.wait()).exit_status == 0


async def test_commands_may_end_without_a_status() -> None:
    async with SimulatedHosts(exit_without_status=True) as hosts, client(hosts[0]) as connection:
        result = await connection.run("echo gone")
    assert (result.stdout, result.exit_status, result.exit_signal) == ("gone\n", None, None)


async def test_latency_delays_the_answer() -> None:
    async with SimulatedHosts(latency=0.05) as hosts, client(hosts[0]) as connection:
        began = asyncio.get_running_loop().time()
        await connection.run("true")
        assert asyncio.get_running_loop().time() - began >= 0.05


async def test_no_more_channels_than_allowed_and_a_closed_one_makes_room() -> None:
    async with SimulatedHosts(max_sessions=2) as hosts, client(hosts[0]) as connection:
        first, _ = [await connection.create_process("cat") for _ in range(2)]
        with pytest.raises(asyncssh.ChannelOpenError):
            await connection.run("true")
        assert hosts[0].channels == 2
        first.stdin.write_eof()
        await first.wait()
        assert (await connection.run("true")).exit_status == 0
        assert hosts[0].peak_channels == 2


async def test_channels_may_run_out() -> None:
    async with SimulatedHosts(refuse_channels_after=1) as hosts, client(hosts[0]) as connection:
        await connection.run("true")
        with pytest.raises(asyncssh.ChannelOpenError):
            await connection.run("true")


async def test_shells_and_subsystems_are_refused(hosts: SimulatedHosts) -> None:
    async with client(hosts[0]) as connection:
        for request in ({}, {"subsystem": "sftp"}):
            with pytest.raises(asyncssh.ChannelOpenError):
                await connection.create_process(**request)
        with pytest.raises(asyncssh.ChannelOpenError):
            await connection.open_connection("127.0.0.1", hosts[1].port)


async def test_passwords_are_judged_and_counted() -> None:
    async with SimulatedHosts(user="admin", password="right") as hosts:
        for username, password in (("admin", "wrong"), ("root", "right")):
            with pytest.raises(asyncssh.PermissionDenied):
                async with client(hosts[0], username=username, password=password):
                    pass
        async with client(hosts[0], password="right") as connection:
            await connection.run("true")
        assert hosts[0].auth_attempts == 3
        assert "right" not in repr(hosts)


async def test_without_credentials_a_named_user_only() -> None:
    async with SimulatedHosts(user="admin") as hosts:
        async with client(hosts[0]) as connection:
            await connection.run("true")
        with pytest.raises(asyncssh.PermissionDenied):
            async with client(hosts[0], username="root"):
                pass


async def test_keyboard_interactive_prompts() -> None:
    class Answering(asyncssh.SSHClient):
        def kbdint_auth_requested(self) -> str:
            return ""

        def kbdint_challenge_received(
            self, name: str, instructions: str, lang: str, prompts: Sequence[tuple[str, bool]]
        ) -> list[str]:
            del name, instructions, lang
            return [{"Password: ": "secret", "Code: ": "123456"}[prompt] for prompt, _ in prompts]

    async with (
        SimulatedHosts(answers={"Password: ": "secret", "Code: ": "123456"}) as hosts,
        client(hosts[0], client_factory=Answering) as connection,
    ):
        assert (await connection.run("true")).exit_status == 0
        assert hosts[0].auth_attempts == 1


async def test_public_keys(keyring: Keyring) -> None:
    trusted, stranger = keyring.key("client"), keyring.key("stranger")
    async with SimulatedHosts(authorized_keys=f"# ours\n\n{public_line(trusted)} comment\n") as hosts:
        async with client(hosts[0], client_keys=[str(trusted)]) as connection:
            await connection.run("true")
        assert hosts[0].auth_attempts == 1
        with pytest.raises(asyncssh.PermissionDenied):
            async with client(hosts[0], client_keys=[str(stranger)]):
                pass


def test_a_bad_key_is_named() -> None:
    with pytest.raises(ConfigError, match="authorized_keys:2: not a public key"):
        SimulatedHosts(authorized_keys="# fine\nnot a key\n")


async def test_what_happened_is_counted(hosts: SimulatedHosts) -> None:
    async with AsyncExitStack() as stack:
        connections = [await stack.enter_async_context(client(hosts[0])) for _ in range(3)]
        await asyncio.gather(*(connection.run("true") for connection in connections))
        host = hosts[0]
        assert (host.connections, host.live, host.commands, host.handshakes) == (3, 3, 3, 0)
        assert host.peak_handshakes >= 1
        assert hosts[1].connections == 0
        async with client(hosts[1]):
            hosts.drop()
            await connections[0].wait_closed()
    assert host.connections == 3


async def test_one_port_tells_hosts_apart_by_user_name() -> None:
    async with SimulatedHosts(count=3, one_port=True) as hosts:
        assert {host.port for host in hosts} == {hosts[0].port}
        for host in hosts:
            async with client(host, username=host.user) as connection:
                assert (await connection.run("hostname")).stdout == f"{host.name}\n"
        async with client(hosts[0], username="other") as connection:
            assert (await connection.run("hostname")).stdout == "other\n"
        assert [host.connections for host in hosts] == [1, 1, 1]


async def test_the_host_key_is_verified_by_the_known_hosts_they_give(hosts: SimulatedHosts) -> None:
    trusted = asyncssh.import_known_hosts(hosts.known_hosts)
    for host in hosts:
        async with client(host, known_hosts=trusted) as connection:
            assert (await connection.run("true")).exit_status == 0


async def test_openssh_as_the_client(hosts: SimulatedHosts, tmp_path: Path) -> None:
    known_hosts = tmp_path / "known_hosts"
    known_hosts.write_text(hosts.known_hosts)
    command = ["ssh", "-F", "none", "-o", f"UserKnownHostsFile={known_hosts}", "-o", "BatchMode=yes"]
    command += ["-o", "StrictHostKeyChecking=yes", "-p", str(hosts[1].port), "admin@127.0.0.1"]
    process = await asyncio.create_subprocess_exec(
        *command, "hostname", stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE
    )
    stdout, _ = await process.communicate()
    assert (stdout, process.returncode) == (b"host-2\n", 0)


async def test_a_port_in_use_leaves_nothing_open(hosts: SimulatedHosts) -> None:
    with pytest.raises(OSError, match="in use"):
        await SimulatedHosts(count=2, port=hosts[0].port).__aenter__()


async def test_sshd_behind_the_faulty_link(sshd: Sshd) -> None:
    known_hosts = asyncssh.import_known_hosts(f"* {public_line(sshd.host_keys[0])}\n")
    options = {"username": sshd.user, "client_keys": [str(sshd.client_key)], "known_hosts": known_hosts, "config": None}
    async with FaultyLink(sshd.host, sshd.port) as link:
        link.latency, link.jitter, link.slice_bytes = 0.002, 0.001, 100
        async with asyncssh.connect(link.host, link.port, **options) as connection:
            assert (await connection.run("echo through")).stdout == "through\n"
            link.heal()
            data = bytes(range(256)) * 8192
            assert (await connection.run("cat", input=data, encoding=None)).stdout == data
            link.corrupt(offset=100)
            with pytest.raises(asyncssh.Error, match="MAC verification failed"):
                await connection.run("echo never seen")
            await asyncio.wait_for(connection.wait_closed(), 10)
        await link.wait_connections(0)


@pytest.mark.parametrize("phase", [0, 10, 40, 700, 1500])
async def test_sshd_silenced_at_each_phase_of_the_handshake(sshd: Sshd, phase: int) -> None:
    options = {"username": sshd.user, "client_keys": [str(sshd.client_key)], "known_hosts": None, "config": None}
    async with FaultyLink(sshd.host, sshd.port) as link:
        link.stop_after(phase, "to_client")
        dialing = asyncio.create_task(_dial(link.host, link.port, options))
        await link.wait_bytes(phase, "to_client")
        done, _ = await asyncio.wait([dialing], timeout=0.1)
        assert not done
        assert link.bytes_to_client == phase
        link.heal()
        assert await dialing == "hello\n"


async def _dial(host: str, port: int, options: Mapping[str, object]) -> object:
    async with asyncssh.connect(host, port, **options) as connection:
        return (await connection.run("echo hello")).stdout
