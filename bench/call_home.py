"""Devices that call home beside what their users have: ``make bench WHAT=call_home``.

A hundred simulated Junos devices call at once and are asked for their facts, by us and by junospyez-ossh-server with
PyEZ; then, by us alone, a thousand, five thousand that are held, and one among five thousand strangers. The results are
printed as Markdown; ``--write`` keeps them in ``bench/RESULTS-call_home.md``.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from bench.homecoming import SECRET
from bench.machine import Machine
from bench.programs import ROOT
from bench.tables import Spread, at_least, at_most, table

if TYPE_CHECKING:
    from collections.abc import Iterator

_OURS: Final = "mooring"
_THEIRS: Final = "junospyez-ossh-server"
_KB: Final = 1000


@dataclass(frozen=True)
class Size:
    """How much is measured.

    Attributes:
        rounds: How often each contender takes its turn.
        devices: That call at once, for both.
        many: That call at once, for us.
        held: That are held.
        idle: Seconds over which they are watched.
        strangers: Connections that stand in the door while a device calls.
    """

    rounds: int
    devices: int
    many: int
    held: int
    idle: float
    strangers: int


FULL: Final = Size(rounds=3, devices=100, many=1000, held=5000, idle=30.0, strangers=5000)
QUICK: Final = Size(rounds=1, devices=30, many=300, held=500, idle=16.0, strangers=5000)


class Contender:
    """One contender's program."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def read(self) -> Any:  # noqa: ANN401 - JSON
        """Its next line."""
        assert self._process.stdout is not None  # noqa: S101 - a pipe
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the contender ended before its time")
        return json.loads(line)

    def usage(self) -> Any:  # noqa: ANN401 - JSON
        """Its memory and CPU now."""
        assert self._process.stdin is not None  # noqa: S101 - a pipe
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return self.read()


@contextlib.contextmanager
def homecoming(name: str, count: int, *, facts: bool = True) -> Iterator[tuple[Contender, dict[str, Any]]]:
    """So many devices call a contender; what that took, when all are there."""
    command = [sys.executable, "-m", "bench.homecoming", name, str(count), "facts" if facts else "up"]
    with contextlib.ExitStack() as stack:
        process = stack.enter_context(_program(command))
        contender = Contender(process)
        port = contender.read()["port"]
        devices = [sys.executable, "-m", "mooring.simulate", "junos", "--count", str(count), "--secret", SECRET]
        stack.enter_context(_program([*devices, "--call-home", f"127.0.0.1:{port}", "--reconnect", "15"], quiet=True))
        yield contender, contender.read()


@contextlib.contextmanager
def _program(command: list[str], *, quiet: bool = False) -> Iterator[subprocess.Popen[str]]:
    # What thousands of devices say of themselves would fill a pipe that nobody reads.
    out = subprocess.DEVNULL if quiet else subprocess.PIPE
    process = subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=out, stderr=subprocess.DEVNULL, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def measure_both(size: Size) -> dict[str, list[dict[str, Any]]]:
    """Both contenders in turn."""
    found: dict[str, list[dict[str, Any]]] = {_OURS: [], _THEIRS: []}
    for _ in range(size.rounds):
        for name, rounds in found.items():
            with homecoming(name, size.devices) as (_, result):
                rounds.append(result)
    return found


def measure_held(size: Size) -> dict[str, float]:
    """Devices that are held: memory of each, and the CPU that keepalives take."""
    with homecoming(_OURS, size.held, facts=False) as (contender, result):
        before = contender.usage()
        time.sleep(size.idle)
        after = contender.usage()
    return {
        "memory": (after["rss"] - result["before"]) / size.held / _KB,
        "cpu": (after["cpu"] - before["cpu"]) / size.idle,
        "rate": size.held / result["seconds"],
    }


def measure_strangers(size: Size) -> float:
    """Seconds until a device is in, the slower of one that calls while strangers come and one when all are there."""
    with _program([sys.executable, "-m", "bench.homecoming", _OURS, "1", "up"]) as process:
        port = Contender(process).read()["port"]
        words = [sys.executable, "-m", "bench.strangers", str(port), str(size.strangers)]
        with _program(words) as strangers:
            return float(max(Contender(strangers).read().values()))


def render(
    size: Size,
    both: dict[str, list[dict[str, Any]]],
    many: dict[str, Any],
    held: dict[str, float],
    strangers: float,
) -> str:
    """The results as Markdown."""
    pairs = list(zip(both[_OURS], both[_THEIRS], strict=True))
    rate = Spread.of([theirs["seconds"] / ours["seconds"] for ours, theirs in pairs])
    sooner = Spread.of([_median(theirs) / _median(ours) for ours, theirs in pairs])
    lines = [
        "# Devices that call home",
        "",
        Machine.here().system,
        "",
        f"## {size.devices} at once, until each has told its facts",
        "",
        *table(["", "devices/s", "p50 s", "p99 s", "threads"], [_row(name, both[name]) for name in both]),
        "",
        f"## {size.many} at once, {_OURS}",
        "",
        *table(["", "devices/s", "p50 s", "p99 s", "threads"], [_row("until up, from the first accept", [many])]),
        "",
        f"Each from its own accept to up: p50 {_share(many['own'], 0.5):.2f} s, p99 {_share(many['own'], 0.99):.2f} s.",
        "",
        "## What was asked for",
        "",
        *table(
            ["", "asked", "measured", ""],
            [
                at_least("rate of devices with facts, beside junospyez-ossh-server", 3, rate),
                at_least("facts sooner", 10, sooner),
                at_most(
                    f"memory of each of {size.held} held",
                    "60 kB",
                    f"{held['memory']:.1f} kB",
                    short=held["memory"] > 60,
                ),
                at_most(
                    f"a device among {size.strangers} strangers is in after",
                    "2 s",
                    f"{strangers:.2f} s",
                    short=strangers > 2,
                ),
                at_most("idle CPU with keepalives", "10 % of a core", f"{held['cpu']:.1%}", short=held["cpu"] > 0.1),
            ],
        ),
        "",
        f"{size.held} came up at {held['rate']:,.0f}/s.",
        "",
    ]
    return "\n".join(lines)


def _median(result: dict[str, Any]) -> float:
    return float(statistics.median(result["each"]))


def _share(times: list[float], share: float) -> float:
    return sorted(times)[int(len(times) * share)]


def _row(name: str, rounds: list[dict[str, Any]]) -> list[str]:
    each = [sorted(result["each"]) for result in rounds]
    rate = statistics.median(len(result["each"]) / result["seconds"] for result in rounds)
    p50 = statistics.median(map(statistics.median, each))
    p99 = statistics.median(times[int(len(times) * 0.99)] for times in each)
    return [name, f"{rate:,.0f}", f"{p50:.3f}", f"{p99:.3f}", str(max(result["threads"] for result in rounds))]


def main() -> None:
    """Measure, print, and keep."""
    parser = argparse.ArgumentParser(prog="python -m bench.call_home", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="about a minute: fewer devices")
    parser.add_argument("--write", action="store_true", help="keep the results in bench/RESULTS-call_home.md")
    options = parser.parse_args()
    size = QUICK if options.quick else FULL
    both = measure_both(size)
    with homecoming(_OURS, size.many, facts=False) as (_, many):
        pass
    text = render(size, both, many, measure_held(size), measure_strangers(size))
    print(text)
    if options.write:
        (ROOT / "bench" / "RESULTS-call_home.md").write_text(text)


if __name__ == "__main__":
    main()
