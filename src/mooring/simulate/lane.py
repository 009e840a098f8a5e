"""How bytes travel through a faulty link: one direction of the link, and one direction of one connection.

A :class:`Lane` holds what all connections of the link share in a direction: the bandwidth, the budget of bytes before
silence, the counters. A :class:`Pipe` is one connection in that direction: bounded, ordered, and paused at its source
while it is full. Neither owns a task; timers are the loop's, and are cancelled when a pipe ends.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Conditions", "Direction", "End", "Lane", "Pipe"]

Direction = Literal["to_client", "to_server"]

_LIMIT: Final = 256 * 1024  # bytes held in one pipe before its source is paused
_QUANTUM: Final = 0.01  # seconds of bandwidth given to one connection before the next has its turn


class Conditions(Protocol):
    """What the link says about every connection now."""

    slice_bytes: int | None

    @property
    def dark(self) -> bool:
        """Whether nothing at all is forwarded."""

    def delay(self) -> float:
        """Seconds that what arrives now is to be late."""


class End(Protocol):
    """The socket at the end of a pipe."""

    def write(self, data: bytes | memoryview) -> None:
        """Send."""

    def write_eof(self) -> None:
        """Send a FIN after what was written."""

    def reset(self) -> None:
        """Send a RST, now."""


class _Mark:
    """What ends a stream, in its place among the bytes."""


_EOF: Final = _Mark()
_RESET: Final = _Mark()


class Lane:
    """One direction of a link, shared by its connections.

    Args:
        changed: Called after every write, when the counters have moved.
    """

    def __init__(self, changed: Callable[[], None]) -> None:
        self.bandwidth: float | None = None
        self.budget: int | None = None
        self.corrupt_at: int | None = None
        self.passed = 0
        self._changed = changed
        self._loop = asyncio.get_running_loop()
        self._free_at = 0.0
        self._waiting: deque[Pipe] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def allowance(self) -> int:
        """The number of bytes that one write may have."""
        share = _LIMIT if self.bandwidth is None else max(1, int(self.bandwidth * _QUANTUM))
        return share if self.budget is None else min(share, self.budget)

    def busy(self) -> bool:
        """Whether bytes sent earlier still fill the line."""
        return self.bandwidth is not None and self._free_at > self._loop.time()

    def wait(self, pipe: Pipe) -> None:
        """Pump the pipe again when it is its turn."""
        self._waiting.append(pipe)
        if self._timer is None:
            self._timer = self._loop.call_at(self._free_at, self._next)

    def take(self, data: memoryview) -> bytes | memoryview:
        """Account for bytes that are sent now, and return what arrives of them."""
        size = len(data)
        self.passed += size
        if self.budget is not None:
            self.budget -= size
        if self.bandwidth is not None:
            self._free_at = max(self._free_at, self._loop.time()) + size / self.bandwidth
        arriving: bytes | memoryview = data
        if self.corrupt_at is not None:
            if self.corrupt_at < size:
                damaged = bytearray(data)
                damaged[self.corrupt_at] ^= 1
                arriving = bytes(damaged)
                self.corrupt_at = None
            else:
                self.corrupt_at -= size
        self._changed()
        return arriving

    def clear(self) -> None:
        """Be an ordinary line again. The caller pumps every pipe afterwards."""
        self.bandwidth = self.budget = self.corrupt_at = None
        self._free_at = 0.0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._waiting:
            self._waiting.popleft().queued = False

    def _next(self) -> None:
        self._timer = None
        while self._waiting and not self.busy():
            pipe = self._waiting.popleft()
            pipe.queued = False
            pipe.pump()
        if self._waiting and self._timer is None:
            self._timer = self._loop.call_at(self._free_at, self._next)


class Pipe:
    """One direction of one connection: what its source sent and its sink did not get yet, in order.

    Args:
        lane: The direction it belongs to.
        link: The conditions it is under.
        finished: Called once an end of the stream has been handed on.
    """

    def __init__(self, lane: Lane, link: Conditions, finished: Callable[[], None]) -> None:
        self.queued = False
        self.frozen = False
        self.done = False
        self.source: asyncio.Transport | None = None
        self._lane = lane
        self._link = link
        self._finished = finished
        self._loop = asyncio.get_running_loop()
        self._sink: End | None = None
        self._sink_full = False
        self._items: deque[tuple[float, memoryview | _Mark]] = deque()
        self._held = 0
        self._last_due = 0.0
        self._closing = False
        self._paused = False
        self._timer: asyncio.Handle | None = None

    def feed(self, data: bytes) -> None:
        """Take what the source sent."""
        if self._closing:
            return
        self._held += len(data)
        self._append(memoryview(data))
        self._pace()

    def feed_eof(self) -> None:
        """The source sends no more, or is no longer listened to: a FIN follows what it sent."""
        if not self._closing:
            self._closing = True
            self._append(_EOF)

    def feed_reset(self) -> None:
        """The source is gone: a RST takes the place of what it sent and nobody got."""
        self.stop()
        self.done = False
        self._append(_RESET)

    def connect(self, sink: End) -> None:
        """Give the pipe its other end."""
        self._sink = sink
        self.pump()

    def hold(self) -> None:
        """The sink takes no more for now."""
        self._sink_full = True

    def release(self) -> None:
        """The sink takes more."""
        self._sink_full = False
        self.pump()

    def freeze(self) -> None:
        """Stop reading from the source, and forward nothing."""
        self.frozen = True
        self._pace()

    def stop(self) -> None:
        """Forward nothing, ever again."""
        self.done = self._closing = True
        self._items.clear()
        self._held = 0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def pump(self) -> None:
        """Forward what may be forwarded now, and see to it that the rest follows."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._items and self._sink is not None and not self._blocked():
            due, item = self._items[0]
            if due > self._loop.time():
                self._timer = self._loop.call_at(due, self.pump)
                break
            if isinstance(item, _Mark):
                self._end(item, self._sink)
                return
            if self._lane.busy():
                self.queued = True
                self._lane.wait(self)
                break
            self._send(item, due, self._sink)
            if self._link.slice_bytes is not None:
                self._timer = self._loop.call_soon(self._yield)
                break
        self._pace()

    def _yield(self) -> None:
        """Let a reader in this loop have a turn between two slices: its read is queued behind this call."""
        self._timer = self._loop.call_soon(self.pump)

    def _append(self, item: memoryview | _Mark) -> None:
        """Queue in order: jitter may delay, never overtake."""
        self._last_due = max(self._last_due, self._loop.time() + self._link.delay())
        self._items.append((self._last_due, item))
        if self._timer is None:
            self.pump()

    def _blocked(self) -> bool:
        return self._link.dark or self.frozen or self.queued or self._sink_full or self._lane.budget == 0

    def _send(self, item: memoryview, due: float, sink: End) -> None:
        size = min(len(item), self._lane.allowance(), self._link.slice_bytes or len(item))
        self._items.popleft()
        if size < len(item):
            self._items.appendleft((due, item[size:]))
        self._held -= size
        sink.write(self._lane.take(item[:size]))

    def _end(self, mark: _Mark, sink: End) -> None:
        self.stop()
        if mark is _EOF:
            sink.write_eof()
        else:
            sink.reset()
        self._finished()

    def _pace(self) -> None:
        """Read from the source while there is room for it."""
        pause = self.frozen or self._held >= _LIMIT
        if self.source is not None and pause != self._paused:
            self._paused = pause
            (self.source.pause_reading if pause else self.source.resume_reading)()
