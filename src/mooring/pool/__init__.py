"""Many sessions kept alive.

What to do next is decided in ``plan``, ``backoff`` and ``limits``, which are pure; ``keeper`` does it, one task
a session. ``Pool`` is the door; ``connect`` is a pool of one.
"""

from __future__ import annotations

from .connect import connect
from .pool import Pool

__all__ = ["Pool", "connect"]
