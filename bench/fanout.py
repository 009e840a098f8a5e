"""One command on many hosts, as a whole process: ``make bench WHAT=fanout``.

``mooring run all true`` over sessions that a daemon holds, beside parallel-ssh and ``ansible -m raw`` from cold, on the
same simulated hosts. The results are printed as Markdown; ``--write`` keeps them in ``bench/RESULTS-fanout.md``.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bench.daemon import daemon, wait_up
from bench.machine import Machine
from bench.programs import ROOT
from bench.servers import simulated
from bench.tables import Spread, at_least, table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bench.servers import Server

    Times = Mapping[str, list[float]]

_OURS: Final = "mooring run all true"
_PSSH: Final = "parallel-ssh, cold"
_ANSIBLE: Final = "ansible -m raw -f 50, cold"


@dataclass(frozen=True)
class Size:
    """How much is measured.

    Attributes:
        hosts: Simulated hosts.
        rounds: How often ours and parallel-ssh take their turns.
        ansible: In how many of these rounds Ansible takes its own, which is long.
    """

    hosts: int
    rounds: int
    ansible: int


FULL: Final = Size(hosts=1000, rounds=5, ansible=1)
QUICK: Final = Size(hosts=100, rounds=3, ansible=1)


def measure(server: Server, folder: Path, size: Size) -> Times:
    """Seconds of each whole process, round by round."""
    with daemon(server, folder) as ours:
        wait_up(ours, size.hosts)
        peer = [sys.executable, "-m", "bench.fanout_contender", json.dumps(dataclasses.asdict(server))]
        times: dict[str, list[float]] = {_OURS: [], _PSSH: [], _ANSIBLE: []}
        for number in range(size.rounds):
            times[_OURS].append(_timed(ours.mooring("run", "all", "true"), ours.environment))
            times[_PSSH].append(_timed(peer, os.environ))
            if number < size.ansible:
                times[_ANSIBLE].append(_timed(_ansible(server, folder), _ansible_environment(folder)))
        return times


def _ansible(server: Server, folder: Path) -> Sequence[str]:
    """Its command, and the inventory that it reads."""
    inventory = folder / "hosts.ini"
    hosts = [f"host-{port} ansible_port={port}" for port in server.ports]
    trust = f"-o UserKnownHostsFile={server.known_hosts} -o StrictHostKeyChecking=yes -o IdentitiesOnly=yes"
    variables = {
        "ansible_host": server.host,
        "ansible_user": server.user,
        "ansible_ssh_private_key_file": server.key,
        "ansible_ssh_args": f"-F none {trust} -o ControlMaster=no",
    }
    lines = [*hosts, "[all:vars]", *(f"{name}={value}" for name, value in variables.items())]
    inventory.write_text("\n".join(lines) + "\n")
    program = str(Path(sys.executable).parent / "ansible")
    return [program, "all", "-i", str(inventory), "-m", "raw", "-a", "true", "-f", "50"]


def _ansible_environment(folder: Path) -> Mapping[str, str]:
    config = folder / "ansible.cfg"
    config.touch()  # else it looks for the user's
    return {**os.environ, "ANSIBLE_HOME": str(folder / "ansible"), "ANSIBLE_CONFIG": str(config), "LC_ALL": "C.UTF-8"}


def _timed(command: Sequence[str], environment: Mapping[str, str]) -> float:
    start = time.perf_counter()
    done = subprocess.run(
        command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    seconds = time.perf_counter() - start
    if done.returncode != 0:
        msg = f"{command[:3]} ended with {done.returncode}: {(done.stderr or done.stdout)[-2000:]}"
        raise RuntimeError(msg)
    return seconds


def render(machine: Machine, size: Size, times: Times) -> str:
    """The whole text."""

    def ratio(peer: str) -> Spread:
        return Spread.of([theirs / ours for theirs, ours in zip(times[peer], times[_OURS], strict=False)])

    asked = [at_least(f"{_OURS}, against {_PSSH}: times as fast", 3.0, ratio(_PSSH))]
    rows = [
        [name, str(Spread.of(seconds)), f"{size.hosts / Spread.of(seconds).median:,.0f}", str(ratio(name))]
        for name, seconds in times.items()
    ]
    return "\n".join(
        [
            "# Results of `make bench WHAT=fanout`\n",
            "Written by `make bench WHAT=fanout ARGS=--write`; do not edit.\n",
            *table(["", ""], [*machine.rows(), ["ansible-core", version("ansible-core")]]),
            "\n## Asked for\n",
            *table(["what", "asked", "measured", ""], asked),
            f"\n## `true` on {size.hosts:,} simulated hosts, whole processes\n",
            *table(["", "seconds", "hosts/s", f"times as long as {_OURS}"], rows),
            _METHOD,
        ]
    )


_METHOD: Final = """
## Method

- Contenders take turns, round after round; a ratio is taken within a round. Shown are medians and, in brackets, the
  least and the greatest. Ansible has fewer turns, since each is long.
- Each is a process that starts, runs `true` on every host, shows or takes what it printed, and ends; one that fails on
  any host stops the measurement.
- Our sessions are up before, in a daemon: that is what it is for. The others log in to every host with the same key.
  parallel-ssh has its default of 100 at once and cannot verify host keys; ours and Ansible do.
- Ansible runs without ControlPersist, so that each of its turns is as the first one of a day.
- All hosts are in one process of Python, whose handshakes are most of what the others wait for; the ratio is smaller
  where hosts answer on their own processors.
"""


def main() -> None:
    """Measure, print, and keep."""
    parser = argparse.ArgumentParser(prog="python -m bench.fanout", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="about a minute: fewer hosts and rounds")
    parser.add_argument("--write", action="store_true", help="keep the results in bench/RESULTS-fanout.md")
    options = parser.parse_args()
    size = QUICK if options.quick else FULL
    machine = Machine.here()
    with tempfile.TemporaryDirectory(prefix="mb-") as name:
        folder = Path(name)
        with simulated(size.hosts, folder) as server:
            text = render(machine, size, measure(server, folder, size))
    print(text)
    if options.write:
        (ROOT / "bench" / "RESULTS-fanout.md").write_text(text)


if __name__ == "__main__":
    main()
