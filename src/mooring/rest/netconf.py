"""``/v1/sessions/{alias}/netconf``: what a session's NETCONF server is, requests, notifications, and own channels."""

from __future__ import annotations

import asyncio
import contextlib
import math
import re
from typing import TYPE_CHECKING, Any, Final

import msgspec
from litestar import Request, get, post

from ..model.access import Actor  # noqa: TC001 - Litestar reads annotations
from ..model.errors import (
    ChannelLimit,
    ChannelRefused,
    HelloError,
    InvalidInput,
    LockLost,
    MissingCapability,
    NetconfEnded,
    RpcError,
    RpcTimeout,
    SessionClosed,
    SessionLost,
    SessionNotUp,
    SessionParked,
    UnknownAlias,
)
from ..service.netconf import NetconfStatus
from ..session.programs import NETCONF_TIMEOUT
from . import events
from .answers import Answer, Stream, value
from .disconnect import while_connected
from .openapi import Asked, described
from .problems import refusal
from .reading import RpcBody

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from ..service.fleet import Fleet

__all__ = ["HANDLERS"]

_XML: Final = "application/xml"
_RPC: Final = RpcBody()
_OPENING: Final = (
    UnknownAlias,
    SessionParked,
    SessionClosed,
    SessionNotUp,
    ChannelLimit,
    ChannelRefused,
    HelloError,
)
_LONGEST: Final = 86_400.0
_PREFIX: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")


class Notified(msgspec.Struct):
    """One notification (RFC 5277).

    Attributes:
        alias: The session.
        event_time: When it happened, as the device writes it.
        xml: The notification, as it came.
        lost: How many before it came and were dropped, because the reader was too slow.
        gap: Whether others may be missing before it: the connection was lost, and the device has no replay.
    """

    alias: str
    event_time: str
    xml: str
    lost: int
    gap: bool


class Own(msgspec.Struct):
    """A channel of one's own.

    Attributes:
        channel: How requests name it.
        session_id: The number that the server gave to it.
        server_capabilities: What the server can do.
    """

    channel: str
    session_id: int
    server_capabilities: tuple[str, ...]


@get("/v1/sessions/{alias:str}/netconf", opt=described(answer=NetconfStatus, problems=_OPENING))
async def show_netconf(request: Request[Actor, Any, Any]) -> Answer:
    """Show what the NETCONF server of a session is.

    The channel that all requests share is opened for it, and closed after five minutes in which nobody used it.
    """
    fleet: Fleet = request.app.state.fleet
    return value(await while_connected(request, fleet.netconf.status(request.user, request.path_params["alias"])))


@post(
    "/v1/sessions/{alias:str}/netconf/rpc",
    status_code=200,
    opt=described(
        answer=str,
        media_type=_XML,
        body=_RPC,
        query={
            "timeout": Asked(
                "seconds without anything of the reply; 60 by default",
                type="number",
                exclusiveMinimum=0,
                maximum=_LONGEST,
            ),
            "channel": "the channel of one's own to make it on, as `.../netconf/channel` named it",
        },
        problems=(*_OPENING, RpcError, RpcTimeout, NetconfEnded, SessionLost, LockLost),
    ),
)
async def request_rpc(request: Request[Actor, Any, Any]) -> Stream:
    """Make a NETCONF request.

    The body is an operation, without a namespace in NETCONF's own, or a whole `rpc`. The answer is the `rpc-reply` as
    the device sends it, as it comes, of any size. An `rpc-error` is answered with 422 and the list of `errors`;
    warnings are not. Requests share a channel: what would bind that one (locks, subscriptions, `close-session`, a
    confirmed commit without `persist`) takes a channel of one's own. A client that leaves gives the request up; the
    device may still do it. Where the rest of a reply that has begun cannot be had, the connection is cut; so it is
    where a client reads so slowly that it keeps others, who asked on the same channel, waiting for 20 seconds in all.
    """
    fleet: Fleet = request.app.state.fleet
    operation = await _RPC.read(request)
    parts = fleet.netconf.rpc(
        request.user,
        request.path_params["alias"],
        operation,
        channel=request.query_params.get("channel", ""),
        timeout=_seconds(request.query_params.get("timeout")),
    )
    return Stream(request, _XML.encode(), parts, None, refusal)


