"""A thread of one's own for calls that may not come back, as those to a file system that hangs."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Aside"]

_T = TypeVar("_T")
_Call = tuple[asyncio.Future[Any], "Callable[[], Any]", "Callable[[Any], object] | None"]


class Aside:
    """Makes calls one after the other in a thread that nobody waits for at the end: it may hang for good.

    The loop's own pool would do for neither: a few mounts that hang would stop all that it does, names of hosts among
    it, and the program would not end. ``close`` it.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._calls: SimpleQueue[_Call | None] = SimpleQueue()
        self._answers: deque[tuple[_Call, Any, BaseException | None]] = deque()
        self._thread: Thread | None = None
        self._ended = asyncio.Event()
        self._waiting = 0

    async def call(self, function: Callable[[], _T], *, undo: Callable[[_T], object] | None = None) -> _T:
        """Make a call there, and return or raise what it does.

        Cancelling is safe: the call is made nevertheless, in its turn, and ``undo`` is called with what it returns.
        """
        if self._thread is None:
            self._thread = Thread(target=self._run, name="files", daemon=True)
            self._thread.start()
        future: asyncio.Future[_T] = self._loop.create_future()
        self._waiting += 1
        self._calls.put((future, function, undo))
        return await future

    async def close(self) -> None:
        """End the thread when it has made all calls; wait for that unless one of them hangs."""
        if self._thread is None:
            return
        self._calls.put(None)
        if not self._waiting:
            await self._ended.wait()

    def _run(self) -> None:
        while (call := self._calls.get()) is not None:
            _, function, undo = call
            result, error = None, None
            try:
                result = function()
            except BaseException as raised:  # noqa: BLE001 - it is raised where it was asked for
                error = raised
            self._answers.append((call, result, error))
            if not self._tell(self._answer) and undo is not None and error is None:
                undo(result)
        self._tell(self._ended.set)

    def _tell(self, what: Callable[[], object]) -> bool:
        try:
            self._loop.call_soon_threadsafe(what)
        except RuntimeError:  # the loop is closed: nobody waits
            return False
        return True

    def _answer(self) -> None:
        (future, _, undo), result, error = self._answers.popleft()
        self._waiting -= 1
        if future.cancelled():
            if undo is not None and error is None:
                with contextlib.suppress(OSError):
                    undo(result)
        elif error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)
