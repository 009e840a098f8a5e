"""The near end of a pipe on a loop: who waits for room, for a message, for an answer. No I/O but a ``write``."""

from __future__ import annotations

import asyncio
import copy
import logging
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from ...model.status import PipeStatus
from ...wire.near import Answered, Logged, NearEnd, Said

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...model.errors import MooringError

__all__ = ["Near"]

_FULL: Final = 1 << 16
"""Bytes that are written without waiting for the end of the turn."""


class Near:
    """One pipe's waiters.

    Feed ``receive`` with what comes; it raises FrameError on what may not. ``fail`` ends it for everybody who waits.

    Args:
        alias: The session's name, for messages.
        codec: ``json`` or ``pickle``.
        logger: Gets the handler's log records.
        write: Sends bytes.
    """

    def __init__(self, alias: str, codec: str, logger: logging.Logger, write: Callable[[bytes], None]) -> None:
        self.alias = alias
        self.state = NearEnd(alias, codec)
        """What was sent, and has come."""
        self.failure: MooringError | None = None
        """Why nothing more can be sent or received."""
        self._loop = asyncio.get_running_loop()
        self.acknowledged: asyncio.Future[None] = self._loop.create_future()
        self._logger = logger
        self._write = write
        self._out: list[bytes] = []
        self._out_size = 0
        self._busy = False
        self._inbox: deque[Said] = deque()
        self._readers: set[asyncio.Future[None]] = set()
        self._read_before = False
        self._senders: deque[asyncio.Future[None]] = deque()
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._received = self._dropped = 0

    def hello(self) -> bytes:
        """What the near end begins with."""
        return self.state.hello(self._logger.getEffectiveLevel())

    def status(self) -> PipeStatus:
        """How it stands."""
        state, told = self.state, self.state.acknowledged
        return PipeStatus(
            alias=self.alias,
            handler=told.name if told else None,
            pid=told.pid if told else None,
            python=told.python if told else None,
            sent=state.sent,
            received=self._received,
            unfinished=state.unfinished,
            unanswered=len(state.asked),
            waiting=len(self._inbox),
            room=state.room,
            dropped=self._dropped,
        )

    # Sending.

    @property
    def has_room(self) -> bool:
        """Whether a message may be sent without waiting."""
        return self.state.room > 0 and not self._senders

    async def wait_room(self) -> None:
        """Wait until a message may be sent; who is woken sends at once, or wakes the next. Cancelling is safe."""
        if self.has_room:
            return
        queue = self._senders.append
        while True:
            waiter: asyncio.Future[None] = self._loop.create_future()
            queue(waiter)
            try:
                await waiter
            except asyncio.CancelledError:
                if waiter in self._senders:
                    self._senders.remove(waiter)
                self._wake_sender()
                raise
            if self.state.room > 0:
                return
            queue = self._senders.appendleft  # somebody was quicker: the turn stays ours

    def send(self, codec: int, payload: bytes) -> None:
        """Send a message."""
        self._put(self.state.send(codec, payload))
        self._wake_sender()

    def ask(self, codec: int, payload: bytes) -> asyncio.Future[Any]:
        """Send a request; its answer comes in the future."""
        number, data = self.state.ask(codec, payload)
        answer = self._answers[number] = self._loop.create_future()
        self._put(data)
        self._wake_sender()
        return answer

    def terminate(self) -> None:
        """Ask the handler to end, after all that was sent."""
        self._put(self.state.terminate())

    def _put(self, data: bytes) -> None:
        """Send it: at once where it is the first of this turn, with all that follows in it otherwise.

        The connection writes what one turn gives it in one write, so both leave together.
        """
        if not self._busy:
            self._busy = True
            self._loop.call_soon(self._end_turn)
            self._write(data)
            return
        self._out.append(data)
        self._out_size += len(data)
        if self._out_size >= _FULL:
            self._flush()

    def _end_turn(self) -> None:
        self._busy = False
        self._flush()

    def _flush(self) -> None:
        if self._out:
            out, self._out, self._out_size = self._out, [], 0
            self._write(b"".join(out))

    def _wake_sender(self) -> None:
        while self._senders and self.state.room > 0:
            waiter = self._senders.popleft()
            if not waiter.done():
                waiter.set_result(None)
                break

    # Receiving.

    def receive(self, data: bytes) -> None:
        """The far end wrote this.

        Raises:
            FrameError: It is no frame, or may not come now.
        """
        for event in self.state.receive(data):
            if isinstance(event, Answered):
                self._answered(event)
            elif isinstance(event, Said):
                self._arrived(event)
            elif isinstance(event, Logged):
                self._logged(event.fields)
        if self._senders:
            self._wake_sender()
        if self.state.acknowledged is not None and not self.acknowledged.done():
            self.acknowledged.set_result(None)

    def _answered(self, event: Answered) -> None:
        answer = self._answers.pop(event.number)
        if answer.done():
            return
        if event.error is None:
            answer.set_result(event.value)
        else:
            answer.set_exception(event.error)

    def _arrived(self, event: Said) -> None:
        if self.state.closing and not self._read_before:
            self._dropped += 1
            self._taken(event)
            return
        self._inbox.append(event)
        self._wake_readers()

    def _logged(self, fields: dict[str, Any]) -> None:
        record = logging.makeLogRecord({**fields, "host": self.alias})
        try:
            if self._logger.isEnabledFor(record.levelno):
                self._logger.handle(record)
        except Exception as error:  # noqa: BLE001 - a filter or handler of the caller's; the session goes on
            told = {"message": f"logging what the handler on {self.alias} logged failed", "exception": error}
            self._loop.call_exception_handler(told)

    # Handing out.

    @property
    def waiting(self) -> bool:
        """Whether a message can be taken."""
        return bool(self._inbox)

    def take(self) -> Any:  # noqa: ANN401 - whatever was sent
        """The next message."""
        self._read_before = True
        said = self._inbox.popleft()
        self._received += 1
        self._taken(said)
        return said.message

    def _taken(self, said: Said) -> None:
        told = self.state.taken(said.size)
        if told and self.failure is None:
            self._put(told)

    async def wait_message(self) -> None:
        """Wait until a message has come or none will. Cancelling is safe."""
        self._read_before = True
        waiter: asyncio.Future[None] = self._loop.create_future()
        self._readers.add(waiter)
        try:
            await waiter
        finally:
            self._readers.discard(waiter)

    def _wake_readers(self) -> None:
        for reader in self._readers:
            if not reader.done():
                reader.set_result(None)

    def fail(self, failure: MooringError) -> None:
        """Nothing more is sent or received: everybody who waits is told why. What was received can still be taken."""
        if self.failure is not None:
            return
        self.failure = failure
        if not self.acknowledged.done():
            self.acknowledged.set_exception(copy.copy(failure))
            self.acknowledged.exception()
        for waiter in (*self._senders, *self._answers.values()):
            if not waiter.done():
                waiter.set_exception(copy.copy(failure))  # one each: raising adds to an error's traceback
        self._senders.clear()
        self._answers.clear()
        self.state.asked.clear()
        self._wake_readers()
