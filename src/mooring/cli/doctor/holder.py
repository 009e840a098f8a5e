"""Who listens at a place, as far as proc(5) tells this user."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import struct
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    Address = ipaddress.IPv4Address | ipaddress.IPv6Address

__all__ = ["Holder", "holder", "meet"]

_LISTENS: Final = "0A"
"""TCP_LISTEN of linux/net/tcp_states.h."""
_ACCEPTS: Final = 0x10000
"""__SO_ACCEPTCON, a flag of a Unix socket on which somebody listens."""
_PATIENCE: Final = 1.0


class Holder(NamedTuple):
    """A process that listens.

    Attributes:
        name: Its name; where it is another user's, whose it is.
        pid: Its id; None where it is another user's.
    """

    name: str
    pid: int | None

    def __str__(self) -> str:
        """As it is told."""
        return f"a process of {self.name}" if self.pid is None else f"{self.name}, process {self.pid}"


def holder(address: str, port: int | None) -> Holder | None:
    """Who listens there; None where nobody does, or it cannot be known.

    Args:
        address: An IP address or a name of one, or the path of a Unix socket.
        port: The port; None for a Unix socket.
    """
    with contextlib.suppress(OSError, ValueError, IndexError):  # no proc(5), or another one than is known
        if port is None:
            return _at_path(address)
        for inode, user in _at_port(address, port):
            return _process(f"socket:[{inode}]") or Holder(_named(user), None)
    return None


def _at_path(path: str) -> Holder | None:
    for line in Path("/proc/net/unix").read_text().splitlines()[1:]:
        fields = line.split(maxsplit=7)
        if fields[7:] == [path] and int(fields[3], 16) & _ACCEPTS:
            return _process(f"socket:[{fields[6]}]") or _listener(path)
    return None


def _listener(path: str) -> Holder:
    """Who began to listen there, as the kernel tells whoever connects (unix(7), SO_PEERCRED).

    Raises:
        OSError: It takes no connection, or not ours.
    """
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(_PATIENCE)
        probe.connect(path)
        pid, user, _ = struct.unpack("=iII", probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    process = Path(f"/proc/{pid}")
    with contextlib.suppress(OSError):  # it has ended, and left the socket to another; or is not of this container
        if process.stat().st_uid == user:
            return Holder((process / "comm").read_text().strip(), pid)
    return Holder(_named(user), None)


def _at_port(address: str, port: int) -> Iterator[tuple[str, int]]:
    """The sockets that are in the way of one there, and whose they are."""
    found = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    wanted = ipaddress.ip_address(found[0][4][0])  # of a name mooringd takes the first, too
    for file in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(file).read_text().splitlines()[1:] if Path(file).exists() else ():
            fields = line.split()
            host, _, number = fields[1].partition(":")
            if fields[3] == _LISTENS and int(number, 16) == port and meet(_bound(host), wanted):
                yield fields[9], int(fields[7])


def _bound(words: str) -> Address:
    """An address that proc(5) tells, in words of this machine's byte order."""
    raw = bytes.fromhex(words)
    parts = (raw[start : start + 4] for start in range(0, len(raw), 4))
    return ipaddress.ip_address(b"".join(part[::-1] if sys.byteorder == "little" else part for part in parts))


def meet(its: Address, other: Address) -> bool:
    """Whether a socket at one address stands in the way of one at the other."""
    its = getattr(its, "ipv4_mapped", None) or its
    other = getattr(other, "ipv4_mapped", None) or other
    if its.version != other.version:  # :: takes IPv4 too, unless it was told not to
        return (its if its.version > other.version else other).is_unspecified
    return its.is_unspecified or other.is_unspecified or its == other


def _process(link: str) -> Holder | None:
    """The oldest process that has a descriptor."""
    for pid in sorted(int(one.name) for one in Path("/proc").iterdir() if one.name.isdecimal()):
        with contextlib.suppress(OSError):  # another user's, or it has ended
            if any(_leads(file, link) for file in Path(f"/proc/{pid}/fd").iterdir()):
                return Holder(Path(f"/proc/{pid}/comm").read_text().strip(), pid)
    return None


def _leads(file: Path, link: str) -> bool:
    try:
        return str(file.readlink()) == link
    except OSError:
        return False


def _named(user: int) -> str:
    import pwd  # noqa: PLC0415 - Unix only

    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return f"uid {user}"
