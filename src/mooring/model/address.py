"""Which texts may stand for a host."""

from __future__ import annotations

import ipaddress
import re
from typing import Final

__all__ = ["is_host"]

_LABEL: Final = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_NAME: Final = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?")
_MAX_NAME: Final = 254
_QUAD: Final = re.compile(r"[0-9]+(?:\.[0-9]+){3}")
_IPV6: Final = re.compile(r"[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*(?:%[A-Za-z0-9_.-]+)?")


def is_host(text: str) -> bool:
    """Whether it is a host name (RFC 1123, underscores and a final dot allowed), an IPv4 or a bare IPv6 address.

    Names in other letters are not taken: the resolver's IDNA is of 2003, and reads some of them otherwise
    than browsers do. What looks like an IPv4 address must be one.
    """
    if ":" in text:
        return bool(_IPV6.fullmatch(text)) and _is_address(text)
    if _QUAD.fullmatch(text):
        return _is_address(text)
    return bool(_NAME.fullmatch(text)) and len(text) <= _MAX_NAME


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
