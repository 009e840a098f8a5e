"""What is put in the place of ncclient's and PyEZ's own functions, and taken back."""

from __future__ import annotations

import importlib
import threading
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import ModuleType

__all__ = ["lead_ssh_clients", "replace", "restore"]

_lock: Final = threading.Lock()
_ABSENT: Final = object()
_replaced: Final[dict[tuple[str, str], tuple[ModuleType, object]]] = {}
"""Module and name to what stood there."""
_SSH_CLIENTS: Final = ("jnpr.junos.utils.ssh_client", "jnpr.junos.utils.scp", "jnpr.junos.utils.start_shell")


def replace(*, pyez: bool) -> None:
    """Have ncclient make sessions of ours, and PyEZ's SCP and StartShell go over them: all of it, or nothing.

    Args:
        pyez: Whether it is installed.
    """
    from .ssh import SSHSession  # noqa: PLC0415 - see the package

    with _lock:
        # ncclient looks its class up there at each connection.
        found = [(importlib.import_module("ncclient.transport"), "SSHSession", SSHSession)]
        _put([*found, *(_ssh_clients() if pyez else ())])


def lead_ssh_clients() -> None:
    """Have PyEZ's SCP and StartShell go over the device's own connection, where that is one of ours."""
    with _lock:
        _put(_ssh_clients())


def _ssh_clients() -> list[tuple[ModuleType, str, object]]:
    modules = [importlib.import_module(name) for name in _SSH_CLIENTS]
    if (modules[0].__name__, "open_ssh_client") in _replaced:
        return []
    client = _over_session(modules[0].open_ssh_client)
    return [(module, "open_ssh_client", client) for module in modules]


def restore() -> None:
    """Put everything back."""
    with _lock:
        for (_, name), (module, original) in _replaced.items():
            if original is _ABSENT:
                delattr(module, name)
            else:
                setattr(module, name, original)
        _replaced.clear()


def _put(found: Iterable[tuple[ModuleType, str, object]]) -> None:
    for module, name, value in found:
        _replaced.setdefault((module.__name__, name), (module, vars(module).get(name, _ABSENT)))
        setattr(module, name, value)


def _over_session(original: Callable[..., Any]) -> Callable[..., Any]:
    from .client import Client  # noqa: PLC0415 - see the package
    from .ssh import SSHSession  # noqa: PLC0415 - likewise

    def open_ssh_client(dev: Any) -> Any:  # noqa: ANN401 - PyEZ's
        """A client over the device's own connection, or PyEZ's."""
        session = getattr(getattr(dev, "_conn", None), "_session", None)
        if isinstance(session, SSHSession) and session.transport is not None:
            return Client(session.transport)
        return original(dev)

    return open_ssh_client
