"""The command line, called as its users call it."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

import mooring
from mooring.cli import COMMANDS, main


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
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        code: object = main([command, "-h"])
    except SystemExit as done:
        code = done.code
    out, err = capsys.readouterr()
    assert (code, err) == (0, "")
    assert f"usage: mooring {command}" in out


def test_the_version_is_the_packages() -> None:
    assert _mooring("--version").stdout == f"mooring {mooring.__version__}\n"


def test_an_unknown_command_is_a_usage_error() -> None:
    done = _mooring("dance")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "mooring: there is no command 'dance'; `mooring --help` lists them\n"


@pytest.mark.parametrize(("words", "told"), [(["--dance"], "--dance"), (["--count", "x"], "'x' is no number")])
def test_an_unknown_option_is_a_usage_error(words: list[str], told: str) -> None:
    done = _mooring("simulate", "hosts", *words)
    assert done.returncode == 2
    assert told in done.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("demo x", "Got unexpected extra argument (x)"),
        ("gateway", "Missing argument 'known-host'. Choose from: known-host"),
    ],
)
def test_what_cannot_be_meant_is_told_in_a_line(words: str, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    command = words.partition(" ")[0]
    assert main(words.split()) == 2
    assert capsys.readouterr() == ("", f"mooring {command}: {told}\n  hint: `mooring {command} -h` tells more\n")


def test_the_help_imports_no_ssh() -> None:
    program = "import sys, mooring.cli; mooring.cli.main(['-h']); sys.exit('asyncssh' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=30, check=False)
    assert done.returncode == 0


@pytest.mark.parametrize("word", ["demo", "-h", "--version"])
@pytest.mark.skipif(sys.platform != "linux", reason="needs /dev/full")
def test_a_full_disk_is_told_in_one_line(word: str) -> None:
    with open("/dev/full", "w") as full:  # noqa: PTH123 - a device
        done = subprocess.run(
            [sys.executable, "-m", "mooring.cli", word],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=30,
            check=False,
        )
    assert done.returncode != 0
    assert f"mooring {word}: No space left on device" in done.stderr
    assert "Traceback" not in done.stderr


def test_ctrl_c_while_it_complains_is_no_traceback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOORING_SOCKET", str(tmp_path / "nobody"))
    monkeypatch.setattr("mooring.cli.failures.tell", lambda *_: signal.raise_signal(signal.SIGINT))
    assert main(["status"]) == 130
