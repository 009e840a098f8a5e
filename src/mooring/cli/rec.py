"""``mooring rec``: what terminals showed, listed, played again, and taken elsewhere."""

from __future__ import annotations

import json
import math
import os
import re
import sys
import tempfile
import time
from fnmatch import fnmatchcase
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, TypeAlias
from urllib.parse import quote

import click

from ..client import Daemon
from ..model.errors import DaemonMismatch, InvalidInput, UnknownRecording
from .calls import Command, call_verb
from .copied import seconds, size
from .number import Number
from .plain import Plain
from .terminal import Column, ago, coloured, columns, paint, printable, tell, width

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = ["main"]

_USAGE: Final = """\
usage: mooring rec list|play|export|remove [-h] [...]

  list             the recordings that there are
  play ID          show one again, at its own pace
  export ID [FILE] write one as asciicast, or as plain text
  remove ID        let one go before its time

`mooring rec play -h` tells more.
"""
_NAMED: Final = 10
"""Damaged lines whose numbers are told."""
_Event: TypeAlias = tuple[float, str, str]
_NEXT: Final = "`mooring term ALIAS` makes one; [recordings] in the daemon's configuration says on which sessions"
_PLAYING: Final = """\b
Examples:
  mooring rec play 20260131-120000-0123abcd
  mooring rec play 20260131-120000-0123abcd --speed 4 --idle-limit 1
"""
_EXPORTING: Final = """\b
Examples:
  mooring rec export 20260131-120000-0123abcd edge1.cast
  asciinema play edge1.cast
  mooring rec export 20260131-120000-0123abcd --text | less
"""


def main(words: Sequence[str]) -> int:
    """List, play, export or remove recordings and return 0."""
    return call_verb("rec", _USAGE, {"list": _list, "play": _play, "export": _export, "remove": _remove}, words)


@click.command("rec list", cls=Command)
@click.option("--on", "alias", metavar="ALIAS", default="*", help="On which session; `*` and `?` as in file names.")
@click.option("--who", metavar="NAME", default="*", help="Whose, likewise.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, with all that is known.")
def _list(*, alias: str, who: str, as_json: bool) -> None:
    """Show the recordings, the oldest first; those that go on too. Times are UTC."""
    found = [
        one
        for one in Daemon().request("GET", "/v1/recordings")["recordings"]
        if fnmatchcase(one["alias"], alias) and fnmatchcase(one["who"], who)
    ]
    if as_json:
        sys.stdout.writelines(f"{json.dumps(one)}\n" for one in found)
    elif found:
        sys.stdout.writelines(f"{line}\n" for line in _lines(found, width(sys.stdout), colour=coloured(sys.stdout)))
    elif alias == who == "*":
        tell("there is no recording yet", _NEXT)
    else:
        tell("there is no such recording", "`mooring rec list` shows all that there are")
    sys.stdout.flush()


def _lines(found: Sequence[dict[str, Any]], room: int | None, *, colour: bool) -> Iterator[str]:
    now = time.time()
    table = [
        Column("ID", [one["id"] for one in found]),
        Column("SESSION", [one["alias"] for one in found]),
        Column("WHO", [printable(one["who"]) for one in found]),
        Column("BEGAN", [f"{ago(now - one['began'])} ago" for one in found]),
        Column("LASTED", ["goes on" if one["seconds"] is None else seconds(one["seconds"]) for one in found]),
        Column("SIZE", [size(one["bytes"]) for one in found], right=True),
        Column("WHAT", [one["what"] for one in found]),
        Column("TERMINAL", [f"{one['columns']}x{one['rows']}" for one in found]),
        Column("DOOR", [one["door"] for one in found]),
    ]
    heading, *rows = columns(table, room)
    yield paint(heading, "bold") if colour else heading
    yield from rows


@click.command("rec play", cls=Command, epilog=_PLAYING)
@click.option(
    "--speed",
    metavar="X",
    type=Number(0.01, 1000),
    default=1.0,
    show_default=True,
    help="So many times as fast as it was.",
)
@click.option(
    "--idle-limit",
    metavar="SECONDS",
    type=Number(0),
    help="Wait no longer for what comes next, before the speed is looked at.",
)
@click.argument("recording", metavar="ID")
def _play(recording: str, *, speed: float, idle_limit: float | None) -> int:
    """Show the recording ID again, as it was seen. Ctrl-C ends it.

    What it shows is what the far side sent to a terminal, without what yours would answer.
    """
    from .rec_play import Player  # noqa: PLC0415 - termios is not everywhere

    with tempfile.TemporaryFile() as file:  # the daemon waits for no slow reader
        file.writelines(_content(recording))
        file.seek(0)
        term, events = _read(file)
        _tell_size(term)
        code = Player(speed, idle_limit).play(events)
        if code == 0:
            file.seek(0)
            damaged: list[int] = []
            for _, kind, text in _read(file, damaged)[1]:
                if kind == "m" and text:
                    tell(f"mooring rec: {text}")
            _tell_damaged(damaged)
    return code


