"""``mooring forward``: connections carried over sessions, added, listed and removed."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import click

from ..client import Daemon
from ..model.forward import ForwardKind, parse_forward
from .calls import Command, call_verb
from .selection import selected
from .terminal import Column, coloured, columns, paint, printable, tell, width

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["main"]

_USAGE: Final = """\
usage: mooring forward add|list|remove [-h] [...]

  add -L 8080:db:5432 ALIAS   carry what comes to port 8080 here to db:5432 there
  list [SELECTOR]             the forwards, and what went wrong with them
  remove ALIAS NAME           carry no more

`mooring forward add -h` tells more.
"""
_EXAMPLES: Final = """\b
Examples:
  mooring forward add -L 8080:db:5432 edge1      port 8080 here leads to db:5432, as edge1 knows it
  mooring forward add -R 9000:localhost:80 edge1 port 9000 there leads to port 80 here
  mooring forward add -D 1080 edge1              SOCKS: each connection says where it wants to go
  mooring forward add -L /run/me/db:db:5432 edge1
"""


def main(words: Sequence[str]) -> int:
    """Add, list or remove forwards and return 0."""
    return call_verb("forward", _USAGE, _VERBS, words)


@click.command("forward add", cls=Command, epilog=_EXAMPLES)
@click.option("-L", "local", multiple=True, metavar="[BIND:]PORT:HOST:PORT", help="Listen here; repeatable.")
@click.option("-R", "remote", multiple=True, metavar="[BIND:]PORT:HOST:PORT", help="Listen there; repeatable.")
@click.option("-D", "socks", multiple=True, metavar="[BIND:]PORT", help="Listen here for SOCKS; repeatable.")
@click.option("--name", help="Its name, where one is added; otherwise made of where it listens.")
@click.option("--json", "as_json", is_flag=True, help="The status of each, one JSON object a line.")
@click.argument("alias")
def _add(
    alias: str,
    *,
    local: tuple[str, ...],
    remote: tuple[str, ...],
    socks: tuple[str, ...],
    name: str | None,
    as_json: bool,
) -> None:
    """Carry connections over the session ALIAS from now on, over restarts of it and of the daemon.

    A path with a / may stand for the port that is listened on, and for the host and port that it leads to; port 0 is
    any free one. Prints each forward's name and where it listens.
    """
    asked = [
        (kind, text)
        for kind, texts in ((ForwardKind.LOCAL, local), (ForwardKind.REMOTE, remote), (ForwardKind.SOCKS, socks))
        for text in texts
    ]
    if not asked or (name is not None and len(asked) > 1):
        raise click.UsageError("-L, -R or -D is needed" if not asked else "--name is for one forward")
    daemon = Daemon()
    for body in [_body(alias, kind, text, name) for kind, text in asked]:
        status = daemon.request("POST", "/v1/forwards", body)
        sys.stdout.write(f"{json.dumps(status) if as_json else '{name}  {listen}'.format_map(status)}\n")
        sys.stdout.flush()


def _body(alias: str, kind: ForwardKind, text: str, name: str | None) -> dict[str, Any]:
    """What is asked of the daemon, which stands in another directory."""
    listen, destination = parse_forward(text, kind)
    here, there = str(listen), None if destination is None else str(destination)
    if kind is ForwardKind.LOCAL and listen.path:
        here = str(Path.cwd() / listen.path)
    elif kind is ForwardKind.REMOTE and destination is not None and destination.path:
        there = str(Path.cwd() / destination.path)
    return {"alias": alias, "kind": kind.value, "listen": here, "destination": there, "name": name}


@click.command("forward list", cls=Command)
@click.argument("selector", default="all")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, with all that is known.")
def _list(selector: str, *, as_json: bool) -> None:
    """Show the forwards of sessions, and what went wrong last with those that something did."""
    forwards = Daemon().request("GET", f"/v1/forwards?selector={quote(selected(selector))}")["forwards"]
    if as_json:
        sys.stdout.writelines(f"{json.dumps(forward)}\n" for forward in forwards)
    elif forwards:
        sys.stdout.writelines(f"{line}\n" for line in _lines(forwards, width(sys.stdout), colour=coloured(sys.stdout)))
    else:
        tell("there is no forward", "`mooring forward add -L 8080:db:5432 ALIAS` adds one")
    sys.stdout.flush()


def _lines(forwards: Sequence[dict[str, Any]], room: int | None, *, colour: bool) -> Iterator[str]:
    table = [
        Column("ALIAS", [forward["alias"] for forward in forwards]),
        Column("NAME", [forward["name"] for forward in forwards]),
        Column("KIND", [forward["kind"] for forward in forwards]),
        Column("STATE", [forward["state"] for forward in forwards]),
        Column("LISTENS", [printable(forward["listen"]) for forward in forwards]),
        Column("LEADS TO", [printable(forward["destination"] or "") for forward in forwards]),
        Column("NOW", [str(forward["connections"] or "") for forward in forwards], right=True),
        Column("ALL", [str(forward["accepted"] or "") for forward in forwards], right=True),
        Column("REFUSED", [str(forward["refused"] or "") for forward in forwards], right=True),
        Column("SENT", [_size(forward["sent"]) for forward in forwards], right=True),
        Column("RECEIVED", [_size(forward["received"]) for forward in forwards], right=True),
    ]
    heading, *rows = columns(table, room)
    yield paint(heading, "bold") if colour else heading
    for row, forward in zip(rows, forwards, strict=True):
        yield row
        if forward["error"]:
            yield f"  {printable(forward['error'])}"


def _size(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if count else ""
        count /= 1000
    return f"{count:.1f} TB"


@click.command("forward remove", cls=Command)
@click.argument("alias")
@click.argument("name")
def _remove(alias: str, name: str) -> None:
    """Carry no more through the forward NAME of the session ALIAS; what goes through it is cut."""
    Daemon().request("DELETE", f"/v1/forwards/{quote(alias, safe='')}/{quote(name, safe='')}")


_VERBS: Final = {"add": _add, "list": _list, "remove": _remove}
