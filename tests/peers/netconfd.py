"""yuma123's netconfd: a whole NETCONF server, reached through an sshd of its own."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from .process import Peer

_SUBSYSTEM = "/usr/sbin/netconf-subsystem"
_RELAY = Path(__file__).with_name("relay.py")


def missing() -> str | None:
    """Why none can be started here; None if one can."""
    if shutil.which("netconfd", path="/usr/sbin:/usr/bin") is None or not Path(_SUBSYSTEM).exists():
        return "no netconfd: install netconfd"
    return None


class Netconfd(Peer):
    """A netconfd with a candidate, empty at each start.

    It listens on a Unix socket, behind a relay that keeps requests and hellos apart; an sshd with ``subsystem`` lets
    clients in.

    Args:
        user: Who may do everything.
        port: The port of that sshd, the only one from which it takes clients.
        chunked: Whether it offers base:1.1.
    """

    ready = "Running netconfd server"

    def __init__(self, user: str, port: int, *, chunked: bool = True) -> None:
        super().__init__()
        self._user = user
        self._ssh_port = port
        self._chunked = chunked
        self._folder = Path(tempfile.mkdtemp(prefix="mooring-netconfd-"))
        self._folder.chmod(0o755)
        self._socket = self._folder / "sock"
        self._behind = self._folder / "behind"

    @property
    def subsystem(self) -> str:
        """What the sshd before it says of its subsystem."""
        return f"netconf {_SUBSYSTEM} --ncxserver-sockname={self._ssh_port}@{self._socket}"

    def command(self) -> Sequence[str]:
        for path in (self._socket, self._behind):
            path.unlink(missing_ok=True)
        return [
            "/bin/sh",
            "-c",
            # It logs on standard output. In a home that two share, one of them does not start; where they share the
            # folder they run in, each takes back what the other has kept before a confirmed commit.
            'cd "$1" && HOME=$1 && export HOME && shift && exec "$@" 1>&2',
            "netconfd",
            str(self._folder),
            *(sys.executable, "-I", "-S", str(_RELAY), str(self._socket), str(self._behind)),
            "/usr/sbin/netconfd",
            f"--superuser={self._user}",
            "--no-startup",
            f"--ncxserver-sockname={self._behind}",
            "--target=candidate",
            f"--port={self._ssh_port}",
            "--with-nmda=true",
            "--log-level=info",
            f"--protocols={'netconf1.0 netconf1.1' if self._chunked else 'netconf1.0'}",
        ]

    def close(self) -> None:
        """End it, and remove its files."""
        super().close()
        shutil.rmtree(self._folder, ignore_errors=True)
