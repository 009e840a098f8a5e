"""One contender for copying files, in a process of its own, logged in once where it can stay so.

``python -m bench.files_contender NAME SERVER`` answers lines on its stdin by lines of JSON: ``ready``, and
``get|put FROM TO`` by the seconds that it took.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bench.servers import Server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
    from contextlib import AbstractAsyncContextManager, AbstractContextManager

    Copy = Callable[[str, str, str], None]
    AsyncCopy = Callable[[str, str, str], Awaitable[object]]

__all__ = ["CONTENDERS"]

_CIPHER: Final = "aes128-gcm@openssh.com"


@contextlib.asynccontextmanager
async def _session(server: Server) -> AsyncIterator[AsyncCopy]:
    import mooring  # noqa: PLC0415 - a contender loads no other's library

    async with mooring.connect(
        f"{server.user}@{server.host}:{server.ports[0]}",
        config=None,
        agent_path=None,
        identity=[server.key],
        known_hosts=server.known_hosts,
        encryption_algs=[_CIPHER],
    ) as session:

        async def copy(verb: str, source: str, target: str) -> None:
            await (session.get if verb == "get" else session.put)(source, target, recurse=True)

        yield copy


@contextlib.asynccontextmanager
async def _asyncssh(server: Server) -> AsyncIterator[AsyncCopy]:
    import asyncssh  # noqa: PLC0415 - likewise

    async with asyncssh.connect(
        server.host,
        server.ports[0],
        username=server.user,
        client_keys=[server.key],
        known_hosts=server.known_hosts,
        config=None,
        agent_path=None,
        encryption_algs=[_CIPHER],
    ) as connection:

        async def copy(verb: str, source: str, target: str) -> None:
            async with connection.start_sftp_client() as sftp:
                await (sftp.get if verb == "get" else sftp.put)(source, target, recurse=True)

        yield copy


@contextlib.contextmanager
def _on(
    context: AbstractAsyncContextManager[AsyncCopy], loop: Callable[[], asyncio.AbstractEventLoop]
) -> Iterator[Copy]:
    with asyncio.Runner(loop_factory=loop) as runner:
        copy = runner.run(context.__aenter__())

        async def call(verb: str, source: str, target: str) -> None:
            await copy(verb, source, target)

        yield lambda verb, source, target: runner.run(call(verb, source, target))
        runner.run(context.__aexit__(None, None, None))


def _mooring(server: Server) -> AbstractContextManager[Copy]:
    return _on(_session(server), asyncio.new_event_loop)


def _mooring_uvloop(server: Server) -> AbstractContextManager[Copy]:
    import uvloop  # noqa: PLC0415 - likewise

    return _on(_session(server), uvloop.new_event_loop)


def _plain_asyncssh(server: Server) -> AbstractContextManager[Copy]:
    return _on(_asyncssh(server), asyncio.new_event_loop)


@contextlib.contextmanager
def _scp(server: Server) -> Iterator[Copy]:
    options = [
        "-F", "none", "-q", "-r", "-P", str(server.ports[0]), "-i", server.key, "-c", _CIPHER,
        "-o", f"UserKnownHostsFile={server.known_hosts}", "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes",
    ]  # fmt: skip
    far = f"{server.user}@{server.host}:"

    def copy(verb: str, source: str, target: str) -> None:
        pair = [far + source, target] if verb == "get" else [source, far + target]
        subprocess.run(["scp", *options, *pair], check=True)

    yield copy


@contextlib.contextmanager
def _mooring_cp(server: Server) -> Iterator[Copy]:
    from tests.daemon.running import RunningDaemon  # noqa: PLC0415 - likewise

    config = (
        f'[sessions.edge1]\nhost = "{server.host}"\nport = {server.ports[0]}\nusername = "{server.user}"\n'
        f'identity = ["{server.key}"]\nknown_hosts = "{server.known_hosts}"\n'
    )
    with tempfile.TemporaryDirectory(prefix="mb-") as name, RunningDaemon(Path(name), config=config) as daemon:
        daemon.wait_state("edge1")

        def copy(verb: str, source: str, target: str) -> None:
            pair = [f"edge1:{source}", target] if verb == "get" else [source, f"edge1:{target}"]
            command = [sys.executable, "-m", "mooring.cli", "cp", "-r", *pair]
            subprocess.run(command, env=dict(daemon.environment()), check=True)

        yield copy


@contextlib.contextmanager
def _parallel_ssh(server: Server) -> Iterator[Copy]:
    from pssh.clients import SSHClient  # noqa: PLC0415 - likewise

    client = SSHClient(
        server.host, user=server.user, port=server.ports[0], pkey=server.key, identity_auth=False, num_retries=1
    )

    def copy(verb: str, source: str, target: str) -> None:
        call = client.copy_remote_file if verb == "get" else client.copy_file
        call(source, target, recurse=True)

    yield copy


CONTENDERS: Final[dict[str, Callable[[Server], AbstractContextManager[Copy]]]] = {
    "scp": _scp,
    "mooring": _mooring,
    "mooring, uvloop": _mooring_uvloop,
    "mooring cp": _mooring_cp,
    "AsyncSSH": _plain_asyncssh,
    "parallel-ssh": _parallel_ssh,
}
"""By name."""


def main() -> None:
    """Be one of them."""
    name, server = sys.argv[1:]
    with CONTENDERS[name](Server(**json.loads(server))) as copy:
        for line in sys.stdin:
            words = line.split()
            if words == ["ready"]:
                print("true", flush=True)
                continue
            start = time.perf_counter()
            copy(*words)
            print(json.dumps(time.perf_counter() - start), flush=True)


if __name__ == "__main__":
    main()
