"""``mooring shell``: sshpoolctl grown up."""

from __future__ import annotations

import argparse
import getpass
import sys
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from ..client import Daemon
from ..model.errors import MooringError
from ..model.login import Login, login
from ..model.problem import to_result
from ..model.selector import ALIAS
from .console import Channel, Commands
from .terminal import tell

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Held", "main"]

_COMPLETION: Final = 2.0
"""Seconds that a Tab may take."""


class Held:
    """The sessions of a daemon, for the commands.

    Args:
        daemon: Who holds them.
    """

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon

    def status(self, alias: str) -> list[Channel]:
        """The session of this alias, or all of them for an empty one."""
        if alias:
            return [_channel(self._daemon.request("GET", _path(alias)))]
        return [_channel(status) for status in self._daemon.request("GET", "/v1/sessions")["sessions"]]

    def start(self, dsn: str) -> str:
        """Hold a session instead of the one of its alias; it need not be up yet."""
        self._daemon.request("POST", "/v1/sessions", {"target": dsn, "replace": True})
        return "OK"

    def run(self, alias: str, command: str) -> str:
        """Run a command; leaving this by Ctrl-C ends it at the far side too."""
        value = self._daemon.request("POST", f"{_path(alias)}/run", {"command": command}, timeout=None)
        result = to_result(value)
        if result.dropped:
            tell(f"{result.dropped} bytes more were not kept; `mooring run` streams them")
        return str(result.stdout if result.ok else result.stderr)

    def stop(self, alias: str) -> str:
        """Stop holding a session."""
        self._daemon.request("DELETE", _path(alias))
        return "OK"

    def aliases(self, begun: str) -> list[str]:
        """The aliases that begin with a text, for completion; none where the daemon cannot tell."""
        selector = quote(f"{begun}*" if ALIAS.fullmatch(begun) else "all", safe="")
        try:
            answer = self._daemon.request("GET", f"/v1/sessions?selector={selector}", timeout=_COMPLETION)
        except MooringError:
            return []
        return sorted(status["alias"] for status in answer["sessions"] if status["alias"].startswith(begun))


def hosts(begun: str) -> list[str]:
    """The hosts of our ssh_config that begin with a text, for completion; none where it cannot be read."""
    from ..sshconfig import load  # noqa: PLC0415 - for a Tab alone

    try:
        return sorted(host for host in load().hosts() if host.startswith(begun))
    except MooringError:
        return []


def main(arguments: Sequence[str]) -> int:
    """Run ``mooring shell`` and return 0, or 1 where a command of a script could not be done."""
    program = argparse.ArgumentParser(
        prog="mooring shell",
        description="Commands for the sessions that the daemon holds: help lists them. Tab completes, Ctrl-C ends a "
        "command, Ctrl-D leaves. Without a terminal, commands are read line by line.",
        epilog="example: echo 'run web1 uptime' | mooring shell",
    )
    program.parse_args(arguments)
    held = Held(Daemon())
    commands = Commands(held, "mooring")
    if sys.stdin.isatty() and sys.stdout.isatty():
        from .prompt import converse  # noqa: PLC0415 - scripts need no prompt, and pay for none

        converse(commands, held.aliases, hosts)
        return 0
    for line in sys.stdin:
        if commands.onecmd(line.rstrip("\n")):
            break
    return int(commands.failed)


def _path(alias: str) -> str:
    return f"/v1/sessions/{quote(alias, safe='')}"


def _channel(status: dict[str, Any]) -> Channel:
    alive = status["state"] == "up"
    user, password, host, port = login(status["target"], getpass.getuser())
    return Channel(
        alias=status["alias"],
        login=Login(status["username"] or user, password, host, status["port"] or port),
        alive=alive,
        since=status["since"],
        reason="" if alive else f"{status['state']}: {status['reason']}",
    )
