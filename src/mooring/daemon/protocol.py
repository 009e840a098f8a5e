"""uvicorn's HTTP protocol, bounded: who connects, how long they may take, how much they may send.

uvicorn holds half a request line for ever, reads a head of any size, and waits for ever for a client that does not
take its answer. Here

- a connection over the Unix socket carries its peer's uid (``scope["state"]["peer"]``);
- one over TCP, or of another user, is a *stranger* until the application calls ``scope["state"]["admit"]()``:
  strangers are few, the oldest goes first, and none stays for long;
- a request's head is bounded in bytes and seconds, its body in seconds without progress, an answer likewise.
"""

from __future__ import annotations

import contextlib
import email.utils
import json
import os
import socket
import struct
import sys
import time
from typing import TYPE_CHECKING, Any, Final

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.exceptions import InvalidState

from .envelope import Envelope

if TYPE_CHECKING:
    import asyncio

    from uvicorn._types import ASGISendEvent
    from uvicorn.config import Config
    from uvicorn.server import ServerState

    from .strangers import Limits, Strangers

__all__ = ["GuardedProtocol", "GuardedWebSocket"]

_LINGER: Final = 2.0
"""Seconds in which a client that was refused may notice."""
_FLUSH: Final = 30.0
"""Seconds for the last bytes of a WebSocket to be taken."""


class GuardedProtocol(HttpToolsProtocol):
    """One HTTP connection.

    Args:
        config: uvicorn's.
        server_state: uvicorn's.
        app_state: What every request's ``scope["state"]`` begins with.
        limits: What it may cost.
        strangers: Shared by the connections of a server.
    """

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        limits: Limits,
        strangers: Strangers,
    ) -> None:
        super().__init__(config, server_state, app_state)
        self._limits = limits
        self._strangers = strangers
        self._in_head = self._in_body = self._refused = False
        self._who: object = None
        self._came = self._first = self._fed = 0
        self._date = 0.0
        self._deadline: float | None = None
        self._alarm: asyncio.TimerHandle | None = None
        self._writing: asyncio.TimerHandle | None = None
        self._unwritten = 0
        self._under_way: RequestResponseCycle | None = None
        self._envelope: Envelope | None = None

    # The connection.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """It begins: a stranger, unless it is this user or root, over the Unix socket."""
        super().connection_made(transport)
        peer = _peer_uid(transport.get_extra_info("socket"))
        ends = {"close": transport.close, "abort": transport.abort, "take": self.take}
        self.app_state = {**self.app_state, "peer": peer, "admit": self.admit, **ends}
        if peer not in {0, os.geteuid()}:
            self._strangers.add(self, transport.abort)
        self._be_patient(self._limits.head_seconds)

    def take(self, protocol: bytes) -> asyncio.Transport:
        """Give the connection to another protocol, which the client has asked for (RFC 9110, 7.8), and tell it so.

        Who takes it sets the transport's protocol and resumes its reading.
        """
        self.transport.pause_reading()
        head = b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\n"
        self.transport.write(head + b"upgrade: %b\r\n\r\n" % protocol)
        self._be_patient(None)
        self.connection_lost(ConnectionResetError())  # for HTTP it is; only without a fault would it be closed
        return self.transport

    def _unsupported_upgrade_warning(self) -> None:
        """The application knows it, or the client will do without."""

    def admit(self, who: object = None) -> bool:
        """Whoever is here has shown who they are. Calling it again is fine.

        Args:
            who: They, as the application knows them; None where it goes by later requests.

        Returns:
            Whether they are others than those who were here before: a proxy has one connection for many.
        """
        self._strangers.remove(self)
        if who is None or who is self._who or who == self._who:
            return False
        self._who = who
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        self._strangers.remove(self)
        if self._alarm is not None:
            self._alarm.cancel()
        if self._writing is not None:
            self._writing.cancel()
        self.pipeline.clear()
        if self._under_way is not None:  # uvicorn tells the request that came last
            self._under_way.disconnected = not self._under_way.response_complete
            self._under_way.message_event.set()
        if self._envelope is not None:
            self._envelope.lost()
        super().connection_lost(exc)

    def _be_patient(self, seconds: float | None) -> None:
        """Wait so long for what is to come next; None for as long as it takes.

        One timer a connection, looked after when it fires: making one for each step would cost more than the step.
        """
        if seconds is None:
            self._deadline = None
            return
        self._deadline = deadline = self.loop.time() + seconds
        if self._alarm is None or deadline < self._alarm.when():
            self._set_alarm(deadline)

    def _set_alarm(self, when: float) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = self.loop.call_at(when, self._look_at_the_time)

    def _look_at_the_time(self) -> None:
        self._alarm = None
        if self._deadline is None:
            return
        if self.loop.time() < self._deadline:
            self._set_alarm(self._deadline)
        else:
            self._out_of_time()

    def _out_of_time(self) -> None:
        """What was to come did not: say so where nothing was said yet, and end."""
        if self._in_head:
            self._refuse(408, "the request did not come within its time")
        elif self._in_body and self.flow.read_paused:
            self._be_patient(self._limits.body_seconds)  # it is we who do not read
        else:
            self.transport.abort()

    # The request.

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        if self._refused:
            return
        in_head, self._came = self._in_head, len(data)
        if in_head:
            self._fed += self._came
            if self._fed - self._first > self._limits.head_bytes:
                self._too_large()
                return
        elif self._deadline is None and self.timeout_keep_alive_task is not None:
            self._be_patient(self._limits.head_seconds)  # whatever this is, it has to become a request
        super().data_received(data)
        if self._in_head or self._in_body:
            self._wait_for_more(begun=not in_head or self._fed == self._first)
        if len(self.pipeline) > self._limits.pipelined:
            self.transport.abort()

    def _wait_for_more(self, *, begun: bool) -> None:
        """A request is not whole yet; its head may have begun just now."""
        if self._refused:
            return
        if self._in_body:
            self._be_patient(self._limits.body_seconds)
        elif self._head_too_large():
            self._too_large()
        elif begun:
            self._be_patient(self._limits.head_seconds)

    def _head_too_large(self) -> bool:
        """Whether the headers that were understood are more than may be; of most heads not as many bytes came."""
        most = self._limits.head_bytes
        return self._fed > most and sum(len(name) + len(value) for name, value in self.headers) > most

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        self._in_head = True
        self._first = self._fed = self._came
        self._tell_date()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The head is whole; the application is called."""
        if self._head_too_large():
            self._too_large()
            raise ValueError("too large")  # ends the parsing
        self._in_head, self._in_body = False, True
        super().on_headers_complete()
        # uvicorn reads no further behind a request that came ahead of its turn, and would not see the client leave.
        self.flow.resume_reading()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:  # noqa: ANN401 - ASGI has no type here
        self._under_way = cycle
        envelope = self._envelope = cycle.transport = Envelope(self.transport, self.loop, cycle)
        cycle.scope["state"].update(watch=envelope.watch, answer=envelope.answer, cycle=cycle)
        super()._start_asgi_task(cycle, app)

    def on_message_complete(self) -> None:
        """The request is whole."""
        self._in_body = False
        self._deadline = None
        super().on_message_complete()

    def handle_websocket_upgrade(self) -> None:
        """It becomes a WebSocket."""
        self._in_body = False
        self._deadline = None
        super().handle_websocket_upgrade()

    def _too_large(self) -> None:
        self._refuse(431, f"the request's head is longer than {self._limits.head_bytes} bytes")

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP."""
        del msg
        self._refuse(400, "this is no HTTP/1.1 request")

    def _refuse(self, status: int, detail: str) -> None:
        """Answer in place of the application, and end."""
        if self._refused:
            return
        self._refused = True
        self._in_head = False
        under_way: object = self.cycle
        if under_way is not None and not self.cycle.response_complete:
            self.transport.abort()
            return
        self.transport.write(_problem(status, detail))
        if self.transport.can_write_eof():
            self.transport.write_eof()
        # Closing now would throw the answer away where the client still writes (tcp(7)).
        self._be_patient(_LINGER)

    def _tell_date(self) -> None:
        """RFC 9110, 6.6.1: a server with a clock tells the time."""
        now = time.time()
        state = self.server_state
        if not state.default_headers or now - self._date >= 1:
            self._date = now
            date = email.utils.formatdate(now, usegmt=True).encode()
            state.default_headers = [(b"date", date), (b"x-content-type-options", b"nosniff")]  # no file is a page

    # The answer.

    def on_response_complete(self) -> None:
        """The answer was written, which does not mean that it was taken."""
        if self._envelope is not None:
            self._envelope.let_out()
        super().on_response_complete()
        self._watch_writing()

    def pause_writing(self) -> None:
        """More is written than is taken."""
        super().pause_writing()
        self._watch_writing()

    def shutdown(self) -> None:
        """The server ends: what is idle goes at once."""
        super().shutdown()
        self._watch_writing()

    def timeout_keep_alive_handler(self) -> None:
        """It was idle for long."""
        super().timeout_keep_alive_handler()
        self._watch_writing()

    def _watch_writing(self) -> None:
        """See that what was written is taken: a client that stands still for so long is gone for us."""
        if self._writing is None and self.transport.get_write_buffer_size():
            self._unwritten = self.transport.get_write_buffer_size()
            self._writing = self.loop.call_later(self._limits.write_seconds, self._still_writing)

    def _still_writing(self) -> None:
        self._writing = None
        if self.transport.get_write_buffer_size() >= self._unwritten:
            self.transport.abort()
        else:
            self._watch_writing()


