"""A program that stands before netconfd, and lets no request reach it together with a client's hello.

netconfd (yuma123 2.13) never answers a request that it reads in the same read as the hello. On a busy machine that
happens to every client that does not wait for an answer in between, and there is none to a hello.

Usage: ``relay.py PLACE SERVER PROGRAM [ARGUMENT]...``: clients come to the Unix socket PLACE, the program is started
and listens at SERVER. It needs the standard library alone.
"""

from __future__ import annotations

import array
import contextlib
import fcntl
import socket
import subprocess
import sys
import termios
import threading
import time
from pathlib import Path

_END = b"]]>]]>"


def main() -> int:
    """Relay for as long as the program runs; its exit code."""
    place, server, *command = sys.argv[1:]
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(place)
        Path(place).chmod(0o666)
        listener.listen(128)
        threading.Thread(target=_serve, args=(listener, server), daemon=True).start()
        return subprocess.call(command)


def _serve(listener: socket.socket, server: str) -> None:
    while True:
        client, _ = listener.accept()
        threading.Thread(target=_carry, args=(client, server), daemon=True).start()


def _carry(client: socket.socket, path: str) -> None:
    with client, socket.socket(socket.AF_UNIX) as server, contextlib.suppress(OSError):
        server.connect(path)
        back = threading.Thread(target=_copy, args=(server, client), daemon=True)
        back.start()
        with contextlib.suppress(OSError):
            server.sendall(_introduce(client, server))
        _copy(client, server)
        back.join()


def _introduce(client: socket.socket, server: socket.socket) -> bytes:
    """Pass on who it is, and its hello, until that was read; what came behind."""
    held = b""
    for _ in ("who it is, as the subsystem says", "its hello"):
        while _END not in held:
            if not (data := client.recv(65536)):
                return held
            held += data
        message, _, held = held.partition(_END)
        server.sendall(message + _END)
    while _unread(server):
        time.sleep(0.001)  # no event tells of it
    return held


def _unread(sock: socket.socket) -> int:
    """How much the other end of a Unix socket has not read yet (SIOCOUTQ, the number of which is TIOCOUTQ's)."""
    count = array.array("i", [0])
    fcntl.ioctl(sock, termios.TIOCOUTQ, count)
    return count[0]


def _copy(source: socket.socket, sink: socket.socket) -> None:
    """Pass on what comes, and its end; where nobody takes it any more, it is not taken either."""
    try:
        while data := source.recv(1 << 18):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        for each in (source, sink):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


if __name__ == "__main__":
    sys.exit(main())
