"""The command line, called as its users call it."""

from __future__ import annotations

import subprocess
import sys

import pytest

import mooring
from mooring.cli import COMMANDS


def _mooring(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "mooring.cli", *words],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        stdin=subprocess.DEVNULL,
    )


@pytest.mark.parametrize("words", [(), ("-h",), ("--help",)])
def test_help_names_every_command(words: tuple[str, ...]) -> None:
    done = _mooring(*words)
    assert (done.returncode, done.stderr) == (0, "")
    assert all(command in done.stdout for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str) -> None:
    done = _mooring(command, "-h")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"usage: mooring {command}" in done.stdout


def test_the_version_is_the_packages() -> None:
    assert _mooring("--version").stdout == f"mooring {mooring.__version__}\n"


def test_an_unknown_command_is_a_usage_error() -> None:
    done = _mooring("dance")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "mooring: there is no command 'dance'; `mooring --help` lists them\n"


def test_an_unknown_option_is_a_usage_error() -> None:
    done = _mooring("simulate", "hosts", "--dance")
    assert done.returncode == 2
    assert "--dance" in done.stderr


def test_the_help_imports_no_ssh() -> None:
    program = "import sys, mooring.cli; mooring.cli.main(['-h']); sys.exit('asyncssh' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=30, check=False)
    assert done.returncode == 0


@pytest.mark.skipif(sys.platform != "linux", reason="needs /dev/full")
def test_a_full_disk_is_told_in_one_line() -> None:
    with open("/dev/full", "w") as full:  # noqa: PTH123 - a device
        done = subprocess.run(
            [sys.executable, "-m", "mooring.cli", "demo"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=30,
            check=False,
        )
    assert done.returncode != 0
    assert "mooring demo: No space left on device" in done.stderr
    assert "Traceback" not in done.stderr
