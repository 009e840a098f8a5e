"""NETCONF over a held session, side by side with ncclient and scrapli: ``python -m bench.netconf``.

All of them talk to the same sshd, whose subsystem is ``bench/netconf_device.py``. The results are printed as Markdown;
``--write`` keeps them in ``bench/RESULTS-netconf.md``.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bench.machine import Machine
from bench.netconf_contender import CONTENDERS, absent
from bench.programs import ROOT, programs
from bench.servers import Server
from mooring.wire.netconf.events import Replied
from mooring.wire.netconf.framing import DELIMITER, chunked
from mooring.wire.netconf.protocol import Protocol
from tests.peers.account import current
from tests.peers.keys import Keyring
from tests.peers.sshd import Config, Sshd

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

OURS: Final = "mooring"
COMPAT: Final = "mooring.compat.ncclient"
"""ncclient's own Manager, with its default handler, over our session."""
TREE: Final = 40_000_000
_NOTES: Final = (
    "scrapli gives text; parsing it is counted in. ncclient's time grows with the square of the reply. Right after 40",
    "MB the first reply of 4 MB takes 0.3 s more with mooring: glibc tidies up the memory of the tree before.",
)
FITFUL: Final = "scrapli, ssh2"
"""It hangs now and then, and so takes its turn alone."""
ABSENT: Final = absent()
STEADY: Final = [name for name in CONTENDERS if name != FITFUL and name not in ABSENT]
_NCCLIENT_TREE: Final = 4_000_000
"""What ncclient is asked for: its time grows with the square of a chunk."""


@contextlib.contextmanager
def device(folder: Path) -> Iterator[Server]:
    """The server of all."""
    subsystem = f"netconf {sys.executable} {ROOT}/bench/netconf_device.py"
    config: Config = {"MaxSessions": 100, "Subsystem": subsystem}
    with Sshd(Keyring(folder), current(), folder, config) as sshd:
        yield Server(sshd.host, [sshd.port], sshd.user, str(sshd.client_key), str(sshd.known_hosts))


def linear() -> list[tuple[float, float]]:
    """Seconds for 8 MB and for 32 MB of base:1.1, taken 4 kB at a time, several times."""
    return [(_taken(8_000_000), _taken(32_000_000)) for _ in range(5)]


