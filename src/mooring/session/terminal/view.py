"""One who looks at a terminal: a place in its scroll-back."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Self

from ...wire.screen import Modes

if TYPE_CHECKING:
    from collections.abc import Callable

    from .scrollback import Scrollback

__all__ = ["TerminalView"]

_CHUNK: Final = 64 * 1024


class TerminalView:
    """What a terminal shows, from some moment on; ``Terminal.view`` makes it. ``async for data in view``, or ``read``.

    It holds nothing back and up nobody: who is slower than the scroll-back is long misses something, and goes on with
    what is left of it.

    Args:
        scrollback: What the terminal has shown.
        again: Whether to begin with what is kept of it.
        moved: Called when it has read on.
    """

    def __init__(self, scrollback: Scrollback, *, again: bool, moved: Callable[[TerminalView], None]) -> None:
        self._scrollback = scrollback
        self._moved = moved
        self._news = asyncio.Event()
        self._ended = False
        self._first = scrollback.again() if again else Modes().towards(scrollback.now)
        self.position = scrollback.end
        """How far it has read, in bytes that the terminal has shown."""
        self.missed = 0
        """Bytes that went before they were read."""
        self._modes = Modes()
        self._modes.feed(self._first)

    @property
    def begins(self) -> bool:
        """Whether some of what it began with is yet to be read."""
        return bool(self._first)

    @property
    def behind(self) -> int:
        """Bytes that are yet to be read, or were missed."""
        return self._scrollback.end - self.position

    async def read(self) -> bytes:
        """What is shown next: at once where something is there, b"" when the terminal has ended.

        Cancelling is safe.
        """
        while True:
            if data := self.take():
                return data
            if self._ended:
                return b""
            await self.wait()

    def take(self) -> bytes:
        """What is there now; b"" where nothing is. Only for who does not ``read``."""
        if self._first:
            data, self._first = self._first[:_CHUNK], self._first[_CHUNK:]
            return data
        lost = self._scrollback.start - self.position
        bridge = b""
        if lost > 0:
            self.missed += lost
            self.position += lost
            before = self._scrollback.before
            bridge = self._modes.towards(before) + before.unfinished
        data = bridge + self._scrollback.since(self.position, _CHUNK)
        if data:
            self._modes.feed(data)
            self.position += len(data) - len(bridge)
            self._moved(self)
        return data

    async def wait(self) -> None:
        """Wait until there is something, or ``tell`` was called. Cancelling is safe."""
        self._news.clear()
        if not (self.behind or self._first or self._ended):
            await self._news.wait()

    def tell(self, *, ended: bool = False) -> None:
        """There is something: output, an end, or what the caller knows of."""
        self._ended = self._ended or ended
        self._news.set()

    def __aiter__(self) -> Self:
        """What is shown, until the terminal has ended."""
        return self

    async def __anext__(self) -> bytes:
        """What is shown next."""
        if data := await self.read():
            return data
        raise StopAsyncIteration
