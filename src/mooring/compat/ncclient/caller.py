"""The way across to the loop that a session lives on: the blocking face's, or another one."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, ParamSpec, Protocol, TypeVar

from ...model.errors import SessionClosed, WrongThread

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

__all__ = ["Caller", "OtherLoop"]

_P = ParamSpec("_P")
_T = TypeVar("_T")


class Caller(Protocol):
    """What ``mooring.blocking``'s loop thread offers."""

    def check(self, function: Callable[..., object]) -> None:
        """Refuse the loop's own thread, and a forked process."""

    def call(self, function: Callable[_P, Coroutine[Any, Any, _T]], /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Run a coroutine function on the loop, and return or raise what it does."""

    def post(self, callback: Callable[[], object]) -> None:
        """Have something called on the loop, and do not wait."""


class OtherLoop:
    """A running loop of the caller's own.

    Args:
        loop: It; it runs in another thread than those that call.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def check(self, function: Callable[..., object]) -> None:
        """Refuse the loop's own thread.

        Raises:
            WrongThread: This is it.
        """
        with contextlib.suppress(RuntimeError):
            if asyncio.get_running_loop() is self._loop:
                name = getattr(function, "__qualname__", repr(function))
                msg = f"{name} was called from the loop that the session lives on, and would wait for itself"
                raise WrongThread(msg, hint="use asyncio.to_thread")

    def call(self, function: Callable[_P, Coroutine[Any, Any, _T]], /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Run a coroutine function on the loop, and return or raise what it does.

        Raises:
            WrongThread: This is the loop's own thread.
            SessionClosed: The loop has ended.
        """
        self.check(function)
        coroutine = function(*args, **kwargs)
        try:
            future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        except RuntimeError:
            coroutine.close()
            raise SessionClosed("the loop that the session lived on has ended") from None
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def post(self, callback: Callable[[], object]) -> None:
        """Have something called on the loop, and do not wait."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(callback)
