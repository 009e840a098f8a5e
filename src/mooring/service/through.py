"""A change that must not stop half-way."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine

__all__ = ["through"]

_T = TypeVar("_T")


async def through(change: Coroutine[Any, Any, _T]) -> _T:
    """Await a change to its end, also when cancelled: the cancellation passes then.

    What the change awaits has deadlines, and so this has one.
    """
    task = asyncio.create_task(change)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait((task,))
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        if not task.cancelled():
            task.exception()  # seen: the caller who would be told has gone
        raise cancelled
    return task.result()
