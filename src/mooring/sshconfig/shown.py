"""Values as ``ssh -G`` shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from .keywords import Take, keyword_table
from .lexer import Line, ascii_lower
from .values import duration

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .resolution import Resolution

__all__ = ["LISTS", "listed", "shown"]

LISTS: Final = frozenset(
    name for name, keyword in keyword_table({}).items() if keyword.take in {Take.ALL, Take.SEND_ENV}
) | {"setenv"}
"""Keywords that may come more than once, each time with a value that counts."""


def listed(name: str, resolution: Resolution) -> list[str]:
    """The values of one of the ``LISTS``."""
    if name == "setenv":
        pairs: dict[str, str] = resolution.get("setenv", {})
        return [f"{key}={value}" for key, value in pairs.items()]
    if name.endswith("forward") and resolution.get("clearallforwardings", default=False):
        return []
    values = resolution.collected.get(name, {})
    return [value if isinstance(value, str) else " ".join(line.arguments) for value, line in values.items()]


def shown(name: str, value: object, line: Line) -> str:
    """The value of any other keyword."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return str(int(value))
    if name in _HOW:
        return _HOW[name](value, line)
    return str(value) if isinstance(value, str | int) else " ".join(line.arguments)


def _hops(value: object, _line: Line) -> str:
    return ",".join(str(hop) for hop in value) if isinstance(value, tuple) and value else "none"


def _upper(value: object, _line: Line) -> str:
    return str(value).upper()


def _lower(value: object, _line: Line) -> str:
    return ascii_lower(str(value))


def _times(_value: object, line: Line) -> str:
    return " ".join(map(_seconds, line.arguments))


def _twice(value: object, _line: Line) -> str:
    return " ".join((cast("tuple[str, ...]", value) * 2)[:2])


def _rekeyed(value: object, _line: Line) -> str:
    size, time = cast("tuple[int, int | None]", value)
    return f"{size} {time or 0}"


_HOW: Final[Mapping[str, Callable[[object, Line], str]]] = {
    "addkeystoagent": _times,
    "controlpersist": _times,
    "fingerprinthash": _upper,
    "hostkeyalias": _lower,
    "ipqos": _twice,
    "proxyjump": _hops,
    "rekeylimit": _rekeyed,
    "syslogfacility": _upper,
}


def _seconds(word: str) -> str:
    """A time in seconds; another word as it is."""
    try:
        seconds = duration(ascii_lower(word))
    except ValueError:
        return ascii_lower(word)
    return word if seconds is None else str(int(seconds))
