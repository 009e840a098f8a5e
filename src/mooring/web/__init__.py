"""The page at ``/``: what ``web/`` is built into, served with headers that let it reach nothing but this daemon."""

from __future__ import annotations

from .pages import page

__all__ = ["page"]
