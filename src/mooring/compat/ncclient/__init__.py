"""ncclient's transport over connections of ours, and with it ncclient's ``Manager`` and PyEZ.

``install()`` makes ``ncclient.manager.connect`` and PyEZ's ``Device(...).open()`` use it, without a change to their
callers; ``manager.connect`` and ``transport.SSHSession`` here are the same without that. ``pyez.device(session)`` is a
PyEZ device over a session that is held.
"""

from __future__ import annotations

import contextlib
import importlib.util
from typing import TYPE_CHECKING

from . import patches

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["install", "uninstall"]


class _Installed(contextlib.AbstractContextManager[None]):
    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        uninstall()


def install() -> contextlib.AbstractContextManager[None]:
    """Have ncclient and PyEZ connect through Mooring, in this process, from now on.

    Sessions that are open stay what they are. May be called twice.

    Returns:
        A context manager that calls ``uninstall`` at its end, where that is wanted.

    Raises:
        ImportError: ncclient is not installed, or PyEZ only in part; nothing was changed.
    """
    # Where its parent is missing, find_spec raises.
    patches.replace(pyez=all(importlib.util.find_spec(name) is not None for name in ("jnpr", "jnpr.junos")))
    return _Installed()


def uninstall() -> None:
    """Let them connect by themselves again. May be called twice, and without ``install``."""
    patches.restore()
