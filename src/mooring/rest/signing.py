"""``/signin`` and ``/signout``: a token turned into a cookie for the page, and back into nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
from litestar import Request, get, post
from msgspec import Meta

from ..model.access import Action, Actor
from ..model.errors import StateError, Unauthenticated
from ..model.secret import MASK
from .answers import Answer, value
from .openapi import described
from .reading import Body

if TYPE_CHECKING:
    from .access import Access

__all__ = ["HANDLERS"]


class SignInBody(msgspec.Struct, forbid_unknown_fields=True):
    """What signs in.

    Attributes:
        token: The daemon's, or a named one.
    """

    token: Annotated[str, Meta(min_length=1, max_length=1024)]

    def __repr__(self) -> str:
        """Without the secret."""
        return f"{type(self).__name__}({MASK})"


class Granted(msgspec.Struct):
    """Some actions on some sessions."""

    selector: str
    actions: list[Action]


class Whom(msgspec.Struct):
    """Who asks, and what they may do.

    Attributes:
        name: Their token's name, or their user's.
        grants: What they may do; ``admin`` holds all other actions.
        signed_in: Whether they came by a sign-in, which they can end.
    """

    name: str
    grants: list[Granted]
    signed_in: bool


_SIGN_IN: Final = Body(SignInBody, most=65_536)  # nobody knows yet who sends it


@get("/signin", opt=described(answer=Whom))
async def tell_whom(request: Request[Actor, Any, Any]) -> Answer:
    """Tell who asks, and what they may do."""
    return value(_whom(request.user, signed_in="signed_in" in request.scope["state"]))


@post(
    "/signin",
    status_code=200,
    opt=described(answer=Whom, body=_SIGN_IN, problems=(Unauthenticated, StateError), open=True),
)
async def sign_in(request: Request[Any, Any, Any]) -> Answer:
    """Sign a browser in with a token.

    The answer sets a cookie, which is HttpOnly and SameSite=Strict, and lets in what this daemon's own page asks for,
    as the browser tells by `Origin` or `Sec-Fetch-Site`. It ends with the token, with the daemon, and after a week.
    """
    access: Access = request.app.state.access
    body = await _SIGN_IN.read(request)
    actor, cookie = access.sign_in(request.scope, body.token)
    return value(_whom(actor, signed_in=True), headers=[(b"set-cookie", cookie), (b"cache-control", b"no-store")])


@post("/signout", status_code=200, opt=described(answer=Whom))
async def sign_out(request: Request[Actor, Any, Any]) -> Answer:
    """Sign a browser out: its cookie lets nobody in any more, and what goes on under it is cut."""
    access: Access = request.app.state.access
    cookie = access.sign_out(request.scope)
    return value(_whom(request.user, signed_in=False), headers=[(b"set-cookie", cookie)])


def _whom(actor: Actor, *, signed_in: bool) -> Whom:
    grants = [Granted(grant.selector, sorted(grant.actions)) for grant in actor.grants]
    return Whom(actor.name, grants, signed_in)


HANDLERS: Final = [tell_whom, sign_in, sign_out]
