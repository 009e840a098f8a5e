"""Held SSH sessions to a fleet.

Names are loaded when first used, so ``import mooring`` costs nothing and a program at the far end of a pipe can
import what it needs on Python 3.8 with no library installed.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .model.errors import (
        AliasInUse,
        AuthenticationFailed,
        BudgetSpent,
        ChannelError,
        ChannelLimit,
        ChannelRefused,
        CommandError,
        CommandFailed,
        CommandTimeout,
        ConfigError,
        ConnectError,
        ConnectFailed,
        CredentialError,
        HandshakeFailed,
        HostKeyChanged,
        HostKeyError,
        InvalidInput,
        InvalidSelector,
        InvalidTarget,
        MooringError,
        NothingSelected,
        PoolError,
        SessionClosed,
        SessionError,
        SessionLost,
        SessionNotUp,
        SessionParked,
        UnknownAlias,
        UnknownHostKey,
        WaitTimeout,
        WrongThread,
    )
    from .model.event import Event, EventKind
    from .model.result import CommandResult, RunOutcome
    from .model.secret import Secret
    from .model.selector import Selector
    from .model.status import ChannelStatus, Direction, PoolStatistics, SessionState, SessionStatus
    from .model.target import Target
    from .pool import Pool, connect
    from .session.session import Session

__version__ = "0.1.0.dev0"

__all__ = [
    "AliasInUse",
    "AuthenticationFailed",
    "BudgetSpent",
    "ChannelError",
    "ChannelLimit",
    "ChannelRefused",
    "ChannelStatus",
    "CommandError",
    "CommandFailed",
    "CommandResult",
    "CommandTimeout",
    "ConfigError",
    "ConnectError",
    "ConnectFailed",
    "CredentialError",
    "Direction",
    "Event",
    "EventKind",
    "HandshakeFailed",
    "HostKeyChanged",
    "HostKeyError",
    "InvalidInput",
    "InvalidSelector",
    "InvalidTarget",
    "MooringError",
    "NothingSelected",
    "Pool",
    "PoolError",
    "PoolStatistics",
    "RunOutcome",
    "Secret",
    "Selector",
    "Session",
    "SessionClosed",
    "SessionError",
    "SessionLost",
    "SessionNotUp",
    "SessionParked",
    "SessionState",
    "SessionStatus",
    "Target",
    "UnknownAlias",
    "UnknownHostKey",
    "WaitTimeout",
    "WrongThread",
    "__version__",
    "connect",
]

_HOME = {
    "ChannelStatus": "model.status",
    "CommandResult": "model.result",
    "Direction": "model.status",
    "Event": "model.event",
    "EventKind": "model.event",
    "Pool": "pool",
    "PoolStatistics": "model.status",
    "RunOutcome": "model.result",
    "Secret": "model.secret",
    "Selector": "model.selector",
    "Session": "session.session",
    "SessionState": "model.status",
    "SessionStatus": "model.status",
    "Target": "model.target",
    "connect": "pool",
}


if not TYPE_CHECKING:  # a type checker must see that a misspelt name does not exist

    def __getattr__(name: str) -> object:
        """Load a public name from its home; what is not in ``_HOME`` is an error class."""
        if name not in __all__:
            msg = f"module {__name__!r} has no attribute {name!r}"
            raise AttributeError(msg)
        value = globals()[name] = getattr(import_module("." + _HOME.get(name, "model.errors"), __name__), name)
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
