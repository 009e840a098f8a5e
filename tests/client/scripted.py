"""A server that says what it was told to say, whatever it is asked: for answers that no daemon of ours gives."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

Answer = bytes | Callable[[bytes], bytes]
"""What is sent once a request's head has come; a function is given the head."""


class Unfinished(bytes):
    """An answer after which the connection stays."""

    __slots__ = ()


def answer(status: int, body: bytes, kind: str = "application/json", *fields: str) -> bytes:
    """A response with a length."""
    head = [f"HTTP/1.1 {status} Whatever", f"content-type: {kind}", f"content-length: {len(body)}", *fields]
    return "\r\n".join([*head, "", ""]).encode() + body


class Scripted:
    """A server on a Unix socket, or on TCP: one answer for each connection, the last for all that follow.

    Args:
        folder: Where the socket goes; None listens on TCP.
        answers: What it sends; ``None`` says nothing, and keeps the connection.
    """

    def __init__(self, folder: Path | None, *answers: Answer | None) -> None:
        self._answers = list(answers)
        self._kept: list[socket.socket] = []
        self.heads: list[bytes] = []
        if folder is None:
            self._listener = socket.create_server(("127.0.0.1", 0))
            self.where = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        else:
            self._listener = socket.socket(socket.AF_UNIX)
            self.where = str(folder / "scripted.sock")
            self._listener.bind(self.where)
            self._listener.listen()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        for connection in self._kept:
            connection.close()
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            script = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
            self._kept.append(connection)  # closed at the end: what the client still sends must not reset what we sent
            if script is not None:
                with connection.makefile("rb") as file:
                    head = b"".join(iter(file.readline, b"\r\n"))
                self.heads.append(head)
                connection.sendall(script(head) if callable(script) else script)
                if not isinstance(script, Unfinished):
                    connection.shutdown(socket.SHUT_WR)
