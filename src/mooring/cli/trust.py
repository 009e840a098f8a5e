"""``mooring trust``: a dialed host's key trusted from now on, by whoever has compared it."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import click

from ..client import Daemon
from ..model.errors import HostKeyChanged, InvalidInput
from .calls import Command, call
from .terminal import tell
from .waiting import wait_up

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]

_TIMEOUT: Final = 60.0
_EXAMPLES: Final = """\b
Examples:
  mooring trust edge1
  mooring trust edge1 --fingerprint SHA256:3JsU...   # as read on the host's console
"""


def main(words: Sequence[str]) -> int:
    """Trust a host's key and return 0 when its session is up, 1 where somebody was asked and said no."""
    return call(_trust, words)


@click.command("trust", cls=Command, epilog=_EXAMPLES)
@click.argument("alias")
@click.option("--fingerprint", metavar="SHA256:...", help="The key's, as read on the host: another is refused.")
@click.option("--yes", is_flag=True, help="Do not ask. Where another key was known, --fingerprint is needed.")
@click.option("--json", "as_json", is_flag=True, help="The session's whole status, as one JSON object.")
def _trust(alias: str, *, fingerprint: str | None, yes: bool, as_json: bool) -> int:
    """Trust the host key for which the session ALIAS is parked, in the place of others, and connect.

    It goes into the known_hosts file that the session uses, on the daemon's side. On a terminal its fingerprint is
    shown and you are asked; elsewhere name it, or say --yes. Prints the alias when the session is up.
    """
    daemon = Daemon()
    path = f"/v1/sessions/{quote(alias, safe='')}"
    if fingerprint is None:
        fingerprint = _compared(daemon.request("GET", path), yes=yes)
        if fingerprint is None:
            return 1
    daemon.request("POST", f"{path}/trust", {"fingerprint": fingerprint})
    status = wait_up(daemon, alias, _TIMEOUT)
    sys.stdout.write(f"{json.dumps(status) if as_json else alias}\n")
    sys.stdout.flush()
    return 0


def _compared(session: dict[str, Any], *, yes: bool) -> str | None:
    """The fingerprint of the key that it shows; None where somebody says that it is not the host's.

    Raises:
        InvalidInput: It shows none that waits for a word, or nobody can be asked.
    """
    alias, shown = session["alias"], session["offered_key"]
    if shown is None:
        message = f"{alias} shows no key that waits to be trusted: it is {session['state']}"
        raise InvalidInput(message, hint=f"`mooring status {alias}` tells more")
    changed = session["error"] == HostKeyChanged.code
    if yes and not changed:
        return str(shown)
    if yes or not sys.stdin.isatty():
        why = "another key was known before" if yes else "nobody can be asked here"
        raise InvalidInput(f"{why}: {session['reason']}", hint="compare it, and name it with --fingerprint")
    tell(session["reason"], "on the host, `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` tells it")
    wanted = {alias} if changed else {"y", "yes"}
    what = f"its name, {alias}, to trust the new key" if changed else "y to trust it"
    sys.stderr.write(f"Is {shown} the host's own? Type {what}: ")
    sys.stderr.flush()
    if (answer := sys.stdin.readline()).strip() in wanted:
        return str(shown)
    sys.stderr.write("" if answer else "\n")
    tell("it is not trusted, and nothing was changed")
    return None
