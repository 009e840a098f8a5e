"""What comes one after the other, as iterators: outcomes of a fan-out, and events."""

from __future__ import annotations

import asyncio
import contextlib
import queue
from typing import TYPE_CHECKING, Self

from ..model.errors import SessionClosed, WaitTimeout
from .loop import LOOK

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from types import TracebackType

    from ..model.event import Event
    from ..model.result import RunOutcome
    from ..pool.events import EventStream
    from .loop import LoopThread

__all__ = ["Events", "Outcomes"]

_Queue = queue.SimpleQueue["RunOutcome | Exception | None"]


class Outcomes:
    """The outcomes of ``Pool.run``, as they come. The first ``next`` starts the commands.

    Dropping it stops what is under way; closing it, or using it as a context manager, also waits until that is done.

    Args:
        stream: Where they come from.
        thread: Where that lives.
    """

    _feeder: asyncio.Task[None] | None = None

    def __init__(self, stream: AsyncGenerator[RunOutcome], thread: LoopThread) -> None:
        self._stream = stream
        self._thread = thread
        self._queue: _Queue = queue.SimpleQueue()  # one crossing for all of them instead of one for each
        self._closed = False

    def __iter__(self) -> Self:
        """Itself."""
        return self

    def __next__(self) -> RunOutcome:
        """The next outcome.

        Raises:
            SessionClosed: ``shutdown`` came before the end.
        """
        self._thread.check_process()
        if self._closed:
            raise StopIteration
        try:
            if self._feeder is None:
                self._thread.call(self._start)
            found = self._take()
        except BaseException:
            self.close()
            raise
        if found is None or isinstance(found, Exception):
            self._queue.put(None)  # for whoever else waits
            if found is None or self._closed:
                raise StopIteration
            raise found
        return found

    def _take(self) -> RunOutcome | Exception | None:
        while True:
            with contextlib.suppress(queue.Empty):
                return self._queue.get(timeout=LOOK)

    async def _start(self) -> None:
        if self._feeder is None:  # several threads may ask for the first outcome
            self._feeder = asyncio.create_task(_feed(self._stream, self._queue), name="feeder of outcomes")
            await asyncio.sleep(0)  # from here on it runs, so that its end is told whatever happens

    def close(self) -> None:
        """Stop what is under way, and return when that is done. Safe to call twice."""
        self._closed = True
        if self._feeder is not None and not (self._thread.forked or self._thread.ending):
            self._thread.call(_stop, self._feeder)

    def __del__(self) -> None:
        if self._feeder is not None:
            self._thread.post(self._feeder.cancel)

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()


async def _feed(stream: AsyncGenerator[RunOutcome], found: _Queue) -> None:
    """Hand over every outcome, and then None or an error. It knows no iterator, so that one can be dropped."""
    end: Exception | None = None
    try:
        async with contextlib.aclosing(stream):
            async for outcome in stream:
                found.put(outcome)
    except asyncio.CancelledError:
        end = SessionClosed("mooring.blocking was shut down before the fan-out had ended")
        raise
    except Exception as error:  # noqa: BLE001 - raised where the outcomes are read
        end = error
    finally:
        found.put(end)


async def _stop(feeder: asyncio.Task[None]) -> None:
    feeder.cancel()
    await asyncio.wait((feeder,))


class Events:
    """The events of ``Pool.events``. Use it as a context manager, or call ``close()``.

    Args:
        stream: Where they come from.
        thread: Where that lives.
        timeout: Seconds to wait for each; None waits as long as the pool is open.
    """

    def __init__(self, stream: EventStream, thread: LoopThread, timeout: float | None) -> None:
        self._stream = stream
        self._thread = thread
        self._timeout = timeout

    def __iter__(self) -> Self:
        """Itself."""
        return self

    def __next__(self) -> Event:
        """The next event. Ends when it or the pool is closed.

        Raises:
            WaitTimeout: There was none in time; the next call waits again, and none is lost.
        """
        event = self._thread.call(self._next)
        if event is None:
            raise StopIteration
        return event

    async def _next(self) -> Event | None:
        try:
            async with asyncio.timeout(self._timeout):
                return await anext(self._stream, None)
        except TimeoutError:
            msg = f"there was no event within {self._timeout:g} s"
            raise WaitTimeout(msg) from None

    def close(self) -> None:
        """Listen no more; what has happened can still be read."""
        self._thread.post(self._stream.close)

    def __del__(self) -> None:
        self.close()

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Listen no more."""
        self.close()
