"""``/v1/forwards``: connections carried over sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec
from litestar import Request, delete, get, post

from ..model.access import Actor  # noqa: TC001 - Litestar reads annotations
from ..model.errors import (
    ForwardError,
    ForwardInUse,
    ForwardRefused,
    PortTaken,
    SessionNotUp,
    StateError,
    UnknownAlias,
    UnknownForward,
)
from ..model.forward import ForwardStatus, Place
from .answers import Answer, value
from .bodies import ForwardBody
from .openapi import described
from .reading import Body
from .selecting import SELECTED, SELECTOR, named, selector_of

if TYPE_CHECKING:
    from ..service.fleet import Fleet

__all__ = ["HANDLERS"]

_FORWARD: Final = Body(ForwardBody)


class ForwardList(msgspec.Struct):
    """Forwards, by their sessions, in the order in which they were made."""

    forwards: list[ForwardStatus]


@get(
    "/v1/forwards",
    opt=described(answer=ForwardList, query=SELECTOR, problems=SELECTED),
)
async def list_forwards(request: Request[Actor, Any, Any]) -> Answer:
    """List forwards."""
    fleet: Fleet = request.app.state.fleet
    return value(ForwardList(fleet.forwards.list(request.user, selector_of(request))))


@post(
    "/v1/forwards",
    opt=described(
        answer=ForwardStatus,
        status=201,
        body=_FORWARD,
        problems=(UnknownAlias, ForwardInUse, PortTaken, ForwardRefused, ForwardError, SessionNotUp, StateError),
    ),
)
async def add_forward(request: Request[Actor, Any, Any]) -> Answer:
    """Carry connections over a session from now on.

    It stands and is remembered when this is answered; from then on it is made to stand again whenever its session or
    the daemon was away. A client that leaves meanwhile does not undo it.
    """
    fleet: Fleet = request.app.state.fleet
    body = await _FORWARD.read(request)
    listen = Place.parse(body.listen, **({"host": "localhost"} if body.kind == "remote" else {}))
    destination = None if body.destination is None else Place.parse(body.destination)
    status = await fleet.forwards.add(request.user, body.alias, body.kind, listen, destination, name=body.name)
    location = f"/v1/forwards/{status.alias}/{status.name}".encode()
    return value(status, status=201, headers=[(b"location", location)])


@get(
    "/v1/forwards/{alias:str}/{name:str}",
    opt=described(answer=ForwardStatus, problems=(UnknownAlias, UnknownForward)),
)
async def show_forward(request: Request[Actor, Any, Any]) -> Answer:
    """Show one forward."""
    fleet: Fleet = request.app.state.fleet
    return value(fleet.forwards.show(request.user, *named(request)))


@delete(
    "/v1/forwards/{alias:str}/{name:str}",
    status_code=200,
    opt=described(answer=ForwardStatus, problems=(UnknownAlias, UnknownForward, StateError)),
)
async def remove_forward(request: Request[Actor, Any, Any]) -> Answer:
    """Carry no more; what goes through it is cut. The answer tells how it ended."""
    fleet: Fleet = request.app.state.fleet
    return value(await fleet.forwards.remove(request.user, *named(request)))


HANDLERS: Final = [list_forwards, add_forward, show_forward, remove_forward]
