"""The TLS door: a handshake is bounded as HTTP is, and a client that does not come to its end counts as a stranger.

``create_server(ssl=...)`` would tell of a connection only after its handshake, and hold any number of half ones.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Callable

    from .strangers import Strangers

__all__ = ["TlsDoor"]

_log = logging.getLogger(__name__)
_PAUSE: Final = 1.0
"""Seconds before accepting again where the system gave no descriptor."""


class TlsDoor:
    """Accepts on a TCP socket from its making until ``close``.

    Args:
        listener: Listens, and does not block.
        context: The certificate.
        seconds: For a handshake.
        strangers: Shared by the connections of a server.
        make: Makes the protocol of a connection whose handshake is done.
    """

    def __init__(
        self,
        listener: socket.socket,
        context: ssl.SSLContext,
        seconds: float,
        strangers: Strangers,
        make: Callable[[], asyncio.Protocol],
    ) -> None:
        self._listener = listener
        self._context = context
        self._seconds = seconds
        self._strangers = strangers
        self._make = make
        self._new: set[socket.socket] = set()
        self._task = asyncio.create_task(self._accept(), name="mooringd TLS door")

    def close(self) -> None:
        """Accept no more, and cut handshakes that are under way."""
        self._task.cancel()

    async def wait_closed(self) -> None:
        """Wait until all of that is gone."""
        await asyncio.wait([self._task])

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as handshakes:
            while True:
                try:
                    connection, _ = await loop.sock_accept(self._listener)
                except OSError as error:
                    _log.warning("accepting nobody for a second: %s", error.strerror or error)
                    await asyncio.sleep(_PAUSE)
                    continue
                self._new.add(connection)
                task = handshakes.create_task(self._shake_hands(connection), name="mooringd TLS handshake")
                self._strangers.add(task, task.cancel)
                task.add_done_callback(self._strangers.remove)
                task.add_done_callback(lambda _, connection=connection: self._drop(connection))  # type: ignore[misc]

    def _drop(self, connection: socket.socket) -> None:
        """Close one whose task was cancelled before its first step: as a crowd comes, or as we close."""
        if connection in self._new:
            self._new.remove(connection)
            connection.close()

    async def _shake_hands(self, connection: socket.socket) -> None:
        self._new.remove(connection)
        loop = asyncio.get_running_loop()
        with contextlib.suppress(OSError, TimeoutError):  # ssl.SSLError is an OSError
            async with asyncio.timeout(self._seconds):
                await loop.connect_accepted_socket(self._make, connection, ssl=self._context)
