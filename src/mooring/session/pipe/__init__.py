"""Pipes: framed messages to and from a handler, a program at the far end of a session."""

from __future__ import annotations

from .pipe import Pipe

__all__ = ["Pipe"]
