"""How a command tells what went wrong: a line, a hint in commands of this program, an exit code.

===== ================================================================
code  meaning
===== ================================================================
0     it was done
1     some of it failed
2     the command line cannot be meant
124   a deadline passed
130   interrupted
255   no session, no daemon, or nothing of that name, to do it with
===== ================================================================
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..model.errors import (
    AccessError,
    CommandTimeout,
    ConnectError,
    DaemonError,
    InvalidInput,
    LockLost,
    MalformedMessage,
    MissingCapability,
    MooringError,
    NothingSelected,
    RpcError,
    RpcTimeout,
    SessionClosed,
    SessionError,
    SessionNotUp,
    SessionParked,
    UnknownAlias,
    UnknownRecording,
    WaitTimeout,
)
from .terminal import after_mending, tell

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Final

__all__ = ["advice", "complain", "exit_code"]

# The first that fits counts.
_CODES: Final[Sequence[tuple[tuple[type[MooringError], ...], int]]] = (
    ((InvalidInput,), 2),
    ((CommandTimeout, RpcTimeout, WaitTimeout), 124),
    ((RpcError, MissingCapability, LockLost, MalformedMessage), 1),
    ((AccessError, DaemonError, SessionError, ConnectError, UnknownAlias, UnknownRecording, NothingSelected), 255),
)


def complain(name: str, error: MooringError) -> int:
    """Tell an error and what to do about it on stderr, and return the exit code that goes with it."""
    tell(f"mooring {name}: {error.message}", advice(error))
    return exit_code(error)


def advice(error: MooringError) -> str | None:
    """What to do about an error. Its own hint is for every door, so it names no command where there is one.

    One that does is of a command of ours, which knows better.
    """
    own = error.hint or ""
    if isinstance(error, SessionParked):
        return own if "`mooring " in own else after_mending("ALIAS", error.hint)
    if isinstance(error, SessionNotUp) and not isinstance(error, SessionClosed):
        return "`mooring start ALIAS` tries again at once, and waits until it is up"
    if isinstance(error, UnknownAlias):
        return own if own.startswith("`mooring ") else "`mooring status` shows all that there are"
    if isinstance(error, NothingSelected) and error.hint:
        return "all means every session, and `mooring status` shows them"
    if isinstance(error, CommandTimeout):
        return "it may still run there" if error.remote_may_still_run else None
    return error.hint


def exit_code(error: MooringError) -> int:
    """The exit code that tells scripts of an error."""
    return next((code for kinds, code in _CODES if isinstance(error, kinds)), 1)
