"""What a keeper does next, as a table."""

from __future__ import annotations

import pytest

from mooring.model import errors
from mooring.model.status import Direction
from mooring.pool.plan import STEADY, Await, Park, Step, Wait, after_failure, after_loss, parks

PARKING = [
    errors.AuthenticationFailed("refused"),
    errors.CredentialError("no such file"),
    errors.UnknownHostKey("unknown", host="h"),
    errors.HostKeyChanged("changed", host="h"),
    errors.HostKeyError("certificate", host="h"),
    errors.InvalidTarget("no such keyword"),
    errors.SessionParked("the hop is parked"),
]
PASSING = [
    errors.ConnectFailed("refused"),
    errors.HandshakeFailed("no algorithms in common"),
    errors.SessionLost("the link broke"),
    errors.SessionNotUp("the hop is not up"),
    errors.SessionClosed("the hop was stopped"),
]


@pytest.mark.parametrize("error", PARKING, ids=lambda error: error.code)
def test_what_only_a_person_can_mend_is_parked(error: errors.MooringError) -> None:
    assert parks(error)
    assert after_failure(error, 0, 1.0) == Park()


@pytest.mark.parametrize("error", PASSING, ids=lambda error: error.code)
@pytest.mark.parametrize(("failures", "seconds"), [(0, 1.0), (1, 1.6), (2, 2.56), (40, 120.0)])
def test_what_may_pass_is_tried_again_after_ever_longer(
    error: errors.MooringError, failures: int, seconds: float
) -> None:
    assert not parks(error)
    step = after_failure(error, failures, 1.0)
    assert isinstance(step, Wait)
    assert step.seconds == pytest.approx(seconds)
    assert (step.failures, step.thrown_out) == (failures + 1, False)
    assert after_failure(error, failures, 0.0) == Wait(0.0, failures + 1)


@pytest.mark.parametrize(
    ("direction", "up_for", "failures", "step"),
    [
        (Direction.CALLED_HOME, 0.0, 0, Await()),
        (Direction.CALLED_HOME, 1e6, 5, Await()),
        (Direction.DIALED, STEADY, 0, Wait(1.0, 1)),
        (Direction.DIALED, STEADY, 20, Wait(1.0, 1)),
        (Direction.DIALED, 1e6, 20, Wait(1.0, 1)),
        (Direction.DIALED, 0.0, 0, Wait(1.0, 1, thrown_out=True)),
        (Direction.DIALED, STEADY - 0.1, 1, Wait(1.6, 2, thrown_out=True)),
        (Direction.DIALED, 0.0, 30, Wait(120.0, 31, thrown_out=True)),
    ],
)
def test_a_loss_begins_anew_only_after_a_steady_life(
    direction: Direction, up_for: float, failures: int, step: Step
) -> None:
    assert after_loss(direction, up_for, failures, 1.0) == step
