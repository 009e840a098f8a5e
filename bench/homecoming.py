"""One contender, in a process of its own: it takes devices in that call home, until so many have told what they are.

``python -m bench.homecoming NAME COUNT FACTS`` prints the port as a line of JSON, then, when all are there, a line with
what they took; it then answers each line on its stdin by its memory and CPU, and ends with stdin.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import resource
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["CONTENDERS", "SECRET"]

SECRET: Final = "s3cret"  # noqa: S105 - of simulated devices
_PASSWORD: Final = "juniper123"  # noqa: S105 - likewise


def _say(value: Mapping[str, object]) -> None:
    print(json.dumps(value), flush=True)


class Times:
    """When the first of the devices was accepted, and when each was done with."""

    def __init__(self, count: int) -> None:
        self._count = count
        self.first: float | None = None
        self.done: dict[str, float] = {}
        self.own: list[float] = []
        self._came: dict[str, float] = {}

    def accepted(self, address: str = "") -> None:
        """One was accepted, from an address."""
        now = time.perf_counter()
        self._came[address] = now
        if self.first is None:
            self.first = now

    def finished(self, who: str, address: str = "") -> None:
        """One was done with; those that call again do not count twice."""
        now = time.perf_counter()
        if who not in self.done:
            self.done[who] = now
            self.own.append(now - self._came[address])

    @property
    def complete(self) -> bool:
        """Whether all are there."""
        return len(self.done) >= self._count

    def told(self) -> dict[str, object]:
        """Seconds from the first accept until each was there, in order: they all call at once."""
        each = sorted(at - (self.first or at) for at in self.done.values())
        return {"seconds": each[-1], "each": each, "own": self.own, "threads": threading.active_count(), **_usage()}


def _usage() -> dict[str, object]:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return {"rss": pages * os.sysconf("SC_PAGE_SIZE"), "cpu": time.process_time()}


def _mooring(count: int, *, facts: bool) -> None:
    import uvloop  # noqa: PLC0415 - a contender loads no other's library

    uvloop.run(_serve(count, facts=facts))


async def _serve(count: int, *, facts: bool) -> None:
    from mooring import CallHomeServer, Device  # noqa: PLC0415 - as above
    from mooring.model.device import DoorLimits  # noqa: PLC0415 - as above
    from mooring.pool.watcher import CallWatcher  # noqa: PLC0415 - as above

    kind = Device.parse("kind://admin@any", device_id="device*", alias="{device_id}", password=_PASSWORD, secret=SECRET)
    times, before, complete = Times(count), _usage(), asyncio.Event()

    class Watch(CallWatcher):
        def came(self, address: str) -> None:
            times.accepted(address)

        def up(self, session: Any, address: str) -> None:  # noqa: ANN401 - a session
            if not facts:
                self._finished(session.alias, address)

        def told(self, session: Any, address: str, facts: Any) -> None:  # noqa: ANN401 - likewise
            del facts
            self._finished(session.alias, address)

        def _finished(self, alias: str, address: str) -> None:
            times.finished(alias, address)
            if times.complete:
                complete.set()

    # All of them have one address, as devices behind one NAT; what it may do at once is set for so many.
    many = max(count, 2000)
    limits = DoorLimits(half_open=2 * many, half_open_per_source=many, burst=many, rate=many, login_timeout=120)
    limits = limits if count > 1 else DoorLimits()  # the one among strangers
    async with CallHomeServer("127.0.0.1", 0, devices=[kind], facts=facts, watcher=Watch(), limits=limits) as server:
        _say({"port": server.port})
        await complete.wait()
        _say({**times.told(), "before": before["rss"]})
        while await asyncio.to_thread(sys.stdin.readline):
            _say(_usage())


def _junospyez(count: int, *, facts: bool) -> None:
    del facts  # it always asks
    from junospyez_ossh_server import OutboundSSHServer  # noqa: PLC0415 - as above

    times, before = Times(count), _usage()
    complete = threading.Event()

    class Accepts(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if "accepted connection from" in record.getMessage():
                times.accepted()
            _, _, address = record.getMessage().partition("completed device with management IP address: ")
            if address:
                times.finished(address)
                if times.complete:
                    complete.set()

    server = OutboundSSHServer("127.0.0.1", port=0, login_user="admin", login_password=_PASSWORD)
    server.logger.setLevel(logging.INFO)
    server.logger.addHandler(Accepts())
    server.start(on_device=lambda _device, _facts: None)
    while server.socket is None or not server.socket.getsockname()[1]:
        time.sleep(0.01)
    _say({"port": server.socket.getsockname()[1]})
    complete.wait(300)
    _say({**times.told(), "before": before["rss"]})
    sys.stdin.readline()
    os._exit(0)  # its threads would keep it alive


CONTENDERS: Final[Mapping[str, Callable[..., None]]] = {"mooring": _mooring, "junospyez-ossh-server": _junospyez}


if __name__ == "__main__":
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    CONTENDERS[sys.argv[1]](int(sys.argv[2]), facts=sys.argv[3] == "facts")
