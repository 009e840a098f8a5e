"""What vendors do otherwise than the RFCs, as data, in this one place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["DEEP_ERRORS", "QUIRKS", "SETTLES", "Quirks"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Quirks:
    """How to meet one family of devices.

    Attributes:
        fallback: The command that speaks NETCONF where the server refuses the subsystem; None where there is none.
        strip_namespaces: Whether replies lose their namespaces: an option, since what is lost may matter.
        deep_errors: Whether an ``rpc-error`` may stand anywhere in a reply, and not only at its top or one below.
    """

    fallback: str | None = None
    strip_namespaces: bool = False
    deep_errors: bool = False


QUIRKS: Final[Mapping[str, Quirks]] = {
    "default": Quirks(),
    # A user whose login class denies the subsystem may still reach it through the command line; errors of one
    # routing engine stand inside the results of all.
    "junos": Quirks(fallback="xml-mode netconf need-trailer", deep_errors=True),
}
"""By the name that ``Session.netconf(device=...)`` takes."""

DEEP_ERRORS: Final = frozenset({"http://xml.juniper.net/netconf/junos/1.0"})
"""Capabilities of servers that have ``deep_errors`` whatever was expected of them."""

SETTLES: Final[Mapping[str, float]] = {
    # yuma123 never answers a request that it reads together with our hello, and nothing tells when it has read that.
    "http://netconfcentral.org/ns/yuma-ncx": 0.2,
}
"""By a capability of the server: seconds to leave it in peace after the hellos."""
