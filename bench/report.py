"""Results as Markdown, with a verdict on each figure that was asked for."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from bench.tables import Spread, at_least, at_most, table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bench.machine import Machine

__all__ = ["Bursts", "Fleet", "Profile", "Results", "render"]

Bursts: TypeAlias = dict[int, list[dict[str, dict[str, float]]]]
"""By concurrency, by round, by contender: the fields of a Burst."""
Fleet: TypeAlias = dict[str, Any]
"""Seconds to ``connect``, a list of seconds to ``run``, bytes of ``memory`` a session."""
Profile: TypeAlias = list[tuple[str, float, float]]
"""Function, calls and own microseconds of a command."""

_OURS = "mooring"
_DEFAULTS = "AsyncSSH"
_SAME_CIPHER = "AsyncSSH, aes128-gcm"
_PARALLEL = "parallel-ssh"


@dataclass(frozen=True)
class Results:
    """Everything that was measured.

    Attributes:
        machine: On what.
        sessions: In the fleet.
        simulated: One session to a simulated host.
        sshd: One session to sshd.
        fleet: By contender.
        profile: Of our commands, one at a time.
    """

    machine: Machine
    sessions: int
    simulated: Bursts
    sshd: Bursts
    fleet: dict[str, Fleet]
    profile: Profile


def render(results: Results) -> str:
    """The whole text."""
    machine = results.machine
    parts = [
        "# Results of `make bench`\n",
        "Written by `make bench ARGS=--write`; do not edit.\n",
        *table(["", ""], machine.rows()),
        "\n## Asked for\n",
        *table(["what", "asked", "measured", ""], _verdicts(results)),
        "\n## One session to a simulated host, in a process of its own\n",
        *_session(results.simulated),
        "\n## One session to sshd, `MaxSessions 100`: its fork is the cost\n",
        *_session(results.sshd),
        f"\n## {results.sessions:,} sessions to simulated hosts\n",
        *_fleet(results),
        "\n## Where our time goes\n",
        "cProfile of `session.run`, one at a time; own time, its own cost included.\n",
        *table(
            ["function", "calls a command", "us a command"],
            [[place, f"{calls:.1f}", f"{own:.1f}"] for place, calls, own in results.profile],
        ),
        _METHOD,
    ]
    return "\n".join(parts)


def _verdicts(results: Results) -> list[list[str]]:
    one, many = min(results.simulated), max(results.simulated)

    def rate(concurrency: int, peer: str) -> Spread:
        return _ratio(results.simulated[concurrency], "rate", _OURS, peer)

    ours = results.fleet[_OURS]
    p50 = _ratio(results.simulated[one], "p50", _OURS, _SAME_CIPHER)
    on_all = Spread.of(ours["run"])
    return [
        at_least(f"rate, one at a time, against {_DEFAULTS}", 1.7, rate(one, _DEFAULTS)),
        at_least(f"rate, {many} at once, against {_DEFAULTS}", 2.0, rate(many, _DEFAULTS)),
        at_least(f"rate, {many} at once, against {_PARALLEL}", 2.5, rate(many, _PARALLEL)),
        at_most(f"p50, one at a time, against {_SAME_CIPHER}", "1.1 x", str(p50), short=p50.median > 1.1),
        at_most(f"one command on each of {results.sessions:,}", "1.0 s", str(on_all), short=on_all.median > 1.0),
        at_most("memory of a held session", "60 kB", f"{ours['memory'] / 1000:.1f}", short=ours["memory"] > 60_000),
    ]


def _ratio(rounds: Sequence[dict[str, dict[str, float]]], figure: str, ours: str, peer: str) -> Spread:
    return Spread.of([row[ours][figure] / row[peer][figure] for row in rounds])


def _session(bursts: Bursts) -> Iterator[str]:
    head = ["", "commands/s", "p50 ms", "p99 ms", "CPU us a command", f"rate against {_DEFAULTS}"]
    for concurrency, rounds in bursts.items():
        yield f"{concurrency} at once:\n" if concurrency > 1 else "One at a time:\n"
        yield from table(head, [_contender(name, rounds) for name in rounds[0]])
        yield ""


def _contender(name: str, rounds: Sequence[dict[str, dict[str, float]]]) -> list[str]:
    rate, p50, p99, cpu = (
        statistics.median(row[name][figure] for row in rounds) for figure in ("rate", "p50", "p99", "cpu")
    )
    times = [f"{p50 * 1e3:.2f}", f"{p99 * 1e3:.2f}", f"{cpu * 1e6:,.0f}"]
    return [name, f"{rate:,.0f}", *times, str(_ratio(rounds, "rate", name, _DEFAULTS))]


def _fleet(results: Results) -> Iterator[str]:
    head = ["", "connects/s", "s for one command on each", "commands/s", "kB a session"]
    count = results.sessions
    rows = []
    for name, fleet in results.fleet.items():
        seconds = Spread.of(fleet["run"])
        rates = [f"{count / fleet['connect']:.0f}", str(seconds), f"{count / seconds.median:,.0f}"]
        rows.append([name, *rates, f"{fleet['memory'] / 1000:.1f}"])
    return table(head, rows)


_METHOD = """
## Method

- Every contender is a process of its own, connected once, logged in with the same ed25519 key over loopback to the
  same server, and warmed up. It waits for the exit status of each `true` and takes both its output streams.
- They take turns, a burst each, round after round. A ratio is taken within a round; shown are its median and, in
  brackets, the least and the greatest. All other figures are medians over the rounds.
- CPU is the client's, its children included.
- `mooring` is `session.run` with `channels=100`, on asyncio; `mooring, uvloop` the same on uvloop. `AsyncSSH` is
  `connection.run` with its defaults; `AsyncSSH, aes128-gcm` with the cipher that Mooring prefers. `paramiko` is one
  transport, and a thread for each command at once. `parallel-ssh` is `ParallelSSHClient` with the host named as often
  as there are commands at once, since its connections carry one at a time; like paramiko, it leaves Nagle's algorithm
  on, which costs 40 ms where commands follow one another. `parallel-ssh, TCP_NODELAY` is what it could do: the same
  number of clients, each with that option set on its socket and never waiting for the others. `ssh -S` is a process
  for each command over one master connection.
- In the fleet each contender runs alone, at most 64 handshakes at once. `mooring` is `pool.run("all", "true")`, as it
  comes. Memory is what the process grew by, for each session, after all rounds.
"""