@get(
    "/v1/sessions/{alias:str}/netconf/channel",
    opt=described(answer=Own, media_type=events.SSE, problems=(*_OPENING, SessionLost)),
)
async def hold_channel(request: Request[Actor, Any, Any]) -> Stream:
    """Hold a NETCONF channel of one's own.

    First `event: channel`, whose `channel` names it in requests; then a comment every 15 seconds. The channel is there
    as long as this answer is read: when the client leaves it is closed, and what it had locked is free. When it ends
    by itself, `event: error` says why; it never comes back.
    """
    fleet: Fleet = request.app.state.fleet
    parts = _holding(fleet, request.user, request.path_params["alias"])
    return Stream(request, events.SSE.encode(), parts, events.last, refusal)


@get(
    "/v1/sessions/{alias:str}/netconf/notifications",
    opt=described(
        answer=Notified,
        media_type=events.SSE,
        query={
            "stream": "of which stream; the device's `NETCONF` by default",
            "filter": "a subtree, as XML",
            "xpath": "an XPath expression, in its place",
            "ns": "a prefix in it, as `prefix=uri`; may be repeated",
            "start": "those since then as well, where the device has a replay (RFC 3339)",
            "stop": "none after that, and then the end; takes `start`",
        },
        problems=(*_OPENING, InvalidInput, MissingCapability, RpcError, RpcTimeout, SessionLost),
    ),
)
async def follow_notifications(request: Request[Actor, Any, Any]) -> Stream:
    """Follow the notifications of a device.

    First `event: subscribed`, then an `event: notification` for each. The subscription has a channel of its own, and
    comes back after a lost connection, with a replay where the device has one. A reader that is 10,000 notifications
    or 64 MiB behind loses the oldest: the next says how many in `lost`. One that takes nothing for 20 seconds is told
    `event: error` with `slow-reader`, where there is room for it, and cut off. A comment comes every 15 seconds
    without a notification.
    """
    fleet: Fleet = request.app.state.fleet
    alias: str = request.path_params["alias"]
    asked = request.query_params
    options = {
        "stream": asked.get("stream"),
        "filter": asked.get("filter"),
        "xpath": asked.get("xpath"),
        "namespaces": _namespaces(asked.getall("ns", [])),
        "start_time": asked.get("start"),
        "stop_time": asked.get("stop"),
    }
    return Stream(
        request, events.SSE.encode(), _notifications(fleet, request.user, alias, options), events.last, refusal
    )


async def _holding(fleet: Fleet, actor: Actor, alias: str) -> AsyncGenerator[bytes]:
    async with fleet.netconf.channel(actor, alias) as own:
        yield events.event("channel", Own(own.id, own.nc.session_id or 0, own.nc.server_capabilities.uris))
        while True:
            try:
                async with asyncio.timeout(events.HEARTBEAT):
                    reason = await own.nc.wait_ended()
            except TimeoutError:
                yield events.SILENCE
            else:
                raise reason


async def _notifications(fleet: Fleet, actor: Actor, alias: str, options: Mapping[str, Any]) -> AsyncGenerator[bytes]:
    async with fleet.netconf.notifications(actor, alias, **options) as notifications:
        yield events.event("subscribed", {"alias": alias})
        while True:
            try:
                async with asyncio.timeout(events.HEARTBEAT):
                    one = await anext(notifications)
            except TimeoutError:
                yield events.SILENCE
            except StopAsyncIteration:
                return
            else:
                text = one.xml.decode("utf-8", "backslashreplace")
                yield events.event("notification", Notified(alias, one.event_time, text, one.lost, one.gap))


def _seconds(text: str | None) -> float:
    if text is None:
        return NETCONF_TIMEOUT
    seconds = math.nan
    with contextlib.suppress(ValueError):
        seconds = float(text)
    if not 0 < seconds <= _LONGEST:
        raise InvalidInput("timeout is a number of seconds, above 0 and at most a day")
    return seconds


def _namespaces(given: list[str]) -> dict[str, str] | None:
    pairs = [text.partition("=") for text in given]
    if not all(_PREFIX.fullmatch(prefix) and uri for prefix, _, uri in pairs):
        raise InvalidInput("ns is prefix=uri")
    return {prefix: uri for prefix, _, uri in pairs} or None


HANDLERS: Final = [show_netconf, request_rpc, hold_channel, follow_notifications]
