"""The pipe for synchronous code."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Self

from ..model.errors import PipeTimeout
from ..session.arguments import check_seconds
from ..session.pipe.pipe import CLOSE_TIMEOUT

if TYPE_CHECKING:
    from types import TracebackType

    from ..model.result import PipeEnd
    from ..model.status import PipeStatus
    from ..session.pipe import Pipe as AsyncPipe
    from .loop import LoopThread

__all__ = ["Pipe"]


class Pipe:
    """``mooring.Pipe`` for synchronous code: ``with session.pipe(...) as pipe:``, ``for message in pipe:``.

    Its methods take what those of ``mooring.Pipe`` take and raise what they raise. Any thread may call them.

    Args:
        pipe: Whom it stands for.
        thread: Where that lives.
    """

    def __init__(self, pipe: AsyncPipe, thread: LoopThread) -> None:
        self._pipe = pipe
        self._thread = thread

    def start(self) -> Self:
        """Start the handler, as ``mooring.Pipe.start``."""
        self._thread.call(self._pipe.start)
        return self

    def status(self) -> PipeStatus:
        """How it stands."""
        return self._thread.read(self._pipe.status)

    def send(self, message: object, *, timeout: float | None = None) -> None:
        """Send a message, as ``mooring.Pipe.send``."""
        self._thread.call(self._pipe.send, message, timeout=timeout)

    def request(self, message: object, *, timeout: float | None = None) -> Any:  # noqa: ANN401 - the answer
        """Send a message and wait for its answer, as ``mooring.Pipe.request``."""
        return self._thread.call(self._pipe.request, message, timeout=timeout)

    def receive(self, *, timeout: float | None = None) -> Any:  # noqa: ANN401 - whatever was sent
        """The next message.

        Args:
            timeout: Seconds to wait for it; None as long as the handler lives.

        Raises:
            PipeTimeout: None came in time.
            EOFError: None will come: the pipe was closed.
            HandlerEnded, HandlerFailed, PipeBroken, SessionLost: The pipe has ended.
        """
        check_seconds(timeout)
        return self._thread.call(self._receive, timeout)

    async def _receive(self, timeout: float | None) -> Any:  # noqa: ANN401 - whatever was sent
        try:
            async with asyncio.timeout(timeout):
                return await anext(self._pipe)
        except StopAsyncIteration:
            raise EOFError("the pipe was closed") from None
        except TimeoutError:
            raise PipeTimeout(f"no message came within {timeout:g} s") from None

    def close(self, timeout: float | None = CLOSE_TIMEOUT) -> PipeEnd:
        """Let the handler end, as ``mooring.Pipe.close``."""
        return self._thread.call(self._pipe.close, timeout)

    def wait(self) -> PipeEnd:
        """Wait until the handler has ended by itself, as ``mooring.Pipe.wait``."""
        return self._thread.call(self._pipe.wait)

    @property
    def ended(self) -> bool:
        """Whether nothing more can be sent."""
        return self._pipe.ended

    def __iter__(self) -> Self:
        """The handler's messages, until the pipe is closed."""
        return self

    def __next__(self) -> Any:  # noqa: ANN401 - whatever was sent
        """The next message."""
        try:
            return self.receive()
        except EOFError:
            raise StopIteration from None

    def __enter__(self) -> Self:
        """Start it."""
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it; after an error in the block, without waiting for what was sent."""
        self._thread.call(self._pipe.__aexit__, kind, error, trace)
