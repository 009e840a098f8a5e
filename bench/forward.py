"""Local forwards beside what a user would pick instead: ``make bench WHAT=forward``.

``ssh -L``, AsyncSSH and a held session, to one sshd, with one cipher. All in one run. The results are printed as
Markdown; ``--write`` keeps them in ``bench/RESULTS-forward.md``.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bench.forward_contender import CONTENDERS
from bench.forward_ends import connections, download, streams, upload
from bench.machine import Machine
from bench.programs import ROOT, programs
from bench.servers import openssh
from bench.tables import Spread, at_least, table

if TYPE_CHECKING:
    from bench.servers import Server

    Rounds = list[dict[str, dict[str, float]]]

_OURS: Final = "mooring, uvloop"
_PEER: Final = "ssh -L"
_ENGINE: Final = "AsyncSSH, uvloop"
_DIRECT: Final = "no forward"
_AT_ONCE: Final = 16
_STREAMS: Final = 8


@dataclass(frozen=True)
class Size:
    """How much is measured.

    Attributes:
        rounds: How often each contender takes its turn.
        stream: Bytes of a stream.
        connections: How many in a turn.
    """

    rounds: int
    stream: int
    connections: int


FULL: Final = Size(rounds=9, stream=500_000_000, connections=1_600)
QUICK: Final = Size(rounds=3, stream=200_000_000, connections=320)


def measure(server: Server, size: Size) -> Rounds:
    """All contenders, in turns."""
    command = [sys.executable, "-m", "bench.forward_ends"]
    with (
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as behind,
        programs("bench.forward_contender", CONTENDERS, server) as asked,
    ):
        assert behind.stdout is not None  # noqa: S101 - it is a pipe
        port = int(behind.stdout.readline())
        contenders = dict(zip(CONTENDERS, asked, strict=True))
        ports = {name: int(program.ask(f"forward {port}")) for name, program in contenders.items()}
        rounds = []
        for _ in range(size.rounds):
            row = {_DIRECT: _turn(port, size)}
            for name, program in contenders.items():
                before = program.ask("cpu")
                download(ports[name], size.stream)
                cpu = program.ask("cpu") - before
                row[name] = {**_turn(ports[name], size), "cpu": cpu * 1e9 / size.stream}
            rounds.append(row)
        behind.terminate()
        return rounds


def _turn(port: int, size: Size) -> dict[str, float]:
    return {
        "down": download(port, size.stream),
        "up": upload(port, size.stream),
        "streams": streams(port, size.stream, _STREAMS),
        "one": connections(port, size.connections // 4, 1),
        "many": connections(port, size.connections, _AT_ONCE),
        "cpu": 0.0,
    }


def render(machine: Machine, rounds: Rounds) -> str:
    """The whole text."""

    def ratio(figure: str, peer: str = _PEER) -> Spread:
        return Spread.of([row[_OURS][figure] / row[peer][figure] for row in rounds])

    asked = [
        at_least(f"MB/s of one stream that comes, against {_PEER}", 0.8, ratio("down")),
        at_least(f"MB/s of one stream that goes, against {_PEER}", 0.8, ratio("up")),
        at_least(f"new connections/s, {_AT_ONCE} at once, against {_PEER}", 3.0, ratio("many")),
        at_least(f"new connections/s, one at a time, against {_PEER}", 3.0, ratio("one")),
    ]
    beside = [
        [f"MB/s of one stream that comes, against {_ENGINE}", str(ratio("down", _ENGINE))],
        [f"MB/s of one stream that goes, against {_ENGINE}", str(ratio("up", _ENGINE))],
        [f"new connections/s, {_AT_ONCE} at once, against {_ENGINE}", str(ratio("many", _ENGINE))],
    ]
    head = [
        "",
        "MB/s, comes",
        "MB/s, goes",
        f"MB/s, {_STREAMS} streams",
        "connections/s",
        f"{_AT_ONCE} at once",
        "CPU s/GB",
    ]
    parts = [
        "# Results of `make bench WHAT=forward`\n",
        "Written by `make bench WHAT=forward ARGS=--write`; do not edit.\n",
        *table(["", ""], machine.rows()),
        "\n## Asked for\n",
        *table(["what", "asked", "measured", ""], asked),
        "\n## Beside\n",
        *table(["", "measured"], beside),
        "\n## Each\n",
        *table(head, [_row(rounds, name) for name in (_DIRECT, *CONTENDERS)]),
        _METHOD,
    ]
    return "\n".join(parts)


def _row(rounds: Rounds, name: str) -> list[str]:
    middle = {figure: statistics.median(row[name][figure] for row in rounds) for figure in rounds[0][name]}
    return [
        name,
        *(f"{middle[figure] / 1e6:,.0f}" for figure in ("down", "up", "streams")),
        *(f"{middle[figure]:,.0f}" for figure in ("one", "many")),
        f"{middle['cpu']:.1f}" if middle["cpu"] else "",
    ]


_METHOD = """
## Method

- Each contender is a process of its own with one local forward through the same sshd to the same server, all with
  aes128-gcm, and takes its turn, round after round; a ratio is taken within a round. Shown are medians and, in
  brackets, the least and the greatest. The ends, sshd and the contender share the machine.
- A connection is new, asks for a byte, gets it and is closed. sshd alone takes some 115 us of CPU for each on the
  machine that this was written on: that admits 8,700 a second whatever the client is, where `ssh -L` reaches 3,000 to
  5,000 with 16 at once. Three times as many cannot be.
- CPU is the contender's, for a gigabyte that comes.
"""


def main() -> None:
    """Measure, print, and keep."""
    parser = argparse.ArgumentParser(prog="python -m bench.forward", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few rounds, short ones")
    parser.add_argument("--write", action="store_true", help="keep the results in bench/RESULTS-forward.md")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mb-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # sshd reads the keys in it as the user who logs in
        with openssh(folder) as server:
            text = render(Machine.here(), measure(server, QUICK if options.quick else FULL))
    print(text)
    if options.write:
        (ROOT / "bench" / "RESULTS-forward.md").write_text(text)


if __name__ == "__main__":
    main()
