"""Commands for a while, by tasks, threads or greenlets: how many a second, and how long each took."""

from __future__ import annotations

import asyncio
import resource
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = ["Burst", "Clock", "by_tasks", "by_threads"]


@dataclass(frozen=True)
class Burst:
    """What came of it.

    Attributes:
        count: Commands run.
        rate: Commands a second.
        p50: Median seconds of a command.
        p99: Seconds that 99 of 100 stayed below.
        cpu: Seconds of this process's and its children's processor time for each.
    """

    count: int
    rate: float
    p50: float
    p99: float
    cpu: float


class Clock:
    """The times of one burst, from its making to ``burst()``."""

    def __init__(self, seconds: float) -> None:
        self._times: list[float] = []
        self._cpu = _cpu()
        self._start = time.perf_counter()
        self._end = self._start + seconds

    @property
    def running(self) -> bool:
        """Whether there is time for another command."""
        return time.perf_counter() < self._end

    def ended(self, since: float, status: int | None) -> None:
        """A command that was started at ``since`` ended."""
        self._times.append(time.perf_counter() - since)
        if status != 0:
            msg = f"`true` ended with {status}"
            raise RuntimeError(msg)

    def burst(self) -> Burst:
        """What came of it."""
        elapsed = time.perf_counter() - self._start
        times = sorted(self._times)
        count = len(times)
        cpu = _cpu() - self._cpu
        return Burst(count, count / elapsed, times[count // 2], times[count * 99 // 100], cpu / count)


async def by_tasks(run: Callable[[], Awaitable[int | None]], concurrency: int, seconds: float) -> Burst:
    """So many tasks, each running one command after the other."""
    clock = Clock(seconds)

    async def work() -> None:
        while clock.running:
            since = time.perf_counter()
            clock.ended(since, await run())

    async with asyncio.TaskGroup() as group:
        for _ in range(concurrency):
            group.create_task(work())
    return clock.burst()


def by_threads(run: Callable[[], int], concurrency: int, seconds: float) -> Burst:
    """So many threads, likewise."""
    clock = Clock(seconds)

    def work() -> None:
        while clock.running:
            since = time.perf_counter()
            clock.ended(since, run())

    with ThreadPoolExecutor(concurrency) as executor:
        for future in [executor.submit(work) for _ in range(concurrency)]:
            future.result()
    return clock.burst()


def _cpu() -> float:
    usages = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)
