"""``mooring simulate``: what ``python -m mooring.simulate`` is."""

from __future__ import annotations

from ..simulate.__main__ import main

__all__ = ["main"]
