"""The SSH gateway, over HTTP: what it is known by, and a way in for who needs no login of its own.

Whoever came in here is who they are: over the connection, turned into one of SSH, nothing more is asked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

import msgspec
from litestar import Request, get

from ..model.access import Actor  # noqa: TC001 - Litestar reads annotations
from ..model.errors import UnknownAlias
from .answers import Answer, value
from .openapi import described
from .problems import plain_refusal

if TYPE_CHECKING:
    import asyncio

    from ..service.fleet import Fleet

__all__ = ["HANDLERS", "Gateway"]


class Gateway(Protocol):
    """The gateway, as far as it is needed here."""

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Where it listens."""

    @property
    def public_key(self) -> str:
        """Its host key, as type and base64."""

    def receive(self, transport: asyncio.Transport, actor: Actor, alias: str) -> None:
        """Speak SSH on a connection, with somebody who is known already and means one session."""


class GatewayInfo(msgspec.Struct):
    """What the gateway is known by.

    Attributes:
        host_key: Its public host key; empty where there is no gateway.
        listen: Where it listens; empty where it does not.
    """

    host_key: str
    listen: list[str]


@get("/v1/gateway", opt=described(answer=GatewayInfo))
async def show_gateway(request: Request[Actor, Any, Any]) -> Answer:
    """Tell the gateway's host key, and where it listens."""
    gateway: Gateway | None = request.app.state.gateway
    if gateway is None:
        return value(GatewayInfo(host_key="", listen=[]))
    listen = [f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in gateway.addresses]
    return value(GatewayInfo(host_key=gateway.public_key, listen=listen))


@get(
    "/v1/sessions/{alias:str}/ssh",
    status_code=426,
    opt=described(answer=None, status=101, problems=(UnknownAlias,), plain=(426,)),
)
async def speak_ssh(request: Request[Actor, Any, Any]) -> Answer:
    """Turn the connection into one of SSH to the gateway, for this session: send `Upgrade: ssh`.

    After the answer, 101, the bytes of SSH (RFC 4253) begin, of either side. No login is asked for. It may run and
    forward what you may.
    """
    fleet: Fleet = request.app.state.fleet
    gateway: Gateway | None = request.app.state.gateway
    alias: str = request.path_params["alias"]
    fleet.check_open(request.user, alias)
    take = request.scope["state"].get("take")
    if gateway is None or take is None or request.headers.get("upgrade", "").lower() != "ssh":
        return plain_refusal(426, {"upgrade": "ssh", "connection": "upgrade"})
    gateway.receive(take(b"ssh"), request.user, alias)
    return Answer(b"")  # nobody is told: the connection is none of HTTP any more


HANDLERS: Final = [show_gateway, speak_ssh]
