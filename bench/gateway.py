"""The gateway beside a jump host: ``make bench WHAT=gateway``.

``ssh`` through a Mooring that holds the session, ``ssh -J`` through an OpenSSH that is a jump host, and ``ssh`` without
either, to one sshd. All in one run. The results are printed as Markdown; ``--write`` keeps them in
``bench/RESULTS-gateway.md``.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import pstats
import re
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import psutil

from bench.machine import Machine
from bench.programs import ROOT
from bench.servers import openssh
from bench.tables import Spread, at_least, at_most, table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from bench.servers import Server

    Rounds = list[dict[str, dict[str, float]]]
    Functions = list[tuple[str, float, float]]

_OURS: Final = "ssh, by the gateway"
_NO_SET_UP: Final = "mooring ssh"
_JUMP: Final = "ssh -J"
_JUMP_GCM: Final = "ssh -J, aes128-gcm"
_DIRECT: Final = "ssh, direct"
_CHUNK: Final = 1 << 20
_PROFILED: Final = 12
_START: Final = 60.0


@dataclass(frozen=True)
class Size:
    """How much is measured.

    Attributes:
        rounds: How often each contender takes its turn.
        runs: Commands of a turn.
        stream: Bytes of a stream.
    """

    rounds: int
    runs: int
    stream: int


FULL: Final = Size(rounds=11, runs=10, stream=1_000_000_000)
QUICK: Final = Size(rounds=3, runs=5, stream=300_000_000)


@dataclass(frozen=True)
class Gateway:
    """A daemon with one session and a gateway.

    Attributes:
        process: It.
        port: Where ssh comes.
        environment: In which ``mooring`` finds it.
    """

    process: psutil.Process
    port: int
    environment: Mapping[str, str]


@contextlib.contextmanager
def gateway(server: Server, folder: Path, before: Sequence[str] = ()) -> Iterator[Gateway]:
    """A daemon in a process of its own, with everything in one folder.

    Args:
        server: Where its session ``a`` leads.
        folder: An empty one.
        before: Options of Python: what watches it.
    """
    folder.mkdir()
    rule = '{ select = "a", actions = ["run", "files", "forward", "shell"] }'
    config = folder / "config.toml"
    config.write_text(
        '[daemon]\nssh_config = []\n[gateway]\nlisten = "127.0.0.1:0"\n'
        f'[[gateway.user]]\nname = "bench"\nauthorized_keys = "{server.key}.pub"\nallow = [{rule}]\n'
        f'[sessions.a]\nhost = "{server.host}"\nport = {server.ports[0]}\nusername = "{server.user}"\n'
        f'identity = "{server.key}"\nknown_hosts = "{server.known_hosts}"\n'
    )
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("MOORING_")}
    environment = {**inherited, "MOORING_STATE_DIR": str(folder / "state")}
    command = [sys.executable, *before, "-m", "mooring.cli.mooringd", "--port", "0", "--config", str(config)]
    log = folder / "log"
    with log.open("wb") as stderr, subprocess.Popen(command, env=environment, stderr=stderr) as process:
        try:
            yield Gateway(psutil.Process(process.pid), _port(log), environment)
        finally:
            process.terminate()


def _port(log: Path) -> int:
    """The gateway's port, once the daemon is ready."""
    end = time.monotonic() + _START
    while " ready: " not in log.read_text():
        if time.monotonic() > end:
            msg = f"the daemon was not ready in time: {log.read_text()}"
            raise RuntimeError(msg)
        time.sleep(0.05)
    return int(re.findall(r"SSH clients may come to 127\.0\.0\.1:(\d+)", log.read_text())[0])


@dataclass(frozen=True)
class Contender:
    """One way to the server.

    Attributes:
        command: Up to what is to be run there.
        environment: In which it is started.
        between: What stands between ssh and the server.
    """

    command: Sequence[str]
    environment: Mapping[str, str]
    between: Callable[[], float] = lambda: 0.0


