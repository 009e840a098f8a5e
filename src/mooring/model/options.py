"""The options of a target: one table for a DSN, for keywords and for TOML."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from .selector import LABEL

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["OPTIONS", "Rate"]

_RATE = re.compile(r"([1-9][0-9]{0,5})/(s|sec|min|h|hour)")
_PER: Final[Mapping[str, float]] = {"s": 1.0, "sec": 1.0, "min": 60.0, "h": 3600.0, "hour": 3600.0}
_TRUE = frozenset({"yes", "true", "on", "1"})
_FALSE = frozenset({"no", "false", "off", "0"})
_HOP = re.compile(r"(?:[^\s@:/?#,]+@)?(?:[A-Za-z0-9_][A-Za-z0-9._-]*|\[[0-9A-Fa-f:.%]+\])(?::[0-9]{1,5})?")
_SCHEMES = ("env:", "file:", "keyring:")
_KEY = re.compile(r"(ssh|ecdsa|sk-ssh|sk-ecdsa|rsa)-[A-Za-z0-9@.-]+ [A-Za-z0-9+/]+=*( .*)?")
_FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{43}")
_POLICIES = ("verify", "accept-new", "off")
_MAX_CHANNELS = 10_000
_MAX_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True)
class Rate:
    """At most ``count`` connections in any ``per`` seconds."""

    count: int
    per: float

    def __str__(self) -> str:
        """As it is written in an option: ``4/min``."""
        return f"{self.count}/{ {1.0: 's', 60.0: 'min', 3600.0: 'h'}[self.per] }"


def _texts(value: object) -> tuple[str, ...]:
    parts = [value] if isinstance(value, str) else value
    if not isinstance(parts, (list, tuple)) or not all(isinstance(part, str) for part in parts):
        msg = "expects a text or a list of texts"
        raise ValueError(msg)
    texts = tuple(part.strip() for part in parts)
    if not all(texts):
        msg = "expects no empty part"
        raise ValueError(msg)
    return texts


def _split(value: object) -> object:
    return value.split(",") if isinstance(value, str) else value


def _jump(value: object) -> tuple[str, ...]:
    hops = _texts(_split(value))
    if not all(_HOP.fullmatch(hop) for hop in hops):
        msg = "expects [user@]host[:port], several with commas between, and no password"
        raise ValueError(msg)
    return hops


def _labels(value: object) -> tuple[str, ...]:
    labels = _texts(_split(value))
    if not all(LABEL.fullmatch(label) for label in labels):
        msg = "expects key:value, as in site:ams"
        raise ValueError(msg)
    return tuple(dict.fromkeys(labels))


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        msg = "expects a text"
        raise ValueError(msg)
    return value


def _password_from(value: object) -> str:
    text = _text(value)
    if not any(text.startswith(scheme) and len(text) > len(scheme) for scheme in _SCHEMES):
        msg = "expects env:NAME, file:PATH or keyring:SERVICE"
        raise ValueError(msg)
    return text


def _host_key(value: object) -> str:
    text = _text(value)
    if text not in _POLICIES and not _KEY.fullmatch(text) and not _FINGERPRINT.fullmatch(text):
        msg = "expects verify, accept-new, off, a public key or its SHA256: fingerprint"
        raise ValueError(msg)
    return text


def _switch(value: object) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in _TRUE | _FALSE:
        return value.lower() in _TRUE
    msg = "expects yes or no"
    raise ValueError(msg)


def _channels(value: object) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= _MAX_CHANNELS:
        msg = f"expects a whole number from 1 to {_MAX_CHANNELS}"
        raise ValueError(msg)
    return value


def _rate(value: object) -> Rate:
    if isinstance(value, Rate):
        return value
    match = _RATE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        msg = "expects a number per s, min or h, as in 4/min"
        raise ValueError(msg)
    return Rate(int(match[1]), _PER[match[2]])


def _seconds(value: object) -> float:
    try:
        seconds = float(value) if isinstance(value, (str, int, float)) and not isinstance(value, bool) else 0.0
    except ValueError:
        seconds = 0.0
    if not 0.0 < seconds <= _MAX_SECONDS:
        msg = f"expects seconds, more than 0 and at most {_MAX_SECONDS:.0f}"
        raise ValueError(msg)
    return seconds


OPTIONS: Final[Mapping[str, Callable[[object], object]]] = {
    "label": _labels,
    "jump": _jump,
    "identity": _texts,
    "password_from": _password_from,
    "known_hosts": _text,
    "host_key": _host_key,
    "legacy": _switch,
    "channels": _channels,
    "rate": _rate,
    "keepalive": _seconds,
    "connect_timeout": _seconds,
}
"""What each option's value may be: a text from a DSN or TOML, or the value itself, to the value kept.

Each raises ValueError with words that fit behind the option's name.
"""
