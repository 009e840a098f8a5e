"""``mooring status``: how the sessions stand, and what to do about those that do not."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, unquote

import click

from ..client import Daemon
from .calls import Command, call
from .selection import selected
from .terminal import Column, ago, brief, coloured, columns, hint, next_step, paint, printable, summary, tell, width

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

__all__ = ["main"]

_COLOURS: Final = {"up": "green", "parked": "red", "closed": "dim"}
_EXAMPLES: Final = """\b
Examples:
  mooring status                     every session
  mooring status 'site:ams,!edge9'   those that a selector means
  mooring status --wide              with what devices told of themselves
  mooring status edge1 --json        everything about one, for machines
"""


def main(words: Sequence[str]) -> int:
    """Print how sessions stand and return 0, whatever their state."""
    return call(_status, words)


@click.command("status", cls=Command, epilog=_EXAMPLES)
@click.argument("selector", default="all")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, with all that is known.")
@click.option("--wide", is_flag=True, help="More columns, as wide as they come.")
def _status(selector: str, *, as_json: bool, wide: bool) -> None:
    """Show how sessions stand; for those that are not up, why, and what to do."""
    sessions = Daemon().request("GET", f"/v1/sessions?selector={quote(selected(selector))}")["sessions"]
    if as_json:
        sys.stdout.writelines(f"{json.dumps(session)}\n" for session in sessions)
        return
    if not sessions:
        tell("no session is held", "`mooring start TARGET` holds one")
        return
    colour = coloured(sys.stdout)
    room = None if wide else width(sys.stdout)
    sys.stdout.writelines(f"{line}\n" for line in _lines(sessions, wide=wide, room=room, colour=colour))
    sys.stdout.flush()
    tell(summary(sessions))


def _lines(sessions: Sequence[dict[str, Any]], *, wide: bool, room: int | None, colour: bool) -> Iterator[str]:
    heading, *rows = columns(_table(sessions, wide=wide, paint_state=_paint_state if colour else None), room)
    yield paint(heading, "bold") if colour else heading
    for row, session in zip(rows, sessions, strict=True):
        yield row
        if session["state"] != "up":
            retry = session["retry_in"]
            soon = "" if retry is None else f"; next attempt in {brief(retry)}"
            away = f"away for {ago(time.time() - session['since'])}: " if session["state"] == "awaiting" else ""
            yield f"  {away}{printable(session['reason'])}{soon}"
            if advice := next_step(session):
                yield hint(advice)


def _table(sessions: Sequence[dict[str, Any]], *, wide: bool, paint_state: Callable[[str], str] | None) -> list[Column]:
    now = time.time()
    table = [
        Column("ALIAS", [session["alias"] for session in sessions]),
        Column("STATE", [session["state"] for session in sessions], paint=paint_state),
        Column("FOR", [ago(now - session["since"]) for session in sessions], right=True),
        Column("NOTE", [_note(session) for session in sessions]),
        Column("HOST", [_host(session) for session in sessions]),
        Column("PING", ["" if session["ping"] is None else brief(session["ping"]) for session in sessions], right=True),
        Column("RUNS", [str(session["commands"] or "") for session in sessions], right=True),
    ]
    if wide:
        table += [
            Column("LABELS", [",".join(session["labels"]) for session in sessions]),
            Column("VIA", [",".join(session["via"]) for session in sessions]),
            Column("SERVER", [printable(session["server"] or "") for session in sessions]),
            Column("CIPHER", [session["algorithms"].get("cipher", "") for session in sessions]),
            Column("HOST KEY", [session["host_key"] or "" for session in sessions]),
            Column("FACTS", [_facts(session) for session in sessions]),
        ]
    return table


def _host(session: dict[str, Any]) -> str:
    """``user@host:port`` of the target, which holds no password but perhaps its mask; where a device called from."""
    place = str(session["target"]).partition("://")[2].partition("?")[0]
    user, at, host = place.rpartition("@")
    if session["direction"] == "called-home":
        host = session["peer"] or ""
    return f"{printable(unquote(user.partition(':')[0]))}{at}{host}"


def _note(session: dict[str, Any]) -> str:
    """What somebody has to know who trusts this session."""
    notes = ["called home"] if session["direction"] == "called-home" else []
    notes += ["host key unchecked"] if session["host_key_policy"] == "off" else []
    notes += ["old algorithms"] if session["legacy"] else []
    abandoned = session["channels"].get("abandoned", 0)
    return ", ".join(notes + ([f"{abandoned} abandoned"] if abandoned else []))


def _facts(session: dict[str, Any]) -> str:
    """What the peer told of itself."""
    return printable(", ".join(f"{name}={value}" for name, value in session["facts"].items() if value is not None))


def _paint_state(cell: str) -> str:
    return paint(cell, _COLOURS.get(cell.rstrip(), "yellow"))
