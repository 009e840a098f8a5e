"""Commands over held sessions, side by side with what a user would pick instead: ``make bench``.

Contenders run ``true`` on one session, one at a time and 16 at once, and then on a thousand sessions, in turns and in
one run, against the same servers: simulated hosts in a process of their own, and sshd. The results are printed as
Markdown; ``--write`` keeps them in ``bench/RESULTS.md``.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.contender import CONTENDERS, MOST
from bench.fleet import FLEETS
from bench.machine import Machine
from bench.programs import ROOT, programs
from bench.report import Results, render
from bench.servers import openssh, simulated

if TYPE_CHECKING:
    from bench.report import Bursts, Fleet, Profile
    from bench.servers import Server


@dataclass(frozen=True)
class Size:
    """How much is measured.

    Attributes:
        rounds: How often each contender takes its turn.
        seconds: How long each turn is.
        sessions: In the fleet.
    """

    rounds: int
    seconds: float
    sessions: int


FULL = Size(rounds=15, seconds=0.5, sessions=1000)
QUICK = Size(rounds=5, seconds=0.15, sessions=200)


def measure(server: Server, size: Size) -> tuple[Bursts, Profile]:
    """One session: every contender's bursts, and where our time goes."""
    with programs("bench.contender", list(CONTENDERS), server) as contenders:
        bursts: Bursts = {
            concurrency: [
                {program.name: program.ask(f"{concurrency} {size.seconds}") for program in contenders}
                for _ in range(size.rounds)
            ]
            for concurrency in (1, MOST)
        }
        return bursts, contenders[0].ask("profile")


def measure_fleet(server: Server, size: Size) -> dict[str, Fleet]:
    """Many sessions: every contender's times and memory, one contender after the other."""
    found: dict[str, Fleet] = {}
    for name in FLEETS:
        with programs("bench.fleet", [name], server) as [fleet]:
            seconds = [fleet.ask("run") for _ in range(size.rounds)]
            found[name] = {"connect": fleet.ask("ready"), "run": seconds, "memory": fleet.ask("memory")}
    return found


def main() -> None:
    """Measure, print, and keep."""
    parser = argparse.ArgumentParser(prog="python -m bench.exec", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="under a minute: fewer sessions, shorter rounds")
    parser.add_argument("--write", action="store_true", help="keep the results in bench/RESULTS.md")
    options = parser.parse_args()
    size = QUICK if options.quick else FULL
    machine = Machine.here()
    with tempfile.TemporaryDirectory(prefix="mooring-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # sshd reads the keys in it as the user who logs in
        with simulated(1, folder) as server:
            bursts, profile = measure(server, size)
        with openssh(folder) as server:
            on_sshd, _ = measure(server, size)
        with simulated(size.sessions, folder) as server:
            fleet = measure_fleet(server, size)
    text = render(Results(machine, size.sessions, bursts, on_sshd, fleet, profile))
    print(text)
    if options.write:
        (ROOT / "bench" / "RESULTS.md").write_text(text)


if __name__ == "__main__":
    main()
