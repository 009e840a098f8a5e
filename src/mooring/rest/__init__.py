"""The REST door: parse, authorise, call the fleet, render. ``app.py`` puts it together."""

from __future__ import annotations

from .access import Access
from .app import make_app
from .probes import Door, Place

__all__ = ["Access", "Door", "Place", "make_app"]
