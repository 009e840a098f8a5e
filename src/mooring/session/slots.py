"""How many ``session`` channels may be open at once on one connection. No I/O, no clock: tested as a table.

Servers refuse channels beyond a number that they do not tell (OpenSSH: MaxSessions, 10), and free one only
some time after we saw its close. So we begin below, keep one slot for ``run``, and believe a refusal only when
it repeats although nothing of ours was closed just before.
"""

from __future__ import annotations

import enum
import math
from typing import Final

__all__ = ["CHANNELS", "Kind", "Slots"]

CHANNELS: Final = 6
"""To begin with: of OpenSSH's 10, already 8 draw refusals."""

_SETTLE: Final = 1.0
"""Seconds after a close of ours in which a refusal says nothing about the limit."""
_QUIET: Final = 30.0
"""Seconds without a refusal after which one channel more is tried."""
_FIRST_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 1.0
_DOUBLINGS: Final = 16


class Kind(enum.Enum):
    """What a slot is for."""

    RUN = "run"
    """A command that ends by itself."""
    HELD = "held"
    """A process, subsystem or terminal that stays."""
    KILL = "kill"
    """A command that ends another one, which may hold the last slot: it may go one over the limit."""


class Slots:
    """The slots of one connection.

    Call ``take`` when ``admits`` says so; then exactly one of ``closed`` (it was open and is closed) and
    ``refused`` (the server would not open it). ``confirmed`` in between, when it is open.

    Args:
        channels: How many to begin with, and never more.
    """

    def __init__(self, channels: int = CHANNELS) -> None:
        self.configured = channels
        self.limit = channels
        self.taken = 0
        self.refusals = 0
        self._held = 0
        self._suspicious = False
        self._in_a_row = 0
        self._last_close = -math.inf
        self._last_refusal = -math.inf

    def admits(self, kind: Kind) -> bool:
        """Whether a channel of this kind may be opened now."""
        if kind is Kind.HELD and self._held >= max(1, self.limit - 1):
            return False
        return self.taken < self.limit + (kind is Kind.KILL)

    def take(self, kind: Kind) -> None:
        """A channel is being opened."""
        self.taken += 1
        self._held += kind is Kind.HELD

    def confirmed(self, now: float) -> None:
        """The server opened it."""
        self._suspicious = False
        self._in_a_row = 0
        if self.limit < self.configured and now - self._last_refusal >= _QUIET:
            self.limit += 1
            self._last_refusal = now

    def closed(self, kind: Kind, now: float) -> None:
        """It was open, and both sides have closed it."""
        self._release(kind)
        self._last_close = now

    def refused(self, kind: Kind, now: float) -> float:
        """The server would not open it.

        Returns:
            Seconds to wait before asking again, unless a channel closes first.
        """
        self._release(kind)
        self.refusals += 1
        self._in_a_row += 1
        self._last_refusal = now
        if now - self._last_close >= _SETTLE:
            if self._suspicious:
                self.limit = max(1, min(self.limit, self.taken))
            self._suspicious = True
        return min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** min(self._in_a_row - 1, _DOUBLINGS))

    def _release(self, kind: Kind) -> None:
        self.taken -= 1
        self._held -= kind is Kind.HELD
