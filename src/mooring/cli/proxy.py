"""``mooring proxy``: an SSH connection to a session on our standard streams, for ssh's ProxyCommand."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import sys

from ..model.errors import InvalidInput

TYPE_CHECKING = False  # typing itself would cost every start of the command line 3 ms
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Final

__all__ = ["main"]

_HELP: Final = """\
usage: mooring proxy [--fdpass] ALIAS

Speak SSH with the daemon's gateway for one session, on standard input and
output. It needs no set-up: who may use the daemon is let in. The user name that
the client gives means nothing.

  --fdpass   give ssh the connection itself, and end (ProxyUseFdpass=yes):
             nothing is copied
  -h, --help

Examples:
  ssh -o ProxyCommand='mooring proxy %n' edge1
  in ~/.ssh/config:
    Host edge*
      ProxyCommand mooring proxy --fdpass %n
      ProxyUseFdpass yes
      KnownHostsCommand /usr/bin/mooring gateway known-host --plain %H
"""
_CHUNK: Final = 256 * 1024


def main(words: Sequence[str]) -> int:
    """Run ``mooring proxy`` and return its exit code."""
    if "-h" in words or "--help" in words:
        sys.stdout.write(_HELP)
        return 0
    pass_it = "--fdpass" in words
    rest = [word for word in words if word != "--fdpass"]
    if len(rest) != 1 or rest[0].startswith("-"):
        raise InvalidInput("one ALIAS is needed", hint="`mooring proxy -h` tells more")
    from ..client import Daemon  # noqa: PLC0415 - a wrong call is told sooner

    with Daemon().ssh(rest[0]) as connection:
        sock, early = connection.hand_over()
        sock.settimeout(None)
        if pass_it and not early and type(sock) is socket.socket:
            _give(sock)
        else:
            _copy(sock, early)
    return 0


def _give(sock: socket.socket) -> None:
    """Send ssh the descriptor over our standard output, which is a socket then."""
    with socket.socket(fileno=os.dup(1)) as output:
        if output.family != socket.AF_UNIX:
            raise InvalidInput("standard output is no socket", hint="--fdpass goes with ProxyUseFdpass=yes")
        socket.send_fds(output, [b"\0"], [sock.fileno()])


def _copy(sock: socket.socket, early: bytes) -> None:
    """Carry bytes both ways until either side ends. Both read at all times, so that no write waits for long."""
    _write(early)
    pending = getattr(sock, "pending", lambda: 0)  # TLS may have read more than was asked for
    with contextlib.suppress(OSError):
        while True:
            ready = [sock.fileno()] if pending() else select.select([0, sock.fileno()], [], [])[0]
            if sock.fileno() in ready:
                data = sock.recv(_CHUNK)
                if not data:
                    return
                _write(data)
            if 0 in ready:
                data = os.read(0, _CHUNK)
                if not data:
                    return  # ssh ends both directions at once
                sock.sendall(data)


def _write(data: bytes) -> None:
    while data:
        data = data[os.write(1, data) :]
