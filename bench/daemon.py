"""The daemon, its REST API and its command line beside what a user would pick instead: ``make bench WHAT=daemon``.

``true`` by 16 callers at once over REST, over the library and over what sshpool is made of; ``mooring run`` as a whole
process beside ssh; and thousands of held sessions in one daemon. All in one run. The results are printed as Markdown;
``--write`` keeps them in ``bench/RESULTS-daemon.md``.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import psutil

from bench.contender import MOST
from bench.http import Call
from bench.machine import Machine
from bench.programs import ROOT, programs
from bench.servers import openssh, simulated
from bench.tables import Spread, at_least, at_most, table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from bench.servers import Server

    Rounds = list[dict[str, dict[str, float]]]
    Times = list[dict[str, float]]

_T = TypeVar("_T")

_LIBRARY: Final = "library (session.run, uvloop)"
_REST: Final = "REST (POST /v1/sessions/x/run)"
_SSHPOOL: Final = "Flask and paramiko, as sshpool"
_RUN: Final = "mooring run ALIAS true"
_BARE: Final = "python3 -c pass"
_COLD: Final = "ssh, cold"
_MUX: Final = "ssh -S"


@dataclass(frozen=True)
class Size:
    """How much is measured.

    Attributes:
        rounds: How often each contender takes its turn.
        seconds: How long each turn is.
        starts: How often each command line is run.
        sessions: In the fleet.
        idle: Seconds over which the idle fleet is watched.
    """

    rounds: int
    seconds: float
    starts: int
    sessions: int
    idle: float


FULL: Final = Size(rounds=15, seconds=0.5, starts=60, sessions=5000, idle=30.0)
QUICK: Final = Size(rounds=5, seconds=0.2, starts=15, sessions=500, idle=16.0)


@dataclass(frozen=True)
class Daemon:
    """A daemon in a process of its own.

    Attributes:
        process: It.
        port: Its TCP door.
        token: What opens that.
        environment: For programs that shall find it.
    """

    process: psutil.Process
    port: int
    token: str
    environment: Mapping[str, str]

    def mooring(self, *words: str) -> Sequence[str]:
        """The command line's program and its words."""
        return [str(Path(sys.executable).parent / "mooring"), *words]


@dataclass(frozen=True)
class Fleet:
    """Many sessions.

    Attributes:
        up: Seconds until all were up.
        memory: Bytes of the daemon for each.
        status: Seconds of `mooring status`, each time.
        idle: Share of a core that the daemon takes while nobody asks it anything.
    """

    up: float
    memory: float
    status: list[float]
    idle: float


@contextlib.contextmanager
def daemon(server: Server, folder: Path, *, channels: int = 6) -> Iterator[Daemon]:
    """A daemon that holds a session to every port of a server: ``bench`` if there is one, else ``bench1`` and on."""
    state = Path(tempfile.mkdtemp(dir=folder))
    names = ["bench"] if len(server.ports) == 1 else [f"bench{number}" for number in range(1, len(server.ports) + 1)]
    tables = [
        f'[sessions.{name}]\nhost = "{server.host}"\nport = {port}\nusername = "{server.user}"\n'
        f'identity = "{server.key}"\nknown_hosts = "{server.known_hosts}"\nchannels = {channels}\n'
        for name, port in zip(names, server.ports, strict=True)
    ]
    config = state / "config.toml"
    config.write_text("[daemon]\nssh_config = []\n" + "\n".join(tables))
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("MOORING_")}
    environment = {**inherited, "MOORING_STATE_DIR": str(state)}
    command = [sys.executable, "-m", "mooring.cli.mooringd", "--port", "0", "--config", str(config)]
    log = state / "log"
    with log.open("wb") as stderr, subprocess.Popen(command, env=environment, stderr=stderr) as process:
        port = _until(lambda: _port(log.read_text()))
        try:
            yield Daemon(psutil.Process(process.pid), port, (state / "token").read_text().strip(), environment)
        finally:
            process.terminate()


def _port(log: str) -> int | None:
    """The port of the TCP door, once the daemon is ready."""
    if " ready: " not in log:
        return None
    return int(log.partition("http://127.0.0.1:")[2].split()[0].rstrip(",;/"))


def _until(found: Callable[[], _T | None], timeout: float = 300.0) -> _T:
    """What is found, once it is there."""
    end = time.monotonic() + timeout
    while (value := found()) is None:
        if time.monotonic() > end:
            msg = "the daemon was not ready in time"
            raise RuntimeError(msg)
        time.sleep(0.05)
    return value


