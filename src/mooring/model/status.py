"""A session as one value, which every door shows as it is."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ChannelStatus", "Direction", "PoolStatistics", "SessionState", "SessionStatus"]


class SessionState(enum.StrEnum):
    """Where a session stands. ``session/state.py`` says which may follow which."""

    CONNECTING = "connecting"
    UP = "up"
    BACKOFF = "backoff"
    AWAITING = "awaiting"
    PARKED = "parked"
    CLOSED = "closed"


class Direction(enum.StrEnum):
    """Who opened the TCP connection. The SSH roles never change."""

    DIALED = "dialed"
    CALLED_HOME = "called-home"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelStatus:
    """The ``session`` channels of one connection.

    Attributes:
        open: Slots taken, those whose close the server has not confirmed included.
        limit: How many may be open at once now; it falls when the server refuses, and rises again.
        waiting: Calls queued for a slot.
        refused: Opens that the server refused, and that were queued again, since the connection was made.
    """

    open: int = 0
    limit: int = 0
    waiting: int = 0
    refused: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionStatus:
    """One session at one moment.

    Attributes:
        alias: Its name.
        target: The DSN, its password masked.
        direction: Who opened the TCP connection.
        state: Where it stands.
        reason: Why it stands there, in a sentence.
        since: When it came there, seconds since the epoch (UTC).
        labels: The target's labels.
        facts: What is known of the peer.
        error: ``code`` of the last connection's or attempt's error; None while up or never failed.
        hint: What to do about it; None where there is nothing.
        attempts: Attempts to connect since it was last up.
        connects: How often it came up.
        retry_in: Seconds until the next attempt; None where none is planned.
        peer: ``address:port`` of the TCP peer; None while not up, and behind a proxy command.
        via: The jump hosts between, nearest first.
        server: The peer's version line.
        host_key: ``SHA256:...`` of the key it proved; None before.
        host_key_policy: ``verify``, ``accept-new``, ``off`` or ``pinned``.
        algorithms: What was negotiated: ``cipher``, ``mac``, ``kex``, ``host_key``, ``compression``.
        legacy: The old algorithms among them; empty when all are sound.
        channels: Its ``session`` channels.
        commands: Commands run on it since it was started.
        ping: Seconds of the last measured round trip; None where none was.
        ping_age: Seconds since then.
    """

    alias: str
    target: str
    direction: Direction
    state: SessionState
    reason: str
    since: float
    labels: tuple[str, ...] = ()
    facts: Mapping[str, object] = field(default_factory=dict)
    error: str | None = None
    hint: str | None = None
    attempts: int = 0
    connects: int = 0
    retry_in: float | None = None
    peer: str | None = None
    via: tuple[str, ...] = ()
    server: str | None = None
    host_key: str | None = None
    host_key_policy: str = "verify"
    algorithms: Mapping[str, str] = field(default_factory=dict)
    legacy: tuple[str, ...] = ()
    channels: ChannelStatus = ChannelStatus()
    commands: int = 0
    ping: float | None = None
    ping_age: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolStatistics:
    """A pool at one moment.

    Attributes:
        sessions: How many it holds, jump hops that only serve others not counted.
        states: How many stand in each state; every state is there, with 0 where none does.
        hops: Connections to jump hosts held for others.
        handshakes: Handshakes in flight now.
        handshakes_waiting: Sessions that are due and wait for a handshake slot.
        connects: Connections made since the pool was opened.
        failures: Attempts that failed since then.
        losses: Connections lost since then.
        commands: Commands run since then.
        events_lost: Events dropped since then because a reader was slow.
    """

    sessions: int
    states: Mapping[SessionState, int]
    hops: int
    handshakes: int
    handshakes_waiting: int
    connects: int
    failures: int
    losses: int
    commands: int
    events_lost: int
