"""The check that no task, thread or descriptor outlives its test, as a pytest plugin."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

GRACE = 10.0
"""Seconds that what is on its way out may take: a closed transport needs a turn of the loop, a thread a switch, and a
busy machine its time for either."""

_DESCRIPTORS = Path("/proc/self/fd" if Path("/proc/self/fd").exists() else "/dev/fd")


class Census:
    """What lives now, to be compared with what lives later.

    Args:
        loop: The loop whose tasks count; None where there is none.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self._loop = loop
        self._tasks = self._count_tasks()
        self._threads = _threads()
        self._descriptors = _open_descriptors()

    def newcomers(self) -> list[str]:
        """Name what lives now and did not then.

        Descriptors are compared by number first, and threads by how many have a name: a test may replace what a wider
        fixture had opened, and restart a server that it shares.
        """
        descriptors = _open_descriptors()
        if len(descriptors) > len(self._descriptors):
            gc.collect()
            descriptors = _open_descriptors()
        found = [f"task {task!r}" for task in self._count_tasks() - self._tasks]
        started = (_threads() - self._threads).elements()
        found += [f"thread {name!r}" for name in started if not name.startswith("asyncio_")]
        if len(descriptors) > len(self._descriptors):
            found += [f"descriptor {fd} ({what})" for fd, what in sorted(descriptors - self._descriptors)]
        return found

    def _count_tasks(self) -> set[asyncio.Task[object]]:
        if self._loop is None:
            return set()
        return {
            task
            for task in asyncio.all_tasks(self._loop)
            if not getattr(task.get_coro(), "__qualname__", "").startswith("TestRunner.")  # anyio's own errands
        }


def _threads() -> Counter[str]:
    """How many threads live, by name."""
    return Counter(thread.name for thread in threading.enumerate())


def _open_descriptors() -> set[tuple[int, str]]:
    found = set()
    for entry in list(_DESCRIPTORS.iterdir()):
        try:
            os.fstat(int(entry.name))
            found.add((int(entry.name), str(entry.readlink()) if entry.is_symlink() else entry.name))
        except OSError:
            continue  # the descriptor that listed the folder, or one that a thread closes
    return found


def _fail(newcomers: list[str]) -> None:
    if newcomers:
        pytest.fail("outlived the test: " + "; ".join(newcomers), pytrace=False)


@pytest.fixture
async def _nothing_outlives_on_the_loop(anyio_backend: str) -> AsyncIterator[None]:
    census = Census(asyncio.get_running_loop())
    yield
    deadline = time.monotonic() + GRACE
    while (newcomers := census.newcomers()) and time.monotonic() < deadline:  # noqa: ASYNC110 - no event tells of it
        await asyncio.sleep(0.01)
    _fail(newcomers)


@pytest.fixture(autouse=True)
def nothing_outlives(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test that leaves a task, a thread or a descriptor behind.

    pytest sets up wider fixtures before this one and the test's own after it, so what a session or module fixture
    holds is not counted, and what the test and its fixtures hold must be gone when they are torn down. The default
    executor's threads (``asyncio_N``) belong to the loop and end with it. A service that lives as long as the
    process must be started by a session fixture.
    """
    if "anyio_backend" in request.fixturenames:
        request.getfixturevalue("_nothing_outlives_on_the_loop")
        yield
        return
    census = Census()
    yield
    deadline = time.monotonic() + GRACE
    while (newcomers := census.newcomers()) and time.monotonic() < deadline:
        time.sleep(0.01)
    _fail(newcomers)