def measure_rate(server: Server, folder: Path, size: Size) -> Rounds:
    """Commands of 16 callers at once."""
    peer = [sys.executable, "-m", "bench.sshpool", json.dumps(dataclasses.asdict(server))]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with (
        daemon(server, folder, channels=100) as ours,
        subprocess.Popen(peer, cwd=ROOT, text=True, **pipes) as theirs,  # type: ignore[call-overload]
    ):
        fields = {"Authorization": f"Bearer {ours.token}", "Content-Type": "application/json"}
        rest = Call("127.0.0.1", ours.port, "/v1/sessions/bench/run", fields, '{"command":"true"}', '"exit_status":0')
        old = Call("127.0.0.1", int(theirs.stdout.readline()), "/channels/bench", {}, "true", '"exit_code":0')
        with (
            programs("bench.contender", ["mooring, uvloop"], server) as [library],
            programs("bench.http", [_REST], rest) as [over_rest],
            programs("bench.http", [_SSHPOOL], old) as [as_sshpool],
        ):
            contenders = {_LIBRARY: library, _REST: over_rest, _SSHPOOL: as_sshpool}
            question = f"{MOST} {size.seconds}"
            rounds = [{name: program.ask(question) for name, program in contenders.items()} for _ in range(size.rounds)]
        theirs.stdin.close()
        return rounds


def measure_starts(server: Server, folder: Path, size: Size) -> Times:
    """Whole processes, in turns."""
    ssh = ["ssh", "-F", "none", "-p", str(server.ports[0]), "-l", server.user]
    trust = ["-o", f"UserKnownHostsFile={server.known_hosts}", "-o", "StrictHostKeyChecking=yes"]
    login = [*trust, "-i", server.key, "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes"]
    master = ["-S", str(folder / "master")]
    with daemon(server, folder) as ours:
        subprocess.run([*ssh, *master, "-M", "-N", "-f", *login, server.host], check=True, stderr=subprocess.DEVNULL)
        try:
            commands = {
                _RUN: ours.mooring("run", "bench", "true"),
                _BARE: [sys.executable, "-c", "pass"],
                _COLD: [*ssh, *login, server.host, "true"],
                _MUX: [*ssh, *master, server.host, "true"],
            }
            return [
                {name: _timed(command, ours.environment) for name, command in commands.items()}
                for _ in range(size.starts)
            ]
        finally:
            subprocess.run([*ssh, *master, "-O", "exit", server.host], check=True, stderr=subprocess.DEVNULL)


