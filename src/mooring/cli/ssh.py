"""``mooring ssh``: OpenSSH's client, led to a session by ``mooring proxy``."""

from __future__ import annotations

import os
import shlex
import sys

from ..model.errors import InvalidInput

TYPE_CHECKING = False  # typing itself would cost every start of the command line 3 ms
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Final

__all__ = ["main"]

_HELP: Final = """\
usage: mooring ssh [SSH-OPTION]... ALIAS [COMMAND...]

ssh to a session the daemon holds. All words go to ssh as they are, and with
them all that it can do: -t, -L, -R, -D, -W, -N, ControlMaster, escapes.
Nothing has to be set up: the daemon says who you are and who it is.

Examples:
  mooring ssh edge1
  mooring ssh edge1 uptime
  mooring ssh -N -L 8080:localhost:80 edge1
  scp -o ProxyCommand='mooring proxy %n' file edge1:

Exit code: ssh's own.
"""


_WITH_VALUE: Final = frozenset("BbcDEeFIiJLlmOoPpQRSWw")
"""Options of ssh(1) that take a value."""


def main(words: Sequence[str]) -> int:
    """Replace this process by ssh; returns only where that fails."""
    if not words or words[0] in {"-h", "--help"}:
        sys.stdout.write(_HELP)
        return 0 if words else 2
    from ..client import Daemon  # noqa: PLC0415 - a wrong call is told sooner

    alias = _alias(words)
    daemon = Daemon()
    daemon.check_ssh(alias)  # were there none, ssh would add lines of its own to what proxy says
    host_key = daemon.request("GET", "/v1/gateway")["host_key"]
    command = ["ssh", *options(alias, host_key, passed=not daemon.tls), *words]
    try:
        os.execvp(command[0], command)  # noqa: S606 - ssh it is
    except FileNotFoundError:
        raise InvalidInput("there is no ssh on this machine", hint="install openssh-client") from None


def _alias(words: Sequence[str]) -> str:
    """Which of ssh's words is the host: it goes to a shell, as part of the ProxyCommand, and must be an alias."""
    rest = iter(words)
    for word in rest:
        if word == "--":
            word = next(rest, "")  # noqa: PLW2901 - the next is the host, whatever it begins with
        elif word.startswith("-") and word != "-":
            taken = next((place for place, letter in enumerate(word[1:], 2) if letter in _WITH_VALUE), None)
            if taken == len(word):
                next(rest, None)
            continue
        alias = word.rpartition("@")[2]
        plain = alias.replace(".", "").replace("-", "").replace("_", "")
        if not alias.isascii() or not plain.isalnum() or not alias[0].isalnum():
            raise InvalidInput(f"{word!r} is no alias", hint="`mooring ssh -h` tells more")
        return alias
    raise InvalidInput("no ALIAS: to which session?", hint="`mooring ssh -h` tells more")


def options(alias: str, host_key: str, *, passed: bool) -> list[str]:
    """What ssh must be told to come to a session.

    Args:
        alias: The session.
        host_key: The gateway's.
        passed: Whether ssh can have the connection itself.
    """
    proxy = [sys.executable, "-m", "mooring.cli", "proxy", *(["--fdpass"] if passed else [])]
    name, known = _remember(host_key)
    return [
        *("-o", f"ProxyCommand={shlex.join([*proxy, alias]).replace('%', '%%')}"),
        *("-o", f"ProxyUseFdpass={'yes' if passed else 'no'}"),
        *("-o", f"HostKeyAlias={name}"),
        *("-o", f'UserKnownHostsFile="{known.replace("%", "%%")}"'),
        *("-o", "StrictHostKeyChecking=yes"),
        *("-o", "CheckHostIP=no"),
    ]


def _remember(host_key: str) -> tuple[str, str]:
    """A file that trusts the key under a name of its own, and that name."""
    from hashlib import sha256  # noqa: PLC0415 - not for a wrong call

    from ..client.paths import state_dir  # noqa: PLC0415 - as above

    name = f"mooring-{sha256(host_key.encode()).hexdigest()[:16]}"
    folder = state_dir()
    path = os.path.join(folder, f"known_hosts-{name}")  # noqa: PTH118 - pathlib costs 5 ms
    if not os.path.exists(path):  # noqa: PTH110
        os.makedirs(folder, mode=0o700, exist_ok=True)  # noqa: PTH103
        fresh = f"{path}.{os.getpid()}"
        with open(fresh, "w", encoding="ascii") as file:  # noqa: PTH123
            file.write(f"{name} {host_key}\n")
        os.replace(fresh, path)  # noqa: PTH105
    return name, path
