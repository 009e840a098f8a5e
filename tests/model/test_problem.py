"""Errors and results survive the way through JSON."""

from __future__ import annotations

import json

import pytest

from mooring.model import errors
from mooring.model.errors import (
    CommandTimeout,
    FileRefused,
    HandlerFailed,
    HostKeyChanged,
    MissingCapability,
    MooringError,
    RpcError,
    SessionLost,
    UnknownAlias,
)
from mooring.model.problem import from_problem, result_value, to_problem, to_result
from mooring.model.result import CommandResult, PipeEnd, RpcFault

TEXT = CommandResult(alias="web1", command="uptime", stdout="up\n", stderr="", exit_status=0, duration=0.5, dropped=3)
BYTES = CommandResult(alias="web1", command="cat x", stdout=b"\xff\x00", stderr=b"", exit_status=-1, exit_signal="KILL")


@pytest.mark.parametrize("result", [TEXT, BYTES])
def test_a_result_comes_back(result: CommandResult[str] | CommandResult[bytes]) -> None:
    assert to_result(json.loads(json.dumps(result_value(result)))) == result


@pytest.mark.parametrize("name", errors.__all__)
def test_every_error_comes_back_with_its_class_words_and_attributes(name: str) -> None:
    cls = getattr(errors, name)
    made = {
        "CommandError": lambda: cls("why", result=TEXT, hint="do"),
        "CommandFailed": lambda: cls("why", result=BYTES, hint="do"),
        "CommandTimeout": lambda: cls("why", result=TEXT, remote_may_still_run=True, hint="do"),
        "HostKeyError": lambda: cls("why", host="h", hint="do"),
        "HostKeyChanged": lambda: cls("why", host="h", hint="do"),
        "UnknownHostKey": lambda: cls("why", host="h", hint="do"),
    }
    error = made.get(name, lambda: cls("why", hint="do"))()
    back = from_problem(json.loads(json.dumps(to_problem(error))))
    assert type(back) is cls
    assert str(back) == str(error) == "why (do)"
    assert (back.code, back.retryable) == (error.code, error.retryable)


def test_what_an_error_carries_comes_back() -> None:
    timeout = from_problem(to_problem(CommandTimeout("late", result=BYTES, remote_may_still_run=False)))
    assert isinstance(timeout, CommandTimeout)
    assert timeout.result == BYTES
    assert timeout.remote_may_still_run is False
    lost = from_problem(to_problem(SessionLost("gone", stdout="half", stderr=b"\x80")))
    assert isinstance(lost, SessionLost)
    assert (lost.stdout, lost.stderr) == ("half", b"\x80")
    denied = from_problem(to_problem(RpcError("no", errors=(RpcFault(tag="lock-denied", message="taken"),))))
    assert isinstance(denied, RpcError)
    assert denied.errors == (RpcFault(tag="lock-denied", message="taken"),)
    missing = from_problem(to_problem(MissingCapability("no", capability=":url")))
    assert isinstance(missing, MissingCapability)
    assert missing.capability == ":url"
    changed = from_problem(to_problem(HostKeyChanged("other key", host="h", fingerprint="SHA256:x")))
    assert isinstance(changed, HostKeyChanged)
    assert (changed.host, changed.fingerprint) == ("h", "SHA256:x")
    refused = from_problem(json.loads(json.dumps(to_problem(FileRefused("no", path="/a\udcff", where="edge1")))))
    assert isinstance(refused, FileRefused)
    assert (refused.path, refused.where, refused.message) == (r"/a\udcff", "edge1", r"edge1:/a\udcff: no")
    raised = HandlerFailed("it raised", remote_traceback="Traceback", end=PipeEnd(1, "out", "err"))
    failed = from_problem(json.loads(json.dumps(to_problem(raised))))
    assert isinstance(failed, HandlerFailed)
    assert (failed.remote_traceback, failed.end) == ("Traceback", PipeEnd(1, "out", "err"))


def test_an_unknown_code_is_a_plain_error() -> None:
    back = from_problem({"code": "from-the-future", "detail": "what"})
    assert type(back) is MooringError
    assert back.message == "what"


def test_the_members_are_these() -> None:
    assert to_problem(UnknownAlias("no session is called x", hint="start it")) == {
        "type": "urn:mooring:error:unknown-alias",
        "title": "unknown alias",
        "detail": "no session is called x",
        "code": "unknown-alias",
        "retryable": False,
        "hint": "start it",
    }
