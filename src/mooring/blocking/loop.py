"""The loop thread of a process, and the way across to it."""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import contextlib
import functools
import logging
import math
import os
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, Final, Generic, ParamSpec, TypeVar

from ..model.errors import SessionClosed, WrongThread
from .inherited import Sockets, new_loop

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from contextlib import AbstractAsyncContextManager

__all__ = ["LOOK", "LoopThread", "loop_thread", "shutdown"]

_P = ParamSpec("_P")
_T = TypeVar("_T")

_GOODBYE: Final = 10.0
"""Seconds for everything that is open to close at the end: a session takes five at most."""
_CANCELLED: Final = 6.0
"""Seconds that a cancelled call may take to clean up: closing a session is the longest."""

LOOK: Final = 0.5
"""Seconds that the main thread waits at a time. A signal that comes while CPython is on its way into a lock wakes
nothing, and its handler runs when the wait ends: on a busy machine one Ctrl-C of thirty came to nothing."""

_log: Final = logging.getLogger(__name__)


class LoopThread:
    """One event loop in a daemon thread, and what was opened on it.

    It belongs to the process that made it. In a forked child it is kept for ever and never run: were it
    collected, its coroutines would be ended there, and say goodbye on the parent's connections.
    """

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.sockets = Sockets()
        self._loop = new_loop(self.sockets)
        self._executor = concurrent.futures.ThreadPoolExecutor(thread_name_prefix="mooring")
        self._loop.set_default_executor(self._executor)
        self._stop = asyncio.Event()
        self._gate = threading.RLock()  # a signal handler may call while the call it interrupts is at the gate
        self._ending = False
        self._held: list[AbstractAsyncContextManager[Any]] = []
        self._leaving: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._main, name="mooring", daemon=True)
        self._thread.start()

    @property
    def ending(self) -> bool:
        """Whether it takes no more calls."""
        return self._ending

    @property
    def forked(self) -> bool:
        """Whether this process is not the one it belongs to."""
        return os.getpid() != self.pid

    def check_process(self) -> None:
        """Refuse a forked child.

        Raises:
            SessionClosed: This process is not the one it belongs to.
        """
        if self.forked:
            msg = f"it was opened in process {self.pid}, and this is process {os.getpid()}, forked from it"
            raise SessionClosed(msg, hint="connections stay with their process: open another one in this")

    def check(self, function: Callable[..., object]) -> None:
        """Refuse a forked child, and the loop's own thread: nothing may wait for the loop there.

        Args:
            function: What is called, for the message.

        Raises:
            WrongThread, SessionClosed: As ``call``.
        """
        self.check_process()
        if threading.get_ident() == self._thread.ident:
            msg = f"{_name(function)} was called from mooring.blocking's own loop, and would wait for itself"
            raise WrongThread(msg, hint="callbacks run on that loop: do it in another thread")

    def call(self, function: Callable[_P, Coroutine[Any, Any, _T]], /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Run a coroutine function on the loop, and return or raise what it does.

        What a signal handler raises meanwhile cancels it, and passes through when it has ended.

        Raises:
            WrongThread: This is the loop's own thread.
            SessionClosed: This process is a forked child, or the loop has ended.
        """
        self.check(function)
        call = _Call(self._loop, functools.partial(function, *args, **kwargs))
        try:
            self._submit(call)
            return call.result()
        except BaseException:
            if not call.over:
                self.post(call.cancel)
                call.wait(_CANCELLED)
            raise

    def read(self, function: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Call a plain function on the loop, where nothing changes under its eyes.

        Raises:
            WrongThread, SessionClosed: As ``call``.
        """

        async def read() -> _T:
            return function(*args, **kwargs)

        read.__qualname__ = _name(function)
        return self.call(read)

    def post(self, callback: Callable[[], object]) -> None:
        """Have something called on the loop and do not wait: for finalisers, which run in any thread at any moment."""
        if not self.forked:
            with contextlib.suppress(RuntimeError):  # the loop is closed, and with it all that could be told
                self._loop.call_soon_threadsafe(callback)

    def enter(self, context: AbstractAsyncContextManager[_T], caller: str) -> _T:
        """Enter a context manager on the loop; it is left at the end of the process at the latest.

        Args:
            context: Which.
            caller: The function that is called, for WrongThread.

        Raises:
            WrongThread, SessionClosed: As ``call``.
        """
        entered = False

        async def enter() -> _T:
            nonlocal entered
            value = await context.__aenter__()
            self._held.append(context)
            entered = True
            return value

        enter.__qualname__ = caller
        try:
            return self.call(enter)
        except BaseException:
            if entered:  # and interrupted at that very moment
                self.leave(context, caller)
            raise

    def leave(self, context: AbstractAsyncContextManager[object], caller: str) -> None:
        """Leave a context manager, unless that was done. A forked child has nothing to leave.

        Args:
            context: Which.
            caller: The function that is called, for WrongThread.

        Raises:
            WrongThread: As ``call``.
        """
        if self.forked or context not in self._held:
            return

        async def leave() -> None:
            await self._leave(context)

        leave.__qualname__ = caller
        try:
            self.call(leave)
        except WrongThread:
            raise
        except SessionClosed:
            return  # the end of the loop leaves them all
        except BaseException:
            self.post(lambda: self._start_leaving(context))  # interrupted before it began
            raise

    def _start_leaving(self, context: AbstractAsyncContextManager[object]) -> None:
        task = self._loop.create_task(self._leave(context))
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    async def _leave(self, context: AbstractAsyncContextManager[object]) -> None:
        if context in self._held:
            self._held.remove(context)
            await context.__aexit__(None, None, None)

    def _submit(self, call: _Call[_T]) -> None:
        with self._gate:  # what is handed over before the end is cancelled by it, so that nobody waits for ever
            if self._ending:
                call.over = True  # before it began
                raise _ended()
            self._loop.call_soon_threadsafe(call.start)

    def end(self) -> None:
        """Close what is open and end the thread, within a bounded time whatever the peers do.

        Raises:
            WrongThread: This is the loop's own thread.
        """
        if threading.get_ident() == self._thread.ident:
            msg = "shutdown was called from mooring.blocking's own loop, and would wait for itself"
            raise WrongThread(msg)
        with self._gate:
            self._ending = True
        self.post(self._stop.set)
        self._thread.join(_GOODBYE + 2 * _CANCELLED)
        if self._thread.is_alive():
            _log.warning("the loop of mooring.blocking has not ended within %g s", _GOODBYE + 2 * _CANCELLED)

    def _main(self) -> None:
        try:
            self._loop.run_until_complete(self._stop.wait())
        finally:
            with self._gate:
                self._ending = True
            self._loop.run_until_complete(self._wind_up())
            self._executor.shutdown(cancel_futures=True)
            self._loop.close()

    async def _wind_up(self) -> None:
        closing = [asyncio.create_task(self._leave(context)) for context in tuple(self._held)]
        if closing:
            await asyncio.wait(closing, timeout=_GOODBYE)
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        if rest:
            await asyncio.wait(rest, timeout=_CANCELLED)
        await self._loop.shutdown_asyncgens()


class _Call(Generic[_T]):
    """A call that a thread waits for.

    What a signal handler raises may come between any two steps of that thread. A coroutine is therefore made on the
    loop, and the wait is for a lock of C: `threading.Condition`, and with it a `Future`, breaks if it comes inside.

    Args:
        loop: Where it runs.
        function: What.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, function: Callable[[], Coroutine[Any, Any, _T]]) -> None:
        self.over = False
        self._loop = loop
        self._function = function
        self._task: asyncio.Task[_T] | None = None
        self._running = threading.Lock()
        self._running.acquire()

    def start(self) -> None:
        """Begin, unless it was cancelled; on the loop."""
        if not self.over:
            self._task = self._loop.create_task(self._function())
            self._task.add_done_callback(self._end)

    def cancel(self) -> None:
        """Cancel it; on the loop. It is over when it has ended."""
        if self._task is not None:
            self._task.cancel()
        elif not self.over:
            self._end(None)

    def _end(self, _: object) -> None:
        self.over = True
        self._running.release()

    def wait(self, timeout: float = math.inf) -> None:
        """Wait until it is over.

        Args:
            timeout: Seconds at most.
        """
        until = time.monotonic() + timeout
        look = LOOK if threading.current_thread() is threading.main_thread() else timeout
        while not self.over and (left := until - time.monotonic()) > 0:
            self._running.acquire(timeout=min(look, left, threading.TIMEOUT_MAX))

    def result(self) -> _T:
        """Wait, and return or raise what it does.

        Raises:
            SessionClosed: The loop ended.
        """
        self.wait()
        task, self._task = self._task, None  # an error's traceback has this frame
        if task is None or task.cancelled():
            raise _ended()
        return task.result()


def _ended() -> SessionClosed:
    return SessionClosed("mooring.blocking was shut down", hint="open another pool or session")


def _name(function: Callable[..., object]) -> str:
    """How its caller knows it: ``Process.wait`` for ``Process._wait``."""
    if (owner := getattr(function, "__self__", None)) is not None:  # its class, not the base that has the method
        name = f"{type(owner).__name__}.{function.__name__}"
    else:
        name = function.__qualname__.partition(".<locals>")[0]
    return name.replace("._", ".").lstrip("_")


_threads: Final[dict[int, LoopThread]] = {}
"""By process id: this process's, and those it inherited."""
_starting = threading.RLock()  # as LoopThread's gate


def loop_thread() -> LoopThread:
    """This process's loop thread; started if there is none."""
    with _starting:
        thread = _threads.get(os.getpid())
        if thread is None or thread.ending:
            thread = _threads[os.getpid()] = LoopThread()
        return thread


def shutdown() -> None:
    """Close all that is open in this process, and end the loop's thread; the next ``with`` starts another.

    Called by itself at the end of the program. What waits in other threads gets SessionClosed or SessionLost.
    Takes as long as the slowest peer needs to say goodbye, and half a minute at most.

    Raises:
        WrongThread: It was called from the loop's own thread.
    """
    thread = _threads.get(os.getpid())
    if thread is not None:
        thread.end()


def _after_fork_in_child() -> None:
    global _starting  # noqa: PLW0603 - it may be held by a thread that is not here
    _starting = threading.RLock()
    for thread in _threads.values():
        thread.sockets.let_go()


atexit.register(shutdown)
if sys.platform != "win32":
    os.register_at_fork(after_in_child=_after_fork_in_child)
