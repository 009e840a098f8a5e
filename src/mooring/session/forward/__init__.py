"""Forwards on a session: connections carried over it, from a place that listens on either side."""

from __future__ import annotations

from .forward import Forward
from .forwards import Forwards

__all__ = ["Forward", "Forwards"]
