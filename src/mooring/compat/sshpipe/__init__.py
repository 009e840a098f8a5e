"""sshpipe 0.5 under its own names: change the import to ``from mooring.compat.sshpipe import SSHPipe``.

Names are loaded when first used, so that a handler at the far end imports the standard library alone and runs on
Python 3.8. What differs from the original: messages arrive when they are sent; they travel as text, bytes or JSON,
as objects (pickled) only where both ends say ``codec="pickle"``; no signal handlers are installed and nothing is
written to ``/tmp``; what a handler logs comes home to the pipe's ``logger``.
"""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ...model.errors import ConfigError as SSHConfigError
    from .config import SSHConfig, dump, dumps, load, loads
    from .handler import (
        EXIT_MESSAGE,
        SSHPipeCallableHandler,
        SSHPipeHandler,
        pipe_listener,
        pipe_listener_forever,
        set_logger,
    )
    from .handler import SSHPipeHandler as SSHPipeClient
    from .multi import Outcome, SSHMultiPipe
    from .pipe import SSHPipe
    from .tunnel import SSHTunnel

__all__ = [
    "EXIT_MESSAGE",
    "Outcome",
    "SSHConfig",
    "SSHConfigError",
    "SSHMultiPipe",
    "SSHPipe",
    "SSHPipeCallableHandler",
    "SSHPipeClient",
    "SSHPipeHandler",
    "SSHTunnel",
    "dump",
    "dumps",
    "load",
    "loads",
    "pipe_listener",
    "pipe_listener_forever",
    "set_logger",
]

_HOME = {
    "Outcome": "multi",
    "SSHConfig": "config",
    "SSHMultiPipe": "multi",
    "SSHPipe": "pipe",
    "SSHTunnel": "tunnel",
    "dump": "config",
    "dumps": "config",
    "load": "config",
    "loads": "config",
}
_ELSEWHERE = {"SSHConfigError": ("...model.errors", "ConfigError"), "SSHPipeClient": (".handler", "SSHPipeHandler")}

if not TYPE_CHECKING:  # a type checker must see that a misspelt name does not exist

    def __getattr__(name: str) -> object:
        """Load a name from its home."""
        if name not in __all__:
            msg = f"module {__name__!r} has no attribute {name!r}"
            raise AttributeError(msg)
        module, original = _ELSEWHERE.get(name, ("." + _HOME.get(name, "handler"), name))
        value = globals()[name] = getattr(import_module(module, __name__), original)
        return value
