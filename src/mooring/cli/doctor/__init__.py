"""``mooring doctor``: what stands in the way, and the next step for each."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from ... import __version__
from ...client import Daemon, paths
from ...daemon.config import Options, load
from ...model.errors import MooringError
from ...model.selector import Selector
from ..calls import Command, call
from ..terminal import coloured, hint, paint, printable
from . import keys, machine, state
from .finding import START, Ground, fail, ok, warn
from .listeners import listeners
from .sessions import sessions

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ...daemon.config import Settings
    from .finding import Finding

__all__ = ["main"]

_PLACE: Final = ("config", "state_dir", "socket")
_TRAIL: Final = re.compile(r"^mooring_audit_(\S+) (\S+)$", re.MULTILINE)
_COLOURS: Final = {"ok": "green", "warn": "yellow", "fail": "red"}
_EXAMPLES: Final = """\b
Examples:
  mooring doctor
  mooring doctor --select site:ams
  mooring doctor --json | jq 'select(.verdict != "ok")'
"""


def main(words: Sequence[str]) -> int:
    """Print what was found, and return 0, or 1 where something must be mended."""
    return call(_doctor, words)


@click.command("doctor", cls=Command, epilog=_EXAMPLES)
@click.option("--select", metavar="SELECTOR", default="all", help="The sessions to look at: those that are not up.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def _doctor(*, select: str, as_json: bool) -> int:
    """Look at the daemon and at what it needs, as far as this user and this shell can see it."""
    Selector.parse(select)
    failed = False
    colour = coloured(sys.stdout)
    for finding in _findings(select):
        failed = failed or finding.verdict == "fail"
        sys.stdout.write(json.dumps(finding._asdict()) + "\n" if as_json else _lines(finding, colour=colour))
        sys.stdout.flush()
    return int(failed)


def _lines(finding: Finding, *, colour: bool) -> str:
    verdict = f"{finding.verdict:4}"
    verdict = paint(verdict, _COLOURS[finding.verdict]) if colour else verdict
    advice = f"{hint(finding.hint)}\n" if finding.hint else ""
    return f"{verdict}  {finding.check:11}  {printable(finding.detail)}\n{advice}"


def _findings(select: str) -> Iterator[Finding]:
    finding, place, told = _daemon()
    yield finding
    options = Options() if place is None else Options(**{name: place[name] for name in _PLACE})
    ground = Ground(settings=None, state=Path(options.state_dir or paths.state_dir()), **told)
    if place is not None and _elsewhere(ground, place["pid"]):
        yield ok("state", f"{ground.state} is not on this machine: run `mooring doctor` where mooringd runs")
        yield from machine.tokens(ground)
        yield from asyncio.run(sessions(ground, select))
        return
    finding, settings = _config(options)
    yield finding
    if settings is not None:
        ground = replace(ground, settings=settings, state=settings.state_dir)
    yield from listeners(ground)
    yield from state.permissions(ground)
    yield state.disk(ground)
    yield from state.trail(ground)
    yield from state.tls(ground)
    yield machine.clock(ground)
    yield from machine.tokens(ground)
    yield keys.ssh_config(ground)
    yield from keys.known_hosts(ground)
    yield asyncio.run(keys.agent())
    yield from keys.key_files(ground)
    yield from keys.password_files(ground)
    yield from machine.programs()
    yield machine.descriptors(ground)
    yield from asyncio.run(sessions(ground, select))


def _daemon() -> tuple[Finding, dict[str, Any] | None, dict[str, Any]]:
    """Whether it answers, where it runs, and what it tells of its sessions and tokens."""
    daemon = Daemon()
    try:
        its = daemon.request("GET", "/v1/version")["version"]
        daemon.request("GET", "/readyz")
    except MooringError as error:
        return fail("daemon", error.message, error.hint or START), None, {}
    place, told = None, dict[str, Any](answers=True)
    with contextlib.suppress(MooringError, KeyError):  # all but the first are for those who may do everything
        told["sessions"] = {one["alias"]: one for one in daemon.request("GET", "/v1/sessions")["sessions"]}
        place = daemon.request("GET", "/v1/daemon")
        told["doors"] = place.get("doors")
        told["tokens"] = tuple(daemon.request("GET", "/v1/tokens")["tokens"])
        numbers = b"".join(daemon.content("GET", "/metrics")).decode()
        told["trail"] = {name: float(number) for name, number in _TRAIL.findall(numbers)}
    if its != __version__:
        detail = f"mooringd is version {its}, and this is {__version__}"
        step = "restart it after an upgrade; that costs every session a moment"
        return warn("daemon", detail, step), place, told
    return ok("daemon", f"mooringd {its} answers, and has brought its sessions back"), place, told


def _elsewhere(ground: Ground, pid: int) -> bool:
    """Whether the state directory of the daemon that answers is not to be found here, by its lock."""
    try:
        return not (ground.state / "lock").exists() or ground.pid not in {pid, None}
    except OSError:
        return False  # another user's


def _config(options: Options) -> tuple[Finding, Settings | None]:
    """The configuration of the daemon, or the one that a daemon of this user would read."""
    try:
        settings = load(options)
    except MooringError as error:
        return fail("config", error.message, error.hint or "mend it: mooringd does not start so"), None
    if settings.config is None:
        return ok("config", f"none; it would be {paths.config_file()}"), settings
    return ok("config", f"{settings.config} can be honoured"), settings
