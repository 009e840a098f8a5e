"""What the command line says to do about an error."""

from __future__ import annotations

import pytest

from mooring.cli.failures import advice
from mooring.model.errors import (
    CommandTimeout,
    MooringError,
    NotAllowed,
    SessionClosed,
    SessionNotUp,
    SessionParked,
    UnknownAlias,
)
from mooring.model.problem import to_result


def _late(*, running: bool) -> CommandTimeout:
    return CommandTimeout("late", result=to_result({}), remote_may_still_run=running, hint='kill="wrap" can end it')


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (SessionNotUp("x", hint="wait"), "`mooring start ALIAS` tries again at once, and waits until it is up"),
        (SessionParked("x", hint="look"), "after this, `mooring start ALIAS` tries again: look"),
        (SessionParked("x"), "mend it, then `mooring start ALIAS` tries again"),
        (
            SessionParked("x", hint="mend it, then `mooring start x` tries again"),
            "mend it, then `mooring start x` tries again",
        ),
        (SessionClosed("x"), None),
        (UnknownAlias("x", hint="pool.start()"), "`mooring status` shows all that there are"),
        (_late(running=True), "it may still run there"),
        (_late(running=False), None),
        (NotAllowed("x", hint="ask for it"), "ask for it"),
    ],
    ids=[
        "not up",
        "parked",
        "parked, nobody knows why",
        "parked, told",
        "closed",
        "unknown",
        "late",
        "late and ended",
        "other",
    ],
)
def test_it_is_a_command_where_there_is_one(error: MooringError, told: str | None) -> None:
    assert advice(error) == told
