"""``mooring term``: a terminal on a session, which goes on in the daemon when its viewer has left."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import click

from ..client import Daemon
from ..model.errors import InvalidInput, TerminalEnded, UnknownTerminal
from ..wire.channel import Opening, Terminal
from .calls import Command, call
from .escapes import Escapes
from .selection import selected
from .terminal import Column, ago, coloured, columns, paint, printable, tell, width

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["main"]

_EXAMPLES: Final = """\b
Examples:
  mooring term edge1               your shell on edge1; ~? shows what can be done
  mooring term edge1 -- vim notes  a program
  mooring term --list              those that run
  mooring term --attach edge1/2    come back to one
  mooring term --watch edge1/2     look on
"""
_ENDING: Final = 30.0
_HANGING_UP: Final = 10.0
"""Seconds for the daemon's answer where somebody waits at their terminal to be let go."""
_LOCALE: Final = ("LANG", "LC_", "COLORTERM")


def main(words: Sequence[str]) -> int:
    """Run ``mooring term`` and return its exit code."""
    return call(_term, words)


@click.command("term", cls=Command, epilog=_EXAMPLES)
@click.argument("terminal", required=False, metavar="ALIAS[/NAME]")
@click.argument("command", nargs=-1, type=click.UNPROCESSED, metavar="[-- COMMAND...]")
@click.option("--attach", "how", flag_value="attach", help="Come back to one that there is; who typed there looks on.")
@click.option("--watch", "how", flag_value="watch", help="Look on at one that there is.")
@click.option("--list", "how", flag_value="list", help="List those that run, of all sessions or of a selector's.")
@click.option("--end", "how", flag_value="end", help="Hang one up.")
@click.option("-e", "--escape", default="~", metavar="KEY", help="The escape key (default: ~); none for none.")
@click.option("--json", "as_json", is_flag=True, help="With --list: one JSON object a line.")
def _term(terminal: str | None, command: tuple[str, ...], *, how: str | None, escape: str, as_json: bool) -> int:
    """Open a terminal on a session: your shell there, or a program.

    It goes on in the daemon when you leave it by ~d, or your own terminal is closed; --attach comes back. At the
    beginning of a line, ~? shows what can be done. Exits with the program's status, 0 when you detached or hung up.
    """
    if how == "list":
        return _list(terminal or "all", as_json=as_json)
    if terminal is None:
        raise click.UsageError("ALIAS is missing")
    if command and how is not None:
        raise click.UsageError("what runs on a terminal that there is was decided when it was opened")
    alias, _, name = terminal.partition("/")
    if how == "end":
        return _end(alias, name)
    return _look(alias, name or None, " ".join(command) or None, how, _escapes(escape))


def _escapes(key: str) -> Escapes:
    if key == "none":
        return Escapes(b"")
    if len(key) != 1 or not key.isascii() or not key.isprintable():
        raise InvalidInput("the escape key is one character, or none")
    return Escapes(key.encode())


def _look(alias: str, name: str | None, command: str | None, how: str | None, escapes: Escapes) -> int:
    if sys.platform == "win32":
        raise InvalidInput("`mooring term` does not run on Windows", hint="session.terminal() does")
    from .term_loop import Looking, size_of  # noqa: PLC0415 - not there on Windows

    if not (os.isatty(0) and os.isatty(1)):
        raise InvalidInput("this is no terminal", hint="`mooring run` needs none")
    daemon = Daemon()
    term = Terminal(os.environ.get("TERM") or "vt100", *size_of(0))
    env = _locale(os.environ) if how is None else {}
    opening = Opening("terminal", command=command, env=env, term=term, name=name, view=how)
    with daemon.upgrade(alias) as upgrade, upgrade.open(opening) as channel:
        looking = Looking(channel, alias, escapes, (term.columns, term.rows))
        code = looking.run()
    if looking.hangs_up:
        with contextlib.suppress(TerminalEnded, UnknownTerminal):  # it was quicker
            _end(alias, looking.name or "", timeout=_HANGING_UP)
    return code


def _locale(environment: Mapping[str, str]) -> dict[str, str]:
    """What says how letters are written; servers take it as far as they want to."""
    return {name: value for name, value in environment.items() if name.startswith(_LOCALE)}


def _end(alias: str, name: str, *, timeout: float = _ENDING) -> int:
    daemon = Daemon()
    if not name:
        found = daemon.request("GET", f"/v1/terminals?selector={quote(alias, safe='')}")["terminals"]
        if len(found) != 1:
            raise InvalidInput(f"{alias} has {len(found) or 'no'} terminals", hint="`mooring term --list` shows them")
        name = found[0]["name"]
    status = daemon.request("DELETE", f"/v1/terminals/{quote(alias, safe='')}/{quote(name, safe='')}", timeout=timeout)
    tell(f"{alias}/{name}: {status['ended']}")
    return 0


def _list(selector: str, *, as_json: bool) -> int:
    found = Daemon().request("GET", f"/v1/terminals?selector={quote(selected(selector))}")["terminals"]
    if as_json:
        sys.stdout.writelines(f"{json.dumps(terminal)}\n" for terminal in found)
    elif found:
        sys.stdout.writelines(f"{line}\n" for line in _lines(found, width(sys.stdout), colour=coloured(sys.stdout)))
    else:
        tell("there is no terminal", "`mooring term ALIAS` opens one")
    sys.stdout.flush()
    return 0


def _lines(found: Sequence[dict[str, Any]], room: int | None, *, colour: bool) -> Iterator[str]:
    drivers = [", ".join(one["actor"] for one in terminal["viewers"] if one["drives"]) for terminal in found]
    table = [
        Column("TERMINAL", [f"{terminal['alias']}/{terminal['name']}" for terminal in found]),
        Column("PROGRAM", [printable(terminal["program"] or "") for terminal in found]),
        Column("SIZE", [f"{terminal['columns']}x{terminal['rows']}" for terminal in found]),
        Column("AGE", [ago(time.time() - terminal["since"]) for terminal in found], right=True),
        Column("VIEWERS", [str(len(terminal["viewers"]) or "") for terminal in found], right=True),
        Column("DRIVEN BY", drivers),
        Column("OPENED BY", [terminal["opened_by"] for terminal in found]),
    ]
    heading, *rows = columns(table, room)
    yield paint(heading, "bold") if colour else heading
    yield from rows
