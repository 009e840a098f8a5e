"""Connections that a caller brings along: descriptors, sockets, and what only behaves like one."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from typing import Any, Final

__all__ = ["stream"]

_PART: Final = 65_536
_ENDS: Final = 5.0
"""Seconds in which a proxy command should end."""


def stream(sock: Any, sock_fd: int | None) -> socket.socket | None:  # noqa: ANN401 - whatever has recv and send
    """A socket for the loop; None where the caller brings none.

    What is no socket of the system (paramiko's ProxyCommand, a channel of another connection) is pumped by two
    threads, which end with it.
    """
    if sock is None:
        if sock_fd is None:
            return None
        found = socket.socket(fileno=os.dup(int(sock_fd)))
    elif isinstance(sock, socket.socket):
        found = sock
    else:
        found = _pumped(sock)
    found.setblocking(False)  # noqa: FBT003 - the system's
    return found


def _pumped(sock: Any) -> socket.socket:  # noqa: ANN401 - as above
    ours, theirs = socket.socketpair()
    for name, target in (("in", _pump_in), ("out", _pump_out)):
        threading.Thread(target=target, args=(sock, theirs), name=f"mooring pump {name}", daemon=True).start()
    return ours


def _pump_in(sock: Any, theirs: socket.socket) -> None:  # noqa: ANN401 - as above
    with contextlib.suppress(Exception):  # whatever it raises, it is over
        while data := _received(sock):
            theirs.sendall(data)
    _shut(theirs)


def _received(sock: Any) -> bytes:  # noqa: ANN401 - as above
    process = getattr(sock, "process", None)
    if process is not None:  # paramiko's ProxyCommand gives nothing before it has all that it was asked for
        return os.read(process.stdout.fileno(), _PART)
    while True:
        try:
            return bytes(sock.recv(_PART))
        except TimeoutError:
            continue


def _pump_out(sock: Any, theirs: socket.socket) -> None:  # noqa: ANN401 - as above
    with contextlib.suppress(Exception):
        while data := theirs.recv(_PART):
            while data:
                data = data[sock.send(data) :]
    with contextlib.suppress(Exception):
        sock.close()
    with contextlib.suppress(Exception):
        sock.process.communicate(timeout=_ENDS)  # which closes its pipes
    _shut(theirs)
    theirs.close()


def _shut(theirs: socket.socket) -> None:
    with contextlib.suppress(OSError):
        theirs.shutdown(socket.SHUT_RDWR)
