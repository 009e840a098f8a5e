"""One contender, in a process of its own: connected once, it runs ``true`` as often as it is told to.

``python -m bench.contender NAME SERVER`` answers lines on its stdin by lines of JSON: ``ready`` when it has warmed up,
``CONCURRENCY SECONDS`` by a Burst, and ``profile`` by the functions that take most time. It ends with stdin.

All of them verify the host key, where they can, log in with the same key, wait for the exit status and take the
output of each command.
"""

from __future__ import annotations

import asyncio
import contextlib
import cProfile
import dataclasses
import importlib
import json
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bench.burst import Clock, by_tasks, by_threads
from bench.servers import Server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
    from contextlib import AbstractAsyncContextManager, AbstractContextManager
    from types import CodeType

    from pssh.clients import SSHClient
    from pssh.output import HostOutput

    from bench.burst import Burst

    Measure = Callable[[int, float], Burst]
    AsyncRun = Callable[[], Awaitable[int | None]]

__all__ = ["CONTENDERS", "MOST"]

MOST: Final = 16
"""Commands at once, where it is not one at a time."""

_READ: Final = 32_768


def _mooring(server: Server) -> AbstractContextManager[Measure]:
    return _on_asyncio(_mooring_session(server), asyncio.new_event_loop)


def _mooring_uvloop(server: Server) -> AbstractContextManager[Measure]:
    import uvloop  # noqa: PLC0415 - a contender loads no other's library

    return _on_asyncio(_mooring_session(server), uvloop.new_event_loop)


@contextlib.asynccontextmanager
async def _mooring_session(server: Server) -> AsyncIterator[AsyncRun]:
    import mooring  # noqa: PLC0415 - as above

    where = f"bench://{server.user}@{server.host}:{server.ports[0]}"
    options = {"identity": server.key, "known_hosts": server.known_hosts, "channels": 100}
    async with mooring.connect(where, config=None, **options) as session:

        async def run() -> int | None:
            return (await session.run("true")).exit_status

        yield run


def _asyncssh(server: Server) -> AbstractContextManager[Measure]:
    return _on_asyncio(_asyncssh_connection(server), asyncio.new_event_loop)


def _asyncssh_gcm(server: Server) -> AbstractContextManager[Measure]:
    cipher = ["aes128-gcm@openssh.com"]
    return _on_asyncio(_asyncssh_connection(server, encryption_algs=cipher), asyncio.new_event_loop)


@contextlib.asynccontextmanager
async def _asyncssh_connection(server: Server, **options: Any) -> AsyncIterator[AsyncRun]:
    import asyncssh  # noqa: PLC0415 - as above

    key = asyncssh.read_private_key(server.key)
    login = {"username": server.user, "client_keys": [key], "known_hosts": server.known_hosts}
    async with asyncssh.connect(server.host, server.ports[0], **login, **options) as connection:

        async def run() -> int | None:
            return (await connection.run("true")).exit_status

        yield run


@contextlib.contextmanager
def _on_asyncio(
    contender: AbstractAsyncContextManager[AsyncRun], new_loop: Callable[[], asyncio.AbstractEventLoop]
) -> Iterator[Measure]:
    with asyncio.Runner(loop_factory=new_loop) as runner:
        run = runner.run(contender.__aenter__())
        yield lambda concurrency, seconds: runner.run(by_tasks(run, concurrency, seconds))
        runner.run(contender.__aexit__(None, None, None))


@contextlib.contextmanager
def _paramiko(server: Server) -> Iterator[Measure]:
    """One transport, and a thread for each command at once."""
    import paramiko  # noqa: PLC0415 - as above

    with paramiko.SSHClient() as client:
        client.load_host_keys(server.known_hosts)
        login = {"username": server.user, "key_filename": server.key, "allow_agent": False, "look_for_keys": False}
        client.connect(server.host, server.ports[0], **login)
        transport = client.get_transport()

        def run() -> int:
            # exec_command's file objects send an EOF when they go, on a channel that may be closed by then: sshd
            # ends the connection for that.
            with transport.open_session() as channel:
                channel.exec_command("true")
                while channel.recv(_READ) or channel.recv_stderr(_READ):
                    pass
                return int(channel.recv_exit_status())

        yield lambda concurrency, seconds: by_threads(run, concurrency, seconds)


@contextlib.contextmanager
def _parallel_ssh(server: Server) -> Iterator[Measure]:
    """As its user would: the host named as often as there are commands at once, and each batch waited for.

    A connection of its own for each, since one cannot be shared by greenlets; host keys cannot be verified.
    """
    from pssh.clients import ParallelSSHClient  # noqa: PLC0415 - as above

    login = _parallel_ssh_login(server)
    clients = {many: ParallelSSHClient([server.host] * many, pool_size=many, **login) for many in (1, MOST)}

    def measure(concurrency: int, seconds: float) -> Burst:
        clock = Clock(seconds)
        client = clients[concurrency]
        while clock.running:
            since = time.perf_counter()
            outputs = client.run_command("true")
            client.join(outputs)
            for output in outputs:
                clock.ended(since, _taken(output))
        return clock.burst()

    yield measure


