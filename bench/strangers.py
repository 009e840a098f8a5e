"""A device that calls from 127.0.0.2 while thousands of strangers from 127.0.0.1 stand in the door.

``python -m bench.strangers PORT COUNT`` prints a line of JSON: the seconds from dialing to being logged in of a device
that calls while the strangers come, and of one that calls when all of them are there.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import time

import uvloop

from bench.homecoming import SECRET
from mooring.simulate import SimulatedDevices
from mooring.simulate.strangers import Strangers

_HOST = "127.0.0.1"
_WAIT = 60.0


async def _call(port: int, name: str) -> float:
    start = time.perf_counter()
    async with SimulatedDevices(_HOST, port, name=name, secret=SECRET, source="127.0.0.2", reconnect=0.5) as devices:
        async with asyncio.timeout(_WAIT):
            await devices[0].up.wait()
        return time.perf_counter() - start


async def _main(port: int, count: int) -> None:
    strangers = Strangers(_HOST, port, count)
    coming = asyncio.create_task(strangers.__aenter__())
    meanwhile = await _call(port, "device-early")
    await coming
    afterwards = await _call(port, "device-late")
    print(json.dumps({"meanwhile": meanwhile, "afterwards": afterwards}), flush=True)
    await strangers.__aexit__(None, None, None)


if __name__ == "__main__":
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    uvloop.run(_main(int(sys.argv[1]), int(sys.argv[2])))
