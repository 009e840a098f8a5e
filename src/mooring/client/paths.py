# ruff: noqa: PTH111, PTH117, PTH118 - see below
"""Where the daemon and its clients meet, so that both look in the same places.

What the environment says comes first, then the system's places for root, and the user's own (XDG) for everybody else.
Plain strings, not Paths: importing pathlib would cost the command line more than all that is done here.
"""

from __future__ import annotations

import os
import sys

__all__ = [
    "AGENT_KEY",
    "GATEWAY_KEY",
    "HOST",
    "PORT",
    "TOKEN",
    "config_file",
    "default_config_file",
    "socket_path",
    "state_dir",
    "token_file",
]

HOST = "127.0.0.1"
PORT = 8877
AGENT_KEY = "agent_key"
TOKEN = "token"  # noqa: S105 - the name of its file
GATEWAY_KEY = "gateway_host_key"


def config_file() -> str:
    """The configuration file: ``MOORING_CONFIG``, else the default one."""
    return os.environ.get("MOORING_CONFIG") or default_config_file()


def default_config_file() -> str:
    """``/etc/mooring/config.toml`` for root, else under ``XDG_CONFIG_HOME``; it need not exist."""
    return os.path.join("/etc/mooring" if _system() else _own("XDG_CONFIG_HOME", "~/.config"), "config.toml")


def state_dir() -> str:
    """What must outlive the daemon: ``MOORING_STATE_DIR``, ``/var/lib/mooring``, or under ``XDG_STATE_HOME``."""
    if said := os.environ.get("MOORING_STATE_DIR"):
        return said
    return "/var/lib/mooring" if _system() else _own("XDG_STATE_HOME", "~/.local/state")


def socket_path(directory: str | None = None) -> str:
    """The Unix socket: ``MOORING_SOCKET``, else beside the state where that was chosen, else where sockets belong.

    That is ``/run/mooring``, ``XDG_RUNTIME_DIR``, or beside the state after all where there is none.

    Args:
        directory: The state directory where it was chosen by hand; the default looks at ``MOORING_STATE_DIR``.
    """
    if said := os.environ.get("MOORING_SOCKET"):
        return said
    chosen = directory or os.environ.get("MOORING_STATE_DIR")
    if not chosen and _system():
        return "/run/mooring/mooring.sock"
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if not chosen and os.path.isabs(runtime):
        return os.path.join(runtime, "mooring", "mooring.sock")
    return os.path.join(chosen or state_dir(), "mooring.sock")


def token_file(directory: str | None = None) -> str:
    """The file of the token that opens the TCP door.

    Args:
        directory: The state directory; the default is ``state_dir()``.
    """
    return os.path.join(directory or state_dir(), TOKEN)


def _system() -> bool:
    return sys.platform != "win32" and os.geteuid() == 0


def _own(variable: str, default: str) -> str:
    """A user's own directory; what is not absolute is passed over, as the XDG base directory specification wants."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or os.path.expanduser("~")
    else:
        base = os.environ.get(variable, "")
        base = base if os.path.isabs(base) else os.path.expanduser(default)
    return os.path.join(base, "mooring")
