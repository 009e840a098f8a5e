"""``mooring token``: who may come in over TCP, to do what, on which sessions, until when."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import click

from ..client import Daemon
from ..model.access import Action
from ..sshconfig.values import duration
from .calls import Command, call_verb
from .terminal import Column, ago, coloured, columns, hint, paint, printable, tell, width

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["main"]

_USAGE: Final = """\
usage: mooring token create|list|revoke [-h] [...]

  create NAME --allow read,run --on SELECTOR   make a token, and print it this once
  list                                         the tokens that there are
  revoke NAME                                  end one at once, and cut what goes on under it

`mooring token create -h` tells more.
"""
_BLIND: Final = "--allow has no read: its bearer sees no session, neither on the page nor by `mooring status`"
_EXAMPLES: Final = """\b
Examples:
  mooring token create ci --allow read,run --on 'site:ams,!core*' --expires 30d
  mooring token create backup --allow read,netconf --on all --expires none
  MOORING_URL=http://127.0.0.1:8877 MOORING_TOKEN=mooring_... mooring run edge1 -- uptime
"""


def main(words: Sequence[str]) -> int:
    """Create, list or revoke tokens and return 0."""
    return call_verb("token", _USAGE, _VERBS, words)


def _actions(_context: object, _option: object, text: str) -> list[str]:
    words = text.split(",")
    for word in words:
        if word not in set(Action):
            raise click.BadParameter(f"{printable(word)!r} is none of {', '.join(Action)}")
    return words


def _seconds(_context: object, _option: object, text: str) -> float | None:
    try:
        seconds = duration(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
    if seconds == 0:
        raise click.BadParameter("it would have ended at once; `none` is for one that never ends")
    return seconds


@click.command("token create", cls=Command, epilog=_EXAMPLES)
@click.option(
    "--allow",
    "actions",
    required=True,
    callback=_actions,
    metavar="ACTION,...",
    help=f"What its bearer may do: {', '.join(Action)}.",
)
@click.option("--on", "selector", required=True, metavar="SELECTOR", help="On which sessions; `all` for every one.")
@click.option(
    "--expires",
    default="90d",
    show_default=True,
    callback=_seconds,
    metavar="TIME",
    help="When it ends: 90, 10m, 12h, 30d, or `none`. The default is a season: what nobody renews goes.",
)
@click.option("--json", "as_json", is_flag=True, help="All that is known, as JSON.")
@click.argument("name")
def _create(name: str, *, actions: list[str], selector: str, expires: float | None, as_json: bool) -> None:
    """Make the token NAME and print what its bearer shows, this once: only a hash is kept."""
    body = {"name": name, "actions": actions, "selector": selector, "expires_in": expires}
    made = Daemon().request("POST", "/v1/tokens", body)
    sys.stdout.write(f"{json.dumps(made) if as_json else made['secret']}\n")
    sys.stdout.flush()
    if not as_json:
        sys.stderr.write(f"{hint('keep it: it is not shown again; its bearer sets it as MOORING_TOKEN')}\n")
    if not {"read", "admin"}.intersection(actions):
        sys.stderr.write(f"{hint(_BLIND)}\n")


@click.command("token list", cls=Command)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def _list(*, as_json: bool) -> None:
    """Show the tokens; those too that have ended, until they are revoked."""
    tokens = Daemon().request("GET", "/v1/tokens")["tokens"]
    if as_json:
        sys.stdout.writelines(f"{json.dumps(token)}\n" for token in tokens)
    elif tokens:
        sys.stdout.writelines(f"{line}\n" for line in _lines(tokens, width(sys.stdout), colour=coloured(sys.stdout)))
    else:
        tell("there is no token but the one in the state directory", "`mooring token create NAME` makes one")
    sys.stdout.flush()


def _lines(tokens: Sequence[dict[str, Any]], room: int | None, *, colour: bool) -> Iterator[str]:
    now = time.time()
    table = [
        Column("NAME", [token["name"] for token in tokens]),
        Column("MADE", [f"{ago(now - token['created'])} ago" for token in tokens]),
        Column("ENDS", [_ends(token["expires"], now) for token in tokens]),
        Column("ALLOWS", [",".join(token["actions"]) for token in tokens]),
        Column("ON", [printable(token["selector"]) for token in tokens]),
    ]
    heading, *rows = columns(table, room)
    yield paint(heading, "bold") if colour else heading
    yield from rows


def _ends(expires: float | None, now: float) -> str:
    if expires is None:
        return "never"
    return "has ended" if expires <= now else f"in {ago(expires - now)}"


@click.command("token revoke", cls=Command)
@click.argument("name")
def _revoke(name: str) -> None:
    """End the token NAME at once. What goes on under it is cut: commands, streams, terminals that are watched."""
    Daemon().request("DELETE", f"/v1/tokens/{quote(name, safe='')}")


_VERBS: Final = {"create": _create, "list": _list, "revoke": _revoke}
