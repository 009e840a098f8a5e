"""The beginning of a WebSocket (RFC 6455, section 4.1)."""

from __future__ import annotations

import os
from binascii import b2a_base64

from .http import Response, answer, send

TYPE_CHECKING = False  # typing itself would cost every start of the command line 3 ms
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from ..model.errors import MooringError
    from ..wire.channel import Opening
    from .channel import Channel
    from .connection import Connection

__all__ = ["Upgrade"]

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Upgrade:
    """A WebSocket that was asked for. Leaving its block closes the connection, unless it was opened.

    Args:
        connection: Over which; it is given away.
        path: The channel's.
        refused: Makes the error of a response that is no WebSocket.
    """

    def __init__(self, connection: Connection, path: str, refused: Callable[[Response], MooringError]) -> None:
        self._connection: Connection | None = connection
        self._refused = refused
        self._key = b2a_base64(os.urandom(16), newline=False)
        fields = {
            "connection": "Upgrade",
            "upgrade": "websocket",
            "sec-websocket-version": "13",
            "sec-websocket-key": self._key.decode("ascii"),
        }
        try:
            send(connection, "GET", path, None, fields)
        except BaseException:
            connection.close()
            raise

    def open(self, opening: Opening) -> Channel:
        """Wait for the WebSocket and open a remote process over it. Only once.

        Raises:
            MooringError: It was refused, and why.
            DaemonMismatch: What answered speaks no WebSocket.
            DaemonUnreachable: The daemon has gone.
        """
        from .channel import Channel  # noqa: PLC0415 - loaded while the daemon works on its answer

        if self._connection is None:
            msg = "opened before"
            raise RuntimeError(msg)
        response = answer(self._connection)
        if response.status != 101 or not self._proven(self._connection, response):
            raise self._refused(response)
        channel = Channel(self._connection, opening)
        self._connection = None
        return channel

    def close(self) -> None:
        """Give it up. More than once is fine."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _proven(self, connection: Connection, response: Response) -> bool:
        """Whether it understood the question (section 4.2.2). A Unix socket has no proxy in between that might not."""
        if connection.address.path:
            return True
        from hashlib import sha1  # noqa: PLC0415 - 3 ms

        proof = b2a_base64(sha1(self._key + _GUID, usedforsecurity=False).digest(), newline=False)
        return response.headers.get("sec-websocket-accept") == proof.decode("ascii")
