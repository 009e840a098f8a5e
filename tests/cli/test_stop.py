"""``mooring stop`` as its users call it, with a real daemon."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.cli.calling import mooring
from tests.cli.fleet import fleet
from tests.daemon.running import RunningDaemon


@pytest.fixture
def daemon() -> Iterator[RunningDaemon]:
    with fleet() as daemon:
        yield daemon


def test_stopping_until_nothing_is_left(daemon: RunningDaemon) -> None:
    environment = daemon.environment()
    done = mooring("stop", environment=environment)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Missing argument 'SELECTOR'" in done.stderr
    done = mooring("stop", "sw1", "sw2", environment=environment)
    assert (done.returncode, done.stdout) == (2, "")
    assert "hint: several sessions are one word, as in a,b;" in done.stderr
    done = mooring("stop", "nope", environment=environment)
    assert (done.returncode, done.stdout) == (255, "")
    assert "no session is called nope" in done.stderr
    assert len(daemon.client.request("GET", "/v1/sessions")["sessions"]) == 4
    done = mooring("stop", "site:ams", environment=environment)
    assert (done.returncode, done.stdout, done.stderr) == (0, "sw1\nsw2\n", "")
    done = mooring("stop", "all", "--json", environment=environment)
    assert [json.loads(line) for line in done.stdout.splitlines()] == [{"alias": "parked"}, {"alias": "down"}]
    assert (done.returncode, done.stderr) == (0, "")
    done = mooring("status", environment=environment)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "no session is held\n  hint: `mooring start TARGET` holds one\n"
