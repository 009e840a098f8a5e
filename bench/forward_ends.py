"""Both ends of connections through a forward: a server behind it, as a program, and what talks to that through it.

``python -m bench.forward_ends`` prints its port. A connection begins with a letter and a number of eight bytes: ``D``
asks for so many bytes, ``U`` announces so many and gets one back, ``E`` asks for one byte. It ends when it is killed.
"""

from __future__ import annotations

import socket
import threading
import time

__all__ = ["connections", "download", "streams", "upload"]

_CHUNK = 1 << 20


def download(port: int, size: int) -> float:
    """Bytes a second that come through."""
    buffer, left = bytearray(_CHUNK), size
    with socket.create_connection(("127.0.0.1", port)) as sock:
        since = time.perf_counter()
        sock.sendall(b"D" + size.to_bytes(8, "big"))
        while left:
            got = sock.recv_into(buffer)
            if not got:
                msg = "the connection was cut"
                raise RuntimeError(msg)
            left -= got
        return size / (time.perf_counter() - since)


def upload(port: int, size: int) -> float:
    """Bytes a second that go through, until the other end says that it has them all."""
    with socket.create_connection(("127.0.0.1", port)) as sock:
        since = time.perf_counter()
        sock.sendall(b"U" + size.to_bytes(8, "big"))
        _send(sock, size)
        _one(sock)
        return size / (time.perf_counter() - since)


def streams(port: int, size: int, count: int) -> float:
    """Bytes a second of several downloads at once, together."""
    since = time.perf_counter()
    _at_once([threading.Thread(target=download, args=(port, size // count)) for _ in range(count)])
    return size / (time.perf_counter() - since)


def connections(port: int, count: int, at_once: int) -> float:
    """New connections a second, each of which waits for one byte."""

    def some() -> None:
        for _ in range(count // at_once):
            with socket.create_connection(("127.0.0.1", port)) as sock:
                sock.sendall(b"E" + bytes(8))
                _one(sock)

    since = time.perf_counter()
    _at_once([threading.Thread(target=some) for _ in range(at_once)])
    return count // at_once * at_once / (time.perf_counter() - since)


def _at_once(threads: list[threading.Thread]) -> None:
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _send(sock: socket.socket, size: int) -> None:
    chunk = memoryview(bytes(_CHUNK))
    while size:
        part = min(size, _CHUNK)
        sock.sendall(chunk[:part])
        size -= part


def _one(sock: socket.socket) -> None:
    if len(sock.recv(1)) != 1:
        msg = "the connection was cut"
        raise RuntimeError(msg)


def _serve(sock: socket.socket) -> None:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with sock:
        asked = sock.recv(9, socket.MSG_WAITALL)
        size = int.from_bytes(asked[1:], "big")
        if asked[:1] == b"D":
            _send(sock, size)
        elif asked[:1] == b"U":
            buffer = bytearray(_CHUNK)
            while size > 0:
                size -= sock.recv_into(buffer) or size + 1
            sock.sendall(b"k")
        elif asked:
            sock.sendall(b"e")
        sock.recv(1)


def main() -> None:
    """Serve until killed."""
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listener:
        print(listener.getsockname()[1], flush=True)
        while True:
            sock, _ = listener.accept()
            threading.Thread(target=_serve, args=(sock,), daemon=True).start()


if __name__ == "__main__":
    main()
