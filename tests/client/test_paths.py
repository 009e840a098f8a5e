"""Where the daemon and its clients meet."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mooring.client import paths

HOME = str(Path("~").expanduser())


@pytest.fixture(autouse=True)
def nothing_said(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("MOORING_", "XDG_")):
            monkeypatch.delenv(name)


def test_the_places_of_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/0")
    assert paths.config_file() == "/etc/mooring/config.toml"
    assert paths.state_dir() == "/var/lib/mooring"
    assert paths.socket_path() == "/run/mooring/mooring.sock"
    assert paths.token_file() == "/var/lib/mooring/token"


def test_the_places_of_a_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert paths.config_file() == f"{HOME}/.config/mooring/config.toml"
    assert paths.state_dir() == f"{HOME}/.local/state/mooring"
    assert paths.socket_path() == f"{HOME}/.local/state/mooring/mooring.sock"
    for name in ("CONFIG_HOME", "STATE_HOME", "RUNTIME_DIR"):
        monkeypatch.setenv(f"XDG_{name}", f"/x/{name}")
    assert paths.config_file() == "/x/CONFIG_HOME/mooring/config.toml"
    assert paths.token_file() == "/x/STATE_HOME/mooring/token"
    assert paths.socket_path() == "/x/RUNTIME_DIR/mooring/mooring.sock"


def test_a_relative_directory_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    for name in ("CONFIG_HOME", "STATE_HOME", "RUNTIME_DIR"):
        monkeypatch.setenv(f"XDG_{name}", "x")
    assert paths.state_dir() == f"{HOME}/.local/state/mooring"
    assert paths.socket_path() == f"{HOME}/.local/state/mooring/mooring.sock"


def test_what_the_environment_says_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/1")
    monkeypatch.setenv("MOORING_STATE_DIR", "/s")
    monkeypatch.setenv("MOORING_CONFIG", "/c")
    assert (paths.config_file(), paths.state_dir(), paths.token_file()) == ("/c", "/s", "/s/token")
    assert paths.socket_path() == "/s/mooring.sock"
    assert paths.socket_path("/t") == "/t/mooring.sock"
    monkeypatch.setenv("MOORING_SOCKET", "/x.sock")
    assert paths.socket_path("/t") == "/x.sock"


def test_it_is_cheap_to_import() -> None:
    program = "import sys; before = set(sys.modules); import mooring.client.paths; print(*set(sys.modules) - before)"
    done = subprocess.run([sys.executable, "-S", "-c", program], capture_output=True, text=True, check=False)
    assert not {"pathlib", "json", "asyncio"} & set(done.stdout.split())
