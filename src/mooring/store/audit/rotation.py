"""The oldest records go: when they are too old, or too many."""

from __future__ import annotations

import logging
import math
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...model.audit import AuditSettings
    from ..clock import Clock
    from ..worker import Worker
    from .ledger import Ledger, Overdue

__all__ = ["Rotation"]

_log: Final = logging.getLogger(__name__)
_EVERY: Final = 2_000
"""Records after which it is looked whether older ones are to go."""
_MIB: Final = 1 << 20
_DAY: Final = 86_400.0
_AGAIN: Final = 60.0
"""Seconds to the next warning."""


class Rotation:
    """Looks for what is to go, and lets it go once that is recorded. All of it but the constructor is the thread's.

    Args:
        settings: How long records are kept.
        clock: The time.
        ledger: What they are in.
        worker: The thread.
        tell: Called by the loop with those that are to go: records that they go, and has ``go`` called.

    Attributes:
        old: How many went since the start, since they were as old as they become.
        young: How many went before that, since there were too many.
    """

    def __init__(
        self,
        settings: AuditSettings,
        clock: Clock,
        ledger: Ledger,
        worker: Worker,
        tell: Callable[[Overdue], None],
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._ledger = ledger
        self._worker = worker
        self._tell = tell
        self.old = self.young = 0
        self._told = False
        self._warned = -math.inf
        self._looked = ledger.end.seq // _EVERY

    def look(self) -> None:
        """Some were added: if they are many by now, look whether others are to go."""
        number = self._ledger.end.seq // _EVERY
        if number != self._looked and not self._told:
            self._looked = number
            self._look()

    def _look(self) -> None:
        settings = self._settings
        try:
            before = self._clock.least() - settings.keep_days * _DAY
            found = self._ledger.overdue(before, settings.keep_mib * _MIB)
        except Exception as error:  # noqa: BLE001 - records are kept all the same, whatever somebody did to old ones
            _log.warning("old records are not let go: %r", error)
            return
        if found is not None and found.up_to.seq < self._ledger.end.seq:
            self._told = True
            self._worker.tell(self._tell, found)

    def go(self, found: Overdue | None) -> None:
        """It is recorded that they go: let them, and look for more; None where it could not be."""
        self._told = False
        if found is None:
            return
        try:
            self._ledger.let_go(found.up_to)
        except Exception as error:  # noqa: BLE001 - likewise
            _log.warning("old records are not let go: %r", error)
        else:
            self._count(found)
            self._look()

    def _count(self, found: Overdue) -> None:
        settings = self._settings
        if not found.young(self._clock.least() - settings.keep_days * _DAY):
            self.old += found.many
            return
        self.young += found.many
        if time.monotonic() >= self._warned + _AGAIN:
            self._warned = time.monotonic()
            _log.warning(
                "records younger than %g days are let go, %d since the start, the last up to number %d: there are more"
                " than keep_mib = %d holds; `mooring audit` says whose",
                *(settings.keep_days, self.young, found.up_to.seq, settings.keep_mib),
            )