@contextlib.contextmanager
def _parallel_ssh_nodelay(server: Server) -> Iterator[Measure]:
    """What it could do: as many connections, one command after the other on each, and Nagle's algorithm off."""
    from pssh.clients import SSHClient  # noqa: PLC0415 - as above

    gevent = importlib.import_module("gevent")
    clients = [SSHClient(server.host, **_parallel_ssh_login(server)) for _ in range(MOST)]
    for client in clients:
        client.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def work(client: SSHClient, clock: Clock) -> None:
        while clock.running:
            since = time.perf_counter()
            output = client.run_command("true")
            client.wait_finished(output)
            clock.ended(since, _taken(output))

    def measure(concurrency: int, seconds: float) -> Burst:
        clock = Clock(seconds)
        gevent.joinall([gevent.spawn(work, client, clock) for client in clients[:concurrency]], raise_error=True)
        return clock.burst()

    yield measure


def _parallel_ssh_login(server: Server) -> dict[str, Any]:
    key = {"pkey": server.key, "allow_agent": False, "identity_auth": False}
    return {"user": server.user, "port": server.ports[0], **key}


def _taken(output: HostOutput) -> int | None:
    """The exit status of a command whose output has been taken."""
    list(output.stdout)
    list(output.stderr)
    status: int | None = output.exit_code
    return status


@contextlib.contextmanager
def _ssh_mux(server: Server) -> Iterator[Measure]:
    """A master connection, and a process for each command, as many at once as there are threads."""
    with tempfile.TemporaryDirectory(prefix="mooring-bench-") as folder:
        ssh = ["ssh", "-F", "none", "-S", f"{folder}/master", "-p", str(server.ports[0]), "-l", server.user]
        trust = ["-o", f"UserKnownHostsFile={server.known_hosts}", "-o", "StrictHostKeyChecking=yes"]
        login = ["-i", server.key, "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes"]
        # It goes into the background once it is logged in, and keeps our stderr.
        subprocess.run([*ssh, "-M", "-N", "-f", *trust, *login, server.host], check=True, stderr=subprocess.DEVNULL)

        def run() -> int:
            command = [*ssh, server.host, "true"]
            return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False).returncode

        try:
            yield lambda concurrency, seconds: by_threads(run, concurrency, seconds)
        finally:
            subprocess.run([*ssh, "-O", "exit", server.host], check=True, stderr=subprocess.DEVNULL)


CONTENDERS: Final[Mapping[str, Callable[[Server], AbstractContextManager[Measure]]]] = {
    "mooring": _mooring,
    "mooring, uvloop": _mooring_uvloop,
    "AsyncSSH": _asyncssh,
    "AsyncSSH, aes128-gcm": _asyncssh_gcm,
    "paramiko": _paramiko,
    "parallel-ssh": _parallel_ssh,
    "parallel-ssh, TCP_NODELAY": _parallel_ssh_nodelay,
    "ssh -S": _ssh_mux,
}
"""By name."""


def main() -> None:
    """Be one of them."""
    name, server = sys.argv[1:]
    with CONTENDERS[name](Server(**json.loads(server))) as measure:
        for line in sys.stdin:
            match line.split():
                case ["ready"]:
                    for concurrency in (1, MOST):
                        measure(concurrency, 0.3)
                    print("true", flush=True)
                case ["profile"]:
                    print(json.dumps(profile(measure)), flush=True)
                case [concurrency, seconds]:
                    print(json.dumps(dataclasses.asdict(measure(int(concurrency), float(seconds)))), flush=True)


def profile(measure: Measure) -> list[tuple[str, float, float]]:
    """Functions that take most time of commands run one at a time: place, calls and own microseconds a command."""
    profiler = cProfile.Profile()
    count = profiler.runcall(measure, 1, 2.0).count
    rows = [
        (_place(entry.code), entry.callcount / count, entry.inlinetime / count * 1e6) for entry in profiler.getstats()
    ]
    return sorted(rows, key=lambda row: -row[2])[:15]


def _place(code: CodeType | str) -> str:
    if isinstance(code, str):
        return code.strip("<>")
    parts = Path(code.co_filename).parts
    inside = parts[parts.index("site-packages") + 1 :] if "site-packages" in parts else parts[-2:]
    return f"{'/'.join(inside)}:{code.co_firstlineno} {code.co_name}"


if __name__ == "__main__":
    main()
