"""Waiting for a fleet, by what a daemon tells of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mooring.client import Daemon
from mooring.model.errors import DaemonUnreachable, WaitTimeout
from mooring.simulate.waiting import wait_pending, wait_up
from tests.client.scripted import Scripted, Unfinished, answer


def events(*told: tuple[str, object]) -> Unfinished:
    """A stream that goes on, with nothing more to tell."""
    lines = "".join(f"event: {name}\ndata: {json.dumps(value)}\n\n" for name, value in told)
    return Unfinished(f"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n{lines}".encode())


def session(alias: str, state: str | None) -> dict[str, str | None]:
    return {"alias": alias, "state": state}


SNAPSHOT = ("snapshot", {"sessions": [session("a", "up"), session("b", "connecting")]})


def test_facts_of_a_session_that_is_up_leave_it_up(tmp_path: Path) -> None:
    told = (SNAPSHOT, ("facts", session("a", None)), ("state", session("b", "up")))
    with Scripted(tmp_path, events(*told)) as server:
        wait_up(Daemon(server.where), 30.0)


def test_a_session_that_was_stopped_is_not_awaited(tmp_path: Path) -> None:
    with Scripted(tmp_path, events(SNAPSHOT, ("state", session("b", "closed")))) as server:
        wait_up(Daemon(server.where), 30.0)


def test_who_does_not_come_is_named(tmp_path: Path) -> None:
    with (
        Scripted(tmp_path, events(SNAPSHOT)) as server,
        pytest.raises(WaitTimeout, match=r"^b did not come up within 0\.2 s"),
    ):
        wait_up(Daemon(server.where), 0.2)


def test_where_there_is_no_daemon_nothing_is_awaited(tmp_path: Path) -> None:
    nobody = Daemon(str(tmp_path / "none.sock"))
    with pytest.raises(DaemonUnreachable):
        wait_up(nobody, 30.0)
    with pytest.raises(DaemonUnreachable):
        wait_pending(nobody, 1, 30.0)


def test_a_daemon_that_ends_meanwhile_is_no_session_that_is_late(tmp_path: Path) -> None:
    with (
        Scripted(tmp_path, bytes(events(SNAPSHOT))) as server,
        pytest.raises(DaemonUnreachable, match="the daemon was stopped meanwhile"),
    ):
        wait_up(Daemon(server.where), 30.0)


def test_devices_that_do_not_call_are_not_awaited_for_ever(tmp_path: Path) -> None:
    pending = answer(200, b'{"pending": [{"id": "x", "device_id": "d"}]}')
    with Scripted(tmp_path, events(SNAPSHOT), pending) as server, pytest.raises(WaitTimeout, match=r"^2 devices"):
        wait_pending(Daemon(server.where), 2, 0.5)
