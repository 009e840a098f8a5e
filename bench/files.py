"""Files over a held session beside what a user would pick instead: ``make bench WHAT=files``.

One file of 500 MB and 2,000 small ones, both ways, to one sshd, by contenders in turns. The results are printed as
Markdown; ``--write`` keeps them in ``bench/RESULTS-files.md``.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bench.files_contender import CONTENDERS
from bench.machine import Machine
from bench.programs import ROOT, programs
from bench.servers import openssh
from bench.tables import Spread, at_least, table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.programs import Program

    Rounds = list[dict[str, float]]

_PEER: Final = "scp"
_ASKED: Final = {
    ("big", "mooring"): 1.0,
    ("big", "mooring, uvloop"): 1.0,
    ("big", "mooring cp"): 0.9,
    ("small", "mooring"): 2.0,
    ("small", "mooring, uvloop"): 2.0,
}


@dataclass(frozen=True)
class Size:
    """How much is measured.

    Attributes:
        rounds: How often each contender takes its turn.
        big: Bytes of the one file.
        small: How many small ones.
    """

    rounds: int
    big: int
    small: int


FULL: Final = Size(rounds=9, big=500_000_000, small=2000)
QUICK: Final = Size(rounds=3, big=100_000_000, small=500)


def grow(folder: Path, size: Size) -> None:
    """The files, which whoever logs in may read."""
    with (folder / "big").open("wb") as file:
        for _ in range(size.big // 1_000_000):
            file.write(os.urandom(1_000_000))
    for number in range(size.small):
        path = folder / "small" / f"d{number % 20}" / f"{number}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(2000))
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755)


def measure(folder: Path, contenders: list[Program], size: Size) -> dict[tuple[str, str], Rounds]:
    """Seconds of every contender in every round, by what and which way."""
    found: dict[tuple[str, str], Rounds] = {}
    target = folder / "to"
    target.mkdir(mode=0o777)
    target.chmod(0o777)
    for _ in range(size.rounds):
        for what in ("big", "small"):
            for verb in ("get", "put"):
                row: dict[str, float] = {}
                for contender in contenders:
                    row[contender.name] = contender.ask(f"{verb} {folder / what} {target / what}")
                    _clear(target / what)
                found.setdefault((what, verb), []).append(row)
    return found


def _clear(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


def render(machine: Machine, found: dict[tuple[str, str], Rounds], size: Size) -> str:
    """The whole text."""
    parts = [
        "# Results of `make bench WHAT=files`\n",
        "Written by `make bench WHAT=files ARGS=--write`; do not edit.\n",
        *table(["", ""], machine.rows()),
        "\n## Asked for\n",
        *table(["what", "asked", "measured", ""], list(_verdicts(found))),
    ]
    titles = {"big": f"One file of {size.big // 1_000_000:,} MB", "small": f"{size.small:,} files of 2 kB"}
    for (what, verb), rounds in found.items():
        parts += [f"\n## {titles[what]}, {verb}\n"]
        head = ["", "seconds", "MB/s" if what == "big" else "files/s", f"against {_PEER}"]
        amount = size.big / 1e6 if what == "big" else size.small
        parts += table(head, [_row(name, rounds, amount) for name in rounds[0]])
    return "\n".join([*parts, _METHOD])


def _verdicts(found: dict[tuple[str, str], Rounds]) -> Iterator[list[str]]:
    for (what, verb), rounds in found.items():
        for (asked_of, name), ratio in _ASKED.items():
            if asked_of == what and name in rounds[0]:
                yield at_least(f"{name}, {verb}, {what}, against {_PEER}", ratio, _ratio(rounds, name))


def _ratio(rounds: Rounds, name: str) -> Spread:
    return Spread.of([row[_PEER] / row[name] for row in rounds])


def _row(name: str, rounds: Rounds, amount: float) -> list[str]:
    seconds = Spread.of([row[name] for row in rounds])
    return [name, str(seconds), f"{amount / seconds.median:,.0f}", str(_ratio(rounds, name))]


_METHOD = """
## Method

- Contenders take turns, round after round, against one sshd with `internal-sftp`, over loopback; a ratio is taken
  within a round. Shown are medians and, in brackets, the least and the greatest. The client, sshd and its child share
  this machine.
- All but parallel-ssh, whose cipher cannot be chosen, use aes128-gcm@openssh.com. `scp` is OpenSSH's, `-r`, and logs in
  each time, as its users do; `AsyncSSH` is its SFTP client's `get` and `put` with their defaults; `parallel-ssh` is
  `copy_file` and `copy_remote_file`. They stay logged in, as `mooring` does, which is `session.get` and `session.put`.
  `mooring cp` is the command from its start to its end, against a daemon that holds the session.
- Only mooring writes under another name, renames, and compares sizes.
"""


def main() -> None:
    """Measure, print, and keep."""
    parser = argparse.ArgumentParser(prog="python -m bench.files", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer and smaller files")
    parser.add_argument("--write", action="store_true", help="keep the results in bench/RESULTS-files.md")
    parser.add_argument("--only", nargs="*", default=list(CONTENDERS), help="contenders")
    options = parser.parse_args()
    size = QUICK if options.quick else FULL
    machine = Machine.here()
    with tempfile.TemporaryDirectory(prefix="mb-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # sshd reads the keys in it as the user who logs in
        (folder / "files").mkdir()
        grow(folder / "files", size)
        with openssh(folder) as server, programs("bench.files_contender", options.only, server) as contenders:
            found = measure(folder / "files", contenders, size)
    text = render(machine, found, size)
    print(text)
    if options.write:
        (ROOT / "bench" / "RESULTS-files.md").write_text(text)


if __name__ == "__main__":
    main()
