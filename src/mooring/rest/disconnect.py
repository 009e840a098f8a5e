"""A request whose client has left is not worth going on with."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from .asked import Asked

__all__ = ["ClientGone", "while_connected"]

_T = TypeVar("_T")


class ClientGone(Exception):
    """The client left before it was answered: there is nobody to answer."""


def _unwatched(_: object) -> bool:
    """A server that does not tell."""
    return True


async def while_connected(request: Asked, work: Coroutine[Any, Any, _T]) -> _T:
    """Do something for as long as the client is there: Litestar would let a handler run to its end.

    Call it once the body has been read. Cancelling passes through to ``work``.

    Args:
        request: Whose client.
        work: What; it is cancelled when the client leaves.

    Returns:
        What ``work`` returns.

    Raises:
        ClientGone: The client left; ``work`` has ended.
    """
    ours = asyncio.current_task()
    assert ours is not None  # noqa: S101 - a coroutine runs in a task
    gone = False

    def left() -> None:
        nonlocal gone
        gone = True
        ours.cancel()

    watch = request.scope["state"].get("watch", _unwatched)
    if not watch(left):
        work.close()
        raise ClientGone
    # It is told only while we wait for `work`, so that its cancellation ends that and nothing else.
    try:
        return await work
    except asyncio.CancelledError:
        if gone and not ours.uncancel():
            raise ClientGone from None
        raise
    finally:
        watch(None)
