"""One contender for forwards, in a process of its own.

``python -m bench.forward_contender NAME SERVER`` answers lines on its stdin by lines of JSON: ``ready``, ``forward
PORT`` by the port that leads there through a local forward, and ``cpu`` by the seconds of CPU that it has taken. It
ends with stdin.
"""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import time
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Final

import asyncssh
import psutil
import uvloop

import mooring
from bench.servers import Server

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = ["CONTENDERS"]

_CIPHER: Final = "aes128-gcm@openssh.com"
_HERE: Final = "127.0.0.1"


class Openssh:
    """``ssh -L``."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.process: subprocess.Popen[bytes] | None = None

    async def forward(self, port: int) -> int:
        server = self._server
        with socket.socket() as sock:
            sock.bind((_HERE, 0))
            here: int = sock.getsockname()[1]
        self.process = subprocess.Popen(  # noqa: ASYNC220 - nothing else goes on
            [
                "ssh", "-F", "none", "-N", "-p", str(server.ports[0]), "-l", server.user, "-i", server.key,
                "-o", f"UserKnownHostsFile={server.known_hosts}", "-o", "BatchMode=yes", "-c", _CIPHER,
                "-L", f"{_HERE}:{here}:{_HERE}:{port}", server.host,
            ]
        )  # fmt: skip
        for _ in range(500):
            try:
                socket.create_connection((_HERE, here)).close()
            except OSError:
                time.sleep(0.02)  # noqa: ASYNC251 - likewise
            else:
                return here
        msg = "ssh -L does not listen"
        raise RuntimeError(msg)


class Asyncssh:
    """AsyncSSH as it comes, with the cipher of the others."""

    process = None

    def __init__(self, server: Server, stack: AsyncExitStack) -> None:
        self._server = server
        self._stack = stack

    async def forward(self, port: int) -> int:
        server = self._server
        connection = await self._stack.enter_async_context(
            asyncssh.connect(
                server.host,
                server.ports[0],
                username=server.user,
                client_keys=[server.key],
                known_hosts=server.known_hosts,
                config=None,
                encryption_algs=[_CIPHER],
            )
        )
        return (await connection.forward_local_port(_HERE, 0, _HERE, port)).get_port()


class Mooring:
    """``session.forward_local``."""

    process = None

    def __init__(self, server: Server, stack: AsyncExitStack) -> None:
        self._server = server
        self._stack = stack

    async def forward(self, port: int) -> int:
        server = self._server
        session = await self._stack.enter_async_context(
            mooring.connect(
                f"{server.user}@{server.host}:{server.ports[0]}",
                config=None,
                identity=server.key,
                known_hosts=server.known_hosts,
                agent_path=None,
            )
        )
        return (await session.forward_local(0, (_HERE, port))).get_port()


CONTENDERS: Final = ("ssh -L", "AsyncSSH, uvloop", "mooring, uvloop", "mooring")


async def _answer(name: str, server: Server) -> None:
    loop = asyncio.get_running_loop()
    async with AsyncExitStack() as stack:
        contender: Any = (
            Openssh(server)
            if name.startswith("ssh")
            else (Asyncssh if name.startswith("AsyncSSH") else Mooring)(server, stack)
        )
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            what, _, rest = line.strip().partition(" ")
            answer: object = True
            if what == "forward":
                answer = await contender.forward(int(rest))
            elif what == "cpu":
                times = psutil.Process(contender.process and contender.process.pid).cpu_times()
                answer = times.user + times.system
            print(json.dumps(answer), flush=True)
        if contender.process is not None:
            contender.process.terminate()
            contender.process.wait()


def main() -> None:
    """Answer until stdin ends."""
    name, server = sys.argv[1], Server(**json.loads(sys.argv[2]))
    run: Callable[[Awaitable[None]], None] = asyncio.run if name == "mooring" else uvloop.run  # type: ignore[assignment]
    run(_answer(name, server))


if __name__ == "__main__":
    main()
