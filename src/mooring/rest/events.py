"""``/v1/events``: what there is, then what changes, as server-sent events; over a WebSocket too.

A browser has six connections to a host, for all of its tabs, and others for WebSockets.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import re
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from litestar import Request, WebSocket, get, websocket

from ..model.access import Actor  # noqa: TC001 - Litestar reads annotations
from ..model.errors import InvalidInput, InvalidSelector, MooringError, StreamLimit, UnknownAlias
from ..model.event import Event
from ..service import policy
from .answers import Stream, encode
from .openapi import Asked, described
from .problems import deny, problem, refusal
from .selecting import selector_of
from .websocket import ended_with_us

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator
    from contextlib import AbstractContextManager

    from litestar.connection import ASGIConnection
    from litestar.types import Message

    from ..service.fleet import Fleet
    from ..service.watch import Watch

__all__ = ["HANDLERS", "HEARTBEAT", "MOST", "SILENCE", "SSE", "Followers", "event", "last"]

HEARTBEAT: Final = 15.0
"""Seconds without an event until a comment is sent: proxies cut off what is silent for a minute."""

MOST: Final = 256
"""Streams at once of one who may not do everything: the open pages of a team that shares a token are fewer. Each costs
a connection, and work for each event and measure."""
_LONGEST: Final = 60
SSE: Final = "text/event-stream"
SILENCE: Final = b":\n\n"
"""A comment."""


class Followers:
    """How many streams each has of those who may not do everything."""

    def __init__(self) -> None:
        self._streams: Counter[tuple[str, str, str]] = Counter()

    def check(self, actor: Actor) -> None:
        """Refuse one stream too many.

        Raises:
            StreamLimit: It is.
        """
        if self._streams[_key(actor)] >= MOST and not policy.everything(actor):
            raise StreamLimit(f"{actor.name} has {MOST} streams of events already", hint="end some, then ask again")

    @contextlib.contextmanager
    def one_more(self, actor: Actor) -> Iterator[None]:
        """Count one for the length of the block.

        Raises:
            StreamLimit: As ``check``.
        """
        self.check(actor)
        self._streams[_key(actor)] += 1
        try:
            yield
        finally:
            self._streams[_key(actor)] -= 1
            self._streams += Counter()  # without those that are 0


def _key(actor: Actor) -> tuple[str, str, str]:
    return actor.name, actor.door, actor.token


@get(
    "/v1/events",
    opt=described(
        answer=Event,
        media_type=SSE,
        query={
            "selector": Asked("which sessions, those that are yet to come included", default="all"),
            "measures": Asked("numbers too, so many seconds apart", type="integer", minimum=1, maximum=_LONGEST),
        },
        problems=(InvalidSelector, UnknownAlias, InvalidInput, StreamLimit),
    ),
)
async def follow(request: Request[Actor, Any, Any]) -> Stream:
    """Follow the sessions.

    First `event: snapshot` with `{"sessions": [...]}`, then one event for each change, named as its `kind`. Nothing
    is replayed: who connects again gets a new snapshot. A reader that is thousands of events behind loses the oldest,
    and `event: lost` says how many; one that takes nothing for 20 seconds is told `event: error` with `slow-reader`,
    where there is room for it, and cut off. A comment comes every 15 seconds without an event.

    With `measures` there is an `event: measures` besides, of the numbers that changed since the one before:
    `{"sessions": [{"alias", "ping", "channels", "commands"}], "forwards": [...], "pending": [...]}`, forwards as
    `/v1/forwards` has them, and devices that called meanwhile as `/v1/pending` does.

    Over a WebSocket (RFC 6455) each event is a text message, as it would stand in the stream.
    """
    return Stream(request, SSE.encode(), _followed(request), last)


@websocket("/v1/events")
async def follow_over_websocket(socket: WebSocket[Actor, Any, Any]) -> None:
    """Follow the sessions from a page: what its client sends is not looked at."""
    try:
        events = _followed(socket)
    except MooringError as error:
        await deny(socket.scope, socket.send, refusal(error))
        return
    await socket.accept()
    with contextlib.suppress(OSError):  # the client has gone: uvicorn's ClientDisconnected is one
        async with ended_with_us(_tell(socket, events)):
            while (await socket.receive())["type"] == "websocket.receive":
                pass


async def _tell(socket: WebSocket[Actor, Any, Any], events: AsyncGenerator[bytes]) -> None:
    """Pass events on as fast as the client takes them; one that takes nothing is cut off."""
    timeout: float = socket.app.state.write_timeout
    try:
        async with contextlib.aclosing(events):
            async for each in events:
                await _send(socket, each, timeout)
    except TimeoutError:
        if abort := socket.scope["state"].get("abort"):
            abort()
        return
    except MooringError as error:
        with contextlib.suppress(TimeoutError):
            await _send(socket, last(error), timeout)
    await socket.close()


async def _send(socket: WebSocket[Actor, Any, Any], text: bytes, timeout: float) -> None:
    message: Message = {"type": "websocket.send", "bytes": None, "text": text.decode()}
    async with asyncio.timeout(timeout):
        await socket.send(message)


def _followed(connection: ASGIConnection[Any, Actor, Any, Any]) -> AsyncGenerator[bytes]:
    """The events that are asked for."""
    fleet: Fleet = connection.app.state.fleet
    followers: Followers = connection.app.state.followers
    watch = fleet.watch(connection.user, selector_of(connection))
    pause = _pause(connection.query_params.get("measures"))
    followers.check(connection.user)
    return _events(watch, pause, followers.one_more(connection.user))


def _pause(text: str | None) -> float:
    """Seconds between two measures; endless where nobody asks for them."""
    if text is None:
        return math.inf
    if not re.fullmatch(r"[0-9]{1,2}", text) or not 1 <= int(text) <= _LONGEST:
        raise InvalidInput(f"measures is a number of seconds from 1 to {_LONGEST}")
    return float(text)


async def _events(watch: Watch, pause: float, counted: AbstractContextManager[None]) -> AsyncGenerator[bytes]:
    now = asyncio.get_running_loop().time
    async with contextlib.AsyncExitStack() as held:
        held.enter_context(counted)
        await held.enter_async_context(watch)
        yield event("snapshot", {"sessions": watch.snapshot})
        due = now() + pause
        while True:
            if now() >= due:
                sessions, forwards, pending = await watch.measure()
                due = now() + pause
                if sessions or forwards or pending:
                    yield event("measures", {"sessions": sessions, "forwards": forwards, "pending": pending})
            try:
                async with asyncio.timeout(min(HEARTBEAT, due - now())):
                    change = await anext(watch)
            except TimeoutError:
                yield SILENCE
            except StopAsyncIteration:
                return
            else:
                yield event(change.kind, change)


def event(name: str, data: object) -> bytes:
    """One event; JSON has no line ends of its own."""
    return b"event: %s\ndata: %s\n\n" % (name.encode(), encode(data))


def last(error: MooringError) -> bytes:
    """The event that ends a stream which failed."""
    return event("error", problem(error))


HANDLERS: Final = [follow, follow_over_websocket]
