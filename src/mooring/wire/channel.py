"""The frames on the WebSocket ``/v1/sessions/{alias}/channel``: one remote process or terminal, bytes in and out.

Each binary message is one frame: a byte that says its kind, then its payload.

::

    client -> server                                 server -> client
    00 OPEN       JSON: an Opening                   10 OPENED  JSON: {"alias", "name"}
    01 STDIN      bytes, within the window           11 STDOUT  bytes
    02 STDIN_EOF  nothing                            12 STDERR  bytes
    03 RESIZE     JSON: {"columns", "rows"}          13 EXIT    JSON: {"exit_status", "exit_signal"}
    04 SIGNAL     ASCII: INT, TERM, ...              14 ERROR   JSON: problem details
    05 TAKE       nothing: drive the terminal        15 WINDOW  uint32: so many more bytes of STDIN may come
                                                     16 NOTICE  JSON: {"drives", "driver", "missed"}

The client sends OPEN, and nothing more until OPENED has come. The server then grants ``WINDOW_SIZE`` bytes of STDIN,
and more as the far side takes them, so that a SIGNAL never waits behind input that nobody reads. EXIT comes after
all output; after it or an ERROR nothing comes but the end of the WebSocket. Output is bounded by the WebSocket's own
flow control: who does not read stops the far side. TAKE and NOTICE are a terminal's: it stands still for nobody, and
says how many bytes a viewer has missed, and who types now.

The client's part: ``ClientSide``; the server's: ``ServerSide``. Both give messages to send and take those that came.
The command line imports this on its fast path: only what is cheap to import is used here.
"""

from __future__ import annotations

from ..model.errors import DaemonMismatch, InvalidInput
from .frames import (
    MAX_MESSAGE,
    WINDOW_SIZE,
    Frame,
    Kind,
    Opening,
    Terminal,
    check_fitting,
    frame,
    json_payload,
    parse,
    read_exit,
    read_notice,
    read_opened,
    read_opening,
    read_problem,
    read_signal,
    read_size,
    read_window,
)

TYPE_CHECKING = False  # typing itself would cost every start of the command line 3 ms
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Final

__all__ = [
    "MAX_MESSAGE",
    "WINDOW_SIZE",
    "ClientSide",
    "Frame",
    "Kind",
    "Opening",
    "ServerSide",
    "Terminal",
    "frame",
    "parse",
    "read_exit",
    "read_notice",
    "read_opened",
    "read_opening",
    "read_problem",
    "read_signal",
    "read_size",
    "read_window",
]


class _Side:
    """What both sides keep: how far the channel is, and how much STDIN may still come."""

    def __init__(self) -> None:
        self._stage = "new"
        self.window = 0
        """Bytes of STDIN that may be sent now."""

    @property
    def ended(self) -> bool:
        """Whether EXIT or ERROR was the last frame."""
        return self._stage == "ended"

    def _check(self, kind: Kind, table: Mapping[Kind, Mapping[str, str]]) -> None:
        """Move on as the table says: by kind, from which stage to which."""
        stages = table.get(kind, {})
        if self._stage not in stages:
            raise InvalidInput(f"{kind.name} may not come now: the channel is {self._stage}")
        self._stage = stages[self._stage]

    def _spend(self, size: int) -> None:
        if size > self.window:
            raise InvalidInput(f"{size} bytes of STDIN, and the window has room for {self.window}")
        self.window -= size


# new -OPEN-> opening -OPENED-> open -STDIN_EOF-> input ended -EXIT-> ended; ERROR ends it from anywhere.
_FROM_CLIENT: Final[Mapping[Kind, Mapping[str, str]]] = {
    Kind.OPEN: {"new": "opening"},
    Kind.STDIN: {"open": "open"},
    Kind.STDIN_EOF: {"open": "input ended"},
    Kind.RESIZE: {"open": "open", "input ended": "input ended"},
    Kind.SIGNAL: {"open": "open", "input ended": "input ended"},
    Kind.TAKE: {"open": "open"},
}
_FROM_SERVER: Final[Mapping[Kind, Mapping[str, str]]] = {
    Kind.OPENED: {"opening": "open"},
    Kind.STDOUT: {"open": "open", "input ended": "input ended"},
    Kind.STDERR: {"open": "open", "input ended": "input ended"},
    Kind.WINDOW: {"open": "open", "input ended": "input ended"},
    Kind.NOTICE: {"open": "open", "input ended": "input ended"},
    Kind.EXIT: {"open": "ended", "input ended": "ended"},
    Kind.ERROR: {"new": "ended", "opening": "ended", "open": "ended", "input ended": "ended"},
}


