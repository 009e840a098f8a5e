"""What a request is answered with: a value at once, or a stream whose reader must keep up."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ..model.errors import MooringError, SlowReader
from .disconnect import ClientGone, while_connected

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable

    from litestar import Request
    from litestar.types import Receive, Scope, Send

__all__ = ["JSON", "WRITE_TIMEOUT", "Answer", "Stream", "encode", "value"]

JSON: Final = b"application/json"
WRITE_TIMEOUT: Final = 20.0
"""Seconds in which the reader of a stream must take something: long for any network, short for what is held for it."""
_OURS: Final = 2
"""Headers of each whole answer."""
_LAST_TIMEOUT: Final = 5.0
"""Seconds for the last words to a reader that is too slow."""


class Answer:
    """A whole answer, as an ASGI application: Litestar's own Response costs a third of a request."""

    __slots__ = ("_body", "_headers", "_status")

    def __init__(
        self, body: bytes, *, status: int = 200, media_type: bytes = JSON, headers: Iterable[tuple[bytes, bytes]] = ()
    ) -> None:
        self._body = body
        self._status = status
        self._headers = [(b"content-type", media_type), (b"content-length", b"%d" % len(body)), *headers]

    def at_once(self, scope: Scope) -> bool:
        """Send it as a whole; False where the server cannot, or it has headers that were not made here."""
        answer = scope["state"].get("answer")
        return answer is not None and len(self._headers) == _OURS and answer(self._status, self._headers, self._body)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - as ASGI has it
        """Send it."""
        start: Any = {"type": "http.response.start", "status": self._status, "headers": self._headers}
        await send(start)
        await send({"type": "http.response.body", "body": self._body, "more_body": False})


class Stream:
    """An answer in parts as they come; it ends with the parts, with the client, or with a reader that is too slow.

    A part is taken from ``parts`` only when the client has room for it, so that nothing piles up here. What goes
    wrong on the way becomes the last part.

    Args:
        request: Whose answer.
        media_type: Of all parts together.
        parts: What to send.
        failed: Makes the last part of an error; None where none can stand there, and the connection is cut.
        refused: Makes the whole answer of an error that comes before the first part, for which the head then waits;
            None sends the head at once.
        status: With which status.
        headers: Further ones.
    """

    def __init__(
        self,
        request: Request[Any, Any, Any],
        media_type: bytes,
        parts: AsyncGenerator[bytes, None],
        failed: Callable[[MooringError], bytes] | None,
        refused: Callable[[MooringError], Answer] | None = None,
        *,
        status: int = 200,
        headers: Iterable[tuple[bytes, bytes]] = (),
    ) -> None:
        self._request = request
        self._media_type = media_type
        self._parts = parts
        self._failed = failed
        self._refused = refused
        self._status = status
        self._headers = tuple(headers)
        self._timeout: float = request.app.state.write_timeout

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - as ASGI has it
        """Send it, for as long as the client is there."""
        with contextlib.suppress(ClientGone):
            await while_connected(self._request, self._write(send))

    async def _write(self, send: Send) -> None:
        headers = [(b"content-type", self._media_type), (b"cache-control", b"no-store"), (b"x-accel-buffering", b"no")]
        headers += self._headers
        start: Any = {"type": "http.response.start", "status": self._status, "headers": headers}
        last: bytes | None = b""
        async with contextlib.aclosing(self._parts) as parts:
            first = b""
            if self._refused is not None:
                try:
                    first = await anext(parts, b"")
                except MooringError as error:
                    await self._refused(error)(self._request.scope, self._request.receive, send)
                    return
            await send(start)
            try:
                if first:
                    await self._send(send, first)
                async for part in parts:
                    await self._send(send, part)
            except MooringError as error:
                last = self._failed(error) if self._failed is not None else None
        if last is None:
            await self._cut()
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LAST_TIMEOUT if last else self._timeout):
                await send({"type": "http.response.body", "body": last, "more_body": False})
            return
        await self._cut()

    async def _send(self, send: Send, part: bytes) -> None:
        try:
            async with asyncio.timeout(self._timeout):
                await send({"type": "http.response.body", "body": part, "more_body": True})
        except TimeoutError:
            message = f"the stream was not read for {self._timeout:g} s"
            raise SlowReader(message, hint="read it faster, or ask again") from None

    async def _cut(self) -> None:
        """There is no room or place for last words: without its end, the client sees that the answer is not whole."""
        abort: Callable[[], None] | None = self._request.scope["state"].get("abort")
        if abort is not None:
            abort()
            await asyncio.sleep(self._timeout)  # until the end of the connection cancels this


def _plain(thing: object) -> object:
    """What msgspec has no JSON for: a fact that a caller put into a session."""
    return str(thing)


encode: Final = msgspec.json.Encoder(enc_hook=_plain).encode
"""Any of our values as JSON."""


def value(thing: object, *, status: int = 200, headers: Iterable[tuple[bytes, bytes]] = ()) -> Answer:
    """An answer with a value as JSON."""
    return Answer(encode(thing), status=status, headers=headers)
