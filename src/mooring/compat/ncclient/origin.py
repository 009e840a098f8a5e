"""ncclient's classes where it is installed, so that ``except`` and ``isinstance`` lines hold, and else our own."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .own import (
        AuthenticationError,
        Capabilities,
        DefaultDeviceHandler,
        NCClientError,
        NetconfFramingError,
        Notification,
        Session,
        SessionCloseError,
        SessionError,
        SessionListener,
        SSHError,
        SSHUnknownHostError,
        TransportError,
    )

    PROMPT: tuple[type[SessionListener], ...]
else:
    try:
        from ncclient import NCClientError
        from ncclient.capabilities import Capabilities
        from ncclient.devices.default import DefaultDeviceHandler
        from ncclient.operations.rpc import RPCReplyListener
        from ncclient.transport.errors import (
            AuthenticationError,
            NetconfFramingError,
            SessionCloseError,
            SessionError,
            SSHError,
            SSHUnknownHostError,
            TransportError,
        )
        from ncclient.transport.notify import Notification
        from ncclient.transport.session import Session, SessionListener
    except ImportError:
        from .own import *  # noqa: F403 - all of it

        PROMPT = ()
    else:
        PROMPT = (RPCReplyListener,)

__all__ = [
    "PROMPT",
    "AuthenticationError",
    "Capabilities",
    "DefaultDeviceHandler",
    "NCClientError",
    "NetconfFramingError",
    "Notification",
    "SSHError",
    "SSHUnknownHostError",
    "Session",
    "SessionCloseError",
    "SessionError",
    "SessionListener",
    "TransportError",
]

# PROMPT: the listeners that only hand replies over to who waits, and so are told on the loop itself.
