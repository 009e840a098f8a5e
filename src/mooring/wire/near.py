"""The near end of a pipe, a protocol without I/O.

Write ``hello`` first, and then what ``send``, ``ask``, ``taken`` and ``terminate`` return, in that order. Give what
comes to ``receive`` and act on its events; at the end call ``finish``. ``room`` says whether anything may be sent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ..model.errors import InvalidInput, PipeBroken, SessionLost
from ..model.result import PipeEnd
from .handler import (
    NOTHING,
    Acknowledgement,
    Incoming,
    Printed,
    ending,
    hello,
    read_ack,
    read_credit,
    read_error,
    read_log,
    unreadable,
)
from .pipe import (
    ACK,
    CREDIT,
    ERROR,
    HEADER,
    LIMIT,
    LOG,
    MESSAGE,
    OUTPUT,
    RESULT,
    TERMINATE,
    WINDOW,
    FrameError,
    frame,
    pack,
    unpack,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..model.errors import HandlerFailed, PipeError

__all__ = ["Answered", "Logged", "NearEnd", "Said", "Wrote", "fitting"]

_OWED: Final = WINDOW // 4
"""Bytes that are taken before the far end is told."""
_LAST: Final = 2**32 - 1


class Answered(NamedTuple):
    """A request was answered: by a value, or by an exception of the handler's."""

    number: int
    value: Any
    error: HandlerFailed | None


class Said(NamedTuple):
    """The handler sent a message by itself; ``taken`` wants its size when it is dealt with."""

    message: Any
    size: int


class Logged(NamedTuple):
    """The handler logged something: a record's fields."""

    fields: dict[str, Any]


class Wrote(NamedTuple):
    """The handler printed something."""

    data: bytes


def fitting(payload: bytes) -> bytes:
    """This payload.

    Raises:
        InvalidInput: It is too long for a message.
    """
    if len(payload) > LIMIT:
        raise InvalidInput(f"a message has {len(payload)} bytes, and may have {LIMIT}", hint="send it in parts")
    return payload


