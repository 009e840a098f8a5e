"""Who may stand in the door: calls that are not logged in yet, counted before any crypto is spent on them.

Pure: the clock is an argument. A call is any hashable thing; its source is its address, for IPv6 the network of 64
bits that one customer has.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Hashable

    from ..model.device import DoorLimits

__all__ = ["FailedLogins", "HalfOpen", "source_of"]

_CallT = TypeVar("_CallT", bound="Hashable")
_SOURCES: Final = 8192
"""Sources whose rate is remembered; beyond, the one forgotten is that which called longest ago."""
_FREE: Final = 10.0
"""Failed logins that cost a source nothing: people mistype, and several may come from one address."""
_FORGOTTEN: Final = 60.0
"""Seconds after which one failure is forgotten."""
_LONGEST: Final = 300.0
"""Seconds for which a source is kept out at most."""
_DOUBLINGS: Final = 16.0


class HalfOpen(Generic[_CallT]):
    """The calls that are not logged in, the one that has stood still longest first."""

    def __init__(self, limits: DoorLimits) -> None:
        self._limits = limits
        self._calls: dict[_CallT, str] = {}
        self._by_source: dict[str, dict[_CallT, None]] = {}
        self._tokens: dict[str, tuple[float, float]] = {}

    def __len__(self) -> int:
        """How many there are."""
        return len(self._calls)

    def of(self, source: str) -> int:
        """How many there are from one source."""
        return len(self._by_source.get(source, ()))

    def admit(self, call: _CallT, source: str, now: float) -> tuple[bool, _CallT | None]:
        """A call came: whether it may stay, and which other has to go for it."""
        if not self._pays(source, now):
            return False, None
        victim: _CallT | None = None
        if self.of(source) >= self._limits.half_open_per_source:
            victim = next(iter(self._by_source[source]))
        elif len(self._calls) >= self._limits.half_open:
            victim = next(iter(self._calls))
        if victim is not None:
            self.leave(victim)
        self._calls[call] = source
        self._by_source.setdefault(source, {})[call] = None
        return True, victim

    def progress(self, call: _CallT) -> None:
        """A call came a step further: it is the last to be dropped now. There are few steps, so none lasts for ever."""
        source = self._calls.pop(call, None)
        if source is not None:
            self._calls[call] = source
            del self._by_source[source][call]
            self._by_source[source][call] = None

    def leave(self, call: _CallT) -> None:
        """A call is logged in or gone. Safe to call twice."""
        source = self._calls.pop(call, None)
        if source is not None:
            del self._by_source[source][call]
            if not self._by_source[source]:
                del self._by_source[source]

    def _pays(self, source: str, now: float) -> bool:
        """Take one of the tokens that a source gets ``rate`` of a second, and has ``burst`` of at most."""
        tokens, since = self._tokens.pop(source, (float(self._limits.burst), now))
        tokens = min(self._limits.burst, tokens + (now - since) * self._limits.rate)
        pays = tokens >= 1.0
        self._tokens[source] = (tokens - pays, now)
        if len(self._tokens) > _SOURCES:
            del self._tokens[next(iter(self._tokens))]
        return pays


class FailedLogins:
    """Sources whose logins fail: after some failures each further one keeps the source out for longer.

    A failure is forgotten by and by, and by nothing else: who has a login of their own would guess another's for ever.
    """

    def __init__(self) -> None:
        self._failed: dict[str, tuple[float, float]] = {}

    def failed(self, source: str, now: float) -> None:
        """A login from there failed."""
        self._failed[source] = self._count(source, now) + 1.0, now
        if len(self._failed) > _SOURCES:
            del self._failed[next(iter(self._failed))]

    def wait(self, source: str, now: float) -> float:
        """Seconds for which nobody is let in from there yet."""
        count, since = self._failed.get(source, (0.0, now))
        over = count - _FREE
        kept_out = min(_LONGEST, 2.0 ** min(over, _DOUBLINGS)) if over > 0.0 else 0.0
        return max(0.0, since + kept_out - now)

    def _count(self, source: str, now: float) -> float:
        count, since = self._failed.pop(source, (0.0, now))
        return max(0.0, count - (now - since) / _FORGOTTEN)


def source_of(address: str) -> str:
    """What counts as one source: an IPv4 address, also one written as IPv6, or 64 bits of an IPv6 one."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(parsed) >> 64 << 64, 64)))
