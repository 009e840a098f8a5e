"""The fields of a target and what each may be: one table for a DSN, for keywords and for TOML."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from .address import is_host
from .errors import InvalidInput
from .secret import Secret
from .selector import ALIAS, LABEL

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["OPTIONS", "PLACES", "Rate"]

_RESERVED_ALIAS: Final = "all"
_RATE: Final = re.compile(r"([1-9][0-9]{0,5})/(s|sec|min|h|hour)")
_PER: Final[Mapping[str, float]] = {"s": 1.0, "sec": 1.0, "min": 60.0, "h": 3600.0, "hour": 3600.0}
_TRUE: Final = frozenset({"yes", "true", "on", "1"})
_FALSE: Final = frozenset({"no", "false", "off", "0"})
_HOP: Final = re.compile(
    r"(?:[^\s@:/?#,]+@)?(?:\[(?P<ipv6>[^\[\]]*:[^\[\]]*)\]|(?P<name>[^@:\[\]]+))(?::(?P<port>.*))?"
)
_SCHEMES: Final = ("env:", "file:", "keyring:")
_KEY: Final = re.compile(r"(ssh|ecdsa|sk-ssh|sk-ecdsa|rsa)-[A-Za-z0-9@.-]+ [A-Za-z0-9+/]+=*( .*)?")
_FINGERPRINT: Final = re.compile(r"SHA256:[A-Za-z0-9+/]{43}")
_POLICIES: Final = ("verify", "accept-new", "off")
_WHOLE: Final = re.compile(r"0*([0-9]{1,5})")
_MAX_PORT: Final = 65_535
_MAX_COUNT: Final = 10_000
_MAX_SECONDS: Final = 86_400.0
_NONE: Final = "none"


@dataclass(frozen=True, slots=True)
class Rate:
    """At most ``count`` connections in any ``per`` seconds: 1.0, 60.0 or 3600.0."""

    count: int
    per: float

    def __str__(self) -> str:
        """As it is written in an option: ``4/min``."""
        return f"{self.count}/{ {1.0: 's', 60.0: 'min', 3600.0: 'h'}[self.per] }"


def _alias(value: object) -> str:
    if not isinstance(value, str) or not ALIAS.fullmatch(value):
        raise ValueError("must be letters, digits, '.', '_' and '-', a letter or digit first")
    if value == _RESERVED_ALIAS:
        raise ValueError("must not be 'all', by which a selector means every session")
    return value


def _host(value: object) -> str:
    # RFC 6874 writes the '%' of a zone as %25 in a URI; a zone of digits alone is taken as it stands.
    host = re.sub(r"%25(?=[A-Za-z])", "%", value) if isinstance(value, str) else ""
    if not is_host(host):
        raise ValueError("must be a host name or an address")
    return host


def _username(value: object) -> str:
    return _text(value)


def _password(value: object) -> Secret | None:
    try:
        secret = Secret(value)  # type: ignore[arg-type]  # it refuses what is no text
    except InvalidInput:
        secret = None
    if secret is None:
        raise ValueError("must be a Secret or a text that UTF-8 can write")
    return secret or None


def _port(value: object) -> int:
    port = _whole(value, _MAX_PORT)
    if port is None:
        raise ValueError(f"must be a number from 1 to {_MAX_PORT}")
    return port


def _whole(value: object, most: int) -> int | None:
    """The number from 1 to ``most`` that is meant, zeros in front allowed; else None."""
    if isinstance(value, str):
        match = _WHOLE.fullmatch(value)
        value = int(match[1]) if match else None
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        return None
    return value


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("must be a text")
    if not value.isprintable():
        raise ValueError("must have no control character")
    return value


def _texts(value: object) -> tuple[str, ...]:
    parts = [value] if isinstance(value, str) else value
    if not isinstance(parts, (list, tuple)) or not all(isinstance(part, str) for part in parts):
        raise ValueError("must be a text or a list of texts")
    texts = tuple(part.strip(" ") for part in parts)
    if not all(texts):
        raise ValueError("must have no empty part")
    return tuple(_text(text) for text in texts)


def _split(value: object) -> object:
    return value.split(",") if isinstance(value, str) else value


def _labels(value: object) -> tuple[str, ...]:
    labels = _texts(_split(value))
    if not all(LABEL.fullmatch(label) for label in labels):
        raise ValueError("must be key:value, as in site:ams")
    return tuple(dict.fromkeys(labels))


def _jump(value: object) -> tuple[str, ...]:
    hops = _texts(_split(value))
    if hops == (_NONE,):
        return ()
    if _NONE in hops or not all(map(_is_hop, hops)):
        raise ValueError("must be [user@]host[:port], several with commas between, without a password; or none")
    return hops


def _is_hop(text: str) -> bool:
    match = _HOP.fullmatch(text)
    return (
        match is not None
        and is_host(match["ipv6"] or match["name"])
        and (match["port"] is None or _whole(match["port"], _MAX_PORT) is not None)
    )


def _identity(value: object) -> tuple[str, ...]:
    files = _texts(value)
    return () if files == (_NONE,) else files


def _password_from(value: object) -> str:
    text = _text(value)
    if not any(text.startswith(scheme) and len(text) > len(scheme) for scheme in _SCHEMES):
        raise ValueError("must be env:NAME, file:PATH or keyring:SERVICE")
    return text


def _host_key(value: object) -> str:
    text = _text(value)
    if text not in _POLICIES and not _KEY.fullmatch(text) and not _FINGERPRINT.fullmatch(text):
        raise ValueError("must be verify, accept-new, off, a public key or its SHA256: fingerprint")
    return text


def _switch(value: object) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in _TRUE | _FALSE:
        return value.lower() in _TRUE
    raise ValueError("must be yes or no")


def _count(value: object) -> int:
    count = _whole(value, _MAX_COUNT)
    if count is None:
        raise ValueError(f"must be a number from 1 to {_MAX_COUNT}")
    return count


def _rate(value: object) -> Rate:
    if isinstance(value, Rate):
        value = str(value) if value.per in _PER.values() else None
    match = _RATE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("must be a number per s, min or h, as in 4/min")
    return Rate(int(match[1]), _PER[match[2]])


def _seconds(value: object) -> float:
    try:
        seconds = float(value) if isinstance(value, (str, int, float)) and not isinstance(value, bool) else 0.0
    except (ValueError, OverflowError):
        seconds = 0.0
    if not 0.0 < seconds <= _MAX_SECONDS:
        raise ValueError(f"must be seconds, more than 0 and at most {_MAX_SECONDS:.0f}")
    return seconds


PLACES: Final[Mapping[str, Callable[[object], object]]] = {
    "alias": _alias,
    "host": _host,
    "username": _username,
    "password": _password,
    "port": _port,
}
"""The fields that have a place of their own in a DSN; see ``OPTIONS``."""

OPTIONS: Final[Mapping[str, Callable[[object], object]]] = {
    "label": _labels,
    "jump": _jump,
    "identity": _identity,
    "password_from": _password_from,
    "known_hosts": _text,
    "host_key": _host_key,
    "legacy": _switch,
    "channels": _count,
    "handshakes": _count,
    "rate": _rate,
    "keepalive": _seconds,
    "connect_timeout": _seconds,
}
"""What each option's value may be: a text from a DSN or TOML, or the value itself, to the value kept.

Each raises ValueError with words that fit behind the option's name, and never repeats the value, since a
password may have come to stand there.
"""
