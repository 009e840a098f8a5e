"""A thread that does one thing after the other, so that a slow disk holds up nothing else."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import queue
import threading
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Worker"]

_T = TypeVar("_T")
_log: Final = logging.getLogger(__name__)


class Worker:
    """The thread, for the loop that is running.

    It does not keep the process from ending: a disk that hangs would hold it for ever.

    Args:
        name: Its name.
    """

    def __init__(self, name: str) -> None:
        self._loop = asyncio.get_running_loop()
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def put(self, job: Callable[[], None]) -> None:
        """Have something done after all that was asked for before; it should not raise."""
        self._jobs.put(job)

    def tell(self, callback: Callable[..., None], *arguments: Any) -> None:
        """In the thread: have the loop call something."""
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
            self._loop.call_soon_threadsafe(callback, *arguments)

    def submit(self, work: Callable[[], _T], then: Callable[[_T | None, BaseException | None], None]) -> None:
        """Have something done, and tell the loop what came of it.

        Args:
            work: What to do.
            then: Called in the loop with what it returned, or raised.
        """

        def job() -> None:
            try:
                result = work()
            except BaseException as error:  # noqa: BLE001 - told to who asked
                self.tell(then, None, error)
            else:
                self.tell(then, result, None)

        self.put(job)

    async def ask(self, work: Callable[[], _T], timeout: float) -> _T:
        """Have something done, and wait for it. Cancelling is safe: it is done nevertheless.

        Args:
            work: What to do.
            timeout: Seconds to wait.

        Raises:
            TimeoutError: It takes longer, and may yet be done.
            BaseException: Whatever it raises.
        """
        answer: asyncio.Future[_T] = self._loop.create_future()

        def tell(result: _T | None, error: BaseException | None) -> None:
            if answer.done():
                return
            if error is not None:
                answer.set_exception(error)
            else:
                answer.set_result(result)  # type: ignore[arg-type] # it is one where there is no error

        self.submit(work, tell)
        async with asyncio.timeout(timeout):
            return await answer

    def close(self, timeout: float) -> None:
        """End it after what was asked for.

        Args:
            timeout: Seconds to wait; it is left alone then.
        """
        self._jobs.put(None)
        self._thread.join(timeout)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                job()
            except Exception:  # noqa: BLE001 - what comes next must be done: nobody else would
                _log.exception("the thread %s goes on after a fault", threading.current_thread().name)
