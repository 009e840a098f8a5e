"""A daemon whose clock stands ten years after the time that it was sure of: as after a wrong step, or in a cupboard."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable

import pytest

from mooring.store import timekeeping
from tests.cli.calling import mooring

from .running import RunningDaemon

DAY = 86_400.0
THEN = time.time() - 3650 * DAY
ID = "20160101-120000-0123abcd"


@pytest.fixture
def daemon(start_daemon: Callable[..., RunningDaemon]) -> RunningDaemon:
    """It has a recording of then, and was last sure of the time of then."""
    daemon = start_daemon(config="[recordings]\nenabled = true\nfree_mib = 1\n")
    daemon.terminate()
    about = {"alias": "core1", "who": "ann", "door": "tcp", "what": "shell.terminal", "began": THEN}
    recording = daemon.state_dir / "recordings" / f"{ID}.cast"
    recording.write_text(json.dumps({"version": 3, "term": {"cols": 80, "rows": 24}, "mooring": about}) + "\n")
    os.utime(recording, (THEN, THEN))
    keep(daemon, THEN)
    return daemon


def keep(daemon: RunningDaemon, sure: float) -> None:
    (daemon.state_dir / timekeeping.FILE).write_text(json.dumps({"sure": sure}))


def recordings(daemon: RunningDaemon) -> list[str]:
    return [one["id"] for one in daemon.client.request("GET", "/v1/recordings")["recordings"]]


def test_no_start_lets_anything_go_however_it_ends(daemon: RunningDaemon) -> None:
    for starts, number in enumerate((signal.SIGKILL, signal.SIGTERM, signal.SIGKILL, signal.SIGTERM), 1):
        daemon.start()
        assert recordings(daemon) == [ID]
        assert daemon.log().count("nothing is known of the last 3650 days") == starts
        daemon.terminate(number)
        kept = timekeeping.read(daemon.state_dir / timekeeping.FILE)
        assert kept is not None
        assert THEN <= kept.sure < THEN + DAY
    keep(daemon, time.time())
    daemon.start()
    assert recordings(daemon) == []


def test_the_doctor_tells_of_the_doubt(daemon: RunningDaemon) -> None:
    daemon.start()
    done = mooring("doctor", "--json", environment=daemon.environment())
    [found] = [one for one in map(json.loads, done.stdout.splitlines()) if one["check"] == "clock"]
    assert (found["verdict"], "none of the last 3650 days" in found["detail"]) == ("warn", True)
    assert "after 24 more hours of mooringd" in found["hint"]
    (daemon.state_dir / timekeeping.FILE).write_bytes(b'{"x":' + b"[" * 1018)
    done = mooring("doctor", "--json", environment=daemon.environment())
    [found] = [one for one in map(json.loads, done.stdout.splitlines()) if one["check"] == "clock"]
    assert "days" not in found["detail"]
