"""What the daemon must remember when it is gone: the sessions it was told to hold, and their passwords, sealed.

``Store`` is the door: one SQLite file with one writer. ``schema`` brings the file to this version, ``vault`` seals
passwords with a key that is not in the database, ``faults`` turns SQLite's and the system's errors into ours. The door
is loaded when it is first used: it takes a library that only the daemon has, and small files are kept without it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .store import Remembered, Store, rotate_key

__all__ = ["Remembered", "Store", "rotate_key"]

if not TYPE_CHECKING:  # a type checker must see that a misspelt name does not exist

    def __getattr__(name: str) -> object:
        """Load one of the names of the door."""
        if name not in __all__:
            msg = f"module {__name__!r} has no attribute {name!r}"
            raise AttributeError(msg)
        return getattr(import_module(".store", __name__), name)
