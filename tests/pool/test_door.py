"""The door itself: what stands in it is gone when it is shut."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from mooring.model.device import DoorLimits
from mooring.pool.door import Door
from mooring.pool.watcher import CallWatcher
from mooring.transport.arrival import Arrival

pytestmark = pytest.mark.anyio


class _Wire(asyncio.Transport):
    """A transport that notes what is done with it."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = b""
        self.aborted = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:  # noqa: ANN401 - asyncio's
        return ("127.0.0.1", 1) if name == "peername" else default

    def write(self, data: Any) -> None:  # noqa: ANN401 - likewise
        self.sent += bytes(data)

    def pause_reading(self) -> None:
        pass

    def abort(self) -> None:
        self.aborted = True


async def test_who_begins_the_moment_it_is_shut_is_hung_up_on() -> None:
    async def receive(_: Arrival) -> None:
        raise AssertionError("it was shut before")

    door = Door(DoorLimits(), receive, CallWatcher())
    wire = _Wire()
    arrival = door.arrive()
    arrival.connection_made(wire)
    arrival.data_received(b"SSH-2.0-device\r\n")
    await door.shut()  # before the task of its login has taken its first step
    assert wire.aborted
    assert door.statistics().half_open == 0
