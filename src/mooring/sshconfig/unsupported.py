"""Settings whose silent neglect would change who is trusted, or whether a host is reached.

They are refused, and only for the host that is looked up: a setting in another host's block hurts nobody.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["UNSUPPORTED", "Unsupported"]


@dataclass(frozen=True, slots=True)
class Unsupported:
    """A keyword that Mooring cannot honour.

    Attributes:
        name: The keyword as ssh_config(5) writes it.
        harmless: The values, in lower case, with which there is nothing to honour.
        why: What is missing.
        hint: What to do instead.
    """

    name: str
    harmless: frozenset[str]
    why: str
    hint: str


_NO = frozenset({"no", "false"})
_NONE = frozenset({"none"})

UNSUPPORTED: Mapping[str, Unsupported] = {
    "bindinterface": Unsupported(
        "BindInterface",
        frozenset(),
        "Mooring binds to no interface by its name",
        "name its address instead: BindAddress ADDRESS",
    ),
    "hostbasedauthentication": Unsupported(
        "HostbasedAuthentication", _NO, "Mooring has no host-based authentication", "log in with a key or a password"
    ),
    "knownhostscommand": Unsupported(
        "KnownHostsCommand", _NONE, "Mooring runs no command for host keys", "put the keys into UserKnownHostsFile"
    ),
    "pkcs11provider": Unsupported(
        "PKCS11Provider",
        _NONE,
        "Mooring loads no PKCS#11 library",
        "add the token's keys to an agent: ssh-add -s LIBRARY",
    ),
    "proxyusefdpass": Unsupported(
        "ProxyUseFdpass", _NO, "Mooring takes no descriptor from a ProxyCommand", "use a ProxyCommand that relays bytes"
    ),
    "refuseconnection": Unsupported(
        "RefuseConnection",
        frozenset(),
        "the configuration refuses this host",
        "remove the line to connect all the same",
    ),
    "revokedhostkeys": Unsupported(
        "RevokedHostKeys", _NONE, "Mooring reads no revocation list", "mark the keys @revoked in UserKnownHostsFile"
    ),
    "securitykeyprovider": Unsupported(
        "SecurityKeyProvider",
        frozenset({"internal", "none"}),
        "Mooring loads no security key library",
        "add the security key to an agent: ssh-add FILE",
    ),
    "tunnel": Unsupported("Tunnel", _NO, "Mooring opens no tunnel devices", "use ssh -w for this host"),
    "verifyhostkeydns": Unsupported(
        "VerifyHostKeyDNS", _NO | {"ask"}, "Mooring takes no host keys from DNS", "put the keys into UserKnownHostsFile"
    ),
}
