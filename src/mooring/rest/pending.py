"""``/v1/pending``: devices that called home and wait for somebody's word."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec
from litestar import Request, delete, get, post

from ..model.access import Actor  # noqa: TC001 - Litestar reads annotations
from ..model.device import Pending
from ..model.errors import AliasInUse, InvalidInput, InvalidTarget, StateError, UnknownAlias
from ..model.status import SessionStatus
from .answers import Answer, value
from .bodies import MAX_TARGET, ApproveBody, TrustBody
from .openapi import described
from .reading import Body

if TYPE_CHECKING:
    from ..service.fleet import Fleet

__all__ = ["HANDLERS"]

_APPROVE: Final = Body(ApproveBody, most=MAX_TARGET)
_TRUST: Final = Body(TrustBody, most=MAX_TARGET)


class PendingDevices(msgspec.Struct):
    """Devices that wait, the one that called last at the end, and those that were rejected."""

    pending: list[Pending]


@get("/v1/pending", opt=described(answer=PendingDevices))
async def list_pending(request: Request[Actor, Any, Any]) -> Answer:
    """List the devices that called home and are not let in."""
    fleet: Fleet = request.app.state.fleet
    return value(PendingDevices(fleet.pending(request.user)))


@post(
    "/v1/pending/{id:str}/approve",
    status_code=200,
    opt=described(answer=SessionStatus, body=_APPROVE, problems=(UnknownAlias, InvalidTarget, AliasInUse, StateError)),
)
async def approve_device(request: Request[Actor, Any, Any]) -> Answer:
    """Let a device in from its next call on, held to the key that it proved.

    It is remembered when this is answered. A client that leaves meanwhile does not undo it.
    """
    fleet: Fleet = request.app.state.fleet
    body = await _APPROVE.read(request)
    return value(await fleet.approve(request.user, request.path_params["id"], body.alias, **body.options()))


@post(
    "/v1/pending/{id:str}/reject",
    status_code=200,
    opt=described(answer=Pending, problems=(UnknownAlias, StateError)),
)
async def reject_device(request: Request[Actor, Any, Any]) -> Answer:
    """Turn a device away quietly from now on; approving it later lets it in all the same."""
    fleet: Fleet = request.app.state.fleet
    return value(await fleet.reject(request.user, request.path_params["id"]))


@post(
    "/v1/pending/{id:str}/trust",
    status_code=200,
    opt=described(answer=Pending, body=_TRUST, problems=(UnknownAlias, InvalidInput, StateError)),
)
async def trust_device(request: Request[Actor, Any, Any]) -> Answer:
    """Let a device that is configured without a key in from its next call on, with the key that it proved."""
    fleet: Fleet = request.app.state.fleet
    body = await _TRUST.read(request)
    return value(await fleet.trust(request.user, request.path_params["id"], body.fingerprint))


@delete("/v1/pending/{id:str}", status_code=200, opt=described(answer=Pending, problems=(UnknownAlias, StateError)))
async def forget_device(request: Request[Actor, Any, Any]) -> Answer:
    """Forget a device that waits, or that it was rejected: it waits anew at its next call."""
    fleet: Fleet = request.app.state.fleet
    return value(await fleet.forget(request.user, request.path_params["id"]))


HANDLERS: Final = [list_pending, approve_device, reject_device, trust_device, forget_device]
