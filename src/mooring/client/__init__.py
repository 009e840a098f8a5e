"""The client of the daemon's API: standard library only, and quick to import, since a command line waits for it."""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False  # typing itself would cost every start of the command line 3 ms
if TYPE_CHECKING:
    from .channel import Channel
    from .daemon import Daemon

__all__ = ["Channel", "Daemon"]

_HOME = {"Channel": "channel", "Daemon": "daemon"}


if not TYPE_CHECKING:  # a type checker must see that a misspelt name does not exist

    def __getattr__(name: str) -> object:
        """Load a name when it is first used: the daemon wants ``paths`` and ``hidden`` and no client."""
        if name not in _HOME:
            msg = f"module {__name__!r} has no attribute {name!r}"
            raise AttributeError(msg)
        value = globals()[name] = getattr(import_module("." + _HOME[name], __name__), name)
        return value
