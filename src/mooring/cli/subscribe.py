"""``mooring subscribe``: the notifications of devices, as they come."""

from __future__ import annotations

import json
import sys
from queue import Queue
from threading import Thread
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

import click

from ..client import Daemon
from ..model.errors import DaemonUnreachable, MooringError
from ..model.problem import to_problem
from .calls import Command, call
from .fanout import aliases
from .get_config import prefixes
from .request import complained, secure, text_of
from .terminal import coloured, paint, printable, tell

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["main"]

_WAITING: Final = 1000
"""Notifications that wait here for the terminal; the rest waits in the daemon, which counts what it drops."""
_EXAMPLES: Final = """\b
Examples:
  mooring subscribe edge1
  mooring subscribe site:ams --json | jq -r .xml
  mooring subscribe edge1 --start 2026-11-21T00:00:00Z --stop 2026-11-21T12:00:00Z

\b
Exit codes: 0 after Ctrl-C, or when all had their end (--stop), 1 some failed,
2 usage, 255 no session.
"""


def main(words: Sequence[str]) -> int:
    """Print notifications until Ctrl-C, and return 0 then: it is how following ends, so nothing was interrupted."""
    try:
        return call(_subscribe, words)
    except KeyboardInterrupt:
        return 0


@click.command("subscribe", cls=Command, epilog=_EXAMPLES)
@click.argument("selector")
@click.option("--stream", help="Of which stream; the device's NETCONF by default.")
@click.option("--filter", "subtree", metavar="XML", help="A subtree; @FILE and - as `rpc` has them.")
@click.option("--xpath", help="An XPath expression, in its place.")
@click.option("--ns", multiple=True, metavar="PREFIX=URI", help="A prefix in it; may be repeated.")
@click.option("--start", metavar="TIME", help="Those since then as well (RFC 3339), where the device has a replay.")
@click.option("--stop", metavar="TIME", help="None after that, and then the end; takes --start.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def _subscribe(selector: str, subtree: str | None, ns: tuple[str, ...], *, as_json: bool, **asked: str | None) -> int:
    """Follow the notifications of one session, or of all that SELECTOR means, until Ctrl-C.

    A subscription comes back with its session; what may be missing then is told on standard error.
    """
    prefixes(ns)
    pairs = [(name, text) for name, text in asked.items() if text is not None] + [("ns", text) for text in ns]
    if subtree is not None:
        pairs.append(("filter", text_of(subtree)))
    daemon = Daemon()
    names = aliases(daemon, selector)
    shown = _Shown(as_json=as_json, several=len(names) > 1)
    codes = [0]
    for alias, told in _follow(daemon, names, urlencode(pairs)):
        if isinstance(told, MooringError):
            codes.append(shown.error(alias, told))
        else:
            shown.notification(told)
    return codes[-1] if len(names) == 1 else int(any(codes))


def _follow(daemon: Daemon, names: Sequence[str], query: str) -> Iterator[tuple[str, dict[str, Any] | MooringError]]:
    """What comes of each session, as it comes, until all have ended. A thread reads each, and ends with the process."""
    came: Queue[tuple[str, dict[str, Any] | Exception | None]] = Queue(_WAITING)

    def read(alias: str) -> None:
        try:
            last: Exception | None = DaemonUnreachable("the daemon ended the stream", hint="it may have been stopped")
            for name, value in daemon.events(f"/v1/sessions/{secure(alias)}/netconf/notifications?{query}"):
                if name == "notification":
                    came.put((alias, value))
                elif name == "subscribed":
                    last = None
        except Exception as error:  # noqa: BLE001 - raised where it is asked for
            last = error
        came.put((alias, last))

    for alias in names:
        Thread(target=read, args=(alias,), daemon=True).start()
    left = len(names)
    while left:
        alias, told = came.get()
        if isinstance(told, Exception) and not isinstance(told, MooringError):
            raise told
        left -= not isinstance(told, dict)
        if told is not None:
            yield alias, told


class _Shown:
    """Where notifications go.

    Args:
        as_json: As objects.
        several: Whether they are of several sessions.
    """

    def __init__(self, *, as_json: bool, several: bool) -> None:
        self._json = as_json
        self._several = several

    def notification(self, told: Mapping[str, Any]) -> None:
        """One came."""
        if told["lost"]:
            tell(f"{told['alias']}: {told['lost']} notifications were dropped here: nobody took them")
        if told["gap"]:
            tell(f"{told['alias']}: some may be missing here: the connection was lost, and the device has no replay")
        if self._json:
            sys.stdout.write(f"{json.dumps(told, ensure_ascii=False)}\n")
        elif sys.stdout.isatty():
            sys.stdout.write(self._line(told))
        else:
            before = f"<!-- {told['alias']} -->\n" if self._several else ""
            sys.stdout.write(f"{before}{told['xml'].strip()}\n")
        sys.stdout.flush()

    def _line(self, told: Mapping[str, Any]) -> str:
        """``2026-11-21T10:50:01Z  edge1  <netconf-config-change>...``."""
        from ..wire.netconf.xml import local_name, parse  # noqa: PLC0415 - lxml is loaded by who needs it
        from .markup import shown  # noqa: PLC0415

        root = parse(told["xml"].encode())
        head = f"{printable(told['event_time'])}  {told['alias']}"
        colour = coloured(sys.stdout)
        events = [child for child in root if local_name(child) not in {"", "eventTime"}]
        text = "".join(shown(event, colour=colour) for event in events)
        return f"{paint(head, 'bold') if colour else head}\n{text}"

    def error(self, alias: str, error: MooringError) -> int:
        """Why there are no more; the exit code."""
        if self._json:
            sys.stdout.write(f"{json.dumps({'alias': alias, 'error': to_problem(error)})}\n")
            sys.stdout.flush()
        return complained("subscribe", alias, error, several=self._several)
