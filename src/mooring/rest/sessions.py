"""``/v1/sessions``: the sessions, listed, shown, started, stopped, and tried again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec
from litestar import Request, delete, get, post

from ..model.access import Actor  # noqa: TC001 - Litestar reads annotations
from ..model.errors import (
    AliasInUse,
    ConfigError,
    InvalidTarget,
    StateError,
    UnknownAlias,
)
from ..model.event import Event
from ..model.status import SessionStatus
from .answers import Answer, value
from .bodies import StartBody, TrustHostBody
from .openapi import Asked, described
from .reading import Body
from .selecting import SELECTED, SELECTOR, selector_of

if TYPE_CHECKING:
    from ..service.fleet import Fleet

__all__ = ["HANDLERS"]

_START: Final = Body(StartBody)
_TRUST: Final = Body(TrustHostBody)


class Sessions(msgspec.Struct):
    """Sessions, in the order in which they were started."""

    sessions: list[SessionStatus]


class Happened(msgspec.Struct):
    """What happened to a session lately, the oldest first."""

    history: list[Event]


class Stopped(msgspec.Struct):
    """Aliases of sessions that are no more."""

    stopped: list[str]


@get("/v1/sessions", opt=described(answer=Sessions, query=SELECTOR, problems=SELECTED))
async def list_sessions(request: Request[Actor, Any, Any]) -> Answer:
    """List sessions."""
    fleet: Fleet = request.app.state.fleet
    return value(Sessions(fleet.list(request.user, selector_of(request))))


@post(
    "/v1/sessions",
    opt=described(
        answer=SessionStatus, status=201, body=_START, problems=(InvalidTarget, ConfigError, AliasInUse, StateError)
    ),
)
async def start_session(request: Request[Actor, Any, Any]) -> Answer:
    """Hold a session from now on.

    It is remembered when this is answered, and need not be up: `/v1/events` tells when it is. A client that leaves
    meanwhile does not undo it.
    """
    fleet: Fleet = request.app.state.fleet
    body = await _START.read(request)
    status = await fleet.start(request.user, body.target, replace=body.replace, **body.options())
    return value(status, status=201, headers=[(b"location", f"/v1/sessions/{status.alias}".encode())])


@delete(
    "/v1/sessions",
    status_code=200,
    opt=described(
        answer=Stopped,
        query={"selector": Asked("which sessions; `all` must be said", required=True)},
        problems=(*SELECTED, StateError),
    ),
)
async def stop_sessions(request: Request[Actor, Any, Any]) -> Answer:
    """Stop sessions for good.

    Here the selector must be given: to stop all, say so.
    """
    fleet: Fleet = request.app.state.fleet
    return value(Stopped(await fleet.stop(request.user, selector_of(request, default=""))))


@get("/v1/sessions/{alias:str}", opt=described(answer=SessionStatus, problems=(UnknownAlias,)))
async def show_session(request: Request[Actor, Any, Any]) -> Answer:
    """Show one session."""
    alias: str = request.path_params["alias"]
    fleet: Fleet = request.app.state.fleet
    return value(fleet.show(request.user, alias))


@get("/v1/sessions/{alias:str}/history", opt=described(answer=Happened, problems=(UnknownAlias,)))
async def tell_history(request: Request[Actor, Any, Any]) -> Answer:
    """Tell what happened to one session lately: its last 50 events, as `/v1/events` has them.

    They are kept in memory, from the daemon's start or the session's on.
    """
    alias: str = request.path_params["alias"]
    fleet: Fleet = request.app.state.fleet
    return value(Happened(fleet.history(request.user, alias)))


@delete(
    "/v1/sessions/{alias:str}",
    status_code=200,
    opt=described(answer=Stopped, problems=(UnknownAlias, StateError)),
)
async def stop_session(request: Request[Actor, Any, Any]) -> Answer:
    """Stop one session for good."""
    alias: str = request.path_params["alias"]
    fleet: Fleet = request.app.state.fleet
    return value(Stopped(await fleet.stop(request.user, fleet.show(request.user, alias).alias)))


@post(
    "/v1/sessions/{alias:str}/trust",
    status_code=200,
    opt=described(answer=SessionStatus, body=_TRUST, problems=(UnknownAlias, StateError)),
)
async def trust_session(request: Request[Actor, Any, Any]) -> Answer:
    """Trust the host key for which a session is parked, in the place of others, and connect.

    The `fingerprint` must be that of the key which it shows: `offered_key` of its status. It is written to the user's
    known_hosts
    file, as `ssh` would, and takes `admin` on all.
    """
    alias: str = request.path_params["alias"]
    fleet: Fleet = request.app.state.fleet
    body = await _TRUST.read(request)
    return value(await fleet.trust_host(request.user, alias, body.fingerprint))


@post(
    "/v1/sessions/{alias:str}/retry",
    status_code=200,
    opt=described(answer=SessionStatus, problems=(UnknownAlias,)),
)
async def retry_session(request: Request[Actor, Any, Any]) -> Answer:
    """Connect now, whatever back-off and parking say."""
    alias: str = request.path_params["alias"]
    fleet: Fleet = request.app.state.fleet
    return value(await fleet.retry(request.user, alias))


HANDLERS: Final = [
    list_sessions,
    start_session,
    stop_sessions,
    show_session,
    tell_history,
    stop_session,
    retry_session,
    trust_session,
]