def _taken(size: int) -> float:
    base = "urn:ietf:params:netconf:base:1.1"
    hello = f"<hello><capabilities><capability>{base}</capability></capabilities><session-id>1</session-id></hello>"
    protocol = Protocol()
    protocol.receive_data(hello.encode() + DELIMITER)
    protocol.send_rpc(b"<get/>")
    item = "<interface><name>ge-0/0/0</name><description>café uplink</description></interface>".encode()
    data = chunked(b'<rpc-reply message-id="1">' + item * (size // len(item)) + b"</rpc-reply>")
    start = time.perf_counter()
    for at in range(0, len(data), 4096):
        protocol.receive_data(data[at : at + 4096])
    seconds = time.perf_counter() - start
    assert isinstance(protocol.events_received()[-1], Replied)  # noqa: S101 - a check of the measurement
    return seconds


def measure(rounds: int, seconds: float) -> dict[str, list[Any]]:
    """Every question, to every contender in turn, so many times."""
    found: dict[str, list[Any]] = {question: [] for question in ("small", "many", "tree", "small tree")}
    with tempfile.TemporaryDirectory(prefix="mooring-bench-") as name, device(Path(name)) as server:
        with programs("bench.netconf_contender", STEADY, server) as contenders:
            large = [program for program in contenders if program.name != "ncclient"]
            for _ in range(rounds):
                found["small"].append({program.name: program.ask(f"small {seconds}") for program in contenders})
                found["many"].append({program.name: program.ask(f"many {seconds}") for program in contenders[:2]})
                found["tree"].append({program.name: program.ask(f"tree {TREE}") for program in large})
        # In processes of their own: glibc tidies up after a tree of 40 MB, for 0.3 s, when the next one is parsed.
        with programs("bench.netconf_contender", STEADY, server) as contenders:
            for _ in range(rounds):
                row = {program.name: program.ask(f"tree {_NCCLIENT_TREE}") for program in contenders}
                found["small tree"].append(row)
        with programs("bench.netconf_contender", [OURS], server) as (ours,):
            found["file"] = [ours.ask("file 100000000 items"), ours.ask("file 50000000 text")]
        if FITFUL in ABSENT:
            return found
        with contextlib.suppress(RuntimeError), programs("bench.netconf_contender", [FITFUL], server) as (fitful,):
            found[FITFUL] = [fitful.ask(f"small {seconds}"), fitful.ask(f"tree {TREE}"), fitful.ask("tree 4000000")]
    return found


def render(found: dict[str, list[Any]], held: dict[str, float], times: Sequence[tuple[float, float]]) -> str:
    """The results as Markdown."""
    here = Machine.here()
    small = {name: statistics.median(row[name] for row in found["small"]) for name in STEADY}
    trees = {name: statistics.median(row[name]["seconds"] for row in found["tree"]) for name in found["tree"][0]}
    alone = statistics.median(row[OURS]["lxml"] / row[OURS]["seconds"] for row in found["tree"])
    less = {name: statistics.median(row[name]["seconds"] for row in found["small tree"]) for name in STEADY}
    many = statistics.median(row[OURS] for row in found["many"])

    def ratio(values: dict[str, float], over: str, under: str) -> float | None:
        """None where one of them is absent."""
        return values[over] / values[under] if over in values and under in values else None

    growth = statistics.median(last / first for first, last in times)
    asked = [
        ("small requests, one after another, against ncclient", "50 x", ratio(small, OURS, "ncclient"), 50),
        ("the same against scrapli, bin", "1.5 x", ratio(small, OURS, "scrapli, bin"), 1.5),
        ("small requests a second, pipelined on one session", "4,000", many, 4000),
        ("a 40 MB reply to a parsed tree, against lxml alone", "0.85 x", alone, 0.85),
        ("a 4 MB reply to a parsed tree, against ncclient", "2 x", ratio(less, "ncclient", OURS), 2),
        ("small requests through compat.ncclient, against ncclient", "30 x", ratio(small, COMPAT, "ncclient"), 30),
        ("a 4 MB reply through compat.ncclient, against ncclient", "1.5 x", ratio(less, "ncclient", COMPAT), 1.5),
    ]
    most = [
        ("memory that a 100 MB reply to a file takes, MB", 64, found["file"][0] / 1e6),
        ("memory that a text of 50 MB to a file takes, MB", 64, found["file"][1] / 1e6),
        ("32 MB 4 kB at a time, against 8 MB", 5, growth),
        ("memory of a session with NETCONF up, kB", 120, held["memory"] / 1e3),
        ("threads of a session", 0, held["threads"]),
    ]
    lines = ["# Results of `python -m bench.netconf`", "", "Written with `--write`; do not edit.", ""]
    lines += [f"{here.hardware}; {here.system}; {here.versions}; {here.date}, load {here.load:.1f} before the end.", ""]
    lines += ["| what | asked | measured | |", "|---|---|---|---|"]
    lines += [
        f"| {what} | at least {text} | "
        + ("| absent, not measured |" if value is None else f"{value:,.2f} | {_verdict(value >= bound)} |")
        for what, text, value, bound in asked
    ]
    lines += [
        f"| {what} | at most {bound} | {value:,.2f} | {_verdict(value <= bound)} |" for what, bound, value in most
    ]
    lines += ["", "| | small requests/s | seconds of 40 MB | of 4 MB |", "|---|---|---|---|"]
    lines += [
        f"| {name} | {small[name]:,.0f} | {f'{trees[name]:.2f}' if name in trees else ''} | {less[name]:.3f} |"
        for name in STEADY
    ]
    if FITFUL in found:
        rate, tree, less_tree = found[FITFUL]
        lines.append(f"| {FITFUL} | {rate:,.0f} | {tree['seconds']:.2f} | {less_tree['seconds']:.3f} |")
    elif FITFUL not in ABSENT:
        lines.append(f"| {FITFUL} | never came back | | |")
    lines += [f"| {name} | absent: no {module} here | | |" for name, module in ABSENT.items()]
    lines += ["", *_NOTES]
    return "\n".join(lines) + "\n"


def _verdict(passed: bool) -> str:  # noqa: FBT001 - one word says it
    return "pass" if passed else "short"


def main() -> None:
    """Measure, print, and keep where that is asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds and sessions")
    parser.add_argument("--write", action="store_true", help="keep the results in bench/RESULTS-netconf.md")
    options = parser.parse_args()
    times = linear()
    count = "200" if options.quick else "1000"
    command = [sys.executable, "-m", "bench.netconf_held", count]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT)
    found = measure(1 if options.quick else 7, 0.3 if options.quick else 1.0)
    text = render(found, json.loads(done.stdout), times)
    print(text)
    if options.write:
        Path(ROOT, "bench", "RESULTS-netconf.md").write_text(text)


if __name__ == "__main__":
    main()
