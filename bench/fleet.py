"""Many held sessions in one process: how fast they connect, what they weigh, one command on each.

``python -m bench.fleet NAME SERVER`` connects to every port of the server, and answers each line on its stdin by a
line of JSON: ``ready`` by the seconds that took for all, ``run`` by the seconds of one ``true`` on every session,
``memory`` by the bytes that each session adds to the process. It ends with stdin.
"""

from __future__ import annotations

import asyncio
import gc
import json
import resource
import sys
import time
from typing import TYPE_CHECKING, Any, Final, Protocol

import psutil

from bench.servers import Server

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pssh.clients import ParallelSSHClient

__all__ = ["FLEETS"]

_HANDSHAKES: Final = 64
"""In flight at once, also where the library leaves that to its user."""


class _Fleet(Protocol):
    async def connect(self, ports: Sequence[int]) -> None: ...
    async def run(self) -> None: ...
    async def close(self) -> None: ...


class _Mooring:
    def __init__(self, server: Server) -> None:
        import mooring  # noqa: PLC0415 - a contender loads no other's library

        self._server = server
        self._pool = mooring.Pool(config=None, handshakes=_HANDSHAKES)
        self._options = {"identity": server.key, "known_hosts": server.known_hosts}

    async def connect(self, ports: Sequence[int]) -> None:
        if ports[0] == self._server.ports[0]:
            await self._pool.__aenter__()
        where = f"{self._server.user}@{self._server.host}"
        sessions = [await self._pool.start(f"host-{port}://{where}:{port}", **self._options) for port in ports]
        for session in sessions:
            await session.wait_up()

    async def run(self) -> None:
        async for outcome in self._pool.run("all", "true"):
            if not outcome.ok:
                raise RuntimeError(outcome)

    async def close(self) -> None:
        await self._pool.aclose()


class _AsyncSSH:
    def __init__(self, server: Server) -> None:
        import asyncssh  # noqa: PLC0415 - as above

        self._server = server
        self._connect = asyncssh.connect
        key = asyncssh.read_private_key(server.key)
        trusted = asyncssh.read_known_hosts(server.known_hosts)
        self._options: dict[str, Any] = {"client_keys": [key], "known_hosts": trusted, "config": None}
        self._connections: list[Any] = []
        self._turn = asyncio.Semaphore(_HANDSHAKES)

    async def connect(self, ports: Sequence[int]) -> None:
        self._connections += await asyncio.gather(*(self._dial(port) for port in ports))

    async def _dial(self, port: int) -> object:
        async with self._turn:
            return await self._connect(self._server.host, port, username=self._server.user, **self._options)

    async def run(self) -> None:
        for result in await asyncio.gather(*(connection.run("true") for connection in self._connections)):
            if result.exit_status != 0:
                raise RuntimeError(result)

    async def close(self) -> None:
        for connection in self._connections:
            connection.close()
        await asyncio.gather(*(connection.wait_closed() for connection in self._connections))


class _ParallelSSH:
    """Blocks the loop, where nothing else waits. Its sessions are made by its first command."""

    def __init__(self, server: Server) -> None:
        from pssh.clients import ParallelSSHClient  # noqa: PLC0415 - as above
        from pssh.config import HostConfig  # noqa: PLC0415 - as above

        self._server = server
        self._client, self._config = ParallelSSHClient, HostConfig
        self._clients: list[Any] = []

    async def connect(self, ports: Sequence[int]) -> None:
        server = self._server
        configs = [self._config(user=server.user, port=port, private_key=server.key) for port in ports]
        options = {"pool_size": _HANDSHAKES, "allow_agent": False, "identity_auth": False}
        client = self._client([server.host] * len(ports), host_config=configs, **options)
        self._clients.append(client)
        _run_parallel(client)

    async def run(self) -> None:
        for client in self._clients:
            _run_parallel(client)

    async def close(self) -> None:
        self._clients.clear()


def _run_parallel(client: ParallelSSHClient) -> None:
    outputs = client.run_command("true")
    client.join(outputs)
    for output in outputs:
        list(output.stdout)
        list(output.stderr)
        if output.exit_code != 0:
            raise RuntimeError(output)


def _plain() -> asyncio.AbstractEventLoop:
    return asyncio.new_event_loop()


def _uvloop() -> asyncio.AbstractEventLoop:
    import uvloop  # noqa: PLC0415 - as above

    return uvloop.new_event_loop()


FLEETS: Final[Mapping[str, tuple[Callable[[Server], _Fleet], Callable[[], asyncio.AbstractEventLoop]]]] = {
    "mooring": (_Mooring, _plain),
    "mooring, uvloop": (_Mooring, _uvloop),
    "AsyncSSH": (_AsyncSSH, _plain),
    "parallel-ssh": (_ParallelSSH, _plain),
}
"""By name, and the loop that each is on."""


def main() -> None:
    """Be one of them."""
    name, text = sys.argv[1:]
    server = Server(**json.loads(text))
    _allow_descriptors(len(server.ports) + 200)
    make, new_loop = FLEETS[name]
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(_serve(make(server), server.ports))


async def _serve(fleet: _Fleet, ports: Sequence[int]) -> None:
    # The first sessions load what all of them share.
    first, rest = ports[:10], ports[10:]
    await fleet.connect(first)
    await fleet.run()
    before, start = _memory(), time.perf_counter()
    await fleet.connect(rest)
    ready = (time.perf_counter() - start) * len(ports) / len(rest)
    while command := (await asyncio.to_thread(sys.stdin.readline)).strip():
        answer = ready
        if command == "run":
            start = time.perf_counter()
            await fleet.run()
            answer = time.perf_counter() - start
        elif command == "memory":
            answer = (_memory() - before) / len(rest)
        print(answer, flush=True)
    await fleet.close()


def _memory() -> int:
    gc.collect()
    return int(psutil.Process().memory_info().rss)


def _allow_descriptors(count: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))


if __name__ == "__main__":
    main()
