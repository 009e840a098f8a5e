"""Many sessions kept alive.

What to do next is decided in ``plan``, ``backoff`` and ``limits``, which are pure; ``keeper`` does it, one task
a session. ``Pool`` is the door, and is loaded when it is first used: an agent has the ``backoff`` without the rest.
``connect.connect`` is a pool of one.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .pool import Pool

__all__ = ["Pool"]

if not TYPE_CHECKING:  # a type checker must see that a misspelt name does not exist

    def __getattr__(name: str) -> object:
        """Load the door."""
        if name not in __all__:
            msg = f"module {__name__!r} has no attribute {name!r}"
            raise AttributeError(msg)
        return getattr(import_module(".pool", __name__), name)