class GuardedWebSocket(WebSocketsSansIOProtocol):
    """One WebSocket; what is left of it when its application has ended goes."""

    async def send(self, message: ASGISendEvent) -> None:
        """Pass on what the application says."""
        await super().send(message)
        if self.close_sent:  # a refusal whole: uvicorn would log that the handshake was not completed, as an error
            self.handshake_complete = True

    def shutdown(self) -> None:
        """The server ends. A client that has closed and not taken what was written is closing already."""
        with contextlib.suppress(InvalidState):
            super().shutdown()

    def on_task_complete(self, task: asyncio.Task[None]) -> None:
        """The application has ended."""
        super().on_task_complete(task)
        if not self.disconnected:
            self.loop.call_later(_FLUSH, self.transport.abort)


def _problem(status: int, detail: str) -> bytes:
    told = {"type": "urn:mooring:error:invalid-input", "title": "invalid input", "status": status, "detail": detail}
    body = json.dumps({**told, "code": "invalid-input", "retryable": False, "hint": None}).encode()
    return b"".join(
        (
            STATUS_LINE[status],
            b"content-type: application/problem+json\r\nconnection: close\r\n",
            b"content-length: %d\r\n\r\n" % len(body),
            body,
        )
    )


def _peer_uid(connection: socket.socket) -> int | None:
    """Who is at the other end of a Unix socket (unix(7), SO_PEERCRED); None for any other socket."""
    if connection.family != getattr(socket, "AF_UNIX", None):
        return None
    if sys.platform == "darwin":
        # struct xucred: version, uid, number of groups, groups (LOCAL_PEERCRED, 1, at level SOL_LOCAL, 0).
        darwin: int = struct.unpack_from("=II", connection.getsockopt(0, 1, 76))[1]
        return darwin
    uid: int = struct.unpack("=iII", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[1]
    return uid
