"""What a session's keeper does next. Pure: state, clock and dice are arguments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ..model.errors import AuthenticationFailed, CredentialError, HostKeyError, InvalidInput, SessionParked
from ..model.status import Direction
from .backoff import delay

if TYPE_CHECKING:
    from ..model.errors import MooringError

__all__ = ["STEADY", "Await", "Park", "Step", "Wait", "after_failure", "after_loss", "parks"]

STEADY: Final = 10.0
"""Seconds up after which a loss starts the back-off anew; less is a peer that lets us in and throws us out."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Try again by itself.

    Attributes:
        seconds: After so long.
        failures: The count to go on with.
        thrown_out: The peer let us in and threw us out at once: that it lets another one in is no reason to hope.
    """

    seconds: float
    failures: int
    thrown_out: bool = False


@dataclass(frozen=True, slots=True)
class Await:
    """Nothing to dial: the device calls home again."""


@dataclass(frozen=True, slots=True)
class Park:
    """A person must act: servers lock out addresses that retry, and a changed key may be an attack."""


Step = Wait | Await | Park


def parks(error: MooringError) -> bool:
    """Whether only a person can mend this."""
    return isinstance(error, (AuthenticationFailed, HostKeyError, CredentialError, InvalidInput, SessionParked))


def after_failure(error: MooringError, failures: int, dice: float) -> Step:
    """An attempt failed.

    Args:
        error: How.
        failures: Failures in a row before this one.
        dice: From 0 to 1.
    """
    if parks(error):
        return Park()
    return Wait(delay(failures + 1, dice), failures + 1)


def after_loss(direction: Direction, up_for: float, failures: int, dice: float) -> Step:
    """A connection that stood was lost.

    Args:
        direction: Who opens the TCP connection.
        up_for: Seconds it stood.
        failures: Failures in a row before it stood.
        dice: From 0 to 1.
    """
    if direction is Direction.CALLED_HOME:
        return Await()
    steady = up_for >= STEADY
    before = 0 if steady else failures
    return Wait(delay(before + 1, dice), before + 1, thrown_out=not steady)