def contenders(server: Server, jump: Server, ours: Gateway, folder: Path) -> dict[str, Contender]:
    """All of them."""
    config = folder / "ssh_config"
    config.write_text(
        "Host *\n  StrictHostKeyChecking no\n  UserKnownHostsFile /dev/null\n  LogLevel ERROR\n  BatchMode yes\n"
        f"  IdentitiesOnly yes\n  IdentityFile {server.key}\n"
        f"Host jump\n  HostName {jump.host}\n  Port {jump.ports[0]}\n  User {jump.user}\n"
        f"Host server via\n  HostName {server.host}\n  Port {server.ports[0]}\n  User {server.user}\n"
        "Host via\n  ProxyJump jump\n"
        f"Host gateway\n  HostName 127.0.0.1\n  Port {ours.port}\n  User a\n"
    )
    gcm = folder / "ssh_config_gcm"
    gcm.write_text(f"Ciphers aes128-gcm@openssh.com\n{config.read_text()}")
    ssh = ["ssh", "-F", str(config)]

    def busy() -> float:
        times = ours.process.cpu_times()
        return times.user + times.system

    no_set_up = [sys.executable, "-m", "mooring.cli", "ssh", "-F", str(config), "a"]
    return {
        _DIRECT: Contender([*ssh, "server"], os.environ),
        _JUMP: Contender([*ssh, "via"], os.environ),
        _JUMP_GCM: Contender(["ssh", "-F", str(gcm), "via"], os.environ),
        _OURS: Contender([*ssh, "gateway"], os.environ, busy),
        _NO_SET_UP: Contender(no_set_up, ours.environment, busy),
    }


def turn(contender: Contender, size: Size) -> dict[str, float]:
    """Commands one after the other, then a stream in each direction."""
    before = time.perf_counter()
    for _ in range(size.runs):
        _run(contender, "true")
    run = (time.perf_counter() - before) / size.runs
    busy = contender.between()
    down = _seconds(lambda: _run(contender, f"head -c {size.stream} /dev/zero"))
    cpu = contender.between() - busy
    up = _seconds(lambda: _send(contender, size.stream))
    return {"run": run, "down": size.stream / down, "up": size.stream / up, "cpu": cpu * 1e9 / size.stream}


def _seconds(work: Callable[[], None]) -> float:
    before = time.perf_counter()
    work()
    return time.perf_counter() - before


def _run(contender: Contender, command: str) -> None:
    subprocess.run(
        [*contender.command, command],
        env=contender.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        check=True,
    )