class ClientSide(_Side):
    """The client's part: call ``open``, send what it gives, and pass every message that comes to ``receive``.

    Once OPENED has come, send what ``stdin``, ``stdin_eof``, ``resize`` and ``signal`` give: never more STDIN than
    ``window``, nor more at once than ``MAX_MESSAGE`` less one.
    """

    def open(self, opening: Opening) -> bytes:
        """The first message.

        Raises:
            InvalidInput: It lacks what its kind needs, is too large, or is not the first.
        """
        check_fitting(opening)
        value = {**opening._asdict(), "env": dict(opening.env), "term": opening.term and opening.term._asdict()}
        message = frame(Kind.OPEN, json_payload(value))
        self._check(Kind.OPEN, _FROM_CLIENT)
        return message

    def stdin(self, data: bytes) -> bytes:
        """Input for the far side.

        Raises:
            InvalidInput: It is more than ``window``, or the input has ended.
        """
        self._check(Kind.STDIN, _FROM_CLIENT)
        self._spend(len(data))
        return frame(Kind.STDIN, data)

    def stdin_eof(self) -> bytes:
        """The end of the input.

        Raises:
            InvalidInput: It has ended before.
        """
        self._check(Kind.STDIN_EOF, _FROM_CLIENT)
        return frame(Kind.STDIN_EOF)

    def resize(self, columns: int, rows: int) -> bytes:
        """The terminal has another size.

        Raises:
            InvalidInput: It may not come now.
        """
        self._check(Kind.RESIZE, _FROM_CLIENT)
        return frame(Kind.RESIZE, json_payload({"columns": columns, "rows": rows}))

    def signal(self, name: str) -> bytes:
        """A signal for the far side, named without ``SIG``.

        Raises:
            InvalidInput: It may not come now.
        """
        self._check(Kind.SIGNAL, _FROM_CLIENT)
        return frame(Kind.SIGNAL, name.encode("ascii"))

    def take(self) -> bytes:
        """Drive the terminal from now on.

        Raises:
            InvalidInput: It may not come now.
        """
        self._check(Kind.TAKE, _FROM_CLIENT)
        return frame(Kind.TAKE)

    def receive(self, message: bytes) -> Frame:
        """Take a message that came; a WINDOW is already added to ``window``.

        Raises:
            DaemonMismatch: It is none that a server may send now.
        """
        try:
            came = parse(message)
            self._check(came.kind, _FROM_SERVER)
            if came.kind is Kind.WINDOW:
                self.window += read_window(came.payload)
        except InvalidInput as error:
            raise DaemonMismatch(f"what came over the channel is not understood: {error.message}") from error
        return came


class ServerSide(_Side):
    """The server's part: pass every message that comes to ``receive``, and send what the other methods give.

    After the OPEN: ``opened``, then ``grant(WINDOW_SIZE)``, and ``grant`` again for the bytes of STDIN that the far
    side took; ``stdout``, ``stderr``, then ``exit``. Instead of each of them: ``error``.
    """

    def receive(self, message: bytes) -> Frame:
        """Take a message that came.

        Raises:
            InvalidInput: It is malformed, more than was granted, or may not come now.
        """
        came = parse(message)
        self._check(came.kind, _FROM_CLIENT)
        if came.kind is Kind.STDIN:
            self._spend(len(came.payload))
        return came

    def opened(self, alias: str, name: str | None = None) -> bytes:
        """It is open; a terminal has a name."""
        return self._send(
            Kind.OPENED, json_payload({"alias": alias} if name is None else {"alias": alias, "name": name})
        )

    def grant(self, size: int) -> bytes:
        """So many more bytes of STDIN may come."""
        self.window += size
        return self._send(Kind.WINDOW, size.to_bytes(4, "big"))

    def stdout(self, data: bytes) -> bytes:
        """Output of the far side."""
        return self._send(Kind.STDOUT, data)

    def stderr(self, data: bytes) -> bytes:
        """Its standard error."""
        return self._send(Kind.STDERR, data)

    def notice(self, notice: Mapping[str, Any]) -> bytes:
        """How a viewer stands to the terminal."""
        return self._send(Kind.NOTICE, json_payload(notice))

    def exit(self, status: int | None, signal: str | None) -> bytes:
        """The far side has ended, and all its output was sent."""
        return self._send(Kind.EXIT, json_payload({"exit_status": status, "exit_signal": signal}))

    def error(self, problem: Mapping[str, Any]) -> bytes:
        """It failed, or could not be opened."""
        return self._send(Kind.ERROR, json_payload(problem))

    def _send(self, kind: Kind, payload: bytes) -> bytes:
        self._check(kind, _FROM_SERVER)
        return frame(kind, payload)
