"""Which state may follow which: every pair, by itself and through a session."""

from __future__ import annotations

import itertools

import pytest

from mooring import Event, Session, SessionLost, SessionState, Target
from mooring.model.event import EventKind
from mooring.session.state import NEXT, may_follow

CONNECTING, UP, BACKOFF, AWAITING, PARKED, CLOSED = SessionState
ALLOWED = {
    (CONNECTING, UP),
    (CONNECTING, BACKOFF),
    (CONNECTING, AWAITING),
    (CONNECTING, PARKED),
    (CONNECTING, CLOSED),
    (UP, BACKOFF),
    (UP, AWAITING),
    (UP, PARKED),
    (UP, CLOSED),
    (BACKOFF, CONNECTING),
    (BACKOFF, PARKED),
    (BACKOFF, CLOSED),
    (AWAITING, CONNECTING),
    (AWAITING, PARKED),
    (AWAITING, CLOSED),
    (PARKED, CONNECTING),
    (PARKED, CLOSED),
}


@pytest.mark.parametrize("pair", list(itertools.product(SessionState, repeat=2)), ids="-".join)
def test_every_pair(pair: tuple[SessionState, SessionState]) -> None:
    assert may_follow(*pair) is (pair in ALLOWED)


def test_nothing_follows_closed_and_everything_may_come_to_it() -> None:
    assert NEXT[CLOSED] == frozenset()
    assert all(CLOSED in NEXT[state] for state in SessionState if state is not CLOSED)


@pytest.mark.anyio
async def test_each_change_is_an_event_with_its_reason() -> None:
    events: list[Event] = []
    session = Session(Target.parse("edge1"), events.append)
    error = SessionLost("cut")
    session.connecting("started")  # where it begins: no change
    await session.detach(BACKOFF, error, "it was cut")
    session.connecting("trying again")
    await session.detach(PARKED, None, "wrong password")
    session.connecting("told to")
    await session.detach(AWAITING, None, "gone")
    await session.detach(CLOSED, None, "closed by us")
    assert [(event.kind, event.previous, event.state, event.reason, event.error) for event in events] == [
        (EventKind.STATE, CONNECTING, BACKOFF, "it was cut", "session-lost"),
        (EventKind.STATE, BACKOFF, CONNECTING, "trying again", "session-lost"),
        (EventKind.STATE, CONNECTING, PARKED, "wrong password", None),
        (EventKind.STATE, PARKED, CONNECTING, "told to", None),
        (EventKind.STATE, CONNECTING, AWAITING, "gone", None),
        (EventKind.STATE, AWAITING, CLOSED, "closed by us", None),
    ]


@pytest.mark.anyio
async def test_a_session_refuses_a_state_that_may_not_follow() -> None:
    events: list[Event] = []
    session = Session(Target.parse("edge1"), events.append)
    await session.detach(CLOSED, None, "closed by us")
    with pytest.raises(RuntimeError, match="edge1: backoff may not follow closed"):
        await session.detach(BACKOFF, None, "lost")
    assert (session.state, session.status().reason, len(events)) == (CLOSED, "closed by us", 1)
