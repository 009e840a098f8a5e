"""Who listens on a port of this machine: while the daemon is down, anybody may, and would be sent its token."""

from __future__ import annotations

import sys

__all__ = ["is_of"]

_LISTENS = "0A"
"""TCP_LISTEN (proc(5), /proc/net/tcp)."""
_LOOPBACK_V6 = "00000000000000000000000001000000"


def is_of(port: int, owner: int) -> bool:
    """Whether nobody but a user and root listens on a port of loopback, as far as it can be seen: on Linux.

    Args:
        port: The TCP port.
        owner: The user's id: that of the token's file.
    """
    return sys.platform != "linux" or _listeners(port) <= {0, owner}


def _listeners(port: int) -> set[int]:
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            with open(table, encoding="ascii") as file:  # noqa: PTH123 - pathlib would cost every start
                lines = file.readlines()[1:]
        except OSError:
            continue
        for line in lines:
            _, local, _, state, _, _, _, uid, *_ = line.split()
            address, _, its_port = local.partition(":")
            if state == _LISTENS and int(its_port, 16) == port and _is_loopback(address):
                found.add(int(uid))
    return found


def _is_loopback(address: str) -> bool:
    """In hexadecimal: 127.x.x.x, alone or mapped into IPv6, ::1, or every address."""
    return address.endswith("7F") or address == _LOOPBACK_V6 or not address.strip("0")
