"""The gateway as it is configured: where it listens, who may come, and what they may do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .access import Action
from .device import DoorLimits

if TYPE_CHECKING:
    from .access import Grant

__all__ = ["GATEWAY_ACTIONS", "GatewaySettings", "GatewayUser"]

GATEWAY_ACTIONS = (Action.RUN, Action.SHELL, Action.NETCONF, Action.FILES, Action.FORWARD)
"""What a rule of the gateway may allow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayUser:
    """Somebody who may come.

    Attributes:
        name: Who it is, for the log and the audit trail.
        authorized_keys: The path of a file of public keys, as OpenSSH's; None for none.
        certificate_authority: The path of one of those who sign this user's certificates; None for none.
        principals: Names of which a certificate must bear one; by default the user's own.
        token: Whether a token of the daemon, given as the password, is this user.
        agent: Whether an ssh-agent may be forwarded.
        grants: What they may do, on which sessions.
    """

    name: str
    authorized_keys: str | None = None
    certificate_authority: str | None = None
    principals: tuple[str, ...] = ()
    token: bool = False
    agent: bool = False
    grants: tuple[Grant, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewaySettings:
    """The gateway.

    Attributes:
        listen: Addresses and ports; empty where there is none.
        users: Who may come.
        wait: Seconds to wait for a session that is not up; 0 tells at once.
        limits: What strangers may cost.
    """

    listen: tuple[tuple[str, int], ...] = ()
    users: tuple[GatewayUser, ...] = ()
    wait: float = 0.0
    limits: DoorLimits = DoorLimits()  # noqa: RUF009 - a frozen value
