"""What is inside the frames of a channel: kinds, openings, payloads."""

from __future__ import annotations

import enum
import json
from collections import namedtuple

from ..model.errors import InvalidInput

TYPE_CHECKING = False  # typing itself would cost every start of the command line 3 ms
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Final

__all__ = [
    "MAX_MESSAGE",
    "WINDOW_SIZE",
    "Frame",
    "Kind",
    "Opening",
    "Terminal",
    "check_fitting",
    "frame",
    "json_payload",
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

MAX_MESSAGE: Final = 1024 * 1024
"""Bytes of one message: room for a command line with its environment, and little to hold for one reader."""
WINDOW_SIZE: Final = 256 * 1024
"""Bytes of STDIN that the server holds for a far side that does not read."""

_UINT32: Final = 0xFFFF_FFFF
_PORTS: Final = 0xFFFF


class Kind(enum.IntEnum):
    """What a frame is."""

    OPEN = 0x00
    STDIN = 0x01
    STDIN_EOF = 0x02
    RESIZE = 0x03
    SIGNAL = 0x04
    TAKE = 0x05
    OPENED = 0x10
    STDOUT = 0x11
    STDERR = 0x12
    EXIT = 0x13
    ERROR = 0x14
    WINDOW = 0x15
    NOTICE = 0x16


# namedtuple and not NamedTuple, which needs typing; what is said of the fields is for who reads and checks.


class Frame(namedtuple("Frame", ["kind", "payload"])):  # noqa: PYI024 - as above
    """One message, taken apart."""

    __slots__ = ()

    kind: Kind
    payload: bytes


class Terminal(namedtuple("Terminal", ["type", "columns", "rows"], defaults=[80, 24])):  # noqa: PYI024 - as above
    """A terminal to be had at the far side."""

    __slots__ = ()

    type: str
    columns: int
    rows: int


class Opening(
    namedtuple(  # noqa: PYI024 - as above
        "Opening",
        ["kind", "command", "subsystem", "host", "port", "env", "term", "name", "view"],
        defaults=[None, None, None, None, {}, None, None, None],
    )
):
    """What is to be opened on the session.

    Attributes:
        kind: ``exec``, ``pipe``, ``shell``, ``subsystem``, ``direct-tcpip`` or ``terminal``: one that the daemon keeps.
        command: The command line of an ``exec`` or ``pipe``, and perhaps of a ``terminal``; None otherwise.
        subsystem: The name of a ``subsystem``; None otherwise.
        host: Where a ``direct-tcpip`` leads, as the far side resolves it; None otherwise.
        port: Its port; None otherwise.
        env: Environment variables; their values may be secrets.
        term: The terminal of an ``exec`` or ``shell``, None for none; of a ``terminal``, the viewer's own.
        name: Which ``terminal``; None for a new one of any name, or for the only one.
        view: How to view one that there is: ``attach`` or ``watch``; None for a new one.
    """

    __slots__ = ()

    kind: str
    command: str | None
    subsystem: str | None
    host: str | None
    port: int | None
    env: Mapping[str, str]
    term: Terminal | None
    name: str | None
    view: str | None

    def __repr__(self) -> str:
        """Without the values of the environment."""
        return f"Opening({self.kind!r}, {self.command or self.subsystem or self.host!r}, env={sorted(self.env)})"


_NEEDED: Final = {
    "exec": ("command",),
    "pipe": ("command",),
    "shell": (),
    "subsystem": ("subsystem",),
    "direct-tcpip": ("host", "port"),
    "terminal": (),
}
_POSSIBLE: Final = {"terminal": ("command", "name", "view")}
_VIEWS: Final = (None, "attach", "watch")
_LONGEST_HOST: Final = 255  # RFC 1035, 2.3.4; a packet that is too large would cost the far side's whole connection
_WITH_PROCESS: Final = {"exec", "pipe", "shell", "subsystem", "terminal"}
_WITH_TERMINAL: Final = {"exec", "shell", "terminal"}


def frame(kind: Kind, payload: bytes = b"") -> bytes:
    """A message to send.

    Raises:
        InvalidInput: It is larger than ``MAX_MESSAGE``.
    """
    message = bytes((kind,)) + payload
    _check_size(message)
    return message


def parse(message: bytes) -> Frame:
    """A message that came, taken apart; what its payload says is read by the ``read_`` functions.

    Raises:
        InvalidInput: It is empty, too large or of no known kind.
    """
    _check_size(message)
    if not message:
        raise InvalidInput("an empty message is no frame")
    try:
        kind = Kind(message[0])
    except ValueError:
        raise InvalidInput(f"0x{message[0]:02x} is no kind of frame") from None
    return Frame(kind, message[1:])


def _check_size(message: bytes) -> None:
    if len(message) > MAX_MESSAGE:
        raise InvalidInput(f"a message has {len(message)} bytes, and may have {MAX_MESSAGE}", hint="send it in parts")


def read_opening(payload: bytes) -> Opening:
    """The payload of OPEN.

    Raises:
        InvalidInput: It is malformed, or lacks what its kind needs; no value is repeated, since it may be secret.
    """
    fields = _read_json(payload, "OPEN", Opening._fields)
    term = fields.get("term")
    opening = Opening(
        kind=_text(fields.get("kind"), "kind"),
        command=_text_or_none(fields.get("command"), "command"),
        subsystem=_text_or_none(fields.get("subsystem"), "subsystem"),
        host=_text_or_none(fields.get("host"), "host"),
        port=None if fields.get("port") is None else _number(fields["port"], "port", _PORTS, least=1),
        env=_environment(fields.get("env")),
        term=None if term is None else _terminal(term),
        name=_text_or_none(fields.get("name"), "name"),
        view=_text_or_none(fields.get("view"), "view"),
    )
    check_fitting(opening)
    return opening


def check_fitting(opening: Opening) -> None:
    """Check that an opening has what its kind needs, and nothing else.

    Raises:
        InvalidInput: It has not.
    """
    if opening.kind not in _NEEDED:
        raise InvalidInput(f"kind of OPEN must be one of {', '.join(_NEEDED)}")
    needed, possible = _NEEDED[opening.kind], _POSSIBLE.get(opening.kind, ())
    for name in ("command", "subsystem", "host", "port", "name", "view"):
        if name not in possible and (getattr(opening, name) is not None) is not (name in needed):
            fault = "is missing" if name in needed else f"has no use with {opening.kind}"
            raise InvalidInput(f"{name} of OPEN {fault}")
    if len(opening.host or "") > _LONGEST_HOST:
        raise InvalidInput(f"host of OPEN is longer than {_LONGEST_HOST} characters")
    if opening.env and opening.kind not in _WITH_PROCESS:
        raise InvalidInput(f"env of OPEN has no use with {opening.kind}")
    if opening.term is not None and opening.kind not in _WITH_TERMINAL:
        raise InvalidInput(f"term of OPEN has no use with {opening.kind}")
    if opening.kind == "terminal":
        _check_view(opening)


def _check_view(opening: Opening) -> None:
    if opening.term is None:
        raise InvalidInput("term of OPEN is missing")
    if opening.view not in _VIEWS:
        raise InvalidInput("view of OPEN must be attach or watch")
    if opening.view is not None and (opening.command is not None or opening.env):
        raise InvalidInput("what runs on a terminal that there is was decided when it was opened")


def read_size(payload: bytes) -> tuple[int, int]:
    """The payload of RESIZE: columns and rows.

    Raises:
        InvalidInput: It is malformed.
    """
    fields = _read_json(payload, "RESIZE", ("columns", "rows"))
    return _number(fields.get("columns"), "columns", _UINT32), _number(fields.get("rows"), "rows", _UINT32)


def read_signal(payload: bytes) -> str:
    """The payload of SIGNAL: a name without ``SIG`` (RFC 4254 section 6.9).

    Raises:
        InvalidInput: It is malformed.
    """
    if not (payload.isascii() and payload.isalnum() and payload.isupper() and not payload.startswith(b"SIG")):
        raise InvalidInput("a SIGNAL is a name such as INT or TERM")
    return payload.decode("ascii")


def read_exit(payload: bytes) -> tuple[int | None, str | None]:
    """The payload of EXIT: status (None where none was told, -1 with a signal) and the signal's name.

    Raises:
        InvalidInput: It is malformed.
    """
    fields = _read_json(payload, "EXIT")
    status = fields.get("exit_status")
    if status is not None and (not isinstance(status, int) or isinstance(status, bool)):
        raise InvalidInput("exit_status of EXIT must be a number or null")
    return status, _text_or_none(fields.get("exit_signal"), "exit_signal")


def read_opened(payload: bytes) -> str | None:
    """The payload of OPENED: the terminal's name, where it is one.

    Raises:
        InvalidInput: It is malformed.
    """
    return _text_or_none(_read_json(payload, "OPENED").get("name"), "name")


def read_notice(payload: bytes) -> dict[str, Any]:
    """The payload of NOTICE: how a viewer stands to the terminal, as ``model.terminal.Notice`` has it.

    Raises:
        InvalidInput: It is malformed.
    """
    return _read_json(payload, "NOTICE")


def read_problem(payload: bytes) -> dict[str, Any]:
    """The payload of ERROR: problem details, which ``model.problem.from_problem`` makes an error of.

    Raises:
        InvalidInput: It is malformed.
    """
    return _read_json(payload, "ERROR")


def read_window(payload: bytes) -> int:
    """The payload of WINDOW: bytes.

    Raises:
        InvalidInput: It is malformed.
    """
    if len(payload) != 4:
        raise InvalidInput("a WINDOW is four bytes")
    return int.from_bytes(payload, "big")


def json_payload(value: Mapping[str, Any]) -> bytes:
    """A payload of JSON."""
    return json.dumps(value, separators=(",", ":")).encode("ascii")


def _read_json(payload: bytes, what: str, known: tuple[str, ...] = ()) -> dict[str, Any]:
    """An object, whose members have known names where any are given. Its text is not repeated in an error."""
    try:
        value = json.loads(payload)
    except (ValueError, RecursionError):
        raise InvalidInput(f"the payload of {what} is no JSON") from None
    if not isinstance(value, dict):
        raise InvalidInput(f"the payload of {what} is no JSON object")
    for name in value if known else ():
        if name not in known:
            raise InvalidInput(f"{what} has no member {name!r}", hint=f"it may have {', '.join(known)}")
    return value


def _text(value: object, name: str) -> str:
    if not isinstance(value, str):
        raise InvalidInput(f"{name} must be a text")
    return value


def _text_or_none(value: object, name: str) -> str | None:
    return None if value is None else _text(value, name)


def _number(value: object, name: str, most: int, *, least: int = 0) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise InvalidInput(f"{name} must be a number from {least} to {most}")
    return value


def _environment(value: object) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise InvalidInput("env must map names to texts")
    return value


def _terminal(value: object) -> Terminal:
    if not isinstance(value, dict) or not value.keys() <= set(Terminal._fields):
        raise InvalidInput("term must have type, columns and rows, and nothing else")
    return Terminal(
        _text(value.get("type"), "type of term"),
        _number(value.get("columns", 80), "columns of term", _UINT32),
        _number(value.get("rows", 24), "rows of term", _UINT32),
    )
