"""Records that are waited for: those that the disk is given together, and each of them."""

from __future__ import annotations

import asyncio
from typing import Final

from ...model.errors import StateError

__all__ = ["NOBODY_WAITS", "Batch", "Entry"]

_TIMEOUT: Final = 30.0
"""Seconds for the disk to keep a record."""


class Batch:
    """Records that the disk is given together, and who waits for that.

    Attributes:
        done: Whether that is over.
        error: Why it did not take them.
    """

    __slots__ = ("_waiting", "done", "error")

    def __init__(self) -> None:
        self.done = False
        self.error: StateError | None = None
        self._waiting: list[asyncio.Future[None]] = []

    def end(self, error: StateError | None = None) -> None:
        """It is over, for those who wait."""
        self.done, self.error = True, error
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)
        self._waiting.clear()

    async def wait(self) -> None:
        """Wait until it is over. Cancelling is safe."""
        if not self.done:
            waiter = asyncio.get_running_loop().create_future()
            self._waiting.append(waiter)
            await waiter


NOBODY_WAITS: Final = Batch()
"""The disk gets them when it does."""
NOBODY_WAITS.end()


class Entry:
    """A record that was written.

    Attributes:
        seq: Its number; 0 where it has none yet.
        batch: What it is given to the disk with.
    """

    __slots__ = ("batch", "seq")

    def __init__(self, seq: int, batch: Batch) -> None:
        self.seq = seq
        self.batch = batch

    async def kept(self) -> None:
        """Wait for as long as was asked for: not at all, or until the disk has it, for 30 seconds at most.

        Cancelling is safe.

        Raises:
            StateError: The disk did not take it.
        """
        batch = self.batch
        if not batch.done:
            try:
                async with asyncio.timeout(_TIMEOUT):
                    await batch.wait()
            except TimeoutError:
                raise StateError("it was begun, and the disk does not answer that it is recorded") from None
        if batch.error is not None:
            error = batch.error
            raise StateError(f"it was begun, and could not be recorded: {error.message}", hint=error.hint)
