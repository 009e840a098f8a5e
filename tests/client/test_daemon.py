"""The client and a real daemon; and what answers that is none, or of another version."""

from __future__ import annotations

import json
import select
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mooring.client import Daemon
from mooring.model.errors import (
    ChannelRefused,
    DaemonMismatch,
    DaemonUnreachable,
    InvalidInput,
    MooringError,
    Unauthenticated,
    UnknownAlias,
)
from mooring.model.problem import from_problem
from mooring.wire.channel import Kind, Opening, read_problem
from tests.client.scripted import Scripted, Unfinished, answer
from tests.daemon.running import RunningDaemon
from tests.daemon.targets import table
from tests.peers.sshd import Sshd

EXEC = Opening("exec", command="true")
OTHER_VERSION = answer(200, b'{"version": "9.1", "api": 2}')
SAME_VERSION = answer(200, b'{"version": "0.2", "api": 1}')
PAGE = answer(404, b"<h1>Not here</h1>", "text/html")
UNKNOWN_CODE = answer(404, json.dumps({"code": "no-route", "detail": "nothing here", "hint": None}).encode())


@pytest.fixture(scope="module")
def daemon(sshd: Sshd, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDaemon]:
    """A daemon that holds ``edge1``."""
    with RunningDaemon(tmp_path_factory.mktemp("d"), config=table("edge1", sshd)) as daemon:
        daemon.wait_state("edge1")
        yield daemon


@pytest.fixture(params=["unix", "tcp"])
def client(request: pytest.FixtureRequest, daemon: RunningDaemon) -> Daemon:
    return daemon.client if request.param == "unix" else daemon.tcp_client


def test_a_request(client: Daemon) -> None:
    sessions = client.request("GET", "/v1/sessions?selector=edge1")["sessions"]
    assert [(session["alias"], session["state"]) for session in sessions] == [("edge1", "up")]


def test_a_request_with_content(client: Daemon) -> None:
    done = client.request("POST", "/v1/sessions/edge1/run", {"command": "echo ü; exit 3"})
    assert (done["stdout"], done["exit_status"]) == ("ü\n", 3)


def test_an_error_is_raised_as_what_it_is(client: Daemon) -> None:
    with pytest.raises(UnknownAlias, match="nope"):
        client.request("GET", "/v1/sessions/nope")


def test_a_resource_that_is_none_tells_of_no_other_version(client: Daemon) -> None:
    with pytest.raises(MooringError) as caught:
        client.request("GET", "/v1/nothing")
    assert not isinstance(caught.value, DaemonMismatch)


def test_lines_come_as_they_are_ready(client: Daemon) -> None:
    first, last = client.lines("POST", "/v1/run", {"selector": "all", "command": "echo hi"})
    assert first["result"]["stdout"] == "hi\n"
    assert last == {"summary": {"ok": 1, "failed": 0}}


def test_events_begin_with_all_there_is(client: Daemon) -> None:
    events = client.events("/v1/events")
    name, value = next(events)
    events.close()
    assert (name, [session["alias"] for session in value["sessions"]]) == ("snapshot", ["edge1"])


def test_events_are_awaited_no_longer_than_asked(client: Daemon) -> None:
    events = client.events("/v1/events", timeout=1.0)
    assert next(events)[0] == "snapshot"
    with pytest.raises(DaemonUnreachable, match="in time"):
        next(events)


def test_a_channel_that_is_none_is_refused_by_name(client: Daemon) -> None:
    with pytest.raises(UnknownAlias, match="nope"):
        client.channel("nope", EXEC)
    with pytest.raises(InvalidInput, match="no alias"):
        client.channel("../x", EXEC)
    with pytest.raises(InvalidInput, match="command of OPEN"):
        client.channel("edge1", Opening("exec"))


def test_a_wrong_token_and_none(daemon: RunningDaemon) -> None:
    for token in ("wrong", ""):
        stranger = Daemon(daemon.url, token or "x")
        calls: list[Callable[[], object]] = [
            lambda: stranger.request("GET", "/v1/sessions"),  # noqa: B023 - called at once
            lambda: list(stranger.lines("POST", "/v1/run", {"selector": "all", "command": "x"})),  # noqa: B023
            lambda: next(stranger.events("/v1/events")),  # noqa: B023
            lambda: stranger.channel("edge1", EXEC),  # noqa: B023
        ]
        for call in calls:
            with pytest.raises(Unauthenticated):
                call()


def test_a_daemon_that_is_down_says_how_to_start_it(tmp_path: Path) -> None:
    with pytest.raises(DaemonUnreachable, match="no daemon answers at") as caught:
        Daemon(str(tmp_path / "none")).request("GET", "/v1/sessions")
    assert "mooringd" in str(caught.value.hint)
    with pytest.raises(DaemonUnreachable, match="too long"):
        Daemon(f"/{'x' * 200}").request("GET", "/v1/sessions")


def test_a_socket_that_nobody_holds_any_more(start_daemon: Callable[..., RunningDaemon]) -> None:
    daemon = start_daemon()
    daemon.kill()
    assert daemon.socket.exists()
    with pytest.raises(DaemonUnreachable, match="refused"):
        daemon.client.request("GET", "/v1/sessions")


