"""AsyncSSH's private names, where nothing public will do; all in one place, and tested on every upgrade."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from asyncssh.constants import MSG_IGNORE
from asyncssh.encryption import get_default_encryption_algs, get_encryption_algs
from asyncssh.kex import get_default_kex_algs, get_kex_algs
from asyncssh.mac import get_default_mac_algs, get_mac_algs
from asyncssh.public_key import get_certificate_algs, get_default_public_key_algs, get_public_key_algs

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    import asyncssh

__all__ = ["DEFAULTS", "KNOWN", "peer_closed", "round_trip", "spare_ignores"]


def _names(algorithms: Iterable[bytes]) -> tuple[str, ...]:
    """Without the GSSAPI ones, which need a ticket that we never ask for."""
    return tuple(name.decode("ascii") for name in algorithms if not name.startswith(b"gss-"))


DEFAULTS: Final[Mapping[str, tuple[str, ...]]] = {
    "kex_algs": _names(get_default_kex_algs()),
    "encryption_algs": _names(get_default_encryption_algs()),
    "mac_algs": _names(get_default_mac_algs()),
    "signature_algs": _names(get_default_public_key_algs()),
}
"""What AsyncSSH offers, under its keywords."""

KNOWN: Final[Mapping[str, tuple[str, ...]]] = {
    "kex_algs": _names(get_kex_algs()),
    "encryption_algs": _names(get_encryption_algs()),
    "mac_algs": _names(get_mac_algs()),
    "signature_algs": _names(get_public_key_algs()),
    "server_host_key_algs": _names(get_certificate_algs() + get_public_key_algs()),
}
"""What AsyncSSH can do, under its keywords: it refuses a list that holds one name more."""


async def round_trip(connection: asyncssh.SSHClientConnection) -> None:
    """Ask the peer something that it must answer (RFC 4254 section 4) and wait for the answer.

    A peer that does not know ``keepalive@openssh.com`` answers that it does not. Returns at once when the
    connection is closed. Cancelling is safe: the late answer is dropped.
    """
    await connection._make_global_request(b"keepalive@openssh.com")  # noqa: SLF001


def spare_ignores(connection: asyncssh.SSHClientConnection, cipher: str) -> None:
    """Send no empty MSG_IGNORE before every packet, where it does nothing but double them.

    AsyncSSH does so with every cipher. RFC 4251 section 9.3.1 asks for it with those in CBC mode, whose
    initialization vector a listener knows; there it stays.

    Args:
        connection: One on which no other cipher will be agreed on.
        cipher: The one that was.
    """
    if not cipher or cipher.endswith("-cbc"):
        return
    send = connection.send_packet

    def send_packet(pkttype: int, *args: bytes, handler: Any = None) -> None:
        if pkttype != MSG_IGNORE:
            send(pkttype, *args, handler=handler)

    connection.send_packet = send_packet  # type: ignore[method-assign]


def peer_closed(channel: asyncssh.SSHClientChannel[Any]) -> bool:
    """Whether the peer itself closed a channel, and all it had sent before was received.

    What the session is told looks the same when the connection is lost.
    """
    return channel._recv_state == "closed"  # noqa: SLF001
