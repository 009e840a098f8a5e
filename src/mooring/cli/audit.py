"""``mooring audit``: what was done, by whom, and whether the records of it still hold together."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

import click

from ..client import Daemon
from ..sshconfig.values import duration
from .calls import Command, call
from .terminal import printable, tell

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["main"]

_PAGE: Final = 1000
_EXAMPLES: Final = """\b
Examples:
  mooring audit                                  the last hundred records
  mooring audit --who ci --since 1d
  mooring audit --what files --on 'edge*' --outcome refused
  mooring audit --json --limit 0 > trail.jsonl   all of it, oldest first
  mooring audit verify                           whether every record is there, and as it was written
  mooring audit verify --state-dir DIR           the same without a daemon
"""


def main(words: Sequence[str]) -> int:
    """Show records, or check them all; returns 0, and 1 where they do not hold together."""
    if words[:1] == ["verify"]:
        return call(_verify, words[1:])
    return call(_show, words)


def _instant(_context: object, _option: object, text: str | None) -> float | None:
    """So long ago, or a date and time as ISO 8601 has them, UTC where they do not say."""
    if text is None:
        return None
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        pass
    else:
        return (when if when.tzinfo is not None else when.replace(tzinfo=UTC)).timestamp()
    try:
        ago = duration(text)
    except ValueError:
        ago = None
    if ago is None:
        raise click.BadParameter("it is neither a time ago, as 90, 10m, 12h, 30d, nor a date, as 2026-01-31T12:00")
    return time.time() - ago


@click.command("audit", cls=Command, epilog=_EXAMPLES)
@click.option("--who", metavar="NAME", help="Whose; `*` and `?` as in file names.")
@click.option("--what", metavar="WHAT", help="What was done, or an action with all of its kinds: files, admin.token.")
@click.option("--on", "alias", metavar="ALIAS", help="On which session; `*` and `?` as in file names.")
@click.option("--outcome", type=click.Choice(["begun", "done", "failed", "cancelled", "refused"]), help="How it ended.")
@click.option("--since", metavar="TIME", callback=_instant, help="Not before: 10m, 12h, 30d ago, or 2026-01-31T12:00.")
@click.option("--until", metavar="TIME", callback=_instant, help="Before, likewise.")
@click.option(
    "--limit",
    metavar="N",
    type=click.IntRange(0),
    default=100,
    show_default=True,
    help="The last so many; 0 for all.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, with its hash.")
def _show(*, limit: int, as_json: bool, **asked: Any) -> None:
    """Show what was done, by whom, the oldest first. Times are UTC.

    What takes time has two records: one as it began, one that tells how it ended.
    """
    wanted = {name: value for name, value in asked.items() if value is not None}
    shown = False
    for record in _all(wanted) if limit == 0 else reversed(_last(wanted, limit)):
        sys.stdout.write(f"{json.dumps(record) if as_json else _line(record)}\n")
        shown = True
    sys.stdout.flush()
    if not shown and not as_json:
        tell("there is no such record")


def _last(wanted: dict[str, Any], limit: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    start: dict[str, int] = {}
    while len(found) < limit:
        page = _page({**wanted, **start, "limit": min(limit - len(found), _PAGE)})
        found += page["records"]
        if page["next"] is None:
            break
        start = {"start": page["next"]}
    return found


def _all(wanted: dict[str, Any]) -> Iterator[dict[str, Any]]:
    start: dict[str, int] = {}
    while True:
        page = _page({**wanted, **start, "limit": _PAGE, "order": "oldest"})
        yield from page["records"]
        if page["next"] is None:
            return
        start = {"start": page["next"]}


def _page(query: dict[str, Any]) -> dict[str, Any]:
    page: dict[str, Any] = Daemon().request("GET", f"/v1/audit?{urlencode(query)}")
    return page


def _line(record: dict[str, Any]) -> str:
    when = datetime.fromtimestamp(record["at"], UTC).strftime("%Y-%m-%d %H:%M:%S")
    of = "" if record["of"] is None else f" of {record['of']}"
    words = [record["who"] or "-", record["what"], record["alias"] or "-", f"{record['outcome']}{of}"]
    detail = " ".join(f"{name}={_value(value)}" for name, value in record["detail"].items())
    return printable(f"{record['seq']:>6} {when} {' '.join(words)} {detail}".rstrip())


def _value(value: object) -> str:
    return value if isinstance(value, str) and value and " " not in value else json.dumps(value, ensure_ascii=False)


@click.command("audit verify", cls=Command)
@click.option(
    "--head",
    metavar="NUMBER:HASH",
    help="An end that you have kept elsewhere, which must be in the chain: what a check before has printed.",
)
@click.option(
    "--state-dir",
    metavar="DIR",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Check what is in the state directory of a daemon that does not run, instead of asking one.",
)
@click.option("--json", "as_json", is_flag=True, help="What was found, as JSON.")
def _verify(head: str | None, state_dir: Path | None, *, as_json: bool) -> int:
    """Check every record, and print the end of the chain; keep that elsewhere. 1 where something is wrong."""
    report: dict[str, Any]
    if state_dir is None:
        query = "" if head is None else "?" + urlencode({"head": head})
        report = Daemon().request("GET", f"/v1/audit/verify{query}")
    else:
        report = _verified(state_dir, head)
    if as_json:
        sys.stdout.write(f"{json.dumps(report)}\n")
    else:
        for fault in report["faults"]:
            sys.stdout.write(f"{fault['kind']}: {fault['message']}\n")
        if not report["faults"]:
            sys.stdout.write(f"{report['records']} records hold together\n")
        sys.stdout.write(f"the end: {report['last']}:{report['hash']}\n")
    sys.stdout.flush()
    return int(bool(report["faults"]))


def _verified(state_dir: Path, head: str | None) -> dict[str, Any]:
    from ..model.audit import Head  # noqa: PLC0415 - only here is SQLite needed
    from ..store.audit.reading import verify_files  # noqa: PLC0415 - likewise

    known = None
    if head is not None:
        seq, _, digest = head.partition(":")
        if not seq.isdecimal() or not digest:
            raise click.BadParameter("it is NUMBER:HASH, as a check before has told it", param_hint="--head")
        known = Head(int(seq), digest)
    return asdict(verify_files(state_dir, known))
