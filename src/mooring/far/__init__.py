"""The far end of a pipe: one file, standard library only, Python 3.8, so that it can be shipped as text.

A *handler* is a program that another one speaks to in messages over an SSH session::

    from mooring.far import serve

    def handle(pipe, message):
        return message.upper()          # the answer, where one was asked for

    serve(handle)

Messages are texts, bytes, or what JSON can write. What the handler prints comes home as its output and disturbs
nothing: its standard input is empty, and what the programs it starts print goes to its standard error.

On the wire a frame is a header (bytes of the payload, kind, codec, number; big endian) and the payload. The near end
begins with HELLO. The far end writes ``MAGIC``, so that what a login shell printed before is told apart, and ACK.
CREDIT says how many bytes, and in its number how many messages, were dealt with: neither end sends more MESSAGE
bytes than the other's window, one message over it aside. A MESSAGE with a number is a request: RESULT or ERROR with
that number answers it, and stands for its credit. ERROR with number 0 is the handler's own end.
"""

from __future__ import annotations

import io
import json
import os
import struct
import sys
import time
from _thread import allocate_lock
from collections import deque

TYPE_CHECKING = False  # typing itself would cost every handler's start
if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Iterator
    from typing import Any, Final

__all__ = ["FrameError", "Pipe", "connect", "serve"]

VERSION: Final = 1
MAGIC: Final = b"\0mooring pipe 1\n"
HEADER: Final = struct.Struct(">IBBI")
LIMIT: Final = 1 << 26
"""Bytes of one payload: 64 MiB, more than a message should have and less than a host lacks."""
WINDOW: Final = 1 << 21
"""Bytes of messages on their way to one end: OpenSSH's own window for a channel."""

HELLO, ACK, MESSAGE, RESULT, ERROR, LOG, CREDIT, TERMINATE, OUTPUT = range(1, 10)
_BYTES, _TEXT, _JSON, _PICKLE = range(4)

_TOLD: Final = 1 << 20  # characters of one text in a log record or an error
_SOON: Final = 0.1  # seconds after which the near end is told what was dealt with, however little it was
_RECORD: Final = (
    "name", "levelno", "levelname", "created", "msecs", "pathname", "filename", "module", "lineno", "funcName",
    "process", "processName", "thread", "threadName", "exc_text",
)  # fmt: skip
_to_json: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_from_json: Final = json.JSONDecoder().decode


class FrameError(ValueError):
    """What came is no frame, or what is to go does not fit into one."""


def frame(kind: int, payload: bytes = b"", codec: int = _BYTES, number: int = 0) -> bytes:
    """A frame, ready to be written."""
    return HEADER.pack(len(payload), kind, codec, number) + payload


def pack(message: object, *, pickled: bool = False) -> tuple[int, bytes]:
    """The codec and the payload of a message; FrameError where it is no text, no bytes, and JSON cannot write it."""
    try:
        if pickled:
            import pickle  # noqa: PLC0415 - only where both ends asked for it

            return _PICKLE, pickle.dumps(message, 4)
        if isinstance(message, str):
            return _TEXT, message.encode("utf-8", "surrogatepass")
        if isinstance(message, (bytes, bytearray, memoryview)):
            return _BYTES, bytes(message)
        return _JSON, _to_json(message).encode("utf-8", "surrogatepass")
    except Exception as error:  # noqa: BLE001 - pickle may raise any
        raise FrameError(f"a {type(message).__name__} cannot be sent: {error}") from None


