"""Where one answer goes: its head and content in one, and who makes it is told when the client leaves.

uvicorn writes each by itself, which wakes a client for half an answer; and who wants to know whether the client is
still there would need a task that asks.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

__all__ = ["Envelope"]


class Envelope(asyncio.Transport):
    """Where one answer is written: what comes first leaves with what follows in the same turn of the loop.

    Args:
        transport: Of the connection.
        loop: That runs it.
        cycle: The request.
    """

    __slots__ = ("_begun", "_cycle", "_head", "_left", "_loop", "_over", "_transport")

    def __init__(
        self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop, cycle: RequestResponseCycle
    ) -> None:
        self._transport = transport
        self._loop = loop
        self._cycle = cycle
        self._begun = self._over = False
        self._head = b""
        self._left: Callable[[], object] | None = None

    def answer(self, status: int, headers: Sequence[tuple[bytes, bytes]], body: bytes) -> bool:
        """Answer as a whole: what uvicorn does for the head and the content of any answer, where nothing is special.

        Args:
            status: The status.
            headers: Ours, and none of anybody else's making; the length of the content is among them.
            body: The content.

        Returns:
            Whether it was answered so; if not, uvicorn has to.
        """
        cycle = self._cycle
        if (
            cycle.response_started
            or cycle.disconnected
            or not cycle.keep_alive
            or cycle.waiting_for_100_continue
            or cycle.flow.write_paused
            or cycle.scope["method"] == "HEAD"
        ):
            return False
        parts = [STATUS_LINE[status]]
        for name, text in (*cycle.default_headers, *headers):
            parts += (name, b": ", text, b"\r\n")
        parts += (b"\r\n", body)
        self._transport.write(b"".join(parts))
        cycle.response_started = cycle.response_complete = True
        cycle.message_event.set()
        cycle.on_response()
        return True

    def watch(self, left: Callable[[], object] | None) -> bool:
        """Have something called when the client leaves; None for nothing any more.

        Returns:
            Whether the client is there.
        """
        self._left = left
        return not self._over

    def lost(self) -> None:
        """The client has left."""
        self._over = True
        if self._left is not None:
            self._left()

    def write(self, data: bytes) -> None:  # type: ignore[override]  # uvicorn writes nothing else
        """Write a part of it."""
        if self._begun:
            self._transport.write(self._head + data if self._head else data)
            self._head = b""
        else:
            self._begun, self._head = True, data
            self._loop.call_soon(self.let_out)

    def let_out(self) -> None:
        """Nothing follows for now."""
        if self._head:
            self._transport.write(self._head)
            self._head = b""

    def is_closing(self) -> bool:
        """Whether the connection is."""
        return self._transport.is_closing()

    def close(self) -> None:
        """Close the connection, once what is written has left."""
        self.let_out()
        self._transport.close()
