"""Pipes to handlers beside what a user would pick instead: ``make bench WHAT=pipe``.

execnet and mitogen over ssh, and a held session, to one sshd. All in one run. The results are printed as Markdown;
``--write`` keeps them in ``bench/RESULTS-pipe.md``.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import mooring
from bench.machine import Machine
from bench.pipe_contender import CONTENDERS
from bench.programs import ROOT, programs
from bench.servers import openssh
from bench.tables import Spread, at_least, at_most, table
from mooring.compat.sshpipe import SSHPipe

if TYPE_CHECKING:
    from bench.servers import Server

    Rounds = list[dict[str, dict[str, float]]]

_OURS: Final = "mooring, uvloop"
_PEER: Final = "execnet"
_SMALL: Final = 100
_LARGE: Final = 1 << 16
_IMPORTED: Final = (
    "__init__.py", "far/__init__.py", "compat/__init__.py", "compat/sshpipe/__init__.py", "compat/sshpipe/handler.py"
)  # fmt: skip
"""What a handler of sshpipe's imports, for an account that cannot read ours."""


@dataclass(frozen=True)
class Size:
    """How much is measured.

    Attributes:
        rounds: How often each contender takes its turn.
        seconds: How long each turn is.
    """

    rounds: int
    seconds: float


FULL: Final = Size(rounds=11, seconds=0.7)
QUICK: Final = Size(rounds=3, seconds=0.3)


def measure(server: Server, size: Size) -> Rounds:
    """All contenders, in turns."""
    questions = {
        "p50": f"latency {_SMALL} {size.seconds}",
        "p50 64 kB": f"latency {_LARGE} {size.seconds}",
        "messages": f"rate {_SMALL} {size.seconds}",
        "large": f"rate {_LARGE} {size.seconds}",
        "start": "start",
    }
    with programs("bench.pipe_contender", list(CONTENDERS), server) as asked:
        contenders = dict(zip(CONTENDERS, asked, strict=True))
        return [
            {
                name: {figure: float(program.ask(question)) for figure, question in questions.items()}
                for name, program in contenders.items()
            }
            for _ in range(size.rounds)
        ]


def measure_import(rounds: int) -> list[tuple[float, float]]:
    """Seconds of an empty Python, and of one that imports sshpipe's handler."""
    return [
        (_started("pass"), _started("from mooring.compat.sshpipe import SSHPipeHandler")) for _ in range(rounds * 3)
    ]


def _started(code: str) -> float:
    since = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return time.perf_counter() - since


