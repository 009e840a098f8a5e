"""One contender for pipes, in a process of its own: a handler at the far end that gives back or counts.

``python -m bench.pipe_contender NAME SERVER`` answers lines on its stdin by lines of JSON: ``ready`` when it has warmed
up, ``latency SIZE SECONDS`` by the median seconds of a request and its answer, ``rate SIZE SECONDS`` by messages a
second that the far end has taken, and ``start`` by the seconds from nothing but a held session (or nothing at all,
where there is none) to the first answer. It ends with stdin.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import inspect
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from bench.servers import Server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping
    from contextlib import AbstractContextManager

    import mitogen.master

    from mooring import Session

__all__ = ["CONTENDERS"]

_BATCH: Final = 200
"""Messages between two looks at the clock."""


class Contender(Protocol):
    """What is asked of each."""

    def latency(self, size: int, seconds: float) -> float: ...

    def rate(self, size: int, seconds: float) -> float: ...

    def start(self) -> float: ...


_HANDLER: Final = """
from mooring.far import serve

count = 0

def handle(pipe, message):
    global count
    count += 1
    return message if message != "count" else count

serve(handle)
"""


class _Mooring:
    def __init__(self, runner: asyncio.Runner, session: Session, handler: Path) -> None:
        self._runner = runner
        self._session = session
        self._handler = handler
        self._pipe = runner.run(session.pipe(deploy=handler).start())

    def latency(self, size: int, seconds: float) -> float:
        return self._runner.run(self._latency(size, seconds))

    async def _latency(self, size: int, seconds: float) -> float:
        message, times, end = bytes(size), [], time.perf_counter() + seconds
        while (since := time.perf_counter()) < end:
            await self._pipe.request(message)
            times.append(time.perf_counter() - since)
        return statistics.median(times)

    def rate(self, size: int, seconds: float) -> float:
        return self._runner.run(self._rate(size, seconds))

    async def _rate(self, size: int, seconds: float) -> float:
        message, before = bytes(size), await self._pipe.request("count")
        since = time.perf_counter()
        while time.perf_counter() < since + seconds:
            for _ in range(_BATCH):
                await self._pipe.send(message)
        taken = await self._pipe.request("count") - before
        return float(taken / (time.perf_counter() - since))

    def start(self) -> float:
        return self._runner.run(self._start())

    async def _start(self) -> float:
        since = time.perf_counter()
        async with self._session.pipe(deploy=self._handler) as pipe:
            await pipe.request(b"x")
            return time.perf_counter() - since


def _mooring(server: Server) -> AbstractContextManager[Contender]:
    return _on_loop(server, asyncio.new_event_loop)


def _mooring_uvloop(server: Server) -> AbstractContextManager[Contender]:
    import uvloop  # noqa: PLC0415 - a contender loads no other's library

    return _on_loop(server, uvloop.new_event_loop)


@contextlib.contextmanager
def _on_loop(server: Server, new_loop: Callable[[], asyncio.AbstractEventLoop]) -> Iterator[Contender]:
    with asyncio.Runner(loop_factory=new_loop) as runner, tempfile.TemporaryDirectory() as folder:
        handler = Path(folder) / "handler.py"
        handler.write_text(_HANDLER)
        context = _session(server)
        session = runner.run(context.__aenter__())
        yield _Mooring(runner, session, handler)
        runner.run(context.__aexit__(None, None, None))


@contextlib.asynccontextmanager
async def _session(server: Server) -> AsyncIterator[Session]:
    import mooring  # noqa: PLC0415 - as above

    where = f"bench://{server.user}@{server.host}:{server.ports[0]}"
    options = {"identity": server.key, "known_hosts": server.known_hosts}
    async with mooring.connect(where, config=None, **options) as session:
        yield session


class _Execnet:
    """A gateway over ssh, a channel, and a loop at the far end."""

    def __init__(self, server: Server) -> None:
        import execnet  # noqa: PLC0415 - as above

        ssh = f"-F none -p {server.ports[0]} -i {server.key} -o UserKnownHostsFile={server.known_hosts}"
        trust = "-o StrictHostKeyChecking=yes -o IdentitiesOnly=yes -o BatchMode=yes"
        self._spec = f"ssh={ssh} {trust} {server.user}@{server.host}//python=python3"
        self._make = execnet.makegateway
        self._channel = self._make(self._spec).remote_exec(_EXECNET_FAR)

    def latency(self, size: int, seconds: float) -> float:
        message, times, end = bytes(size), [], time.perf_counter() + seconds
        send, receive = self._channel.send, self._channel.receive
        send("echo")
        while (since := time.perf_counter()) < end:
            send(message)
            receive()
            times.append(time.perf_counter() - since)
        send("count")
        receive()
        return statistics.median(times)

    def rate(self, size: int, seconds: float) -> float:
        message, sent = bytes(size), 0
        since = time.perf_counter()
        while time.perf_counter() < since + seconds:
            for _ in range(_BATCH):
                self._channel.send(message)
            sent += _BATCH
        self._channel.send("count")
        if self._channel.receive() != sent:
            raise RuntimeError("messages are missing")
        return sent / (time.perf_counter() - since)

    def start(self) -> float:
        since = time.perf_counter()
        gateway = self._make(self._spec)
        channel = gateway.remote_exec("channel.send(channel.receive())")
        channel.send(b"x")
        channel.receive()
        elapsed = time.perf_counter() - since
        gateway.exit()
        return elapsed


_EXECNET_FAR: Final = """
count, echo = 0, False
for message in channel:
    if message == "echo":
        echo = True
    elif message == "count":
        channel.send(count)
        count, echo = 0, False
    else:
        count += 1
        if echo:
            channel.send(message)
