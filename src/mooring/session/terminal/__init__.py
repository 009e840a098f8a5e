"""Terminals: a pseudo-terminal at the far end of a session, and those who look at it."""

from __future__ import annotations

from .terminal import Terminal
from .view import TerminalView

__all__ = ["Terminal", "TerminalView"]
