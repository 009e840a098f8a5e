"""Every example runs, as its user would run it."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.peers.ending import ending
from tests.peers.sshd import Sshd

_EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def config(sshd: Sshd, tmp_path: Path) -> Path:
    path = tmp_path / "config"
    path.write_text(
        f"Host edge* gone\n  HostName {sshd.host}\n  Port {sshd.port}\n  User {sshd.user}\n"
        f"  IdentityFile {sshd.client_key}\n  IdentitiesOnly yes\n  UserKnownHostsFile {sshd.known_hosts}\n"
    )
    return path


def test_every_example_is_tested() -> None:
    assert {path.stem for path in _EXAMPLES.glob("*.py")} == {"fleet", "events"}


def test_fleet_tells_each_answer(config: Path) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-W",
            "error",
            _EXAMPLES / "fleet.py",
            "echo $((6 * 7))",
            "edge1",
            "edge2",
            "--config",
            config,
        ],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(done.stdout.splitlines()) == ["edge1: 42", "edge2: 42"]


def test_fleet_counts_who_did_not_answer(config: Path) -> None:
    config.write_text(f"Host gone\n  HostKeyAlias nobody\n{config.read_text()}")
    done = subprocess.run(
        [sys.executable, "-W", "error", _EXAMPLES / "fleet.py", "true", "edge1", "gone", "--config", config],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert (done.returncode, done.stderr) == (1, "")
    assert "gone is parked: no host key is known for nobody" in done.stdout


def test_events_tells_until_interrupted(config: Path) -> None:
    with ending(
        subprocess.Popen(
            [sys.executable, "-W", "error", _EXAMPLES / "events.py", "edge1", "--config", config],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    ) as program:
        assert program.stdout is not None
        assert program.stderr is not None
        assert "edge1 connecting: started" in program.stdout.readline()
        assert "edge1 up: connected to" in program.stdout.readline()
        program.send_signal(signal.SIGINT)
        assert program.wait(timeout=30) == 0
        assert program.stderr.read() == ""
