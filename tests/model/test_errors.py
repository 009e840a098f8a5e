"""The tree of errors is the one that is drawn, and each error survives a journey to another process."""

from __future__ import annotations

import copy
import inspect
import pickle
import re
import subprocess
import sys

import pytest

from mooring.model import errors
from mooring.model.errors import ConfigError, MooringError, NothingSelected, UnknownAlias, WaitTimeout
from mooring.model.result import CommandResult, PipeEnd, RpcFault, RunOutcome

CLASSES: dict[str, type[MooringError]] = {
    name: value
    for name, value in vars(errors).items()
    if inspect.isclass(value) and issubclass(value, MooringError) and value.__module__ == errors.__name__
}
RESULT = CommandResult(alias="a", command="c", stdout=b"\xff", stderr=b"e", exit_status=1)
KEYWORDS: dict[str, object] = {
    "source": "f.toml",
    "line": 3,
    "host": "h",
    "fingerprint": "SHA256:x",
    "key_type": "ssh-ed25519",
    "key": "ssh-ed25519 AAAA",
    "stdout": b"\xff",
    "stderr": "e",
    "result": RESULT,
    "remote_may_still_run": True,
    "capability": ":candidate",
    "errors": (RpcFault(tag="in-use"),),
    "xml": b"<rpc-reply/>",
    "end": PipeEnd(3, "out", "err"),
    "remote_traceback": "Traceback",
    "path": "p",
    "where": "edge1",
    "hint": "act",
}


def drawn() -> dict[str, str | None]:
    """Each class of the docstring's tree and the one above it."""
    parents: dict[str, str | None] = {}
    above: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        match = re.fullmatch(r"    ((?:│   |    )*)(?:[├└]── )?([A-Z][A-Za-z]+)( .*)?", line)
        if match:
            depth = len(match[1]) // 4 + ("── " in line)
            del above[depth:]
            parents[match[2]] = above[-1] if above else None
            above.append(match[2])
    return parents


def made(cls: type[MooringError], **keywords: object) -> MooringError:
    taken = inspect.signature(cls).parameters
    return cls("it broke", **{name: value for name, value in {**KEYWORDS, **keywords}.items() if name in taken})  # type: ignore[arg-type]


def test_the_tree_is_as_drawn() -> None:
    real = {name: cls.__bases__[0].__name__ for name, cls in CLASSES.items()}
    assert drawn() == {**real, "MooringError": None}


def test_every_class_is_public() -> None:
    assert errors.__all__ == sorted(CLASSES)


def test_every_class_has_a_code_of_its_own() -> None:
    codes = [vars(cls)["code"] for cls in CLASSES.values()]
    assert len(set(codes)) == len(codes)
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", code) for code in codes)


def test_the_code_is_the_name() -> None:
    kebab = {name: re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower() for name in CLASSES}
    assert {name: cls.code for name, cls in CLASSES.items()} == {**kebab, "MooringError": "error"}


def test_what_may_be_tried_again() -> None:
    assert {name for name, cls in CLASSES.items() if cls.retryable} == {
        "BudgetSpent",
        "ChannelLimit",
        "ConnectFailed",
        "DaemonUnreachable",
        "FileMismatch",
        "FramingError",
        "HandshakeFailed",
        "LockLost",
        "NetconfEnded",
        "RpcTimeout",
        "SessionLost",
        "SessionNotUp",
        "SlowReader",
        "StreamLimit",
        "TerminalLimit",
        "WaitTimeout",
    }


@pytest.mark.parametrize(
    ("builtin", "names"),
    [
        (ValueError, {"InvalidInput", "InvalidTarget", "InvalidSelector", "ConfigError"}),
        (TimeoutError, {"WaitTimeout"}),
        (LookupError, {"UnknownAlias", "UnknownToken", "UnknownRecording", "NothingSelected"}),
    ],
)
def test_builtin_kinship(builtin: type[Exception], names: set[str]) -> None:
    assert {name for name, cls in CLASSES.items() if issubclass(cls, builtin)} == names


@pytest.mark.parametrize("cls", [UnknownAlias, NothingSelected, WaitTimeout])
def test_kinship_does_not_change_the_text(cls: type[MooringError]) -> None:
    assert str(cls("no session 'x'")) == "no session 'x'"


@pytest.mark.parametrize("cls", CLASSES.values(), ids=CLASSES)
def test_its_text_is_message_and_hint(cls: type[MooringError]) -> None:
    error = made(cls)
    assert error.hint == "act"
    assert str(error) == f"{error.message} (act)"
    assert str(made(cls, hint=None)) == error.message


@pytest.mark.parametrize("cls", CLASSES.values(), ids=CLASSES)
def test_it_keeps_what_it_was_given(cls: type[MooringError]) -> None:
    taken = set(inspect.signature(cls).parameters) - {"message"}
    assert {name: value for name, value in vars(made(cls)).items() if name != "message"} == {
        name: KEYWORDS[name] for name in taken
    }


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("cls", CLASSES.values(), ids=CLASSES)
def test_it_can_be_pickled(cls: type[MooringError], protocol: int) -> None:
    assert_same(made(cls), pickle.loads(pickle.dumps(made(cls), protocol)))  # noqa: S301


@pytest.mark.parametrize("cls", CLASSES.values(), ids=CLASSES)
def test_it_can_be_copied(cls: type[MooringError]) -> None:
    error = made(cls)
    error.add_note("seen in a test")
    assert_same(error, copy.copy(error))
    assert_same(error, copy.deepcopy(error))


def test_an_outcome_with_an_error_can_be_pickled() -> None:
    outcome = RunOutcome(alias="a", error=made(errors.CommandTimeout))
    back = pickle.loads(pickle.dumps(outcome))  # noqa: S301
    assert isinstance(back.error, errors.CommandTimeout)
    assert back.error.result == RESULT


def test_it_comes_back_from_another_process() -> None:
    source = """
import pickle, sys
from mooring.model.errors import CommandTimeout
from mooring.model.result import CommandResult
result = CommandResult(alias="a", command="c", stdout=b"\\xff", stderr=b"e", exit_status=1)
error = CommandTimeout("it broke", result=result, remote_may_still_run=True, hint="act")
sys.stdout.buffer.write(pickle.dumps(error))
"""
    child = subprocess.run([sys.executable, "-c", source], stdout=subprocess.PIPE, timeout=30, check=True)
    assert_same(made(errors.CommandTimeout), pickle.loads(child.stdout))  # noqa: S301


def assert_same(error: MooringError, other: BaseException) -> None:
    assert type(other) is type(error)
    assert vars(other) == vars(error)
    assert other.args == error.args == (error.message,)
    assert str(other) == str(error)


@pytest.mark.parametrize(
    ("source", "line", "text"),
    [
        ("c.toml", 3, "c.toml:3: no such key"),
        ("c.toml", None, "c.toml: no such key"),
        (None, 3, "3: no such key"),
        (None, None, "no such key"),
    ],
)
def test_a_config_error_names_its_place(source: str | None, line: int | None, text: str) -> None:
    error = ConfigError("no such key", source=source, line=line)
    assert str(error) == text
    assert str(pickle.loads(pickle.dumps(error))) == text  # noqa: S301
