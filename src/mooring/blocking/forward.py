"""The forward for synchronous code."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self

from ..model.errors import WaitTimeout

if TYPE_CHECKING:
    from types import TracebackType

    from ..model.forward import ForwardState, ForwardStatus
    from ..session.forward import Forward as AsyncForward
    from .loop import LoopThread

__all__ = ["Forward"]


class Forward:
    """``mooring.Forward`` for synchronous code: ``with session.forward_local(0, "db:5432") as forward:``.

    Args:
        forward: Whom it stands for.
        thread: Where that lives.
    """

    def __init__(self, forward: AsyncForward, thread: LoopThread) -> None:
        self._forward = forward
        self._thread = thread

    @property
    def name(self) -> str:
        """Its name."""
        return self._forward.name

    @property
    def state(self) -> ForwardState:
        """Where it stands."""
        return self._thread.read(lambda: self._forward.state)

    def get_port(self) -> int:
        """The TCP port that it listens on; 0 where it listens on a Unix socket."""
        return self._forward.get_port()

    def status(self) -> ForwardStatus:
        """How it stands."""
        return self._thread.read(self._forward.status)

    def close(self) -> None:
        """Listen no more, cut what goes through it, and return when that is done."""
        if not (self._thread.forked or self._thread.ending):
            self._thread.call(self._forward.__aexit__, None, None, None)

    def wait_closed(self, timeout: float | None = None) -> None:
        """Wait until it is closed, by another thread or with its session.

        Args:
            timeout: Seconds; None waits for as long as that takes.

        Raises:
            WaitTimeout: It still stands.
        """
        self._thread.call(self._wait_closed, timeout)

    async def _wait_closed(self, timeout: float | None) -> None:
        try:
            async with asyncio.timeout(timeout):
                await self._forward.wait_closed()
        except TimeoutError:
            raise WaitTimeout(f"forward {self.name} was not closed within {timeout:g} s") from None

    def __enter__(self) -> Self:
        """Itself: it stands already."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    def __repr__(self) -> str:
        """A status line."""
        return repr(self._forward)
