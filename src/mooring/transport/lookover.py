"""What can be said before anything depends on it: whether a key file will do, whether a server can be reached."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..model.errors import AuthenticationFailed, UnknownHostKey
from .algorithms import rsa_bits
from .hostfiles import KnownHosts
from .keyfiles import KeyFiles
from .keywords import Keywords
from .private import certificate_times

if TYPE_CHECKING:
    from pathlib import Path

    from .dial import Dialer
    from .route import Route

__all__ = ["KeyFacts", "key_facts", "reach", "unread_lines"]


@dataclass(frozen=True, slots=True)
class KeyFacts:
    """A private key in a file.

    Attributes:
        kind: Its algorithm, as ``ssh-ed25519``.
        bits: Of an RSA key; None of any other.
        certificates: From when to when each of its certificates counts, in seconds since 1970.
    """

    kind: str
    bits: int | None
    certificates: tuple[tuple[int, int], ...]


def key_facts(file: Path) -> KeyFacts:
    """What a private key is.

    Raises:
        CredentialError: It is missing, malformed, readable by others, or has a passphrase; likewise its certificate.
    """
    (found,) = KeyFiles().identities([file], [], None, (), defaults=False)
    assert found.key is not None  # noqa: S101 - no agent was asked
    times = tuple(certificate_times(each) for each in found.certificates)
    return KeyFacts(found.key.get_algorithm(), rsa_bits(found.blob), times)


def unread_lines(file: Path) -> tuple[str, ...]:
    """Where in a file of known hosts there are lines that cannot be read. One that is not there has none.

    Raises:
        OSError: It cannot be read.
    """
    return KnownHosts([file]).match("localhost", 22).skipped


async def reach(dialer: Dialer, route: Route, timeout: float) -> None:
    """Go up to a server's door: connect, agree on algorithms, look at its host key. Nobody tries to log in.

    Nothing is learned and no file is written. Of a way over jump hosts, the nearest of them is looked at. Cancelling
    is safe.

    Args:
        dialer: Knows the host keys.
        route: Where to.
        timeout: Seconds for all of it.

    Raises:
        ConnectError, CredentialError: As ``Dialer.dial``, but for the login.
    """
    while route.via is not None:
        route = route.via
    learns = route.policy == "accept-new"
    nobody = replace(
        route,
        target=replace(route.target, password=None, password_from=None),
        config=replace(route.config, update_host_keys="no"),
        policy="verify" if learns else route.policy,
        connect_timeout=min(route.connect_timeout, timeout),
        keywords=Keywords(client_keys=(), agent="none"),
    )
    try:
        link = await dialer.dial(nobody)
    except AuthenticationFailed:
        return
    except UnknownHostKey:
        if not learns:
            raise
    else:
        await link.aclose()  # it asks nobody who they are
