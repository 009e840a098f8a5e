"""What a handler at the far end of a pipe says, for whoever is at the near end, and what its end means.

``Incoming`` makes frames of what comes; the ``read_`` functions read their payloads; ``ending`` names how it ended.
"""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING, Final, NamedTuple

from ..model.errors import HandlerEnded, HandlerFailed, HandlerNotStarted, PipeError
from .pipe import HELLO, LIMIT, MAGIC, OUTPUT, VERSION, WINDOW, Decoder, FrameError, frame

if TYPE_CHECKING:
    from typing import Any

    from ..model.result import PipeEnd

__all__ = [
    "NOTHING",
    "Acknowledgement",
    "Incoming",
    "Printed",
    "ending",
    "hello",
    "how",
    "read_ack",
    "read_credit",
    "read_error",
    "read_log",
    "unreadable",
]

NOTHING: Final = "nothing was in flight"

_ROOM: Final = struct.Struct(">I")
_NOISE: Final = 1 << 16
"""Bytes that a login shell and a handler's start may print before the handler takes the pipe."""
_KEPT: Final = 1 << 20
"""Bytes of one stream that are kept: the last of them tell why a handler ended."""

_RECORD: Final[dict[str, tuple[type, ...]]] = (
    dict.fromkeys(("name", "msg", "exc_text", "levelname", "pathname", "filename", "module"), (str,))
    | dict.fromkeys(("funcName", "processName", "threadName"), (str,))
    | dict.fromkeys(("levelno", "lineno", "process", "thread"), (int,))
    | dict.fromkeys(("created", "msecs"), (int, float))
)
"""What a log record has, and as what."""


def hello(codec: str, level: int) -> bytes:
    """What the near end begins with.

    Args:
        codec: ``json`` or ``pickle``.
        level: The least level of a log record that is wanted.
    """
    fields = {"version": VERSION, "codec": codec, "window": WINDOW, "limit": LIMIT, "level": level}
    return frame(HELLO, json.dumps(fields).encode())


class Incoming:
    """What the far end writes: text of the login shell, as one OUTPUT, then frames."""

    def __init__(self) -> None:
        self._decoder = Decoder()
        self._preamble: bytes | None = b""

    def feed(self, data: bytes) -> list[tuple[int, int, int, bytes]]:
        """Kind, codec, number and payload of each frame that is whole by now.

        Raises:
            FrameError: It is no frame, or the handler does not take the pipe.
        """
        if self._preamble is None:
            return self._decoder.feed(data)
        noise, found, data = (self._preamble + data).partition(MAGIC)
        if not found:
            self._preamble = noise
            if len(noise) > _NOISE:
                raise FrameError(f"it printed {len(noise)} bytes and did not take the pipe")
            return []
        self._preamble = None
        frames = self._decoder.feed(data)
        return [(OUTPUT, 0, 0, noise), *frames] if noise else frames

    def ended(self) -> bytes:
        """Nothing more comes; what was printed by one that never took the pipe.

        Raises:
            FrameError: The end came within a frame.
        """
        if self._decoder.pending:
            raise FrameError(f"its output ended within a frame, after {self._decoder.pending} bytes of it")
        noise, self._preamble = self._preamble or b"", None
        return noise


class Acknowledgement(NamedTuple):
    """What a handler says of itself."""

    name: str
    pid: int
    python: str


def read_ack(payload: bytes) -> Acknowledgement:
    """The payload of ACK.

    Raises:
        FrameError: It cannot be read.
    """
    fields = _object(payload, "an acknowledgement")
    name, pid, python = (fields.get(field) for field in Acknowledgement._fields)
    if not isinstance(name, str) or not isinstance(pid, int) or not isinstance(python, str):
        raise FrameError("an acknowledgement lacks the handler's name, process id or Python")
    return Acknowledgement(name, pid, python)