def _send(contender: Contender, size: int) -> None:
    command = [*contender.command, "cat >/dev/null"]
    with subprocess.Popen(command, env=contender.environment, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None  # noqa: S101 - it is a pipe
        zeros = bytes(_CHUNK)
        for _ in range(size // _CHUNK):
            process.stdin.write(zeros)
        process.stdin.close()
        if process.wait():
            raise subprocess.CalledProcessError(process.returncode, command)


def measure(server: Server, jump: Server, folder: Path, size: Size) -> tuple[Rounds, Functions]:
    """All contenders, in turns; then where the gateway's time goes while a stream comes."""
    with gateway(server, folder / "gateway") as ours:
        asked = contenders(server, jump, ours, folder)
        for contender in asked.values():
            _run(contender, "true")
        rounds = [{name: turn(contender, size) for name, contender in asked.items()} for _ in range(size.rounds)]
    return rounds, profile(server, folder, size.stream)


def profile(server: Server, folder: Path, size: int) -> Functions:
    """The functions that take most time of their own for a stream: calls and microseconds for a megabyte.

    What a daemon takes for a command that prints nothing, its start most of all, is taken off.
    """
    start, both = (_profiled(server, folder / f"profiled{size}", f"head -c {size} /dev/zero") for size in (0, size))
    found = []
    for place, (calls, own) in both.items():
        before = start.get(place, (0, 0.0))
        if calls - before[0] < size / 1e7:
            continue  # a start is not like another to the millisecond
        found.append((place, (calls - before[0]) * 1e6 / size, (own - before[1]) * 1e12 / size))
    return sorted(found, key=lambda entry: -entry[2])[:_PROFILED]


def _profiled(server: Server, folder: Path, command: str) -> dict[str, tuple[int, float]]:
    kept = folder / "profile"
    with gateway(server, folder, ["-m", "cProfile", "-o", str(kept)]) as watched:
        _run(contenders(server, server, watched, folder)[_OURS], command)
    found = {}
    for (file, line, function), (_, calls, own, *_) in pstats.Stats(str(kept)).stats.items():  # type: ignore[attr-defined]
        place = f"{'/'.join(Path(file).parts[-2:])}:{line} {function}" if line else function.strip("<>")
        found[place] = calls, own
    return found


def render(machine: Machine, rounds: Rounds, functions: Functions) -> str:
    """The whole text."""

    def ratio(figure: str, peer: str, ours: str = _OURS) -> Spread:
        return Spread.of([row[ours][figure] / row[peer][figure] for row in rounds])

    run = ratio("run", _JUMP)
    asked = [
        at_most(f"time to connect and run, against {_JUMP}", "0.7 x", str(run), short=run.median > 0.7),
        at_least(f"MB/s that come, against {_JUMP}", 0.7, ratio("down", _JUMP)),
        at_least(f"MB/s that go, against {_JUMP}", 0.7, ratio("up", _JUMP)),
    ]
    beside = [
        [f"{what}, {ours} against {peer}", str(ratio(figure, peer, ours))]
        for ours in (_OURS, _NO_SET_UP)
        for peer in (_JUMP_GCM, _DIRECT)
        for what, figure in (("time to connect and run", "run"), ("MB/s that come", "down"), ("MB/s that go", "up"))
    ]
    parts = [
        "# Results of `make bench WHAT=gateway`\n",
        "Written by `make bench WHAT=gateway ARGS=--write`; do not edit.\n",
        *table(["", ""], machine.rows()),
        "\n## Asked for\n",
        *table(["what", "asked", "measured", ""], asked),
        "\n## Beside\n",
        *table(["", "measured"], beside),
        "\n## Each\n",
        *table(["", "ms to connect and run", "MB/s, come", "MB/s, go", "the gateway's CPU s/GB"], _rows(rounds)),
        "\n## Where the gateway's time goes\n",
        "cProfile of the daemon while a stream comes; own time, its own cost included.\n",
        *table(
            ["function", "calls a MB", "us a MB"],
            [[place, f"{calls:.1f}", f"{own:.0f}"] for place, calls, own in functions],
        ),
        _METHOD,
    ]
    return "\n".join(parts)


def _rows(rounds: Rounds) -> list[list[str]]:
    rows = []
    for name in rounds[0]:
        middle = {figure: statistics.median(row[name][figure] for row in rounds) for figure in rounds[0][name]}
        figures = [f"{middle['run'] * 1e3:.1f}", f"{middle['down'] / 1e6:,.0f}", f"{middle['up'] / 1e6:,.0f}"]
        rows.append([name, *figures, f"{middle['cpu']:.1f}" if middle["cpu"] else ""])
    return rows


_METHOD = """
## Method

- Each is OpenSSH's client as a whole process, with the same key, to the same sshd. `ssh -J` goes through another sshd
  on this machine, with a connection of its own to the server inside; the gateway is a daemon that holds a session.
  `mooring ssh` is `ssh` by way of the daemon's Unix socket, two starts of Python included.
- They take turns, round after round; a ratio is taken within a round. Shown are medians and, in brackets, the least and
  the greatest. All of them and the servers share the machine.
- OpenSSH's client prefers ChaCha20-Poly1305; the gateway offers who knows it AES-GCM alone. `ssh -J, aes128-gcm` is the
  jump host with that cipher on both legs.
"""


def main() -> None:
    """Measure, print, and keep."""
    parser = argparse.ArgumentParser(prog="python -m bench.gateway", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few rounds, short ones")
    parser.add_argument("--write", action="store_true", help="keep the results in bench/RESULTS-gateway.md")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mb-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # sshd reads the keys in it as the user who logs in
        with openssh(folder) as server, openssh(folder) as jump:
            results = measure(server, jump, folder, QUICK if options.quick else FULL)
            text = render(Machine.here(), *results)
    print(text)
    if options.write:
        (ROOT / "bench" / "RESULTS-gateway.md").write_text(text)


if __name__ == "__main__":
    main()
