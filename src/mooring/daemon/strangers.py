"""What a connection may cost the daemon, and those of nobody it knows."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Limits", "Strangers"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a connection may cost us.

    Attributes:
        head_bytes: Of a request's line and headers.
        head_seconds: From a request's first byte, or the connection's beginning, to the end of the head.
        body_seconds: Without a byte of a body that is not whole.
        write_seconds: Without a byte of an answer being taken.
        stranger_seconds: Until a client has shown who they are.
        strangers: Clients that have not, at once.
        pipelined: Requests sent ahead of their answers.
    """

    head_bytes: int = 65_536
    head_seconds: float = 10.0
    body_seconds: float = 30.0
    write_seconds: float = 30.0
    stranger_seconds: float = 20.0
    strangers: int = 64
    pipelined: int = 16


class Strangers:
    """The connections of nobody we know, oldest first.

    Args:
        most: At once; one more, and the oldest goes.
        seconds: For each.
    """

    def __init__(self, most: int, seconds: float) -> None:
        self._most = most
        self._seconds = seconds
        self._waiting: dict[object, tuple[asyncio.TimerHandle, Callable[[], object]]] = {}

    def add(self, stranger: object, end: Callable[[], object]) -> None:
        """It came; ``end`` would cut it off."""
        if len(self._waiting) >= self._most:
            self._end(next(iter(self._waiting)))
        timer = asyncio.get_running_loop().call_later(self._seconds, self._end, stranger)
        self._waiting[stranger] = timer, end

    def remove(self, stranger: object) -> None:
        """It went, or is none any more. Calling it again costs next to nothing."""
        if stranger in self._waiting:
            self._waiting.pop(stranger)[0].cancel()

    def _end(self, stranger: object) -> None:
        _, end = self._waiting[stranger]
        self.remove(stranger)
        end()
