"""``mooring events``: what happens to the sessions, as it happens."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import click

from ..client import Daemon
from ..model.errors import DaemonError, DaemonUnreachable
from .calls import Command, call
from .selection import selected
from .terminal import printable, summary, tell

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

__all__ = ["main"]

_PAUSE: Final = 1.0
"""Seconds before a stream that broke is asked for again: a daemon that cuts each one at once is not pestered."""
_EXAMPLES: Final = """\b
Examples:
  mooring events                  everything
  mooring events site:ams
  mooring events --json | jq -c 'select(.state == "parked")'
"""


def main(words: Sequence[str]) -> int:
    """Print events until Ctrl-C, and return 0 then: it is how following ends, so nothing was interrupted."""
    try:
        return call(_events, words)
    except KeyboardInterrupt:
        return 0


@click.command("events", cls=Command, epilog=_EXAMPLES)
@click.argument("selector", default="all")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, first a snapshot of all sessions.")
def _events(selector: str, *, as_json: bool) -> None:
    """Follow what happens to sessions until Ctrl-C. Times are UTC."""
    path = f"/v1/events?selector={quote(selected(selector))}"
    for lines in map(_as_json if as_json else _Story().tell, _follow(Daemon(), path)):
        sys.stdout.writelines(f"{line}\n" for line in lines)
        sys.stdout.flush()


def _follow(daemon: Daemon, path: str) -> Iterator[tuple[str, Any]]:
    """Names and values of events. A stream that breaks is asked for again, once each: it begins with a snapshot.

    Somebody may have stopped the terminal for an hour. The daemon does not keep events that long for who does not
    read, and ends the stream.
    """
    while True:
        begun = False
        try:
            for name, value in daemon.events(path):
                begun = True
                yield name, value
            raise DaemonUnreachable("the daemon ended the stream", hint="it may have been stopped")
        except DaemonError as error:
            if not begun:
                raise
            tell(f"mooring events: {error.message}; asking again, and some events may be missing here")
        time.sleep(_PAUSE)


def _as_json(event: tuple[str, Any]) -> Iterable[str]:
    name, value = event
    yield json.dumps({"kind": name, **value})


class _Story:
    """Events as lines for people, and what changed where some were missed."""

    def __init__(self) -> None:
        self._states: dict[str, str] = {}
        self._begun = False

    def tell(self, event: tuple[str, Any]) -> Iterable[str]:
        """The lines of one event."""
        name, value = event
        if name == "snapshot":
            yield from self._compare(value["sessions"])
            return
        if name == "state":
            self._states[value["alias"]] = value["state"]
            if value["state"] == "closed":
                del self._states[value["alias"]]
        yield _line(value)

    def _compare(self, sessions: Sequence[dict[str, Any]]) -> Iterator[str]:
        """A first snapshot is summed up; of a later one, what differs is told."""
        before, self._states = self._states, {session["alias"]: session["state"] for session in sessions}
        if not self._begun:
            self._begun = True
            tell(f"{summary(sessions) if sessions else 'no session yet'}; following, Ctrl-C ends")
            return
        for session in sessions:
            if before.get(session["alias"]) != session["state"]:
                yield _line({**session, "at": session["since"], "previous": before.get(session["alias"])})
        for alias, state in before.items():
            if alias not in self._states:
                gone = {"alias": alias, "state": "closed", "previous": state, "reason": "it is held no longer"}
                yield _line({**gone, "at": time.time()})


def _line(event: Mapping[str, Any]) -> str:
    """``2026-11-21T10:50:01Z  edge1  up -> backoff: why``."""
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(event["at"]))
    change = ""
    if event.get("state"):
        change = f"{event['previous']} -> {event['state']}: " if event.get("previous") else f"{event['state']}: "
    return f"{at}  {event['alias'] or '-'}  {printable(change + event['reason'])}"
