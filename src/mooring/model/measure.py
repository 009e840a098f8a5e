"""How long things take, counted in buckets: cheap enough to be done for each command."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

__all__ = ["SECONDS", "Durations", "Histogram", "Measures"]

SECONDS: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
"""Upper bounds of buckets: from a command that does nothing to one that a person waits for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Durations:
    """How long many things took.

    Attributes:
        counts: How many were in each bucket of ``SECONDS``, the last without a bound.
        total: Their sum in seconds.
    """

    counts: tuple[int, ...] = (0,) * (len(SECONDS) + 1)
    total: float = 0.0

    def buckets(self) -> list[tuple[str, float]]:
        """Bounds and how many took no longer, as Prometheus has them."""
        return list(zip((*map(str, SECONDS), "+Inf"), accumulate(self.counts), strict=True))


class Histogram:
    """Counts durations. ``taken`` gives them."""

    __slots__ = ("_counts", "_total")

    def __init__(self) -> None:
        self._counts = [0] * (len(SECONDS) + 1)
        self._total = 0.0

    def observe(self, seconds: float) -> None:
        """Count one."""
        self._counts[bisect_left(SECONDS, seconds)] += 1
        self._total += seconds

    def taken(self) -> Durations:
        """What was counted until now."""
        return Durations(counts=tuple(self._counts), total=self._total)


class Measures:
    """What the sessions of a pool measure, together.

    Attributes:
        handshakes: From dialing to being logged in, of attempts that succeeded.
        asked: Commands that were asked for.
        commands: Those that came to an end, from being asked for.
        requests: NETCONF requests that were answered.
        failures: Attempts to connect that failed, by the code of the error.
        losses: Connections that were lost, by what ended them: ``closed`` by the peer, ``silent`` or ``broken``.
        sent: Bytes of SSH sent on connections that are gone.
        received: Likewise received.
    """

    __slots__ = ("asked", "commands", "failures", "handshakes", "losses", "received", "requests", "sent")

    def __init__(self) -> None:
        self.handshakes = Histogram()
        self.asked = 0
        self.commands = Histogram()
        self.requests = Histogram()
        self.failures: Counter[str] = Counter()
        self.losses: Counter[str] = Counter()
        self.sent = 0
        self.received = 0
