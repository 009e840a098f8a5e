"""The last round trips of a connection, in as few bytes as there are thousands of connections."""

from __future__ import annotations

import math
import time
from typing import Final

__all__ = ["MOST", "RoundTrips"]

MOST: Final = 20
"""Round trips that are kept: five minutes of keepalives, and as many points as a small picture has room for."""
_LEAST: Final = 1e-5
_STEPS: Final = 16
_SECONDS: Final = tuple(float(f"{_LEAST * math.exp(code / _STEPS):.3g}") for code in range(256))
"""What a byte stands for: from ten microseconds to a minute and a half, each a sixteenth of *e* beyond the last."""


class RoundTrips:
    """The last of them.

    Attributes:
        last: Seconds of the last one; None before the first.
        at: When that was, as ``time.monotonic`` has it.
    """

    __slots__ = ("_codes", "at", "last")

    def __init__(self) -> None:
        self.last: float | None = None
        self.at = 0.0
        self._codes = b""

    def took(self, seconds: float) -> None:
        """Keep one."""
        self.last, self.at = seconds, time.monotonic()
        code = round(_STEPS * math.log(max(seconds, _LEAST) / _LEAST))
        self._codes = (self._codes + bytes((min(code, 255),)))[-MOST:]

    def seconds(self) -> tuple[float, ...]:
        """Them, the oldest first, within four in a hundred."""
        return tuple(map(_SECONDS.__getitem__, self._codes))
