"""How long to wait before the next attempt. Pure: the dice are an argument."""

from __future__ import annotations

from typing import Final

__all__ = ["FACTOR", "FIRST", "LONGEST", "delay"]

FIRST: Final = 1.0
FACTOR: Final = 1.6
LONGEST: Final = 120.0


def delay(failures: int, dice: float) -> float:
    """Seconds to wait after so many failures in a row.

    Full jitter: anything from nothing to the step's whole length, so that a fleet cut at once does not come
    back at once.

    Args:
        failures: 1 after the first.
        dice: From 0 to 1.
    """
    return dice * min(LONGEST, FIRST * FACTOR ** min(failures - 1, 64))