def first_seen(server: Server, size: Size) -> Spread:
    """Milliseconds from ``SSHPipe.send`` to the handler's having the message, told by its clock: the host is ours."""
    code = (
        "import time\nfrom mooring.compat.sshpipe import SSHPipeHandler\n"
        "class H(SSHPipeHandler):\n    def handle(self, sent): print(time.time() - sent)\n"
        "H().service_loop()\n"
    )
    seen = []
    with tempfile.TemporaryDirectory(prefix="mb-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "h.py").write_text(code)
        config = folder / "config"
        config.write_text(
            f"Host bench\n  HostName {server.host}\n  Port {server.ports[0]}\n  User {server.user}\n"
            f"  IdentityFile {server.key}\n  UserKnownHostsFile {server.known_hosts}\n"
        )
        source = Path(str(mooring.__file__)).parent
        for file in _IMPORTED:
            (folder / "mooring" / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source / file, folder / "mooring" / file)
        for _ in range(size.rounds):
            with SSHPipe("bench", f"python3 {folder}/h.py", config=str(config)) as pipe:
                pipe.send(time.time())
                time.sleep(0.2)
                seen.append(float((pipe.close() or (0, "nan", ""))[1].split()[0]) * 1e3)
    return Spread.of(seen)


def render(machine: Machine, rounds: Rounds, imports: list[tuple[float, float]], seen: Spread) -> str:
    """The whole text."""

    def ratio(figure: str, *, inverse: bool = False) -> Spread:
        ratios = [row[_OURS][figure] / row[_PEER][figure] for row in rounds]
        return Spread.of([1 / one for one in ratios] if inverse else ratios)

    start = ratio("start")
    more = Spread.of([(ours - bare) * 1e3 for bare, ours in imports])
    asked = [
        at_least(f"request and answer of 64 kB, p50, against {_PEER}", 1.5, ratio("p50 64 kB", inverse=True)),
        at_least(f"MB/s of 64 kB messages, against {_PEER}", 1.5, ratio("large")),
        at_least(f"messages/s of {_SMALL} B, against {_PEER}", 1.0, ratio("messages")),
        at_most(f"from start to the first answer, against {_PEER}", "0.5 x", str(start), short=start.median > 0.5),
        [f"request and answer of {_SMALL} B, p50, against {_PEER}", "-", str(ratio("p50", inverse=True)), ""],
        at_most("first message seen by an SSHPipe's handler, ms", "50 ms", str(seen), short=not seen.median <= 50),
        at_most("import of SSHPipeHandler over python3 -c pass, ms", "60 ms", str(more), short=more.median > 60),
    ]
    parts = [
        "# Results of `make bench WHAT=pipe`\n",
        "Written by `make bench WHAT=pipe ARGS=--write`; do not edit.\n",
        *table(["", ""], machine.rows()),
        "\n## Asked for\n",
        *table(["what", "asked", "measured", ""], asked),
        "\n## Each\n",
        *table(
            ["", "request 100 B, p50 ms", "request 64 kB, p50 ms", "messages/s, 100 B", "MB/s, 64 kB", "start, ms"],
            [_row(rounds, name) for name in CONTENDERS],
        ),
        _METHOD,
    ]
    return "\n".join(parts)


def _row(rounds: Rounds, name: str) -> list[str]:
    middle = {figure: statistics.median(row[name][figure] for row in rounds) for figure in rounds[0][name]}
    return [
        name,
        f"{middle['p50'] * 1e3:.3f}",
        f"{middle['p50 64 kB'] * 1e3:.3f}",
        f"{middle['messages']:,.0f}",
        f"{middle['large'] * _LARGE / 1e6:,.0f}",
        f"{middle['start'] * 1e3:.0f}",
    ]


_METHOD = """
## Method

- Contenders take turns, round after round, against one sshd; a ratio is taken within a round, of mooring on uvloop.
  Shown are medians and, in brackets, the least and the greatest.
- A request is sent when the answer to the one before has come. Messages are sent as fast as the contender takes them,
  and counted at the far end, whose count ends the measurement. mitogen has calls instead of messages: 200 at a time.
- Start is from `session.pipe().start()` on a held session, from `makegateway` and from `router.ssh` to the first
  answer: the other two log in each time, which is what they do for each pipe.
- execnet and mitogen encrypt in the ssh program; mooring in AsyncSSH, in its own process: two processes fewer on the
  way there and back, and Python for each packet, which is most of a small request's time.
"""


def main() -> None:
    """Measure, print, and keep."""
    parser = argparse.ArgumentParser(prog="python -m bench.pipe", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few rounds, short ones")
    parser.add_argument("--write", action="store_true", help="keep the results in bench/RESULTS-pipe.md")
    options = parser.parse_args()
    size = QUICK if options.quick else FULL
    machine = Machine.here()
    with tempfile.TemporaryDirectory(prefix="mb-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # sshd reads the keys in it as the user who logs in
        with openssh(folder) as server:
            rounds = measure(server, size)
            seen = first_seen(server, size)
    text = render(machine, rounds, measure_import(size.rounds), seen)
    print(text)
    if options.write:
        (ROOT / "bench" / "RESULTS-pipe.md").write_text(text)


if __name__ == "__main__":
    main()
