"""``/v1/agent-tokens``: agents that are expected, and the tokens with which they come."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec
from litestar import Request, delete, get, post

from ..model.access import Actor  # noqa: TC001 - Litestar reads annotations
from ..model.errors import AliasInUse, InvalidTarget, StateError, UnknownAlias
from ..service.agents import Expected
from .answers import Answer, value
from .bodies import MAX_TARGET, AgentTokenBody
from .openapi import described
from .reading import Body

if TYPE_CHECKING:
    from ..service.fleet import Fleet

__all__ = ["HANDLERS"]

_TOKEN: Final = Body(AgentTokenBody, most=MAX_TARGET)
_SECRET: Final = ((b"cache-control", b"no-store"),)


class AgentToken(msgspec.Struct):
    """A token, told once: what is kept of it does not make it again.

    Attributes:
        token: It, for the agent and nobody else.
        expected: What is known of it.
        server_key: The public key with which the agent is logged in to, as a line of its trusted keys.
        addresses: Where agents may call.
    """

    token: str
    expected: Expected
    server_key: str
    addresses: tuple[str, ...]


class AgentTokens(msgspec.Struct):
    """Agents that are expected, and those that came, the latest last.

    Attributes:
        agents: Them.
        server_key: The public key with which agents are logged in to, as a line of their trusted keys.
    """

    agents: list[Expected]
    server_key: str


@post(
    "/v1/agent-tokens",
    status_code=201,
    opt=described(answer=AgentToken, status=201, body=_TOKEN, problems=(InvalidTarget, AliasInUse, StateError)),
)
async def make_agent_token(request: Request[Actor, Any, Any]) -> Answer:
    """Expect an agent: the token lets one of this id come once, and takes the place of any before."""
    fleet: Fleet = request.app.state.fleet
    body = await _TOKEN.read(request)
    made = await fleet.agents.invite(
        request.user, body.agent_id, alias=body.alias, labels=body.labels, lifetime=body.lifetime
    )
    answer = AgentToken(made.token.reveal(), made.expected, made.server_key, made.addresses)
    return value(answer, status=201, headers=_SECRET)


@get("/v1/agent-tokens", opt=described(answer=AgentTokens, problems=(StateError,)))
async def list_agent_tokens(request: Request[Actor, Any, Any]) -> Answer:
    """List the agents that are expected, without their tokens."""
    fleet: Fleet = request.app.state.fleet
    return value(AgentTokens(fleet.agents.expected(request.user), await fleet.agents.server_key()))


@delete(
    "/v1/agent-tokens/{agent_id:str}",
    status_code=200,
    opt=described(answer=Expected, problems=(UnknownAlias, StateError)),
)
async def revoke_agent_token(request: Request[Actor, Any, Any]) -> Answer:
    """Have the token of an id open nothing more. An agent that came with it stays."""
    fleet: Fleet = request.app.state.fleet
    return value(await fleet.agents.revoke(request.user, request.path_params["agent_id"]))


HANDLERS: Final = [make_agent_token, list_agent_tokens, revoke_agent_token]
