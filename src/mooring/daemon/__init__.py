"""``mooringd``: the pool, what it remembers, and the doors to it, as one program. Read ``compose.py`` first."""

from __future__ import annotations

from .config import Options
from .program import main, run

__all__ = ["Options", "main", "run"]