def unpack(codec: int, payload: bytes, *, pickled: bool = False) -> Any:  # noqa: ANN401 - whatever was sent
    """The message of a payload; FrameError where it is not what its codec says, or pickled and nobody agreed on it."""
    try:
        if codec == _TEXT:
            return payload.decode("utf-8", "surrogatepass")
        if codec == _BYTES:
            return payload
        if codec == _JSON:
            return _from_json(payload.decode("utf-8", "surrogatepass"))
        if codec == _PICKLE and pickled:
            import pickle  # noqa: PLC0415 - as above

            return pickle.loads(payload)  # noqa: S301 - both ends were started with it
    except Exception as error:  # noqa: BLE001 - pickle may raise any
        raise FrameError(f"a payload cannot be read: {error}") from None
    raise FrameError(f"a payload has codec {codec}, which was not agreed on")


class Decoder:
    """Bytes in, frames out, however the bytes are cut. A length beyond ``limit`` bytes is refused before it is read."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._rest = bytearray()
        self._wanted = HEADER.size

    @property
    def pending(self) -> int:
        """Bytes of a frame that has not come whole."""
        return len(self._rest)

    def feed(self, data: bytes) -> list[tuple[int, int, int, bytes]]:
        """Kind, codec, number and payload of each frame that is whole; FrameError, for good, over what is none."""
        if self._rest:
            self._rest += data
            if len(self._rest) < self._wanted:
                return []
            data, self._rest = bytes(self._rest), bytearray()
        frames = []
        head, limit, size = HEADER.unpack_from, self._limit, HEADER.size
        start, end = 0, len(data)
        self._wanted = size
        while end - start >= size:
            length, kind, codec, number = head(data, start)
            if length > limit or not HELLO <= kind <= OUTPUT:
                raise FrameError(f"a frame of kind {kind} claims {length} bytes, and may have {limit}")
            stop = start + size + length
            if stop > end:
                self._wanted = stop - start
                break
            frames.append((kind, codec, number, data[start + size : stop]))
            start = stop
        if start < end:
            self._rest = bytearray(data[start:])
        return frames


def _told(**fields: object) -> bytes:
    """Fields of a frame that nobody waits to send whole: long texts keep their two ends."""
    for name, value in fields.items():
        if isinstance(value, str) and len(value) > _TOLD:
            fields[name] = value[: _TOLD // 2] + "\n...\n" + value[-_TOLD // 2 :]
    return _to_json(fields).encode("utf-8", "replace")


class Pipe:
    """The handler's end of a pipe, made by ``connect``. Iterate over it for the messages; one thread may."""

    def __init__(self, source: int, sink: int, name: str | None = None, codec: str = "json") -> None:
        self.lost = False  # whether the near end went without a goodbye
        self.level = 0  # the least of a log record that the near end wants
        self.payload = b""  # the message that was taken last, as it came
        self.asked = 0  # the number of the request that was taken last; 0 where that was none or has its answer
        self.forked_off = False  # whether this process was forked off the handler, whose the pipe stays
        self._source = io.FileIO(source, closefd=False)
        self._buffer = bytearray(1 << 17)  # once: to make one of this size for each read costs more than all else
        self._sink = sink
        self._pickled = codec == "pickle"
        self._lock = allocate_lock()
        self._limit = LIMIT
        self._decoder = Decoder()
        self._granted = time.monotonic()
        self._inbox: deque[tuple[int, int, int, bytes]] = deque()
        self._owed = self._done = self._size = self._room = 0
        self._ended = False
        self._greet(name or f"handler-{os.getpid()}", codec)

    def _greet(self, name: str, codec: str) -> None:
        while not self._inbox:
            if not self._fill():
                raise FrameError("the near end was gone before it said hello")
        kind, _, _, payload = self._inbox.popleft()
        hello = _from_json(payload.decode()) if kind == HELLO else {}
        fault = ""
        if hello.get("version") != VERSION:
            fault = f"the near end speaks version {hello.get('version')} of the pipe, and this one {VERSION}"
        elif hello["codec"] != codec:
            fault = f"the near end was started with codec {hello['codec']!r}, and this one with {codec!r}"
        if fault:
            self._write(MAGIC + frame(ERROR, _told(type="FrameError", message=fault, traceback="")))
            raise FrameError(fault)
        self._room = hello["window"]
        self._limit = self._decoder._limit = hello["limit"]  # noqa: SLF001 - our own
        self.level = hello["level"]
        told = _told(version=VERSION, name=name, pid=os.getpid(), python=sys.version.split()[0])
        self._write(MAGIC + frame(ACK, told))

    def __iter__(self) -> Iterator[Any]:
        """The messages, until the near end wants no more or is gone."""
        return self

    def __next__(self) -> Any:  # noqa: ANN401 - whatever was sent
        """The next message. The one before counts as dealt with; a request without an answer gets None."""
        while True:
            self._finish()
            while not self._inbox:
                self._grant(WINDOW // 4 if self._decoder.pending else 0)  # with half a message, more to tell comes soon
                if self._ended or not self._fill():
                    raise StopIteration
            kind, codec, self.asked, self.payload = self._inbox.popleft()
            if kind == TERMINATE:
                self._ended = True
                raise StopIteration
            if not self.asked:
                self._size = HEADER.size + len(self.payload)
            try:
                return unpack(codec, self.payload, pickled=self._pickled)
            except FrameError as error:
                if not self.asked:
                    raise
                self.fail(error)

    def send(self, message: object) -> None:
        """Send a message; waits for room at the near end. FrameError where it cannot be sent, or nobody takes it."""
        if self.forked_off:
            raise FrameError("the pipe stays with the process that this one was forked from")
        codec, payload = self._packed(message)
        while self._room <= 0:
            if not self._fill():
                raise FrameError("the near end is gone")
        self._room -= HEADER.size + len(payload)
        self._write(frame(MESSAGE, payload, codec))

    def reply(self, answer: object) -> None:
        """Answer the request that was taken last, if one was; FrameError where the answer cannot be sent."""
        if self.asked:
            codec, payload = self._packed(answer)
            self._write(frame(RESULT, payload, codec, self.asked))
            self.asked = 0

    def fail(self, error: BaseException) -> None:
        """Answer the request that was taken last by an error; without one, it is the handler's own."""
        import traceback  # noqa: PLC0415 - nothing has failed before

        trace = "".join(traceback.format_exception(type(error), error, error.__traceback__))
        try:
            message = str(error)
        except Exception:  # noqa: BLE001 - whatever its class does
            message = "it cannot be told"
        told = _told(type=type(error).__name__, message=message, traceback=trace)
        self._write(frame(ERROR, told, number=self.asked))
        self.asked = 0

    def log_handler(self) -> logging.Handler:
        """A handler for ``logging`` that sends its records home, from any thread."""
        import logging  # noqa: PLC0415 - whoever logs pays for it

        class Home(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                try:
                    self.format(record)  # which makes its texts
                    fields = {name: getattr(record, name) for name in _RECORD}
                    pipe._write(frame(LOG, _told(msg=record.message, **fields)))
                except Exception:  # noqa: BLE001 - as every logging.Handler
                    self.handleError(record)

        pipe = self
        return Home(self.level)

    def close(self) -> None:
        """The message that was taken last is dealt with; printed text goes home. No more messages are taken."""
        self._finish()
        self._grant(0)
        self._ended = True
        if not sys.stdout.closed:
            sys.stdout.flush()

    def __enter__(self) -> Pipe:  # noqa: PYI034 - Python 3.8 has no Self
        """Itself."""
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Tell of an error that leaves the block, and close: the message it came over was not dealt with."""
        if isinstance(error, Exception):
            self.asked = 0
            self.fail(error)
        if error is not None and not (isinstance(error, SystemExit) and not error.code):
            self._size = 0
        self.asked = 0
        self.close()

    def fork_off(self, stdout: object) -> None:
        """Called in a process that was forked off the handler: the pipe stays with the handler, and so its stdout."""
        self._lock = allocate_lock()  # another thread's write may have held it
        self._inbox.clear()
        self.asked = self._owed = self._size = 0
        self.forked_off = self.lost = self._ended = True
        os.close(self._sink)  # or the near end would not see the handler's end
        os.close(self._source.fileno())
        if sys.stdout is stdout:  # its lock may be held, and what it keeps is the handler's to print
            sys.stdout = open(1, "w", 1, "utf-8", "backslashreplace", closefd=False)  # noqa: SIM115 - for good

    def _packed(self, message: object) -> tuple[int, bytes]:
        codec, payload = pack(message, pickled=self._pickled)
        if len(payload) > self._limit:
            raise FrameError(f"a message has {len(payload)} bytes, and may have {self._limit}")
        return codec, payload

    def _finish(self) -> None:
        if self.asked:
            self.reply(None)
        if self._size:
            self._owed += self._size
            self._done += 1
            self._size = 0
            self._grant(0 if time.monotonic() - self._granted > _SOON else WINDOW // 4)

    def _grant(self, least: int) -> None:
        if self._owed > least:
            owed, done, self._owed, self._done = self._owed, self._done, 0, 0
            self._granted = time.monotonic()
            self._write(frame(CREDIT, owed.to_bytes(4, "big"), number=done))

    def _fill(self) -> bool:
        """Wait for more from the near end; False when it is gone."""
        size = 0 if self.lost else self._source.readinto(self._buffer)
        if size is None:
            raise FrameError("standard input was made non-blocking")
        for one in self._decoder.feed(bytes(memoryview(self._buffer)[:size])):
            if one[0] == CREDIT:
                self._room += int.from_bytes(one[3], "big")
            elif one[0] in (HELLO, MESSAGE, TERMINATE):
                self._inbox.append(one)
            else:
                raise FrameError(f"a frame of kind {one[0]} is not for a handler")
        self.lost = not size
        return not self.lost

    def _write(self, data: bytes) -> None:
        with self._lock:
            view = memoryview(data)
            try:
                while view:
                    view = view[os.write(self._sink, view) :]
            except OSError:
                self.lost = True  # who reads is gone: there is nobody to tell


class _Printed(io.RawIOBase):
    """Standard output, sent home."""

    def __init__(self, pipe: Pipe) -> None:
        super().__init__()
        self._pipe = pipe

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:  # noqa: ANN401 - a buffer
        content = bytes(data[:WINDOW])
        if self._pipe.forked_off:
            return os.write(2, content)
        self._pipe._write(frame(OUTPUT, content))  # noqa: SLF001 - our own
        return len(content)


def connect(name: str | None = None, *, codec: str = "json") -> Pipe:
    """Take standard input and output for the pipe, and wait for the near end's hello; FrameError where none comes.

    Args:
        name: What the near end shall call the handler; by default ``handler-PID``.
        codec: ``json``, or ``pickle`` as the near end was started with: either end can then run code in the other.
    """
    sys.stdout.flush()
    source, sink, nothing = os.dup(0), os.dup(1), os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    pipe = Pipe(source, sink, name, codec)
    printed: Any = io.BufferedWriter(_Printed(pipe))
    ours = sys.stdout = io.TextIOWrapper(printed, "utf-8", "backslashreplace", line_buffering=True)
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=lambda: pipe.fork_off(ours))
    return pipe


def serve(handle: Callable[[Pipe, Any], object], *, name: str | None = None, codec: str = "json") -> None:
    """Be a handler until the near end wants no more or is gone.

    Args:
        handle: Called with the pipe and each message. What it returns answers a request, and so does what it
            raises; what it raises over any other message ends the handler with status 1.
        name: As ``connect`` has it.
        codec: Likewise.
    """
    with connect(name, codec=codec) as pipe:
        for message in pipe:
            if not pipe.asked:
                handle(pipe, message)
                continue
            try:
                pipe.reply(handle(pipe, message))
            except Exception as error:  # noqa: BLE001 - it is the answer
                pipe.fail(error)
