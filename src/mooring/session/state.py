"""Which state may follow which.

::

               attach                detach
    connecting ──────▶ up ──────────────────────▶ backoff      dialed: an attempt will follow by itself
        │  ▲            │ detach                  awaiting     called home: the device dials again
        │  └────────────┼── retry, or its time ── backoff
        │               │                         parked       a person must act; retry() is how
        └──▶ backoff, parked, awaiting
    every state ──▶ closed, which nothing follows
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..model.status import SessionState

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["NEXT", "may_follow"]

_S = SessionState

NEXT: Final[Mapping[SessionState, frozenset[SessionState]]] = {
    _S.CONNECTING: frozenset({_S.UP, _S.BACKOFF, _S.AWAITING, _S.PARKED, _S.CLOSED}),
    _S.UP: frozenset({_S.BACKOFF, _S.AWAITING, _S.PARKED, _S.CLOSED}),
    _S.BACKOFF: frozenset({_S.CONNECTING, _S.PARKED, _S.CLOSED}),
    _S.AWAITING: frozenset({_S.CONNECTING, _S.PARKED, _S.CLOSED}),
    _S.PARKED: frozenset({_S.CONNECTING, _S.CLOSED}),
    _S.CLOSED: frozenset(),
}


def may_follow(now: SessionState, then: SessionState) -> bool:
    """Whether a session in ``now`` may come to ``then``."""
    return then in NEXT[now]
