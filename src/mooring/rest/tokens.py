"""``/v1/tokens``: who may come in, to do what, on which sessions, until when."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec
from litestar import Request, delete, get, post

from ..model.access import Actor  # noqa: TC001 - Litestar reads annotations
from ..model.errors import InvalidSelector, StateError, TokenInUse, UnknownToken
from ..model.token import Token
from .answers import Answer, value
from .bodies import TokenBody
from .openapi import described
from .reading import Body

if TYPE_CHECKING:
    from ..service.fleet import Fleet
    from .access import Access

__all__ = ["HANDLERS"]

_TOKEN: Final = Body(TokenBody)


class TokenList(msgspec.Struct):
    """Tokens, in the order in which they were made; those too that have ended, until they are revoked."""

    tokens: list[Token]


class NewToken(msgspec.Struct):
    """A token that was made.

    Attributes:
        token: What is known of it.
        secret: What its bearer shows. It is told this once.
    """

    token: Token
    secret: str


@get("/v1/tokens", opt=described(answer=TokenList))
async def list_tokens(request: Request[Actor, Any, Any]) -> Answer:
    """List the named tokens."""
    fleet: Fleet = request.app.state.fleet
    return value(TokenList(fleet.tokens.list(request.user)))


@post(
    "/v1/tokens",
    opt=described(answer=NewToken, status=201, body=_TOKEN, problems=(InvalidSelector, TokenInUse, StateError)),
)
async def create_token(request: Request[Actor, Any, Any]) -> Answer:
    """Make a named token. It is remembered when this is answered, and what its bearer shows is told this once."""
    fleet: Fleet = request.app.state.fleet
    body = await _TOKEN.read(request)
    token, secret = await fleet.tokens.create(
        request.user, body.name, body.actions, body.selector, expires_in=body.expires_in
    )
    location = f"/v1/tokens/{token.name}".encode()
    return value(NewToken(token, secret.reveal()), status=201, headers=[(b"location", location)])


@delete("/v1/tokens/{name:str}", status_code=200, opt=described(answer=Token, problems=(UnknownToken, StateError)))
async def revoke_token(request: Request[Actor, Any, Any]) -> Answer:
    """End a token at once: what goes on under it is cut. Where this request came with it, it is the last."""
    fleet: Fleet = request.app.state.fleet
    access: Access = request.app.state.access
    access.spare(request.scope)
    ended = await fleet.tokens.revoke(request.user, request.path_params["name"])
    own = bool(request.user.token) and request.user.name == ended.name
    return value(ended, headers=[(b"connection", b"close")] if own else ())


HANDLERS: Final = [list_tokens, create_token, revoke_token]
