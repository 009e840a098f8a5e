"""What the values of a configuration file may be: each check gives the value as it is kept, or a ValueError."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ..model.address import is_host
from ..model.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "CALL_HOME_PORT",
    "GATEWAY_PORT",
    "address",
    "addresses",
    "boolean",
    "number",
    "one_of",
    "path",
    "port",
    "seconds",
    "ssh_config",
    "string",
    "strings",
    "tables",
]

_MAX_PORT: Final = 65_535
CALL_HOME_PORT: Final = 4334
"""RFC 8071, section 6.1."""
GATEWAY_PORT: Final = 8822
"""The daemon's own, which nobody has registered."""
_ADDRESS: Final = re.compile(r"(?:\[(?P<ipv6>[^\[\]]+)\]|(?P<host>[^:\[\]]+))(?::(?P<port>[0-9]{1,5}))?")


def string(value: object) -> str:
    """A text that is not empty."""
    if not isinstance(value, str) or not value:
        raise ValueError("must be a text")
    return value


def path(value: object) -> Path:
    """A path, made whole."""
    return Path(string(value)).expanduser().absolute()


def port(value: object) -> int:
    """A TCP port."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _MAX_PORT:
        raise ValueError(f"must be a number from 0 to {_MAX_PORT}; 0 lets the system choose")
    return value


def strings(value: object) -> tuple[str, ...]:
    """A list of texts."""
    if not isinstance(value, list) or not all(isinstance(part, str) and part for part in value):
        raise ValueError("must be a list of texts")
    return tuple(value)


def address(text: str, usual: int = CALL_HOME_PORT) -> tuple[str, int]:
    """``HOST:PORT``, an IPv6 address in brackets; without a port it is the usual one.

    Raises:
        ConfigError: It is neither.
    """
    found = _ADDRESS.fullmatch(text)
    host = (found["ipv6"] or found["host"]) if found else ""
    port = int(found["port"] or usual) if found else 0
    if not is_host(host) or port > _MAX_PORT or (found is not None and bool(found["ipv6"]) != (":" in host)):
        raise ConfigError(f"{text!r} is no address", hint=f"write HOST:PORT, as 0.0.0.0:{usual} or [::]:{usual}")
    return host, port


def addresses(usual: int) -> Callable[[object], tuple[tuple[str, int], ...]]:
    """One address or a list of them, each as ``address`` has it."""

    def check(value: object) -> tuple[tuple[str, int], ...]:
        try:
            return tuple(address(text, usual) for text in strings([value] if isinstance(value, str) else value))
        except ConfigError as error:
            raise ValueError(f"{error.message} ({error.hint})") from None

    return check


def boolean(value: object) -> bool:
    """Yes or no."""
    if not isinstance(value, bool):
        raise ValueError("must be true or false")  # noqa: TRY004 - as every check here
    return value


def tables(value: object) -> dict[str, object]:
    """Tables of devices."""
    if not isinstance(value, dict):
        raise ValueError("must be tables: [call_home.devices.ALIAS]")  # noqa: TRY004 - likewise
    return value


def number(kind: type[float]) -> Callable[[object], float]:
    """A number above 0, of a kind."""

    def check(value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, kind)) or not value > 0:
            raise ValueError("must be a number above 0" if kind is float else "must be a whole number above 0")
        return value

    return check


def seconds(value: object) -> float:
    """Seconds, perhaps none."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < float("inf"):
        raise ValueError("must be seconds, 0 or more")
    return float(value)


def ssh_config(value: object) -> tuple[Path, ...] | None:
    """Files; None for the usual ones."""
    return tuple(Path(part).expanduser().absolute() for part in strings(value)) or None


def one_of(known: tuple[str, ...]) -> Callable[[object], str]:
    """One of some words."""

    def check(value: object) -> str:
        if value not in known:
            raise ValueError(f"must be one of {', '.join(known)}")
        return str(value)

    return check
