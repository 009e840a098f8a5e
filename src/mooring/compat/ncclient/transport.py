"""``ncclient.transport`` over connections of ours: sessions, listeners and their errors."""

from __future__ import annotations

from .base import Session, SessionListener
from .origin import (
    AuthenticationError,
    NCClientError,
    NetconfFramingError,
    SessionCloseError,
    SessionError,
    SSHError,
    SSHUnknownHostError,
    TransportError,
)
from .ssh import PORT_NETCONF_DEFAULT, SSHSession, default_unknown_host_cb

__all__ = [
    "PORT_NETCONF_DEFAULT",
    "AuthenticationError",
    "NCClientError",
    "NetconfFramingError",
    "SSHError",
    "SSHSession",
    "SSHUnknownHostError",
    "Session",
    "SessionCloseError",
    "SessionError",
    "SessionListener",
    "TransportError",
    "default_unknown_host_cb",
]
