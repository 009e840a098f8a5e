"""``mooring cp``: files to hosts, from them, or between them. The daemon opens the files of its own user itself."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import sys
from typing import TYPE_CHECKING, Any, Final

import click

from ..client import Daemon
from ..model.errors import DaemonUnreachable, InvalidInput
from ..model.problem import from_problem
from .calls import Command, call
from .copied import Shown
from .failures import advice, exit_code
from .number import Number
from .selection import selected
from .terminal import tell

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

__all__ = ["main", "place"]

_INTERRUPTED: Final = 130
_FEW: Final = 3
_RATE: Final = re.compile(r"(\d+(?:\.\d+)?)([kKmMgG]?)")
_EXAMPLES: Final = """\b
Examples:
  mooring cp report.txt edge1:/tmp/
  mooring cp -r edge1:/etc/frr ./backup/
  mooring cp edge1:/var/tmp/image.tgz edge2:/var/tmp/ --resume
  mooring cp motd '[site:ams]:/etc/motd'
  mooring cp '*.conf' 'edge*:conf.d/'
  mooring cp 'edge*:/var/log/syslog' logs/
"""


def main(words: Sequence[str]) -> int:
    """Copy files and return 0, or 1 where some were not copied."""
    return call(_cp, words)


@click.command("cp", cls=Command, epilog=_EXAMPLES)
@click.argument("places", nargs=-1, required=True, metavar="SOURCE... TARGET")
@click.option("-r", "--recurse", is_flag=True, help="Folders with what is in them.")
@click.option("-p", "--preserve", is_flag=True, help="Keep permission bits and times.")
@click.option(
    "--links",
    type=click.Choice(["keep", "follow", "skip"]),
    default="keep",
    help="In folders: make links (the default), copy what they lead to, or leave them out.",
)
@click.option("--resume", is_flag=True, help="Keep what is there when it breaks off, and go on with it.")
@click.option("--checksum", is_flag=True, help="Compare the SHA-256 of every copy.")
@click.option("--limit", metavar="RATE", help="Bytes a second to each host, as in 500k or 2M.")
@click.option("--timeout", type=Number(0, 10**9, min_open=True), metavar="SECONDS", help="For each host; none.")
@click.option("--concurrency", type=click.IntRange(1, 1000), metavar="N", help="Hosts at once; 10.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line: each step.")
def _cp(places: tuple[str, ...], *, as_json: bool, limit: str | None, **how: Any) -> int:
    """Copy files.

    A place is a path here, or ALIAS:PATH, relative to the home there. A target may name many hosts: 'edge*:PATH',
    a,b:PATH, or with brackets any selector: '[site:ams]:PATH'. So may sources that are copied here: each host then gets
    a folder of its name. Several sources, or a / at its end, make the target a folder. Patterns that the shell left
    alone are expanded where the files are.
    """
    if len(places) < 2:
        raise click.UsageError("it takes a source and a target")
    *sources, target = [place(word) for word in places]
    if any("session" in source and not source["session"] for source in [*sources, target]):
        raise InvalidInput("no alias stands before the colon", hint="write ./:NAME for a file here")
    body: dict[str, Any] = {"sources": sources, "target": target}
    body |= {name: value for name, value in how.items() if value is not None}
    if limit is not None:
        body["limit"] = _rate(limit)
    return _copy(body, as_json=as_json)


def place(word: str) -> dict[str, Any]:
    """A place on the command line as the daemon takes it: without ``session`` it is here, from the root."""
    if word.startswith("[") and "]:" in word:
        selector, _, path = word[1:].partition("]:")
        return {"session": selected(selector), "path": _carried(path)}
    selector, colon, path = word.partition(":")
    if colon and "/" not in selector:
        return {"session": selected(selector) if selector else "", "path": _carried(path)}
    absolute = os.path.join(os.getcwd(), os.path.expanduser(word))  # noqa: PTH109, PTH111, PTH118 - it keeps a / at its end
    return {"path": _carried(absolute)}


def _carried(path: str) -> str | dict[str, str]:
    """A path as JSON can carry it: on the command line it need be no text."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return {"base64": base64.b64encode(os.fsencode(path)).decode("ascii")}
    return path


def _rate(text: str) -> float:
    found = _RATE.fullmatch(text)
    rate = float(found[1]) * 1000 ** " kmg".index(found[2].lower() or " ") if found else 0.0
    if not rate:
        raise InvalidInput(f"{text!r} is no rate", hint="write bytes a second, as in 500k or 2M")
    return rate


def _copy(body: dict[str, Any], *, as_json: bool) -> int:
    code = failed = 0
    shown = Shown(quiet=as_json)
    try:
        with contextlib.closing(_lines(body)) as lines:
            for line in lines:
                if as_json:
                    sys.stdout.write(f"{json.dumps(line, ensure_ascii=False)}\n")
                    sys.stdout.flush()
                if "progress" in line:
                    shown.progress(line["alias"], line["progress"])
                elif "done" in line:
                    shown.done(line["alias"], line["done"])
                    failed += line["done"]["failed"]
                elif problem := line.get("error") or line.get("failed"):
                    error = from_problem(problem)
                    shown.clear()
                    tell(f"mooring cp: {error.message}", advice(error))
                    failed += 1
                    code = exit_code(error) if "failed" in line else code
    except KeyboardInterrupt:
        shown.clear()
        files = ", ".join(sorted(set(shown.paths.values()))[:_FEW]) or "what was under way"
        becomes = "--resume goes on with" if body["resume"] else "taken away, since not whole"
        tell(f"mooring cp: interrupted; {becomes}: {files}")
        return _INTERRUPTED
    finally:
        shown.clear()
    several = shown.finished > 0 or code == 0
    return int(failed > 0) if several else code


def _lines(body: dict[str, Any]) -> Generator[dict[str, Any]]:
    with contextlib.closing(Daemon().lines("POST", "/v1/copy", body)) as lines:
        for line in lines:
            if "summary" in line:
                return
            yield line
            if "alias" not in line:
                return
    raise DaemonUnreachable("the daemon went away before all was copied", hint="see `mooring status`")
