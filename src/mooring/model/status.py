"""A session as one value, which every door shows as it is."""

from __future__ import annotations

import enum
from collections.abc import Mapping  # noqa: TC003 - what describes the API reads annotations
from dataclasses import dataclass, field

from .measure import Durations  # noqa: TC001 - likewise

__all__ = ["ChannelStatus", "Direction", "Measured", "PipeStatus", "PoolStatistics", "SessionState", "SessionStatus"]


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
        ahead: 1 while a channel is open for the next command, which then takes one round trip; not counted in
            ``open``, and closed when its slot is wanted or no command comes for two seconds.
        forwarded: Channels that carry connections, through forwards and otherwise; they have a limit of their own,
            a thousand, since servers do not count them among the others.
        abandoned: Those of ``open`` whose caller or visitor has gone, and whose program the server has not said to have
            ended: it may pay no heed to TERM and HUP, or run as root on an OpenSSH before 9.4.
    """

    open: int = 0
    limit: int = 0
    waiting: int = 0
    refused: int = 0
    ahead: int = 0
    forwarded: int = 0
    abandoned: int = 0


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
        username: Who is logged in; None while not up.
        port: The SSH server's port, as the target and ssh_config have it; None while not up.
        peer: ``address:port`` of the TCP peer; None while not up, and behind a proxy command.
        via: The jump hosts between, nearest first.
        server: The peer's version line.
        host_key: ``SHA256:...`` of the key it proved; None before.
        offered_key: That of a key which it shows and which is not trusted, where it stands there for that and somebody
            may say otherwise; None elsewhere.
        host_key_policy: ``verify``, ``accept-new``, ``off`` or ``pinned``.
        algorithms: What was negotiated: ``cipher``, ``mac``, ``kex``, ``host_key``, ``compression``.
        legacy: The old algorithms among them; empty when all are sound.
        channels: Its ``session`` channels.
        commands: Commands run on it since it was started.
        ping: Seconds of the last measured round trip, a keepalive's or a ping's; None where none was.
        ping_age: Seconds since then.
        latency: Seconds of the last round trips on this connection, the oldest first: 20 at most.
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
    username: str | None = None
    port: int | None = None
    peer: str | None = None
    via: tuple[str, ...] = ()
    server: str | None = None
    host_key: str | None = None
    offered_key: str | None = None
    host_key_policy: str = "verify"
    algorithms: Mapping[str, str] = field(default_factory=dict)
    legacy: tuple[str, ...] = ()
    channels: ChannelStatus = ChannelStatus()
    commands: int = 0
    ping: float | None = None
    ping_age: float | None = None
    latency: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """The numbers of a session, which change without anything happening to it.

    Attributes:
        alias: Its name.
        ping: Seconds of the last measured round trip; None where none was.
        channels: Its ``session`` channels.
        commands: Commands run on it since it was started.
    """

    alias: str
    ping: float | None
    channels: ChannelStatus
    commands: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PipeStatus:
    """A pipe at one moment.

    Attributes:
        alias: The session it is on.
        handler: What the handler calls itself; None before it has acknowledged the pipe.
        pid: Its process id there; None likewise.
        python: Its Python's version; None likewise.
        sent: Messages and requests sent.
        received: Messages received and handed out.
        unfinished: Messages sent that the handler has not dealt with, as far as it has told.
        unanswered: Requests without an answer.
        waiting: Messages received that nobody has taken yet.
        room: Bytes that may be sent before the handler must deal with some; below 0 with a message over it.
        dropped: Messages that came after ``close`` and were read by nobody.
    """

    alias: str
    handler: str | None = None
    pid: int | None = None
    python: str | None = None
    sent: int = 0
    received: int = 0
    unfinished: int = 0
    unanswered: int = 0
    waiting: int = 0
    room: int = 0
    dropped: int = 0


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
        failures_by: The failures by the code of the error.
        losses_by: The losses by what ended them: ``closed`` by the peer, ``silent`` or ``broken``.
        channels: Channel slots that are taken now.
        channels_waiting: Calls that wait for one.
        sent: Bytes of SSH sent since then, after logins.
        received: Bytes of SSH received since then, likewise.
        handshake_seconds: How long it took to connect and log in, of dialed sessions.
        command_seconds: How long commands took.
        request_seconds: How long NETCONF requests took.
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
    failures_by: Mapping[str, int]
    losses_by: Mapping[str, int]
    channels: int
    channels_waiting: int
    sent: int
    received: int
    handshake_seconds: Durations
    command_seconds: Durations
    request_seconds: Durations