def read_log(payload: bytes) -> dict[str, Any]:
    """The payload of LOG: those fields of a record that are known, and what they should be.

    Raises:
        FrameError: It cannot be read.
    """
    fields = _object(payload, "a log record")
    if type(fields.get("levelno")) is not int or type(fields.get("name")) is not str:
        raise FrameError("a log record has no level or name")
    return {name: value for name, value in fields.items() if type(value) in _RECORD.get(name, ())}


def read_error(payload: bytes, alias: str) -> HandlerFailed:
    """The payload of ERROR: what the handler raised.

    Raises:
        FrameError: It cannot be read.
    """
    fields = _object(payload, "an error")
    if not {"type", "message", "traceback"} <= fields.keys():
        raise FrameError("an error lacks its type, message or traceback")
    said = f"the handler on {alias} raised {fields['type']}: {fields['message']}"
    return HandlerFailed(said, remote_traceback=str(fields["traceback"]))


def unreadable(alias: str, fault: FrameError) -> HandlerFailed:
    """What an answer that cannot be read means to who asked; the pipe goes on."""
    return HandlerFailed(f"the answer of the handler on {alias} cannot be read: {fault}")


def read_credit(payload: bytes) -> int:
    """The payload of CREDIT: bytes.

    Raises:
        FrameError: It cannot be read.
    """
    if len(payload) != _ROOM.size:
        raise FrameError("a credit cannot be read")
    size: int = _ROOM.unpack(payload)[0]
    return size


def _object(payload: bytes, what: str) -> dict[str, Any]:
    try:
        fields = json.loads(payload)
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict):
        raise FrameError(f"{what} cannot be read")
    return fields


class Printed:
    """The last MiB of what a handler printed on one stream."""

    def __init__(self) -> None:
        self._kept = bytearray()

    def add(self, data: bytes) -> None:
        """More came."""
        self._kept += data
        if len(self._kept) > _KEPT:
            del self._kept[:-_KEPT]

    def text(self) -> str:
        """All that is kept; bytes that are no text are shown as their codes."""
        return self._kept.decode("utf-8", "backslashreplace")

    def last_line(self) -> str:
        """The last line that says something, for a message."""
        lines = [line.strip() for line in self.text().splitlines() if line.strip()]
        line = lines[-1] if lines else ""
        return "".join(char if char.isprintable() else "?" for char in line)[:300]


def ending(
    alias: str,
    end: PipeEnd,
    signal: str | None,
    *,
    acknowledged: bool,
    fault: HandlerFailed | None,
    in_flight: str | None,
    said: str,
) -> PipeError | None:
    """What the end of a handler on a live session means: an error, or None where it ended as it was asked to.

    Args:
        alias: The session.
        end: Its status and output.
        signal: What ended it.
        acknowledged: Whether it had taken the pipe.
        fault: The exception that it said it ended with.
        in_flight: What it had not dealt with, in words; None where that is nothing.
        said: Its last words.
    """
    if not acknowledged:
        why = (fault.message if fault else said) or "it said nothing"
        msg = f"the handler on {alias} did not start: {how(end, signal)}: {why}"
        return HandlerNotStarted(msg, end=end, hint=_next_step(end.exit_status, why))
    if fault is not None:
        fault.end = end
        return fault
    if in_flight or end.exit_status in {-1, None}:
        msg = f"the handler on {alias} ended {how(end, signal)}; {in_flight or NOTHING}{': ' + said if said else ''}"
        return HandlerEnded(msg, end=end)
    return None


def how(end: PipeEnd, signal: str | None) -> str:
    """How it ended, in words."""
    if end.exit_status is None:
        return "without a status"
    return f"by signal {signal}" if signal else f"with status {end.exit_status}"


def _next_step(status: int | None, said: str) -> str | None:
    if status == 127:
        return "is the interpreter installed there, and on the PATH of a login without a terminal?"
    if status == 126:
        return "chmod +x, and a first line that names the interpreter"
    if "No module named 'mooring" in said:
        return "deploy= ships the handler with mooring.far and the handlers of mooring.compat.sshpipe, no more"
    if "No module named" in said:
        return "deploy= ships the handler alone: what else it imports must be installed there"
    if status == 0:
        return "a handler calls mooring.far.serve()"
    return None
