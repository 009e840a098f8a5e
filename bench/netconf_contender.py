"""One NETCONF client, in a process of its own, connected once.

``python -m bench.netconf_contender NAME SERVER`` answers lines on its stdin by lines of JSON: ``ready`` when it has
warmed up, ``small SECONDS`` by requests a second one after another, ``many SECONDS`` with 64 of them under way,
``tree SIZE`` by the seconds until the reply is a parsed tree and those that lxml alone needs for the same bytes,
``file SIZE KIND`` by the bytes of memory that writing the reply to a file took. It ends with stdin.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import importlib.util
import json
import os
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from lxml import etree

from bench.servers import Server

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator, Mapping
    from contextlib import AbstractContextManager

    from mooring import NetconfSession

__all__ = ["CONTENDERS", "absent"]

_DEPTH: Final = 64
_PATIENCE: Final = 60


class Client(Protocol):
    """What is asked of each."""

    def small(self, seconds: float) -> float | None: ...

    def many(self, seconds: float) -> float | None: ...

    def tree(self, size: int) -> tuple[float, bytes] | None: ...

    def file(self, size: int, kind: str) -> int | None: ...


def _big(size: int, kind: str = "items") -> str:
    return f'<big xmlns="urn:bench" size="{size}" kind="{kind}"/>'


class Mooring:
    def __init__(self, runner: asyncio.Runner, nc: NetconfSession) -> None:
        self._runner = runner
        self._nc = nc

    def small(self, seconds: float) -> float:
        async def work() -> int:
            count = 0
            end = time.perf_counter() + seconds
            while time.perf_counter() < end:
                await self._nc.get_config()
                count += 1
            return count

        return self._rate(work())

    def many(self, seconds: float) -> float:
        async def one(end: float) -> int:
            count = 0
            while time.perf_counter() < end:
                await self._nc.get_config()
                count += 1
            return count

        async def work() -> int:
            end = time.perf_counter() + seconds
            return sum(await asyncio.gather(*(one(end) for _ in range(_DEPTH))))

        return self._rate(work())

    def _rate(self, work: Coroutine[Any, Any, int]) -> float:
        start = time.perf_counter()
        count = self._runner.run(work)
        return count / (time.perf_counter() - start)

    def tree(self, size: int) -> tuple[float, bytes]:
        start = time.perf_counter()
        reply = self._runner.run(self._nc.get(_big(size)))
        seconds = time.perf_counter() - start
        assert len(reply.element[0][0]) > 1000  # noqa: S101 - a check of the measurement
        return seconds, reply.xml

    def file(self, size: int, kind: str) -> int:
        with tempfile.TemporaryDirectory() as folder, _peak() as peak:
            self._runner.run(self._nc.rpc_to_file(f"<get><filter>{_big(size, kind)}</filter></get>", f"{folder}/reply"))
            assert Path(folder, "reply").stat().st_size > 0.9 * size  # noqa: S101 - likewise
        return peak[0]


@contextlib.contextmanager
def _mooring(server: Server, new_loop: Callable[[], asyncio.AbstractEventLoop]) -> Iterator[Mooring]:
    import mooring  # noqa: PLC0415 - a contender loads no other's library

    where = f"bench://{server.user}@{server.host}:{server.ports[0]}"
    with asyncio.Runner(loop_factory=new_loop) as runner:
        connected = mooring.connect(where, config=None, identity=server.key, known_hosts=server.known_hosts)
        session = runner.run(connected.__aenter__())
        nc = session.netconf()
        runner.run(nc.__aenter__())
        yield Mooring(runner, nc)
        runner.run(nc.__aexit__(None, None, None))
        runner.run(connected.__aexit__(None, None, None))


def _mooring_asyncio(server: Server) -> AbstractContextManager[Mooring]:
    return _mooring(server, asyncio.new_event_loop)


def _mooring_uvloop(server: Server) -> AbstractContextManager[Mooring]:
    import uvloop  # noqa: PLC0415 - as above

    return _mooring(server, uvloop.new_event_loop)


class Blocking:
    """A client that makes one request at a time.

    Args:
        small: Makes a small one.
        tree: Makes a large one and returns the parsed tree and the bytes.
    """

    def __init__(self, small: Callable[[], object], tree: Callable[[int], tuple[float, bytes]]) -> None:
        self._small = small
        self._tree = tree

    def small(self, seconds: float) -> float:
        count = 0
        start = time.perf_counter()
        while (now := time.perf_counter()) < start + seconds:
            self._small()
            count += 1
        return count / (now - start)

    def many(self, seconds: float) -> None:
        """It cannot."""

    def tree(self, size: int) -> tuple[float, bytes]:
        return self._tree(size)

    def file(self, size: int, kind: str) -> None:
        """It cannot."""


def _ncclient(server: Server) -> AbstractContextManager[Client]:
    from ncclient import manager  # noqa: PLC0415 - as above

    return _managed(server, manager.connect)


def _compat(server: Server) -> AbstractContextManager[Client]:
    from mooring.compat.ncclient import manager  # noqa: PLC0415 - as above

    return _managed(server, manager.connect)


@contextlib.contextmanager
def _managed(server: Server, connect: Callable[..., AbstractContextManager[Any]]) -> Iterator[Client]:
    login = {"username": server.user, "key_filename": server.key, "allow_agent": False, "look_for_keys": False}
    trust = {"hostkey_verify": False}  # its file of known hosts is always the user's own
    with connect(host=server.host, port=server.ports[0], timeout=300, **login, **trust) as client:
        client.huge_tree = True

        def tree(size: int) -> tuple[float, bytes]:
            start = time.perf_counter()
            reply = client.get(filter=("subtree", _big(size)))
            tree = reply.data_ele
            seconds = time.perf_counter() - start
            assert len(tree[0]) > 1000  # noqa: S101 - a check of the measurement
            return seconds, reply.xml.encode()

        yield Blocking(lambda: client.get_config("running"), tree)


@contextlib.contextmanager
def _scrapli(server: Server, transport: str) -> Iterator[Client]:
    import scrapli  # noqa: PLC0415 - as above

    options: Any
    if transport == "ssh2":
        options = scrapli.TransportSsh2Options(known_hosts_path=server.known_hosts)
    else:
        options = scrapli.TransportBinOptions(known_hosts_path=server.known_hosts, enable_strict_key=True)
    login = scrapli.AuthOptions(username=server.user, private_key_path=server.key)
    patience = scrapli.SessionOptions(operation_timeout_s=_PATIENCE)
    with scrapli.Netconf(
        server.host, port=server.ports[0], auth_options=login, session_options=patience, transport_options=options
    ) as client:

        def tree(size: int) -> tuple[float, bytes]:
            start = time.perf_counter()
            raw = client.get(filter_=_big(size)).result.encode()
            root = etree.fromstring(raw, etree.XMLParser(huge_tree=True))
            seconds = time.perf_counter() - start
            assert len(root[0][0]) > 1000  # noqa: S101 - a check of the measurement
            return seconds, raw

        yield Blocking(client.get_config, tree)


CONTENDERS: Final[Mapping[str, Callable[[Server], AbstractContextManager[Client]]]] = {
    "mooring": _mooring_asyncio,
    "mooring, uvloop": _mooring_uvloop,
    "mooring.compat.ncclient": _compat,
    "ncclient": _ncclient,
    "scrapli, bin": lambda server: _scrapli(server, "bin"),
    "scrapli, ssh2": lambda server: _scrapli(server, "ssh2"),
}
"""By name."""

_NEEDS: Final = {
    "mooring, uvloop": "uvloop",
    "mooring.compat.ncclient": "ncclient",
    "ncclient": "ncclient",
    "scrapli, bin": "scrapli",
    "scrapli, ssh2": "scrapli",
}


def absent() -> dict[str, str]:
    """Those that cannot take part here, and what each lacks."""
    return {name: module for name, module in _NEEDS.items() if importlib.util.find_spec(module) is None}


@contextlib.contextmanager
def _peak() -> Iterator[list[int]]:
    """How far the memory of this process grows inside the block, at its highest."""
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # the high-water mark begins anew
    before = _status("VmRSS")
    found = [0]
    yield found
    found[0] = max(0, _status("VmHWM") - before)


def _status(field: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * 1024
    raise RuntimeError(field)


def _tree(client: Client, size: int) -> dict[str, float] | None:
    gc.collect()
    measured = client.tree(size)
    if measured is None:
        return None
    seconds, raw = measured
    gc.collect()
    start = time.perf_counter()
    root = etree.fromstring(raw, etree.XMLParser(huge_tree=True))
    alone = time.perf_counter() - start
    del root
    return {"seconds": seconds, "lxml": alone, "bytes": len(raw)}


def main() -> None:
    """Be one of them."""
    name, server = sys.argv[1:]
    signal.alarm(_PATIENCE)  # scrapli with ssh2 now and then never comes back
    out = os.fdopen(os.dup(1), "w")  # what a library prints goes elsewhere
    os.dup2(2, 1)
    with CONTENDERS[name](Server(**json.loads(server))) as client:
        for line in sys.stdin:
            signal.alarm(_PATIENCE)
            answer: object = True
            match line.split():
                case ["ready"]:
                    client.small(0.3)
                case ["small", seconds]:
                    answer = client.small(float(seconds))
                case ["many", seconds]:
                    answer = client.many(float(seconds))
                case ["tree", size]:
                    answer = _tree(client, int(size))
                case ["file", size, kind]:
                    answer = client.file(int(size), kind)
            signal.alarm(0)
            print(json.dumps(answer), file=out, flush=True)


if __name__ == "__main__":
    main()
