"""One session: its state machine, its channel slots, and what is done over it."""

from __future__ import annotations

from .session import Session

__all__ = ["Session"]