@pytest.mark.parametrize("folder", [True, False], ids=["unix", "tcp"])
@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ([PAGE, OTHER_VERSION], "version 9.1 and speaks API 2; this is mooring"),
        ([UNKNOWN_CODE, OTHER_VERSION], "version 9.1 and speaks API 2; this is mooring"),
        ([PAGE, SAME_VERSION], "version 0.2, gave status 404 without a reason"),
        ([answer(200, b"<h1>Hello</h1>", "text/html"), PAGE], "is no mooringd"),
        ([PAGE, PAGE], "is no mooringd"),
        ([answer(500, b"[1]"), answer(200, b'{"version": null}')], "is no mooringd"),
        ([b"SSH-2.0-OpenSSH_9.2\r\n"], "is no mooringd"),
    ],
    ids=["page", "code", "answer", "no JSON", "web server", "odd JSON", "ssh"],
)
def test_what_is_not_understood_is_explained(
    answers: list[bytes], message: str, *, folder: bool, tmp_path: Path
) -> None:
    calls: list[Callable[[Daemon], object]] = [
        lambda daemon: daemon.request("GET", "/v1/sessions"),
        lambda daemon: list(daemon.lines("POST", "/v1/run", {})),
        lambda daemon: daemon.channel("edge1", EXEC),
    ]
    for call in calls if "no JSON" not in message else calls[:1]:
        with Scripted(tmp_path if folder else None, *answers) as server, pytest.raises(DaemonMismatch, match=message):
            call(Daemon(server.where))
        (tmp_path / "scripted.sock").unlink(missing_ok=True)


def test_a_code_that_nobody_knows_is_an_error_all_the_same(tmp_path: Path) -> None:
    with Scripted(tmp_path, UNKNOWN_CODE, SAME_VERSION) as server, pytest.raises(MooringError) as caught:
        Daemon(server.where).request("GET", "/v1/x")
    assert (type(caught.value), caught.value.message) == (MooringError, "nothing here")


def test_silence_has_an_end(tmp_path: Path) -> None:
    with Scripted(tmp_path, None) as server, pytest.raises(DaemonUnreachable, match="did not answer in time") as caught:
        Daemon(server.where).request("GET", "/v1/sessions", timeout=0.05)
    assert caught.value.hint == "its log may tell why; it may have to be killed"  # and not "start it": it is there


STREAM = Unfinished(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n1\n\r\n")


def test_a_stream_that_is_silent_goes_on_while_the_daemon_answers_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mooring.client.daemon._SILENCE", 0.05)
    monkeypatch.setattr("mooring.client.daemon._ANSWER", 0.2)
    alive = answer(200, b"{}")
    with Scripted(tmp_path, STREAM, alive, alive, None) as server:
        lines = Daemon(server.where).lines("POST", "/v1/run", {})
        assert next(lines) == 1
        with pytest.raises(DaemonUnreachable, match="did not answer in time"):
            next(lines)
        assert [head.split()[1] for head in server.heads] == [b"/v1/run", b"/healthz", b"/healthz"]


def test_a_request_without_a_timeout_ends_with_the_daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mooring.client.daemon._SILENCE", 0.05)
    monkeypatch.setattr("mooring.client.daemon._ANSWER", 0.2)
    with Scripted(tmp_path, Unfinished(b""), None) as server, pytest.raises(DaemonUnreachable, match="in time"):
        Daemon(server.where).request("GET", "/v1/sessions", timeout=None)


def test_an_upgrade_that_was_not_understood_is_none() -> None:
    switched = b"HTTP/1.1 101 Switching Protocols\r\nsec-websocket-accept: bm8=\r\n\r\n"
    with (
        Scripted(None, switched, SAME_VERSION) as server,
        pytest.raises(DaemonMismatch, match="status 101 and no other protocol"),
    ):
        Daemon(server.where).channel("edge1", EXEC)


def test_a_stream_that_ends_early_ends_in_an_error(tmp_path: Path) -> None:
    head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    with Scripted(tmp_path, head + b'b\r\n{"alias":1}\r\n1\r\n\n\r\n') as server:
        lines = Daemon(server.where).lines("POST", "/v1/run", {})
        assert next(lines) == {"alias": 1}
        with pytest.raises(DaemonUnreachable, match="before its answer was whole"):
            next(lines)


def test_a_problem_as_the_last_line_is_raised(tmp_path: Path) -> None:
    body = b'{"a": 1}\n{"code": "slow-reader", "detail": "too slow", "hint": null}\n'
    with Scripted(tmp_path, answer(200, body)) as server:
        lines = Daemon(server.where).lines("POST", "/v1/run", {})
        assert next(lines) == {"a": 1}
        with pytest.raises(MooringError, match="too slow"):
            next(lines)


def test_events_in_all_their_forms(tmp_path: Path) -> None:
    body = (
        b': hello\n\nevent: state\ndata: {"a":\ndata: 1}\nid: 5\n\ndata:2\n\nevent: gone\n\nevent:x\r\ndata: 3\r\n\r\n'
    )
    with Scripted(tmp_path, answer(200, body, "text/event-stream")) as server:
        events = list(Daemon(server.where).events("/v1/events"))
        assert b"accept: text/event-stream" in server.heads[0]
    assert events == [("state", {"a": 1}), ("message", 2), ("x", 3)]


def test_a_channel_is_refused_by_the_far_side(daemon: RunningDaemon) -> None:
    with daemon.client.channel("edge1", Opening("subsystem", subsystem="no-such")) as channel:
        while True:
            select.select([channel], [], [], 30)
            frames = channel.receive()
            if frames and frames[-1].kind is Kind.ERROR:
                break
        assert isinstance(from_problem(read_problem(frames[-1].payload)), ChannelRefused)
