"""The file by which the clock knows, over a restart, what time is sure."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import msgspec

from ..model.errors import StateError
from .audit.reading import DATABASE
from .clock import Clock, Kept
from .faults import faults
from .private import read_private, write_private
from .recordings.archive import FOLDER
from .worker import Worker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

__all__ = ["FILE", "keeping", "load", "read"]

_log: Final = logging.getLogger(__name__)
FILE: Final = "clock"
"""In the state directory."""
_EVERY: Final = 300.0
"""Seconds: what passed since the last time is lost with a daemon that is killed."""
_TIMEOUT: Final = 1.0
"""Seconds for the disk to take it."""
_MOST: Final = 1024
_NONE_SURE: Final = Kept(sure=0.0)


def read(path: Path) -> Kept | None:
    """What was kept of the clock; None where there is no such file.

    Raises:
        StateError, OSError, ValueError: It cannot be read, or is damaged.
    """
    try:
        return msgspec.json.decode(read_private(path, "file of the clock", _MOST), type=Kept)
    except FileNotFoundError:
        return None
    except RecursionError:
        raise StateError(f"{path} is damaged") from None


def load(path: Path, now: Callable[[], float] = time.time, since: Callable[[], float] = time.monotonic) -> Clock:
    """A clock, by default the system's, with what was kept of it.

    Where that cannot be used, or is missing beside what may be let go, no time is sure: what is there may have been
    dated by a clock that was wrong.
    """
    try:
        kept = read(path)
    except (StateError, OSError, ValueError) as error:
        _log.warning("%s is not used: %s", path, error)
        kept = _NONE_SURE
    if kept is None and any(path.with_name(name).exists() for name in (DATABASE, FOLDER)):
        kept = _NONE_SURE
    return Clock(now, since, kept)


@asynccontextmanager
async def keeping(clock: Clock, path: Path) -> AsyncIterator[None]:
    """Settle the clock and keep what it knows: now, every five minutes, and at the end. What cannot be ends nothing."""
    worker = Worker("clock")

    async def keep() -> None:
        try:
            data = msgspec.json.encode(clock.settle())
            await worker.ask(lambda: _write(path, data), _TIMEOUT)
        except Exception as error:  # noqa: BLE001 - it is tried again, whatever it was
            why = str(error) or f"{path} did not answer in time"
            _log.warning("after the next start, what is old may be kept for longer: %s", why)

    async def keep_on() -> None:
        while True:
            await asyncio.sleep(_EVERY)
            await keep()

    try:
        await keep()
        task = asyncio.create_task(keep_on(), name="mooringd clock")
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
