"""The queue before the handshakes: who may dial now."""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict, deque
from typing import TYPE_CHECKING

from .limits import HANDSHAKES, HANDSHAKES_PER_HOST, ConnectRate, HandshakeLimits

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Hashable

    from ..model.options import Rate

__all__ = ["Handshakes"]


class Handshakes:
    """Hands out turns to dial: first come, first served per daemon, daemons in turn."""

    def __init__(self, total: int = HANDSHAKES, per_host: int = HANDSHAKES_PER_HOST) -> None:
        self._limits = HandshakeLimits(total, per_host)
        self._queues: dict[Hashable, deque[asyncio.Future[None]]] = {}
        self._rates: defaultdict[Hashable, _RateGate] = defaultdict(_RateGate)

    @property
    def running(self) -> int:
        """In flight."""
        return self._limits.running

    @property
    def waiting(self) -> int:
        """Queued."""
        return sum(len(queue) for queue in self._queues.values())

    @contextlib.asynccontextmanager
    async def turn(self, daemon: Hashable, rate: Rate | None = None, most: int | None = None) -> AsyncIterator[None]:
        """Wait for a turn, and hold it for the length of the block. Cancelling is safe.

        The wait ends because every handshake before it has a deadline of its own.

        Args:
            daemon: What shares one server's limits.
            rate: How often the device accepts connections; None for as often as we like.
            most: Handshakes that it bears at once, where that is less than we would start.
        """
        if most is not None:
            self._limits.cap(daemon, most)
        if rate is None:
            await self._take(daemon)
        else:
            async with self._rates[daemon].passing(rate) as passed:
                await self._take(daemon)
                passed()
        try:
            yield
        finally:
            self._free(daemon)

    @contextlib.asynccontextmanager
    async def lend(self, daemon: Hashable, seconds: float) -> AsyncIterator[None]:
        """Wait for a turn, and hold it for the block, but no longer than so many seconds. Cancelling is safe."""
        await self._take(daemon)
        lent = True

        def give_back() -> None:
            nonlocal lent
            if lent:
                lent = False
                self._free(daemon)

        timer = asyncio.get_running_loop().call_later(seconds, give_back)
        try:
            yield
        finally:
            timer.cancel()
            give_back()

    async def _take(self, daemon: Hashable) -> None:
        if daemon not in self._queues and self._limits.admits(daemon):
            self._limits.take(daemon)
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queues.setdefault(daemon, deque()).append(waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                self._free(daemon)
            else:
                self._forget(daemon, waiter)
            raise

    def _free(self, daemon: Hashable) -> None:
        self._limits.free(daemon)
        while not self._limits.full:
            ready = next((waiting for waiting in self._queues if self._limits.admits(waiting)), None)
            if ready is None:
                return
            queue = self._queues.pop(ready)
            waiter = queue.popleft()
            if queue:
                self._queues[ready] = queue
            if not waiter.done():  # else it was cancelled, and its task has not run since
                self._limits.take(ready)
                waiter.set_result(None)

    def _forget(self, daemon: Hashable, waiter: asyncio.Future[None]) -> None:
        queue = self._queues.get(daemon)
        if queue is not None and waiter in queue:
            queue.remove(waiter)
            if not queue:
                del self._queues[daemon]


class _RateGate:
    """Lets connections to one device through, one after the other and no faster than it accepts them."""

    def __init__(self) -> None:
        self._rate = ConnectRate()
        self._turn = asyncio.Lock()

    @contextlib.asynccontextmanager
    async def passing(self, rate: Rate) -> AsyncIterator[Callable[[], None]]:
        """Wait until a connection may start; whoever starts one calls what is given, inside the block."""
        now = asyncio.get_running_loop().time
        async with self._turn:
            await asyncio.sleep(self._rate.wait(rate, now()))
            yield lambda: self._rate.started(now())
