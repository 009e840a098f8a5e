"""``mooring status`` as its users call it, with a real daemon."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from mooring.model.status import SessionStatus
from tests.cli.calling import MOORING, mooring
from tests.cli.fleet import fleet
from tests.cli.on_terminal import OnTerminal
from tests.daemon.running import RunningDaemon


@pytest.fixture(scope="module")
def daemon() -> Iterator[RunningDaemon]:
    with fleet() as daemon:
        yield daemon


@pytest.fixture(scope="module")
def environment(daemon: RunningDaemon) -> Mapping[str, str]:
    return daemon.environment()


class Coloured(OnTerminal):
    """A terminal that shows what was written as it was written."""

    def _plain(self) -> str:
        return self._seen.decode()


def test_columns_and_what_to_do(environment: Mapping[str, str]) -> None:
    done = mooring("status", environment=environment)
    while "1 connecting" in done.stderr:  # `down` is tried again now and then
        done = mooring("status", environment=environment)
    assert (done.returncode, done.stderr) == (0, "4 sessions: 2 up, 1 parked, 1 backoff\n")
    heading, *lines = done.stdout.splitlines()
    assert heading.split() == ["ALIAS", "STATE", "FOR", "NOTE", "HOST"]
    starts = [heading.index(title) for title in heading.split()]
    rows = [line for line in lines if not line.startswith(" ")]
    assert [row.split()[:2] for row in rows] == [
        ["sw1", "up"],
        ["sw2", "up"],
        ["parked", "parked"],
        ["down", "backoff"],
    ]
    assert all(row[start - 1] == " " for row in rows for start in starts[1:])
    assert "host key unchecked  zoë@127.0.0.1:" in rows[3]
    reason, hint = lines[lines.index(rows[2]) + 1 : lines.index(rows[3])]
    assert reason.startswith("  no host key is known for")
    assert hint.endswith("then `mooring trust parked` trusts it")
    assert "  cannot reach zoë@127.0.0.1" in lines[-1]
    assert "; next attempt in " in lines[-1]


def test_a_selector(environment: Mapping[str, str]) -> None:
    done = mooring("status", "site:ams,!sw2", environment=environment)
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["ALIAS", "sw1"]
    assert (done.returncode, done.stderr) == (0, "1 session: 1 up\n")


def test_a_selector_in_a_file_of_ours(environment: Mapping[str, str], tmp_path: Path) -> None:
    (tmp_path / "hosts").write_text("sw1 # the first\nsw2, !parked\n")
    done = mooring("status", "@hosts,!sw1", environment=environment, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "1 session: 1 up\n")


def test_json_has_everything(environment: Mapping[str, str]) -> None:
    done = mooring("status", "--json", environment=environment)
    sessions = [json.loads(line) for line in done.stdout.splitlines()]
    assert [session["alias"] for session in sessions] == ["sw1", "sw2", "parked", "down"]
    assert all(set(session) == set(SessionStatus.__dataclass_fields__) for session in sessions)
    assert (done.returncode, done.stderr) == (0, "")


def test_wide(environment: Mapping[str, str]) -> None:
    line = mooring("status", "sw1", "--wide", environment=environment).stdout.splitlines()[1]
    assert "site:ams,role:access" in line
    assert "SHA256:" in line


def test_forty_columns(environment: Mapping[str, str]) -> None:
    code, seen = 0, "1 connecting"
    while "1 connecting" in seen:  # likewise
        with OnTerminal([*MOORING, "status"], environment, columns=40) as terminal:
            code, seen = terminal.end()
    rows = [line for line in seen.splitlines() if not line.startswith(" ") and "sessions:" not in line]
    assert code == 0
    assert [row.split()[:2] for row in rows] == [
        ["ALIAS", "STATE"],
        ["sw1", "up"],
        ["sw2", "up"],
        ["parked", "parked"],
        ["down", "backoff"],
    ]
    assert all(len(row) <= 40 for row in rows)


@pytest.mark.parametrize(("variables", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_colours_where_they_are_wanted(
    environment: Mapping[str, str], variables: Mapping[str, str], *, coloured: bool
) -> None:
    clean = {name: value for name, value in environment.items() if name != "NO_COLOR"}
    with Coloured([*MOORING, "status", "sw1"], {**clean, **variables}) as terminal:
        _, seen = terminal.end()
    assert ("\x1b[32mup" in seen) is coloured
    assert ("\x1b" in seen) is coloured


@pytest.mark.parametrize(
    ("selector", "code", "message", "hint"),
    [
        ("nope", 255, "no session is called nope", "`mooring status` shows all"),
        ("nope*", 255, "matches no session", "all means every session"),
        ("a b", 2, "the selector at character 1 has no alias, glob or label", "write an alias"),
        ("@/nope", 2, "names a file that cannot be read: No such file or directory", ""),
    ],
)
def test_a_selector_that_means_nothing(
    environment: Mapping[str, str], selector: str, code: int, message: str, hint: str
) -> None:
    done = mooring("status", selector, environment=environment)
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.startswith("mooring status: ")
    assert message in done.stderr
    assert hint in done.stderr


def test_an_unknown_option(environment: Mapping[str, str]) -> None:
    done = mooring("status", "--xyzzy", environment=environment)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "mooring status: No such option '--xyzzy'.\n  hint: `mooring status -h` tells more\n"


def test_no_daemon(tmp_path: Path) -> None:
    done = mooring("status", environment={**os.environ, "MOORING_STATE_DIR": str(tmp_path)})
    assert (done.returncode, done.stdout) == (255, "")
    first, hint = done.stderr.splitlines()
    assert first.startswith(f"mooring status: no daemon answers at unix:{tmp_path}/mooring.sock")
    assert "start it with `mooringd`" in hint


def test_a_disk_that_is_full(environment: Mapping[str, str]) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*MOORING, "status"], env=environment, stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert (done.returncode, done.stderr) == (1, "mooring status: No space left on device\n")


def test_nobody_reads(environment: Mapping[str, str]) -> None:
    done = subprocess.run(
        ["sh", "-c", f"{shlex.join(MOORING)} status | true"],  # true reads nothing
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr
    assert "Error" not in done.stderr


def test_a_locale_without_the_letters(environment: Mapping[str, str]) -> None:
    letters = {"PYTHONIOENCODING": "ascii", "LC_ALL": "C"}
    done = mooring("status", "down", environment={**environment, **letters})
    assert done.returncode == 0
    assert r"cannot reach zo\xeb@" in done.stdout
