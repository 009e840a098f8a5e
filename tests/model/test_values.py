"""Status, result and event: values that a door can show as they are, every field with its meaning written down."""

from __future__ import annotations

import copy
import dataclasses
import enum
import inspect
import json
import pickle
import re
from typing import Any

import msgspec
import pytest

from mooring.model.errors import SessionLost
from mooring.model.event import Event, EventKind
from mooring.model.measure import Durations
from mooring.model.options import Rate
from mooring.model.result import CommandResult, RunOutcome
from mooring.model.selector import Selector
from mooring.model.status import ChannelStatus, Direction, PoolStatistics, SessionState, SessionStatus
from mooring.model.target import Target

STATUS = SessionStatus(
    alias="edge1",
    target=str(Target.parse("edge1://u:p@h?label=a:b")),
    direction=Direction.DIALED,
    state=SessionState.UP,
    reason="connected",
    since=1.5,
    labels=("a:b",),
    facts={"model": "vMX", "up": 3},
)
RESULT = CommandResult(alias="edge1", command="true", stdout="", stderr="", exit_status=0)
EVENT = Event(kind=EventKind.STATE, alias="edge1", at=1.5, reason="connected", state=SessionState.UP)
POOL = PoolStatistics(
    sessions=1,
    states={state: int(state is SessionState.UP) for state in SessionState},
    hops=0,
    handshakes=0,
    handshakes_waiting=0,
    connects=1,
    failures=0,
    losses=0,
    commands=0,
    events_lost=0,
    failures_by={},
    losses_by={"closed": 1},
    channels=0,
    channels_waiting=0,
    sent=1,
    received=1,
    handshake_seconds=Durations(),
    command_seconds=Durations(),
    request_seconds=Durations(),
)
OUTCOME = RunOutcome(alias="edge1", result=RESULT)
Value = SessionStatus | ChannelStatus | PoolStatistics | CommandResult[Any] | RunOutcome | Event
VALUES: list[Value] = [STATUS, ChannelStatus(), POOL, RESULT, OUTCOME, EVENT]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_is_a_frozen_value(value: Value) -> None:
    name = dataclasses.fields(value)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(value, name, None)
    assert not hasattr(value, "__dict__")
    assert copy.deepcopy(value) == value == pickle.loads(pickle.dumps(value))  # noqa: S301


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_is_json_as_it_is(value: Value) -> None:
    encoded = json.loads(msgspec.json.encode(value))
    assert list(encoded) == [field.name for field in dataclasses.fields(value)]
    assert encoded == json.loads(json.dumps(dataclasses.asdict(value)))


@pytest.mark.parametrize(
    "cls",
    [SessionStatus, ChannelStatus, PoolStatistics, CommandResult, RunOutcome, Event, Target, Selector],
    ids=lambda cls: cls.__name__,
)
def test_every_field_is_explained(cls: type[Value | Target | Selector]) -> None:
    attributes = (inspect.getdoc(cls) or "").partition("Attributes:\n")[2]
    public = [field.name for field in dataclasses.fields(cls) if not field.name.startswith("_")]
    assert re.findall(r"^    (\w+): \S", attributes, re.MULTILINE) == public


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (SessionState, ["connecting", "up", "backoff", "awaiting", "parked", "closed"]),
        (Direction, ["dialed", "called-home"]),
        (
            EventKind,
            [
                "state",
                "host-key",
                "restored",
                "forward",
                "pending",
                "approved",
                "rejected",
                "replaced",
                "refused",
                "facts",
                "lost",
            ],
        ),
    ],
)
def test_the_words_are_pinned(kind: type[enum.StrEnum], words: list[str]) -> None:
    assert [str(member) for member in kind] == words


@pytest.mark.parametrize(("status", "ok"), [(0, True), (1, False), (255, False), (-1, False), (None, False)])
def test_a_result_is_ok_with_status_0_only(status: int | None, ok: bool) -> None:  # noqa: FBT001
    result = dataclasses.replace(RESULT, exit_status=status)
    assert result.exit_code == status
    assert result.ok is ok
    assert RunOutcome(alias="a", result=result).ok is ok


def test_an_error_is_not_ok() -> None:
    assert not RunOutcome(alias="a", error=SessionLost("gone")).ok


def test_a_masked_status_target_is_not_taken_for_a_password() -> None:
    with pytest.raises(ValueError, match="is the mask that stands for one"):
        Target.parse(STATUS.target)


def test_a_rate_is_a_frozen_value() -> None:
    rate = Rate(4, 60.0)
    with pytest.raises(dataclasses.FrozenInstanceError):
        rate.count = 5  # type: ignore[misc]
