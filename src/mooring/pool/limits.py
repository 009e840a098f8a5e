"""How many handshakes may run, and how often a device may be connected to. Pure: the clock is an argument."""

from __future__ import annotations

from collections import Counter, deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Hashable

    from ..model.options import Rate

__all__ = ["HANDSHAKES", "HANDSHAKES_PER_HOST", "ConnectRate", "HandshakeLimits"]

HANDSHAKES: Final = 64
"""In flight at once: beyond it they only slow each other down until they time out."""

HANDSHAKES_PER_HOST: Final = 8
"""In flight at once to one daemon: OpenSSH begins to drop them at random at 10 (MaxStartups 10:30:100)."""


class HandshakeLimits:
    """Handshakes in flight, in total and per daemon."""

    def __init__(self, total: int = HANDSHAKES, per_host: int = HANDSHAKES_PER_HOST) -> None:
        self._total = total
        self._per_host = per_host
        self._running: Counter[Hashable] = Counter()
        self._caps: dict[Hashable, int] = {}
        self.running = 0

    @property
    def full(self) -> bool:
        """Whether no more may start, whoever it is to."""
        return self.running >= self._total

    def cap(self, daemon: Hashable, most: int) -> None:
        """A daemon bears no more than ``most``; the least that was said of it counts, and never more than ours."""
        self._caps[daemon] = min(most, self._caps.get(daemon, self._per_host))

    def admits(self, daemon: Hashable) -> bool:
        """Whether one more may start to this daemon."""
        return not self.full and self._running[daemon] < self._caps.get(daemon, self._per_host)

    def take(self, daemon: Hashable) -> None:
        """One starts."""
        self._running[daemon] += 1
        self.running += 1

    def free(self, daemon: Hashable) -> None:
        """One ended, well or not."""
        self._running[daemon] -= 1
        self.running -= 1
        if not self._running[daemon]:
            del self._running[daemon]


class ConnectRate:
    """Connections in any span of time to one device: call ``started`` for each, and before it ``wait``."""

    def __init__(self) -> None:
        self._starts: deque[float] = deque()
        self._span = 0.0

    def wait(self, rate: Rate, now: float) -> float:
        """Seconds until the next connection may start; 0 for at once.

        Args:
            rate: What the device accepts.
            now: Monotonic.
        """
        self._span = max(self._span, rate.per)  # several targets may lead to the device, each with a rate
        while self._starts and self._starts[0] <= now - self._span:
            self._starts.popleft()
        if len(self._starts) < rate.count:
            return 0.0
        return max(0.0, self._starts[-rate.count] + rate.per - now)

    def started(self, now: float) -> None:
        """One starts."""
        self._starts.append(now)
