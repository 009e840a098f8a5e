"""The terminal for synchronous code."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self

from ..model.errors import WaitTimeout
from ..session.arguments import check_seconds
from ..session.terminal.terminal import CLOSE_TIMEOUT

if TYPE_CHECKING:
    from types import TracebackType

    from ..model.result import TerminalEnd
    from ..session.terminal import Terminal as AsyncTerminal
    from ..session.terminal import TerminalView as AsyncView
    from .loop import LoopThread

__all__ = ["Terminal", "TerminalView"]


class TerminalView:
    """What a terminal shows, from some moment on; ``Terminal.view`` makes it. ``for data in view``, or ``read``.

    Args:
        view: Whom it stands for.
        alias: The session's name.
        thread: Where that lives.
    """

    def __init__(self, view: AsyncView, alias: str, thread: LoopThread) -> None:
        self._view = view
        self._alias = alias
        self._thread = thread

    @property
    def native(self) -> AsyncView:
        """The view it stands for."""
        return self._view

    @property
    def missed(self) -> int:
        """Bytes that went before they were read."""
        return self._view.missed

    @property
    def behind(self) -> int:
        """Bytes that are yet to be read, or were missed."""
        return self._thread.read(lambda: self._view.behind)

    def read(self, timeout: float | None = None) -> bytes:
        """What is shown next: at once where something is there, b"" when the terminal has ended.

        Args:
            timeout: Seconds to wait for it; None as long as the terminal lives.

        Raises:
            WaitTimeout: Nothing was shown in time.
        """
        check_seconds(timeout)
        return self._thread.call(self._read, timeout)

    async def _read(self, timeout: float | None) -> bytes:
        try:
            async with asyncio.timeout(timeout):
                return await self._view.read()
        except TimeoutError:
            raise WaitTimeout(f"the terminal on {self._alias} showed nothing within {timeout:g} s") from None

    def __iter__(self) -> Self:
        """What is shown, until the terminal has ended."""
        return self

    def __next__(self) -> bytes:
        """What is shown next."""
        if data := self.read():
            return data
        raise StopIteration


class Terminal:
    """``mooring.Terminal`` for synchronous code: ``with session.terminal() as terminal:``.

    Its methods take what those of ``mooring.Terminal`` take and raise what they raise. Any thread may call them.

    Args:
        terminal: Whom it stands for.
        thread: Where that lives.
    """

    def __init__(self, terminal: AsyncTerminal, thread: LoopThread) -> None:
        self._terminal = terminal
        self._thread = thread

    @property
    def alias(self) -> str:
        """The session's name."""
        return self._terminal.alias

    @property
    def size(self) -> tuple[int, int]:
        """Columns and rows."""
        return self._terminal.size

    @property
    def ended(self) -> bool:
        """Whether nothing runs on it: it has ended, or was never started."""
        return self._terminal.ended

    @property
    def received(self) -> int:
        """Bytes that it has shown."""
        return self._terminal.received

    @property
    def full_screen(self) -> bool:
        """Whether a program shows the alternate screen, as editors and pagers do."""
        return self._terminal.full_screen

    def start(self) -> Self:
        """Start what runs on it, as ``mooring.Terminal.start``; ``with`` does it."""
        self._thread.call(self._terminal.start)
        return self

    def view(self, *, scrollback: bool = True, leads: bool = False) -> TerminalView:
        """Look at what it shows, as ``mooring.Terminal.view``."""
        view = self._thread.read(self._terminal.view, scrollback=scrollback, leads=leads)
        return TerminalView(view, self.alias, self._thread)

    def leave(self, view: TerminalView) -> None:
        """A view looks no more."""
        self._thread.read(self._terminal.leave, view.native)

    def write(self, data: str | bytes, *, timeout: float | None = None) -> None:
        """Type something, as ``mooring.Terminal.write``."""
        self._thread.call(self._terminal.write, data, timeout=timeout)

    def resize(self, columns: int, rows: int) -> None:
        """It has another size, as ``mooring.Terminal.resize``."""
        self._thread.read(self._terminal.resize, columns, rows)

    def redraw(self) -> None:
        """Have a program that draws the whole screen draw it anew."""
        self._thread.read(self._terminal.redraw)

    def wait(self) -> TerminalEnd:
        """Wait until it has ended, as ``mooring.Terminal.wait``."""
        return self._thread.call(self._terminal.wait)

    def end(self) -> TerminalEnd:
        """How it ended, as ``mooring.Terminal.end``."""
        return self._thread.read(self._terminal.end)

    def close(self, timeout: float = CLOSE_TIMEOUT) -> None:
        """Hang up, as ``mooring.Terminal.close``."""
        if not (self._thread.forked or self._thread.ending):
            self._thread.call(self._terminal.close, timeout)

    def __enter__(self) -> Self:
        """Start it."""
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Hang up."""
        self.close()

    def __repr__(self) -> str:
        """A status line."""
        return repr(self._terminal)
