"""What the real daemon would say at its own time or of its own version: a socket that gives prepared answers."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path


def answer(body: str, kind: str = "application/json") -> bytes:
    """An HTTP answer, whole."""
    return f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\nconnection: close\r\n\r\n{body}".encode()


@contextmanager
def impostor(path: Path, *answers: bytes) -> Iterator[Mapping[str, str]]:
    """Give one answer to each connection, then be gone; the environment in which it is found."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            for one in answers:
                connection, _ = listener.accept()
                with connection:
                    connection.recv(65536)
                    connection.sendall(one)
            listener.close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield {**os.environ, "MOORING_SOCKET": str(path)}
        thread.join(30)
