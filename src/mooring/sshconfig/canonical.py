"""Names in their one form: numeric addresses always, host names where ``CanonicalizeHostname`` asks for it."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .lexer import ascii_lower
from .patterns import matches_list

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Rules", "canonical_address", "canonical_name", "looks_numeric"]

_NUMBER = re.compile("0[xX](?P<hex>[0-9a-fA-F]+)|0(?P<octal>[0-7]*)|(?P<decimal>[1-9][0-9]*)")
_OCTETS = 4
_BASES = {"hex": 16, "octal": 8, "decimal": 10}


def looks_numeric(name: str) -> bool:
    """Whether a name can only be an address, well-formed or not."""
    return ":" in name or "%" in name or not name.strip("0123456789.")


def canonical_address(name: str, family: str | None = None) -> str | None:
    """The usual form of a numeric address; None where the name is none, or none of that family.

    Args:
        name: Anything inet_aton(3) or inet_pton(3) takes: ``127.1``, ``0x7f000001``, ``::0001``.
        family: ``inet``, ``inet6``; None or ``any`` for both.
    """
    if family != "inet6":
        number = _inet_aton(name)
        if number is not None:
            return str(ipaddress.IPv4Address(number))
    if family == "inet" or "%" in name:
        # A scope is a matter of this host's interfaces; such a name stays as it is.
        return None
    try:
        address = ipaddress.IPv6Address(name)
    except ValueError:
        return None
    return _inet_ntop(address)


def _inet_aton(name: str) -> int | None:
    parts = name.split(".")
    if len(parts) > _OCTETS:
        return None
    total = 0
    for position, part in enumerate(parts, 1):
        found = _NUMBER.fullmatch(part)
        if found is None or len(part) > 40:
            return None
        kind = found.lastgroup or "decimal"
        value = int(found[kind] or "0", _BASES[kind])
        room = 8 if position < len(parts) else 8 * (_OCTETS + 1 - len(parts))
        if value >= 1 << room:
            return None
        total = total << room | value
    return total


def _inet_ntop(address: ipaddress.IPv6Address) -> str:
    words = [int.from_bytes(address.packed[i : i + 2]) for i in range(0, 16, 2)]
    mapped = not any(words[:5]) and words[5] == 0xFFFF
    compatible = not any(words[:6]) and words[6] != 0
    if not mapped and not compatible:
        return str(address)
    return ("::ffff:" if mapped else "::") + str(ipaddress.IPv4Address(address.packed[12:]))


@dataclass(frozen=True, slots=True)
class Rules:
    """The Canonicalize* keywords of one host.

    Attributes:
        mode: ``no``, ``yes`` (not through a proxy) or ``always``.
        domains: CanonicalDomains.
        max_dots: CanonicalizeMaxDots.
        fallback_local: CanonicalizeFallbackLocal.
        cnames: CanonicalizePermittedCNAMEs: patterns of names, patterns of what they may stand for.
        direct: Whether the host is reached without a proxy.
    """

    mode: str = "no"
    domains: tuple[str, ...] = ()
    max_dots: int = 1
    fallback_local: bool = True
    cnames: tuple[tuple[str, str], ...] = ()
    direct: bool = True


def canonical_name(name: str, rules: Rules, resolve: Callable[[str], str | None] | None) -> str:
    """The name under which a host is meant to be known.

    Args:
        name: A host name in lower case; not an address.
        rules: What is asked for.
        resolve: See `Local.resolve`.

    Raises:
        ValueError: A resolver is needed and there is none, or the name resolves nowhere and must.
    """
    if rules.mode == "no" or not (rules.direct or rules.mode == "always"):
        return name
    if name.endswith("."):
        candidates = [name]
    elif name.count(".") > rules.max_dots:
        return _follow(name, name, rules, resolve) if rules.cnames else name
    else:
        candidates = [f"{name}.{domain}." for domain in rules.domains if domain != "none"]
    for candidate in candidates:
        known_as = _resolved(candidate, resolve)
        if known_as is not None:
            return _permitted(candidate.removesuffix("."), known_as, rules)
    if not rules.fallback_local:
        raise ValueError(f"{name} resolves in none of the CanonicalDomains")
    return _follow(name, name, rules, resolve) if rules.cnames else name


def _resolved(name: str, resolve: Callable[[str], str | None] | None) -> str | None:
    if resolve is None:
        raise ValueError(f"the canonical name of {name.removesuffix('.')} is asked for, and no names are resolved here")
    return resolve(name)


def _follow(name: str, candidate: str, rules: Rules, resolve: Callable[[str], str | None] | None) -> str:
    known_as = _resolved(candidate, resolve)
    return name if known_as is None else _permitted(name, known_as, rules)


def _permitted(name: str, known_as: str, rules: Rules) -> str:
    known_as = ascii_lower(known_as.removesuffix("."))
    for sources, targets in rules.cnames:
        if known_as and matches_list(name, sources, lower=True) and matches_list(known_as, targets, lower=True):
            return known_as
    return name
