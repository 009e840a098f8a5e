"""The file by which the clock knows, over a restart, what time is sure."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import msgspec

from ..model.errors import StateError
from .clock import Clock, Kept
from .faults import faults
from .private import read_private, write_private
from .worker import Worker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

__all__ = ["FILE", "keeping", "load", "read"]

_log: Final = logging.getLogger(__name__)
FILE: Final = "clock"
"""In the state directory."""
_EVERY: Final = 3600.0
_TIMEOUT: Final = 1.0
"""Seconds for the disk to take it."""
_MOST: Final = 1024


def read(path: Path) -> Kept | None:
    """What was kept of the clock; None where there is no such file.

    Raises:
        StateError, OSError, ValueError: It cannot be read, or is damaged.
    """
    try:
        return msgspec.json.decode(read_private(path, "file of the clock", _MOST), type=Kept)
    except FileNotFoundError:
        return None


def load(path: Path, now: Callable[[], float] = time.time, since: Callable[[], float] = time.monotonic) -> Clock:
    """A clock, by default the system's, with what was kept of it; a file that cannot be used ends nothing."""
    try:
        return Clock(now, since, read(path))
    except (StateError, OSError, ValueError) as error:
        _log.warning("%s is not used: what is newest tells until when the time is sure: %s", path, error)
        return Clock(now, since)


@asynccontextmanager
async def keeping(clock: Clock, path: Path) -> AsyncIterator[None]:
    """Settle the clock and keep what it knows: now, each hour, and at the end. A disk that takes none ends nothing.

    It is entered once the clock knows of the newest that is kept.
    """
    worker = Worker("clock")

    async def keep() -> None:
        data = msgspec.json.encode(clock.settle())
        try:
            await worker.ask(lambda: _write(path, data), _TIMEOUT)
        except (StateError, TimeoutError) as error:
            why = str(error) or f"{path} did not answer in time"
            _log.warning("after the next start, what is old may be kept for longer: %s", why)

    async def each_hour() -> None:
        while True:
            await asyncio.sleep(_EVERY)
            await keep()

    try:
        await keep()
        task = asyncio.create_task(each_hour(), name="mooringd clock")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait({task})
            await keep()
    finally:
        worker.close(_TIMEOUT)


def _write(path: Path, data: bytes) -> None:
    with faults(path):
        write_private(path, data)
