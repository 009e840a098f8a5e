"""Events to whoever listens: bounded, and what a slow reader missed is counted."""

from __future__ import annotations

import asyncio
import time
import weakref
from collections import deque
from typing import TYPE_CHECKING, Final, Self

from ..model.event import Event, EventKind

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

__all__ = ["BACKLOG", "EventHub", "EventStream"]

BACKLOG: Final = 10_000
"""Events kept for a reader: a fleet of thousands cut at once makes two or three each."""


class EventStream:
    """The events from now on: ``async for event in stream``.

    A reader that falls more than ``backlog`` behind loses the oldest, and is told how many by a ``LOST`` event
    in their place. Use it as a context manager, or call ``close()``.
    """

    def __init__(self, hub: EventHub, backlog: int, wanted: Callable[[Event], bool] | None = None) -> None:
        self._hub = hub
        self._wanted = wanted
        self._queue: deque[Event] = deque()
        self._backlog = backlog
        self._lost = 0
        self._some = asyncio.Event()
        self._closed = False

    def __aiter__(self) -> Self:
        """Itself."""
        return self

    async def __anext__(self) -> Event:
        """The next event. Cancelling is safe: none is lost. Ends when the stream or the pool is closed."""
        while not self._queue:
            if self._closed:
                raise StopAsyncIteration
            self._some.clear()
            await self._some.wait()
        if self._lost:
            lost, self._lost = self._lost, 0
            reason = f"{lost} events were dropped because the reader was slow"
            return Event(kind=EventKind.LOST, alias="", at=time.time(), reason=reason, lost=lost)
        return self._queue.popleft()

    def put(self, event: Event) -> bool:
        """Take an event, if it is wanted; False when an older one had to go for it."""
        if self._wanted is not None and not self._wanted(event):
            return True
        full = len(self._queue) >= self._backlog
        if full:
            self._queue.popleft()
            self._lost += 1
        self._queue.append(event)
        self._some.set()
        return not full

    def close(self) -> None:
        """Listen no more; what is queued can still be read."""
        self._closed = True
        self._some.set()
        self._hub.forget(self)

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Listen no more."""
        self.close()


class EventHub:
    """Gives every event to every stream."""

    def __init__(self) -> None:
        # Weakly: who drops a stream without closing it reads no more.
        self._streams: weakref.WeakSet[EventStream] = weakref.WeakSet()
        self._closed = False
        self.lost = 0

    def listen(self, backlog: int = BACKLOG, wanted: Callable[[Event], bool] | None = None) -> EventStream:
        """The events from this moment on; none where the hub is closed."""
        stream = EventStream(self, backlog, wanted)
        self._streams.add(stream)
        if self._closed:
            stream.close()
        return stream

    def emit(self, event: Event) -> None:
        """Give an event out."""
        for stream in self._streams:
            self.lost += not stream.put(event)

    def forget(self, stream: EventStream) -> None:
        """Give it no more."""
        self._streams.discard(stream)

    def close(self) -> None:
        """End every stream, later ones too."""
        self._closed = True
        for stream in tuple(self._streams):
            stream.close()
