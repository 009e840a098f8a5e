"""A pool in numbers."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from ..model.status import PoolStatistics, SessionState

if TYPE_CHECKING:
    from collections.abc import Collection

    from ..session import Session
    from .pool import Pool

__all__ = ["statistics"]


def statistics(pool: Pool, every: Collection[Session], connects: int, events_lost: int) -> PoolStatistics:
    """A pool at this moment.

    Args:
        pool: It.
        every: Its sessions, and those of hops, and those that are being stopped.
        connects: Connections made since it was opened.
        events_lost: Events dropped since then.
    """
    sessions, measures = pool.sessions, pool.measures
    states = Counter(session.state for session in sessions)
    attached = [one for session in sessions if (one := session.attached) is not None]
    return PoolStatistics(
        sessions=len(sessions),
        states={state: states[state] for state in SessionState},
        hops=len(pool.hops),
        handshakes=pool.handshakes.running,
        handshakes_waiting=pool.handshakes.waiting,
        connects=connects,
        failures=measures.failures.total(),
        losses=measures.losses.total(),
        commands=measures.asked,
        events_lost=events_lost,
        failures_by=dict(measures.failures),
        losses_by=dict(measures.losses),
        channels=sum(one.gate.slots.taken for one in attached),
        channels_waiting=sum(one.gate.waiting for one in attached),
        sent=measures.sent + sum(session.traffic[0] for session in every),
        received=measures.received + sum(session.traffic[1] for session in every),
        handshake_seconds=measures.handshakes.taken(),
        command_seconds=measures.commands.taken(),
        request_seconds=measures.requests.taken(),
    )