class NearEnd:
    """One pipe's state.

    Args:
        alias: The session's name, for messages.
        codec: ``json`` or ``pickle``.
    """

    def __init__(self, alias: str, codec: str = "json") -> None:
        self.alias = alias
        self.acknowledged: Acknowledgement | None = None
        """What the handler said of itself, once it has taken the pipe."""
        self.fault: HandlerFailed | None = None
        """The exception that it said it ended with."""
        self.closing = False
        """Whether it was asked to end."""
        self.asked: dict[int, int] = {}
        """The requests without an answer, in order, and their bytes."""
        self.sent = 0
        self.unfinished = 0
        """Messages that it was sent and has not dealt with as far as it told; no requests."""
        self.room = WINDOW
        """Bytes that may be sent: while there are any, a message of any size may."""
        self.output = Printed()
        self.errors = Printed()
        self._codec = codec
        self._pickled = codec == "pickle"
        self._incoming = Incoming()
        self._numbers = 0
        self._granted = WINDOW
        self._owed = self._owed_count = 0

    def hello(self, level: int) -> bytes:
        """What the near end begins with.

        Args:
            level: The least level of a log record that is wanted.
        """
        return hello(self._codec, level)

    def packed(self, message: object) -> tuple[int, bytes]:
        """The codec and payload of a message.

        Raises:
            InvalidInput: It cannot be sent.
        """
        try:
            codec, payload = pack(message, pickled=self._pickled)
        except FrameError as error:
            raise InvalidInput(str(error), hint="send text, bytes, or what JSON can write") from None
        return codec, fitting(payload)

    def send(self, codec: int, payload: bytes) -> bytes:
        """A message that wants no answer."""
        self.unfinished += 1
        return self._message(codec, payload, 0)

    def ask(self, codec: int, payload: bytes) -> tuple[int, bytes]:
        """The number of a request, and the request."""
        while True:
            self._numbers = self._numbers % _LAST + 1
            if self._numbers not in self.asked:
                break
        self.asked[self._numbers] = HEADER.size + len(payload)
        return self._numbers, self._message(codec, payload, self._numbers)

    def _message(self, codec: int, payload: bytes, number: int) -> bytes:
        self.sent += 1
        self.room -= HEADER.size + len(payload)
        return frame(MESSAGE, payload, codec, number)

    def taken(self, size: int) -> bytes:
        """A message of this size was dealt with: what the handler is to be told of it now, which may be nothing."""
        self._owed += size
        self._owed_count += 1
        if self._owed < _OWED:
            return b""
        owed, count, self._owed, self._owed_count = self._owed, self._owed_count, 0, 0
        self._granted += owed
        return frame(CREDIT, owed.to_bytes(4, "big"), number=count)

    def terminate(self) -> bytes:
        """Have the handler end, after all that it was sent."""
        self.closing = True
        return frame(TERMINATE)

    def receive(self, data: bytes) -> Iterator[Answered | Said | Logged | Wrote]:
        """What the handler says with this.

        Raises:
            FrameError: It is no frame, or may not come now; what came before it was given.
        """
        for kind, codec, number, payload in self._incoming.feed(data):
            if kind == RESULT:
                self._answered(number)
                yield self._result(number, codec, payload)
            elif kind == MESSAGE:
                yield self._said(codec, payload)
            elif kind == CREDIT:
                self.room += read_credit(payload)
                self.unfinished -= number
            elif kind == OUTPUT:
                self.output.add(payload)
                yield Wrote(payload)
            elif kind == LOG:
                yield Logged(read_log(payload))
            elif kind == ACK:
                self.acknowledged = read_ack(payload)
            elif kind == ERROR and number:
                self._answered(number)
                yield Answered(number, None, read_error(payload, self.alias))
            elif kind == ERROR:
                self.fault = read_error(payload, self.alias)
            else:
                raise FrameError(f"a frame of kind {kind} is not for this end")

    def _answered(self, number: int) -> None:
        if number not in self.asked:
            raise FrameError(f"it answered request {number}, which was not asked")
        self.room += self.asked.pop(number)

    def _result(self, number: int, codec: int, payload: bytes) -> Answered:
        try:
            return Answered(number, unpack(codec, payload, pickled=self._pickled), None)
        except FrameError as error:
            return Answered(number, None, unreadable(self.alias, error))

    def _said(self, codec: int, payload: bytes) -> Said:
        if self._granted <= 0:
            raise FrameError("it sent more than it was allowed to")
        size = HEADER.size + len(payload)
        self._granted -= size
        return Said(unpack(codec, payload, pickled=self._pickled), size)

    def finish(self) -> None:
        """Nothing more comes: what came before the handler took the pipe was printed.

        Raises:
            FrameError: The end came within a frame.
        """
        self.output.add(self._incoming.ended())

    # What became of it, in words.

    @property
    def busy(self) -> bool:
        """Whether the handler has something to deal with."""
        return bool(self.asked or self.unfinished)

    def in_flight(self) -> str:
        """What was on its way."""
        if not self.busy:
            return NOTHING
        return f"{self.unfinished} messages were not dealt with, {len(self.asked)} requests not answered"

    def end(self, status: int | None) -> PipeEnd:
        """How it ended: this status, and what it printed."""
        return PipeEnd(status, self.output.text(), self.errors.text())

    def ending(self, end: PipeEnd, signal: str | None) -> PipeError | None:
        """What that means while the session is up, as ``handler.ending``."""
        acknowledged = self.acknowledged is not None
        return ending(
            self.alias,
            end,
            signal,
            acknowledged=acknowledged,
            fault=self.fault,
            in_flight=self.in_flight() if self.busy else None,
            said=self.errors.last_line() or ("" if acknowledged else self.output.last_line()),
        )

    def broken(self, why: FrameError, status: int | None) -> PipeBroken:
        """What a frame that is none means."""
        msg = f"the pipe to {self.alias} broke: {why}; {self.in_flight()}"
        return PipeBroken(msg, end=self.end(status), hint="does something else write to the handler's output?")

    def lost(self) -> SessionLost:
        """What the end of the connection means."""
        msg = f"{self.alias} was lost under the pipe; {self.in_flight()}"
        stdout, stderr = self.output.text(), self.errors.text()
        return SessionLost(msg, stdout=stdout, stderr=stderr, hint="what was sent may have been dealt with")
