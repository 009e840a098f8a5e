"""Loopback ports that stay ours while nobody listens on them."""

from __future__ import annotations

import socket
import sys

__all__ = ["ReservedPort"]


class ReservedPort:
    """Keeps a TCP port from everybody else without listening on it: whoever connects is refused.

    A server that sets ``SO_REUSEADDR``, as all of them do, may listen on the port, stop, and come back.
    Outside Linux two sockets cannot share a port so; there the port is only chosen, and another may take it.

    Args:
        host: The address to bind.
        port: The port; 0 lets the system choose one.

    Raises:
        OSError: The port is taken.
    """

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        self.host = host
        self._socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._socket.bind((host, port))
        except OSError:
            self._socket.close()
            raise
        self.port: int = self._socket.getsockname()[1]
        if sys.platform != "linux":
            self._socket.close()

    def listen(self, backlog: int = 1024) -> socket.socket:
        """A non-blocking socket that listens on the port, for the caller to close."""
        listener = socket.socket(self._socket.family, socket.SOCK_STREAM)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((self.host, self.port))
            listener.listen(backlog)
            listener.setblocking(False)  # noqa: FBT003 - the standard library's signature
        except OSError:
            listener.close()
            raise
        return listener

    def close(self) -> None:
        """Give the port back. Closing twice is fine."""
        self._socket.close()
