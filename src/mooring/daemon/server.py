"""The HTTP server: uvicorn's protocols on sockets of ours, without uvicorn's own main loop and signals."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from typing import TYPE_CHECKING, Any, Final

from uvicorn.config import Config
from uvicorn.server import ServerState

from ..model.errors import DaemonUnreachable
from ..model.problem import to_problem
from .protocol import GuardedProtocol, GuardedWebSocket
from .strangers import Limits, Strangers
from .tls import TlsDoor

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable, MutableMapping

    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]
    App = Callable[[Any, Any, Any], Awaitable[None]]

__all__ = ["Server"]

_KEEP_ALIVE: Final = 75
"""Seconds that an idle connection stays: a program that asks once a minute keeps its connection."""
_KEEPALIVE: Final = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)] + [
    (socket.IPPROTO_TCP, getattr(socket, option), value)
    for option, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4))
    if hasattr(socket, option)
]
"""Two minutes until a peer that has vanished is gone for us; the system's own default is two hours."""
_MESSAGE: Final = 2 * 1024 * 1024
"""Bytes of a WebSocket message; the channel's own bound is half of it, so that it can be told by name."""
_LEFT_ALONE: Final[dict[str, Any]] = {"cleanup_socket": False} if sys.version_info >= (3, 13) else {}
"""The path of a Unix socket goes with whoever made it: of an inherited one that is not us."""


class Server:
    """Serves an ASGI application on listening sockets, from ``start`` to ``stop``.

    Args:
        app: The application; its lifespan is not called. In ``scope["state"]`` it finds ``peer``, the uid at the
            other end of a Unix socket, else None; ``admit(who)``, to be called for whoever has shown who they are;
            ``close()``, which ends the connection when what was written is sent; ``abort()``, which cuts it;
            ``take()``, which gives it to another protocol; and of HTTP, ``watch()`` and ``answer()`` of the Envelope.
        limits: What a connection may cost.
    """

    def __init__(self, app: App, limits: Limits = Limits()) -> None:  # noqa: B008 - a frozen value
        self._app = app
        self._stopping = False
        self._doors: list[asyncio.Server | TlsDoor] = []
        self._state = ServerState()
        self._limits = limits
        self._strangers = Strangers(limits.strangers, limits.stranger_seconds)
        self._config = Config(
            self._answer,
            interface="asgi3",
            http=GuardedProtocol,
            ws=GuardedWebSocket,
            ws_max_size=_MESSAGE,
            # A reader that stands still answers no pings and is welcome back; who is gone, TCP finds out.
            ws_ping_interval=None,
            ws_per_message_deflate=False,
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=_KEEP_ALIVE,
        )
        self._config.load()

    async def start(self, listener: socket.socket, tls: ssl.SSLContext | None = None) -> None:
        """Accept on a listening socket."""
        loop = asyncio.get_running_loop()
        if listener.family == socket.AF_UNIX:
            self._doors.append(await loop.create_unix_server(self._connection, sock=listener, **_LEFT_ALONE))
        else:
            # Inherited by the sockets that are accepted (tcp(7)): a peer that vanished is found out.
            for level, option, value in _KEEPALIVE:
                listener.setsockopt(level, option, value)
            if tls is None:
                self._doors.append(await loop.create_server(self._connection, sock=listener))
            else:
                seconds = self._limits.head_seconds
                self._doors.append(TlsDoor(listener, tls, seconds, self._strangers, self._connection))

    @property
    def connections(self) -> int:
        """How many there are now."""
        return len(self._state.connections)

    def _connection(self) -> GuardedProtocol:
        return GuardedProtocol(self._config, self._state, {}, self._limits, self._strangers)

    async def stop(self, grace: float, hurry: float) -> None:
        """Accept no more, let requests end, then end them, then cut what is left. Safe to call twice.

        Args:
            grace: Seconds in which requests may end by themselves.
            hurry: Seconds in which they may clean up once they were cancelled.
        """
        for door in self._doors:
            door.close()
            if isinstance(door, TlsDoor):
                await door.wait_closed()
        self._stopping = True
        for connection in list(self._state.connections):
            connection.shutdown()
        await self._requests_end(grace)
        for task in self._state.tasks:
            task.cancel()
        await self._requests_end(hurry)
        for connection in list(self._state.connections):
            connection.transport.abort()

    async def _requests_end(self, timeout: float) -> None:
        if self._state.tasks:
            await asyncio.wait(self._state.tasks, timeout=timeout)

    async def _answer(self, scope: Any, receive: Receive, send: Send) -> None:  # noqa: ANN401 - as ASGI has it
        """The application; a request that our own end cut short is told so, where it was not answered yet."""
        try:
            await self._app(scope, receive, send)
        except asyncio.CancelledError:
            if not self._stopping or scope["type"] != "http":
                raise
            cycle: RequestResponseCycle = scope["state"]["cycle"]
            if not cycle.response_started:
                await _say_no_more(send)
            elif not cycle.response_complete:
                scope["state"]["close"]()  # without its end, the client sees that the answer is not whole


async def _say_no_more(send: Send) -> None:
    """In place of an answer that does not come."""
    problem = to_problem(DaemonUnreachable("the daemon is ending; what was under way may have run"))
    body = json.dumps({**problem, "status": 503}).encode()
    headers = [(b"content-type", b"application/problem+json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
