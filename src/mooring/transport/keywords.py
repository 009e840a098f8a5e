"""AsyncSSH's own connection keywords, where a caller passes them beside a target's."""

from __future__ import annotations

import difflib
import inspect
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import asyncssh

from ..model.errors import InvalidTarget
from ..model.secret import Secret
from ..model.target import Target

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Keywords", "split"]

_TARGET: Final = frozenset(item.name for item in fields(Target))
_OURS: Final = {
    "config": "pass it to connect() or Pool()",
    "loop": "the running loop is used",
    "options": "pass the keywords themselves",
    "last_config": "ssh_config is read by Mooring",
    "reload": "ssh_config is read by Mooring",
    "canonical": "ssh_config is read by Mooring",
    "final": "ssh_config is read by Mooring",
    "canonicalize_hostname": "write it in ssh_config",
    "canonical_domains": "write it in ssh_config",
    "canonicalize_fallback_local": "write it in ssh_config",
    "canonicalize_max_dots": "write it in ssh_config",
    "canonicalize_permitted_cnames": "write it in ssh_config",
    "tunnel": "name the hops with jump=",
    "keepalive_interval": "use keepalive=",
    "keepalive_count_max": "three missed keepalives end a connection; ServerAliveCountMax in ssh_config changes it",
    "login_timeout": "connect_timeout= covers the login too",
    "server_host_key_algs": "known keys decide it; see host_key= and legacy=",
    "server_host_keys_handler": "host_key= and UpdateHostKeys in ssh_config decide it",
    "command": "pass it to run() or process()",
    "subsystem": "pass it to process()",
    "pkcs11_provider": "it is not supported",
    "pkcs11_pin": "it is not supported",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Keywords:
    """What a caller passed beside the target's own fields.

    Attributes:
        client_keys: Key objects of AsyncSSH to log in with; None uses files and the agent; empty uses none.
        agent: The agent's socket; ``none`` for no agent; None for ``$SSH_AUTH_SOCK``.
        passphrase: For the key files.
        client_factory: Makes the caller's own ``SSHClient``; its callbacks are called beside ours.
        proxy_command: A shell command to connect through.
        files_first: As ``KeyRing.key_pairs`` has it.
        options: What goes to SSHClientConnectionOptions as it is.
    """

    client_keys: tuple[Any, ...] | None = None
    agent: str | None = None
    passphrase: Secret | None = None
    client_factory: Any = None
    proxy_command: str | None = field(default=None, repr=False)
    files_first: bool = False
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)


def split(passed: Mapping[str, Any]) -> tuple[dict[str, Any], Keywords]:
    """Part what a caller passed into a target's fields and AsyncSSH's keywords.

    Names that both have mean the target's. ``client_keys`` that are file names become ``identity``;
    ``known_hosts=None`` is AsyncSSH's way to say ``host_key="off"``.

    Raises:
        InvalidTarget: A name belongs to neither, or to AsyncSSH but would work against the supervisor.
    """
    target: dict[str, Any] = {}
    ours: dict[str, Any] = {}
    options: dict[str, Any] = {}
    for name, value in passed.items():
        if name == "known_hosts" and value is None:
            target["host_key"] = "off"
        elif name == "known_hosts" and isinstance(value, Path):
            target[name] = str(value)
        elif name in _TARGET:
            target[name] = value
        elif name == "client_keys":
            _client_keys(value, target, ours)
        elif name == "agent_path":
            ours["agent"] = "none" if value is None else str(value)
        elif name == "passphrase":
            ours[name] = Secret(value) if value is not None else None
        elif name in {"client_factory", "proxy_command"}:
            ours[name] = value
        elif name in _OURS or name not in _asyncssh_names():
            raise InvalidTarget(f"unknown keyword {name!r}", hint=_advice(name))
        else:
            options[name] = value
    return target, Keywords(options=options, **ours)


def _client_keys(value: Any, target: dict[str, Any], ours: dict[str, Any]) -> None:
    keys = list(value) if isinstance(value, (list, tuple)) else [] if value is None else [value]
    if keys and all(isinstance(key, (str, Path)) for key in keys):
        target["identity"] = [str(key) for key in keys]
    else:
        ours["client_keys"] = tuple(keys)


def _asyncssh_names() -> frozenset[str]:
    return frozenset(inspect.signature(asyncssh.SSHClientConnectionOptions.prepare).parameters) - {"self"}


def _advice(name: str) -> str:
    if name in _OURS:
        return _OURS[name]
    known = [*sorted(_TARGET), *sorted(_asyncssh_names() - set(_OURS))]
    close = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {close[0]}?" if close else "the target's fields and AsyncSSH's connection keywords are known"
