"""``mooring token`` as its users call it, with a real daemon over a restart."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing

import pytest

from tests.cli.calling import mooring
from tests.daemon.running import RunningDaemon

StartDaemon = Callable[..., RunningDaemon]


def as_bearer(daemon: RunningDaemon, token: str) -> Mapping[str, str]:
    """The environment of somebody who has the token and nothing else."""
    own = {name: text for name, text in os.environ.items() if not name.startswith("MOORING_")}
    return own | {"MOORING_URL": daemon.url, "MOORING_TOKEN": token, "HOME": "/nonexistent"}


def create(daemon: RunningDaemon) -> str:
    """Make the token ``ci``, and what its bearer shows."""
    words = ("token", "create", "ci", "--allow", "read,run", "--on", "edge*")
    made = mooring(*words, environment=daemon.environment())
    assert made.returncode == 0, made.stderr
    token = made.stdout.strip()
    assert token.startswith("mooring_")
    assert "it is not shown again" in made.stderr
    assert "--allow has no read" not in made.stderr
    assert token not in made.stderr + daemon.log()
    return token


def test_one_is_used_and_revoked(start_daemon: StartDaemon) -> None:
    daemon = start_daemon()
    environment, token = daemon.environment(), create(daemon)
    bearer = as_bearer(daemon, token)
    assert mooring("status", "--json", environment=bearer).returncode == 0
    refused = mooring("token", "list", environment=bearer)
    assert (refused.returncode, refused.stdout) == (255, "")
    assert "ci may not see tokens" in refused.stderr
    assert mooring("token", "revoke", "ci", environment=environment).returncode == 0
    late = mooring("status", environment=bearer)
    assert late.returncode != 0
    assert "the token is not known here, or has ended" in late.stderr
    again = mooring("token", "revoke", "ci", environment=environment)
    assert again.returncode == 255
    assert "no token has this name" in again.stderr


def test_they_come_back_with_the_daemon(start_daemon: StartDaemon) -> None:
    daemon = start_daemon()
    environment, token = daemon.environment(), create(daemon)
    blind = mooring("token", "create", "short", "--allow", "run,shell", "--on", "all", environment=environment)
    assert "--allow has no read: its bearer sees no session" in blind.stderr
    assert mooring("token", "revoke", "short", environment=environment).returncode == 0
    as_json = mooring("token", "create", "short", "--allow", "read", "--on", "all", "--expires", "none", "--json",
                      environment=environment)  # fmt: skip
    assert json.loads(as_json.stdout)["token"]["expires"] is None

    daemon.restart()
    listed = mooring("token", "list", environment=environment).stdout.splitlines()
    assert listed[0].split() == ["NAME", "MADE", "ENDS", "ALLOWS", "ON"]
    assert listed[1].split()[0] == "ci"
    assert "in 89d" in listed[1]
    assert listed[1].split()[-2:] == ["read,run", "edge*"]
    assert "never" in listed[2]
    found = [
        json.loads(line) for line in mooring("token", "list", "--json", environment=environment).stdout.splitlines()
    ]
    assert [one["name"] for one in found] == ["ci", "short"]
    assert mooring("status", environment=as_bearer(daemon, token)).returncode == 0
    assert mooring("token", "revoke", "ci", environment=environment).returncode == 0
    daemon.terminate()
    for path in daemon.state_dir.iterdir():
        assert token.encode() not in path.read_bytes()
    with closing(sqlite3.connect(daemon.state_dir / "mooring.db")) as connection:
        assert connection.execute("SELECT name FROM token").fetchall() == [("short",)]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "what to do is missing"),
        (["fly"], "there is no `mooring token fly`"),
        (["create", "ci", "--on", "all"], "Missing option '--allow'"),
        (["create", "ci", "--allow", "read"], "Missing option '--on'"),
        (["create", "ci", "--allow", "fly", "--on", "all"], "'fly' is none of read, run"),
        (["create", "ci", "--allow", "read", "--on", "all", "--expires", "soon"], "is not a time such as 90"),
        (["create", "ci", "--allow", "read", "--on", "all", "--expires", "0"], "it would have ended at once"),
        (["revoke"], "Missing argument 'NAME'"),
    ],
)
def test_wrong_calls(words: list[str], said: str) -> None:
    done = mooring("token", *words, environment=dict(os.environ))
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stdout == ""
