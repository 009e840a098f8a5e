"""A route for what is never dialed: a session that cannot be started, and is shown all the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..sshconfig import HostConfig
from ..transport.route import CONNECT_TIMEOUT, KEEPALIVE, KEEPALIVE_COUNT, Route

if TYPE_CHECKING:
    from ..model.target import Target

__all__ = ["nowhere"]

_PORT = 22


def nowhere(target: Target) -> Route:
    """What the target itself says; neither ssh_config nor the machine is asked, since they may be the fault."""
    return Route(
        target=target,
        host=target.host,
        port=target.port or _PORT,
        username=target.username or "",
        config=HostConfig(hostname=target.host),
        policy=target.host_key or "verify",
        known_hosts=(),
        system_known_hosts=(),
        identity=(),
        keepalive=KEEPALIVE,
        keepalive_count=KEEPALIVE_COUNT,
        connect_timeout=CONNECT_TIMEOUT,
        proxy_command=None,
        via=None,
    )
