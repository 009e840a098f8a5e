"""What happened to a session, as one value."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from .status import SessionState  # noqa: TC001 - what describes the API reads annotations

__all__ = ["Event", "EventKind"]


class EventKind(enum.StrEnum):
    """What an event tells of."""

    STATE = "state"
    """A session came to another state."""
    HOST_KEY = "host-key"
    """A host key was learned, added by rotation or dropped by it."""
    RESTORED = "restored"
    """A forward or subscription stands again after a reconnect."""
    FORWARD = "forward"
    """A forward was made, or is no more."""
    PENDING = "pending"
    """A device that called home was not let in, and waits for somebody's word."""
    APPROVED = "approved"
    """A device that waited may call from now on."""
    REJECTED = "rejected"
    """A device that waited is turned away from now on."""
    REPLACED = "replaced"
    """A device called again: its newer connection takes the place of the older."""
    REFUSED = "refused"
    """A call was hung up on: its login failed, or what it stands for is taken or parked."""
    FACTS = "facts"
    """A device told what it is: its session's facts."""
    LOST = "lost"
    """The reader was slow: ``lost`` events before this one were dropped for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that happened.

    Attributes:
        kind: What it tells of.
        alias: The session; empty for ``LOST``, and for a device that has none.
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
