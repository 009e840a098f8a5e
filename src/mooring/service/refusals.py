"""How many refusals are recorded, so that nobody fills the trail with theirs, or has those of others passed over. Pure.

Each actor has a budget of their own; strangers, of whom nothing is known that they could not change at will, have one
for each door. What is passed over is counted, and told with the next that is not, or when there is room for that.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["BURST", "EVERY", "Refusals", "Who"]

Who: TypeAlias = tuple[str, str]
"""A door, and the name of an actor who comes that way; of strangers it is empty."""
BURST: Final = 500.0
"""Refusals of one that are recorded at once."""
EVERY: Final = 120.0
"""Seconds to the next one then: in a year some 70 MB, of the GiB that is kept by default."""
_MOST: Final = 256
_REST: Final = ("", "")
"""Who has no budget of their own, since there are too many."""


@dataclass(slots=True)
class _Budget:
    left: float
    looked: float
    passed_over: int = 0

    def look(self, now: float) -> float:
        self.left = min(BURST, self.left + (now - self.looked) / EVERY)
        self.looked = now
        return self.left

    @property
    def due(self) -> float:
        return self.looked + (1 - self.left) * EVERY


class Refusals:
    """The budgets. Times are of a clock that is never set.

    Attributes:
        due: When there is room for telling of some that were passed over.
    """

    def __init__(self) -> None:
        self._budgets: dict[Who, _Budget] = {}
        self.due = math.inf

    def admit(self, who: Who, now: float) -> int | None:
        """Whether one more is recorded: then how many of theirs before it were not; None where it is not.

        Args:
            who: Who is refused.
            now: The time.
        """
        budget = self._budget(who, now)
        if budget.look(now) < 1:
            budget.passed_over += 1
            self.due = min(self.due, budget.due)
            return None
        budget.left -= 1
        told, budget.passed_over = budget.passed_over, 0
        return told

    def untold(self, now: float, *, ended: bool = False) -> Sequence[tuple[Who, int]]:
        """Of whom how many were passed over, where there is room for saying so, or none will come any more."""
        self.due = math.inf
        told = []
        for who, budget in self._budgets.items():
            if budget.passed_over and (budget.look(now) >= 1 or ended):
                told.append((who, budget.passed_over))
                budget.left, budget.passed_over = budget.left - 1, 0
            elif budget.passed_over:
                self.due = min(self.due, budget.due)
        return told

    def _budget(self, who: Who, now: float) -> _Budget:
        if who not in self._budgets and len(self._budgets) >= _MOST:
            used = {one: each for one, each in self._budgets.items() if each.look(now) < BURST or each.passed_over}
            self._budgets = used
            if len(self._budgets) >= _MOST:
                who = _REST
        return self._budgets.setdefault(who, _Budget(BURST, now))