def _tell_size(term: dict[str, Any]) -> None:
    room = width(sys.stdout)
    if room is not None and (room < term["cols"] or os.get_terminal_size(sys.stdout.fileno()).lines < term["rows"]):
        tell(f"mooring rec: it was {term['cols']}x{term['rows']}, and may look odd on a smaller terminal")


def _tell_damaged(lines: Sequence[int]) -> None:
    if lines:
        some = ", ".join(map(str, lines[:_NAMED])) + (f" and {len(lines) - _NAMED} more" if len(lines) > _NAMED else "")
        tell(f"mooring rec: the recording is damaged: passed over {'lines' if len(lines) > 1 else 'line'} {some}")


@click.command("rec export", cls=Command, epilog=_EXPORTING)
@click.option("--text", "as_text", is_flag=True, help="What was shown, as plain text, without what fills a screen.")
@click.argument("recording", metavar="ID")
@click.argument("file", metavar="[FILE]", required=False)
def _export(recording: str, file: str | None, *, as_text: bool) -> None:
    """Write the recording ID, as asciicast 3, to FILE or to standard output. A FILE must not be there yet."""
    parts = _content(recording)
    lines = _as_text(parts) if as_text else parts
    if file is None:
        sys.stdout.flush()
        for part in lines:
            sys.stdout.buffer.write(part)
        sys.stdout.buffer.flush()
        return
    path = Path(file)
    first = next(lines, b"")  # nothing is made for what cannot be had
    try:
        target = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
    except OSError as error:
        raise InvalidInput(f"{file}: {error.strerror}", hint=_elsewhere(path, error)) from None
    try:
        with target:
            target.write(first)
            target.writelines(lines)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _elsewhere(path: Path, error: OSError) -> str:
    """What to do where a file cannot be made."""
    if isinstance(error, FileNotFoundError):
        return f"there is no folder {path.parent}: make it, or name another"
    return "name a file that is not there yet" if isinstance(error, FileExistsError) else "name another file"


def _as_text(parts: Iterable[bytes]) -> Iterator[bytes]:
    plain = Plain()
    damaged: list[int] = []
    with tempfile.TemporaryFile() as file:
        file.writelines(parts)
        file.seek(0)
        for _, code, text in _read(file, damaged)[1]:
            if code == "o" and (lines := plain.feed(text)):
                yield lines.encode("utf-8", "replace")
    yield plain.end().encode("utf-8", "replace")
    _tell_damaged(damaged)


@click.command("rec remove", cls=Command)
@click.argument("recordings", metavar="ID...", nargs=-1, required=True)
def _remove(recordings: tuple[str, ...]) -> None:
    """Let recordings go before their time; none that goes on."""
    for recording in recordings:
        Daemon().request("DELETE", _path(recording))


def _path(recording: str) -> str:
    if not re.fullmatch(r"[\w-]+", recording):
        message = f"{printable(recording)} is no id of a recording"
        raise UnknownRecording(message, hint="`mooring rec list` shows all that there are")
    return f"/v1/recordings/{quote(recording, safe='')}"


def _content(recording: str) -> Iterator[bytes]:
    return Daemon().content("GET", _path(recording))


def _read(file: IO[bytes], damaged: list[int] | None = None) -> tuple[dict[str, Any], Iterator[_Event]]:
    """The terminal of a recording, and its events; the numbers of lines that are none are added to ``damaged``."""
    try:
        term = json.loads(file.readline())["term"]
        return {"cols": int(term["cols"]), "rows": int(term["rows"])}, _events(file, [] if damaged is None else damaged)
    except (ValueError, TypeError, KeyError):
        raise DaemonMismatch("that is no recording", hint="use the same version of mooring as the daemon") from None


def _events(file: IO[bytes], damaged: list[int]) -> Iterator[_Event]:
    for number, line in enumerate(file, 2):
        try:
            interval, code, text = json.loads(line)
            event = float(interval), str(code), str(text)
        except (ValueError, TypeError, OverflowError, RecursionError):
            damaged.append(number)
            continue
        if math.isfinite(event[0]):
            yield event
        else:
            damaged.append(number)