"""


@contextlib.contextmanager
def _execnet(server: Server) -> Iterator[Contender]:
    import execnet  # noqa: PLC0415 - as above

    yield _Execnet(server)
    execnet.default_group.terminate(timeout=2.0)


class _Mitogen:
    """Functions called in a context over ssh: those of the standard library need not be shipped first."""

    def __init__(self, router: mitogen.master.Router, server: Server) -> None:
        self._router = router
        self._arguments = {
            "hostname": server.host,
            "port": server.ports[0],
            "username": server.user,
            "identity_file": server.key,
            "check_host_keys": "enforce",
            "python_path": "python3",
            "ssh_args": ["-F", "none", "-o", f"UserKnownHostsFile={server.known_hosts}"],
        }
        self._context = router.ssh(**self._arguments)
        self._context.call(copy.copy, b"x")

    def latency(self, size: int, seconds: float) -> float:
        message, times, end = bytes(size), [], time.perf_counter() + seconds
        while (since := time.perf_counter()) < end:
            self._context.call(copy.copy, message)
            times.append(time.perf_counter() - since)
        return statistics.median(times)

    def rate(self, size: int, seconds: float) -> float:
        message, sent = bytes(size), 0
        since = time.perf_counter()
        while time.perf_counter() < since + seconds:
            under_way = [self._context.call_async(inspect.isclass, message) for _ in range(_BATCH)]
            sent += _BATCH
            under_way[-1].get()  # it has no bound of its own
        return sent / (time.perf_counter() - since)

    def start(self) -> float:
        since = time.perf_counter()
        context = self._router.ssh(**self._arguments)
        context.call(copy.copy, b"x")
        elapsed = time.perf_counter() - since
        context.shutdown(wait=True)
        return elapsed


@contextlib.contextmanager
def _mitogen(server: Server) -> Iterator[Contender]:
    import mitogen.core  # noqa: PLC0415 - as above
    import mitogen.master  # noqa: PLC0415 - as above

    broker = mitogen.master.Broker()
    try:
        yield _Mitogen(mitogen.master.Router(broker), server)
    finally:
        broker.shutdown()
        broker.join()


CONTENDERS: Final[Mapping[str, Callable[[Server], AbstractContextManager[Contender]]]] = {
    "mooring": _mooring,
    "mooring, uvloop": _mooring_uvloop,
    "execnet": _execnet,
    "mitogen": _mitogen,
}
"""By name."""


def main() -> None:
    """Be one of them."""
    name, server = sys.argv[1:]
    with CONTENDERS[name](Server(**json.loads(server))) as contender:
        for line in sys.stdin:
            match line.split():
                case ["ready"]:
                    contender.latency(100, 0.3)
                    print("true", flush=True)
                case ["start"]:
                    print(json.dumps(contender.start()), flush=True)
                case ["latency", size, seconds]:
                    print(json.dumps(contender.latency(int(size), float(seconds))), flush=True)
                case ["rate", size, seconds]:
                    print(json.dumps(contender.rate(int(size), float(seconds))), flush=True)


if __name__ == "__main__":
    main()
