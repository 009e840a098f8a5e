"""``mooring audit`` as its users call it, over a real daemon; one that is killed and started again keeps the chain."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing

import pytest

from tests.daemon.running import RunningDaemon

from .calling import mooring

StartDaemon = Callable[..., RunningDaemon]


def test_what_was_done_is_shown_and_holds(start_daemon: StartDaemon) -> None:
    daemon = start_daemon()
    environment = daemon.environment()
    daemon.client.request("POST", "/v1/sessions", {"target": "edge1://user:pass-word@127.0.0.1:1"})
    mooring("token", "create", "ci", "--allow", "read", "--on", "all", environment=environment)

    shown = mooring("audit", "--what", "admin", environment=environment)
    assert (shown.returncode, shown.stderr) == (0, "")
    lines = [line.split(" admin.")[1].split()[:3] for line in shown.stdout.splitlines()]
    assert lines == [
        ["start", "edge1", "begun"],
        ["start", "edge1", "done"],
        ["token.create", "-", "begun"],
        ["token.create", "-", "done"],
    ]
    assert "pass-word" not in shown.stdout
    last = mooring("audit", "--limit", "1", "--json", "--outcome", "done", "--since", "1h", environment=environment)
    assert json.loads(last.stdout)["what"] == "admin.token.create"
    assert mooring("audit", "--since", "1s", "--who", "nobody", environment=environment).stdout == ""
    exported = mooring("audit", "--json", "--limit", "0", environment=environment).stdout.splitlines()
    assert [json.loads(line)["seq"] for line in exported] == list(range(1, len(exported) + 1))


def test_what_was_done_is_checked_with_and_without_a_daemon(start_daemon: StartDaemon) -> None:
    daemon = start_daemon()
    environment = daemon.environment()
    daemon.client.request("POST", "/v1/sessions", {"target": "edge1://user:pass-word@127.0.0.1:1"})
    verified = mooring("audit", "verify", environment=environment)
    assert verified.returncode == 0
    end = verified.stdout.split("the end: ")[1].strip()
    daemon.terminate(signal.SIGKILL)
    offline = mooring("audit", "verify", "--state-dir", str(daemon.state_dir), "--head", end, environment=environment)
    assert (offline.returncode, offline.stdout.splitlines()[-1]) == (0, f"the end: {end}")
    daemon.start()
    kept = mooring("audit", "verify", "--head", end, "--json", environment=environment)
    assert (kept.returncode, json.loads(kept.stdout)["faults"]) == (0, [])

    daemon.terminate()
    with closing(sqlite3.connect(daemon.state_dir / "audit.db", isolation_level=None)) as database:
        database.execute("UPDATE record SET body = replace(body, 'edge1', 'edge2') WHERE seq = 2")
    offline = mooring("audit", "verify", "--state-dir", str(daemon.state_dir), environment=environment)
    assert offline.returncode == 1
    daemon.start()
    in_use = mooring("audit", "verify", "--state-dir", str(daemon.state_dir), environment=environment)
    assert (in_use.returncode, in_use.stdout) == (1, "")
    assert "in use by another process" in in_use.stderr
    found = mooring("audit", "verify", environment=environment)
    assert found.stdout == offline.stdout.replace(offline.stdout.splitlines()[-1], found.stdout.splitlines()[-1])
    assert found.returncode == 1
    assert found.stdout.startswith("changed: 2, or its hash, was changed\nthe end: ")


def test_a_daemon_that_records_nothing_says_so(start_daemon: StartDaemon) -> None:
    daemon = start_daemon(config="[audit]\nenabled = false")
    told = mooring("audit", environment=daemon.environment())
    assert (told.returncode, told.stdout) == (1, "")
    assert "this daemon records nothing" in told.stderr
    assert not list(daemon.state_dir.glob("audit*"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--outcome", "lost"], "--outcome"),
        (["--since", "yesterday"], "it is neither a time ago"),
        (["verify", "more"], "more"),
        (["check"], "check"),
        (["verify", "--state-dir", ".", "--head", "x"], "--head"),
    ],
)
def test_wrong_calls(words: list[str], said: str) -> None:
    done = mooring("audit", *words, environment=dict(os.environ))
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stdout == ""
