"""What happened to a session, as one value."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .status import SessionState

__all__ = ["Event", "EventKind"]


class EventKind(enum.StrEnum):
    """What an event tells of."""

    STATE = "state"
    """A session came to another state."""
    HOST_KEY = "host-key"
    """A host key was learned, added by rotation or dropped by it."""
    RESTORED = "restored"
    """A forward or subscription stands again after a reconnect."""
    LOST = "lost"
    """The reader was slow: ``lost`` events before this one were dropped for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that happened.

    Attributes:
        kind: What it tells of.
        alias: The session; empty for ``LOST``.
        at: When, seconds since the epoch (UTC).
        reason: Why, in a sentence.
        state: The state it came to; None unless ``STATE``.
        previous: The state it left; None unless ``STATE``, and for a session that was just started.
        error: The error's ``code`` where one was the cause.
        lost: How many events this reader missed; 0 unless ``LOST``.
    """

    kind: EventKind
    alias: str
    at: float
    reason: str
    state: SessionState | None = None
    previous: SessionState | None = None
    error: str | None = None
    lost: int = 0
