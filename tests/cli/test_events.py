"""``mooring events`` as its users call it, with a real daemon."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

from mooring.simulate.ports import ReservedPort
from tests.cli.calling import MOORING, mooring
from tests.cli.impostor import answer, impostor
from tests.cli.on_terminal import OnTerminal
from tests.daemon.running import RunningDaemon
from tests.peers.ending import ending

TIME = r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ"


@pytest.fixture
def daemon(shared_daemon: RunningDaemon) -> RunningDaemon:
    return shared_daemon


@pytest.fixture
def nobody() -> Iterator[str]:
    """Where nobody listens."""
    port = ReservedPort("127.0.0.1")
    yield f"x@127.0.0.1:{port.port}"
    port.close()


def start(daemon: RunningDaemon, target: str) -> None:
    daemon.client.request("POST", "/v1/sessions", {"target": target})


@contextmanager
def following(daemon: RunningDaemon, *words: str) -> Iterator[tuple[subprocess.Popen[str], IO[str]]]:
    """``mooring events``, from the moment at which it follows."""
    with ending(
        subprocess.Popen(
            [*MOORING, "events", *words],
            env=daemon.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        if "--json" not in words:
            assert "following, Ctrl-C ends" in process.stderr.readline()
        yield process, process.stdout


def test_lines_as_it_happens_and_ctrl_c_is_its_end(daemon: RunningDaemon, nobody: str) -> None:
    with following(daemon) as (process, stdout):
        start(daemon, f"down://{nobody}")
        assert re.fullmatch(rf"{TIME}  down  connecting: started\n", stdout.readline())
        assert re.fullmatch(rf"{TIME}  down  connecting -> backoff: cannot reach {nobody}: .*\n", stdout.readline())
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""


def test_a_selector_leaves_the_others_out(daemon: RunningDaemon, nobody: str) -> None:
    with following(daemon, "b*") as (_, stdout):
        start(daemon, f"a1://{nobody}")
        start(daemon, f"b1://{nobody}")
        assert stdout.readline().split()[1] == "b1"


def test_json_begins_with_what_there_is(daemon: RunningDaemon, nobody: str) -> None:
    start(daemon, f"down://{nobody}")
    with following(daemon, "--json") as (_, stdout):
        snapshot = json.loads(stdout.readline())
        assert snapshot["kind"] == "snapshot"
        assert [one["alias"] for one in snapshot["sessions"]] == ["down"]
        daemon.client.request("DELETE", "/v1/sessions/down")
        states = []
        while "closed" not in states:
            event = json.loads(stdout.readline())
            assert (event["kind"], event["alias"]) == ("state", "down")
            states.append(event["state"])


def test_nobody_reads(daemon: RunningDaemon, nobody: str) -> None:
    with following(daemon) as (process, stdout):
        stdout.close()
        start(daemon, f"down://{nobody}")
        assert process.wait(30) == 141


def test_on_a_narrow_terminal_ctrl_c_leaves_no_trace(daemon: RunningDaemon) -> None:
    with OnTerminal([*MOORING, "events"], daemon.environment(), columns=40) as terminal:
        terminal.expect("no session yet; following, Ctrl-C ends")
        terminal.type("\x03")
        code, seen = terminal.end()
    assert code == 0
    assert "Traceback" not in seen


def test_a_daemon_that_is_gone_is_told(start_daemon: Callable[..., RunningDaemon]) -> None:
    daemon = start_daemon()
    with following(daemon) as (process, _):
        assert daemon.terminate() == 0
        assert process.wait(30) == 255
        assert process.stderr is not None
        cut, unreachable, hint = process.stderr.read().splitlines()
    assert cut.endswith("; asking again, and some events may be missing here")
    assert unreachable.startswith("mooring events: no daemon answers at")
    assert "start it with `mooringd`" in hint


def test_a_wrong_selector(daemon: RunningDaemon) -> None:
    done = mooring("events", "a b", environment=daemon.environment())
    assert (done.returncode, done.stdout) == (2, "")


def session(alias: str, state: str) -> dict[str, object]:
    return {"alias": alias, "state": state, "since": 1_700_000_000.0, "reason": f"it is {state}"}


def stream(*events: tuple[str, object]) -> bytes:
    """A stream of events, whole."""
    body = "".join(f"event: {name}\ndata: {json.dumps(value)}\n\n" for name, value in events)
    return answer(body, "text/event-stream")


def test_after_a_terminal_stood_still_it_tells_what_changed(tmp_path: Path) -> None:
    """The daemon ends a stream that nobody reads, which would take it half a minute here: so this is not the daemon."""
    slow = {"title": "slow reader", "code": "slow-reader", "detail": "nothing was read for 20 s", "hint": None}
    first = stream(
        ("snapshot", {"sessions": [session("same", "up"), session("other", "up"), session("gone", "up")]}),
        ("lost", {"kind": "lost", "alias": "", "at": 1_700_000_001.0, "reason": "7 events were dropped", "lost": 7}),
        ("error", slow),
    )
    second = stream(
        ("snapshot", {"sessions": [session("same", "up"), session("other", "parked"), session("new", "connecting")]})
    )
    with impostor(tmp_path / "mooring.sock", first, second) as environment:
        done = mooring("events", environment=environment)
    assert [line.partition("  ")[2] for line in done.stdout.splitlines()] == [
        "-  7 events were dropped",
        "other  up -> parked: it is parked",
        "new  connecting: it is connecting",
        "gone  up -> closed: it is held no longer",
    ]
    assert "nothing was read for 20 s; asking again, and some events may be missing here" in done.stderr
    assert done.returncode == 255  # the third time nobody answers