def _timed(command: Sequence[str], environment: Mapping[str, str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True)
    return time.perf_counter() - start


def measure_fleet(server: Server, folder: Path, size: Size) -> Fleet:
    """What thousands of sessions cost."""
    with daemon(dataclasses.replace(server, ports=server.ports[:1]), folder) as small:
        _timed(small.mooring("status"), small.environment)
        empty = small.process.memory_info().rss
    start = time.perf_counter()
    with daemon(server, folder) as ours:
        wait_up(ours, len(server.ports))
        up = time.perf_counter() - start
        memory = (ours.process.memory_info().rss - empty) / len(server.ports)
        status = [_timed(ours.mooring("status"), ours.environment) for _ in range(5)]
        before = sum(ours.process.cpu_times()[:2])
        time.sleep(size.idle)
        idle = (sum(ours.process.cpu_times()[:2]) - before) / size.idle
        return Fleet(up, memory, status, idle)


def wait_up(ours: Daemon, count: int) -> None:
    """Wait until so many sessions are up."""
    _until(lambda: _all_up(ours, count))


def _all_up(ours: Daemon, count: int) -> bool | None:
    command = ours.mooring("status", "--json")
    done = subprocess.run(command, env=ours.environment, capture_output=True, text=True, check=False)
    up = done.stdout.count('"state":"up"') + done.stdout.count('"state": "up"')
    if up < count:
        time.sleep(1)
    return up == count or None


def render(machine: Machine, size: Size, rates: Rounds, starts: Times, fleet: Fleet) -> str:
    """The whole text."""

    def ratio(rows: Rounds | Times, ours: str, peer: str) -> Spread:
        return Spread.of([_figure(row[ours]) / _figure(row[peer]) for row in rows])

    status = Spread.of(fleet.status)
    against_pass, against_ssh = ratio(starts, _RUN, _BARE), ratio(starts, _RUN, _COLD)
    count = f"{size.sessions:,} held sessions"
    asked = [
        at_least("POST run over REST, 16 at once, against the library", 0.5, ratio(rates, _REST, _LIBRARY)),
        at_most(f"{_RUN}, against {_BARE}", "4.0 x", str(against_pass), short=against_pass.median > 4),
        at_most(f"{_RUN}, against a cold ssh", "0.4 x", str(against_ssh), short=against_ssh.median > 0.4),
        at_most(f"{count}: memory each", "60 kB", f"{fleet.memory / 1000:.1f}", short=fleet.memory > 60_000),
        at_most(f"{count}: mooring status", "0.5 s", str(status), short=status.median > 0.5),
        at_most(f"{count}: idle CPU", "10 % of a core", f"{fleet.idle:.1%}", short=fleet.idle > 0.1),
    ]
    parts = [
        "# Results of `make bench WHAT=daemon`\n",
        "Written by `make bench WHAT=daemon ARGS=--write`; do not edit.\n",
        *table(["", ""], machine.rows()),
        "\n## Asked for\n",
        *table(["what", "asked", "measured", ""], asked),
        f"\n## `true` on one session to a simulated host, {MOST} callers at once\n",
        *table(
            ["", "commands/s", "p50 ms", "p99 ms", "rate against the library"],
            [_rate(rates, name) for name in rates[0]],
        ),
        "\n## Whole processes, `true` on sshd\n",
        *table(["", "ms", f"against {_BARE}"], [_start(starts, name) for name in starts[0]]),
        f"\n## {count} to simulated hosts\n",
        *table(
            ["all up after", "kB each", "mooring status, s", "idle CPU"],
            [
                [f"{fleet.up:.0f} s", f"{fleet.memory / 1000:.1f}", str(status), f"{fleet.idle:.1%}"],
            ],
        ),
        _METHOD,
    ]
    return "\n".join(parts)


def _figure(value: dict[str, float] | float) -> float:
    return value["rate"] if isinstance(value, dict) else value


def _rate(rounds: Rounds, name: str) -> list[str]:
    rate, p50, p99 = (statistics.median(row[name][figure] for row in rounds) for figure in ("rate", "p50", "p99"))
    ratio = Spread.of([row[name]["rate"] / row[_LIBRARY]["rate"] for row in rounds])
    return [name, f"{rate:,.0f}", f"{p50 * 1e3:.2f}", f"{p99 * 1e3:.2f}", str(ratio)]


def _start(times: Times, name: str) -> list[str]:
    median = statistics.median(row[name] for row in times)
    return [name, f"{median * 1e3:.1f}", str(Spread.of([row[name] / row[_BARE] for row in times]))]


_METHOD = """
## Method

- Contenders take turns, round after round; a ratio is taken within a round. Shown are medians and, in brackets, the
  least and the greatest.
- The library is one process that runs `session.run`, on uvloop. Over REST the daemon does the same for a second
  process, whose callers keep their connections; with the simulated host that makes three processes on the machine's
  cores, where the library needs two.
- The daemon records what is done, as it does by default.
- sshpool runs on Python 2.7 only. Beside us stands what it is made of, on today's Python: Flask's own server and one
  paramiko connection behind a lock, since sshpool takes one command of a channel after the other. It is asked by the
  same program, which connects anew for each request, since that server closes.
- Whole processes are started with the daemon's session up, and with a master connection up for `ssh -S`; a cold `ssh`
  logs in with the same key.
- Memory is what the daemon has grown by against one with a single session. Idle CPU is that of keepalives, every 15 s
  on each session.
"""


def main() -> None:
    """Measure, print, and keep."""
    parser = argparse.ArgumentParser(prog="python -m bench.daemon", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="about a minute: fewer sessions, shorter rounds")
    parser.add_argument("--write", action="store_true", help="keep the results in bench/RESULTS-daemon.md")
    options = parser.parse_args()
    size = QUICK if options.quick else FULL
    machine = Machine.here()
    with tempfile.TemporaryDirectory(prefix="mb-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # sshd reads the keys in it as the user who logs in
        with simulated(1, folder) as server:
            rates = measure_rate(server, folder, size)
        with openssh(folder) as server:
            starts = measure_starts(server, folder, size)
        with simulated(size.sessions, folder) as server:
            fleet = measure_fleet(server, folder, size)
    text = render(machine, size, rates, starts, fleet)
    print(text)
    if options.write:
        (ROOT / "bench" / "RESULTS-daemon.md").write_text(text)


if __name__ == "__main__":
    main()
