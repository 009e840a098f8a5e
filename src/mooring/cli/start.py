"""``mooring start``: a session held from now on, and why it is not up where it is not."""

from __future__ import annotations

import getpass
import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from ..client import Daemon
from ..client.hidden import command_line
from ..model.errors import AliasInUse, InvalidInput
from ..model.secret import Secret
from ..model.target import Target
from .calls import Command, call
from .number import Number
from .waiting import wait_up

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main", "whole"]

_LONGEST: Final = 86_400
_EXAMPLES: Final = """\b
Examples:
  mooring start edge1                              a Host of ssh_config
  mooring start deploy@10.0.0.5:2222 --label site:ams
  mooring start 'web1://deploy@10.0.0.5?label=site:ams&keepalive=5'
  mooring start web1                               held already: try again now
  mooring start --inventory hosts.ini group:web    many, of a list
"""


def main(words: Sequence[str]) -> int:
    """Start a session and return 0 when it is up, 255 when a person must act first, 124 after ``--timeout``."""
    if list(words) == sys.argv[2:]:
        words = command_line()[1:]  # a password among them goes off the command line
    return call(_start, words)


@click.command("start", cls=Command, epilog=_EXAMPLES)
@click.argument("target", required=False)
@click.option(
    "--inventory", metavar="FILE", help="Hosts of Ansible's INI or YAML or an ssh_config; TARGET is a selector."
)
@click.option("--label", multiple=True, metavar="KEY:VALUE", help="For selectors; repeatable.")
@click.option("--jump", metavar="[USER@]HOST[:PORT]", help="The way there, several with commas, nearest first.")
@click.option("--identity", multiple=True, metavar="FILE", help="A private key file; repeatable.")
@click.option("--ask-password", is_flag=True, help="Ask for the password, on a terminal.")
@click.option(
    "--password-from", metavar="REFERENCE", help="env:NAME, file:PATH or keyring:SERVICE, looked up by the daemon."
)
@click.option("--known-hosts", metavar="FILE", help="Trusted host keys.")
@click.option("--host-key", metavar="POLICY", help="verify (default), accept-new, off, a public key or its SHA256:...")
@click.option("--legacy/--no-legacy", default=None, help="Offer old algorithms too.")
@click.option("--channels", metavar="N", help="Session channels open at once to begin with (default: 6).")
@click.option("--handshakes", metavar="N", help="Handshakes the device bears at once (default: 8).")
@click.option("--rate", metavar="N/UNIT", help="Connections the device accepts, as in 4/min.")
@click.option("--keepalive", metavar="SECONDS", help="Between keepalives; three unanswered end it (default: 15).")
@click.option("--connect-timeout", metavar="SECONDS", help="For TCP, handshake and login together (default: 20).")
@click.option("--replace", is_flag=True, help="End the session that has this alias, if one has.")
@click.option("--no-wait", is_flag=True, help="Return as soon as the daemon holds it.")
@click.option(
    "--timeout",
    type=Number(0, _LONGEST, min_open=True),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait for it.",
)
@click.option("--json", "as_json", is_flag=True, help="Its whole status, as one JSON object.")
def _start(
    target: str | None,
    *,
    inventory: str | None,
    ask_password: bool,
    replace: bool,
    no_wait: bool,
    timeout: float,
    as_json: bool,
    **options: Any,
) -> int:
    """Hold a session to TARGET: alias://user@host:port?option=value, [user@]host[:port] or a Host of ssh_config.

    It is kept up from now on, over restarts of the daemon too. Prints its alias when it is up. Where it is not up
    in time the daemon goes on trying; `mooring stop ALIAS` ends that.
    """
    given = {name: value for name, value in options.items() if value not in (None, ())}
    if inventory is not None:
        from .start_many import Starting  # noqa: PLC0415 - with an inventory only

        if ask_password:
            raise click.UsageError("--ask-password is for one session")
        starting = Starting(Daemon(), replace=replace, as_json=as_json, timeout=None if no_wait else timeout)
        return starting.run([_with_whole_paths(each) for each in starting.read(inventory, target or "all", given)])
    if target is None:
        raise click.UsageError("Missing argument 'TARGET'.")
    meant = _with_whole_paths(Target.parse(target, **given))
    if ask_password:
        meant = meant.with_options(password=_asked(meant))
    daemon = Daemon()
    # A password is written out here alone, for the body of one request.
    body = {"target": meant.dsn(reveal=True), "replace": replace}
    try:
        status = daemon.request("POST", "/v1/sessions", body)
    except AliasInUse as error:
        if target != meant.alias or given or ask_password:
            raise AliasInUse(error.message, hint="--replace ends the one that is held and starts this one") from None
        status = daemon.request("POST", f"/v1/sessions/{meant.alias}/retry")
    if not no_wait:
        status = wait_up(daemon, meant.alias, timeout)
    sys.stdout.write(f"{json.dumps(status) if as_json else status['alias']}\n")
    sys.stdout.flush()
    return 0


def _with_whole_paths(target: Target) -> Target:
    """The target with relative file names made whole: the daemon stands in another directory."""
    return target.with_options(
        identity=None if target.identity is None else [whole(name) for name in target.identity] or "none",
        known_hosts=target.known_hosts and whole(target.known_hosts),
        password_from=target.password_from and re.sub(r"(?<=^file:).+", lambda it: whole(it[0]), target.password_from),
    )


def whole(name: str) -> str:
    """A file's name made whole; ``~`` is the daemon's."""
    return name if name.startswith("~") else str(Path.cwd() / name)


def _asked(target: Target) -> Secret:
    """The password, typed on a terminal."""
    if sys.stdin is None or not sys.stdin.isatty():
        raise InvalidInput(
            "--ask-password needs a terminal", hint="--password-from names a variable, file or keyring instead"
        )
    user = f"{target.username}@" if target.username else ""
    try:
        typed = getpass.getpass(f"Password of {user}{target.host}: ")
    except EOFError:
        typed = ""
    if not typed:
        raise InvalidInput("no password was given")
    return Secret(typed)
