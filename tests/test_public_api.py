"""The public names are fixed: add, never rename."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import mooring
from mooring.model import errors

NAMES = {
    "CallHomeServer",
    "CallHomeStatistics",
    "Device",
    "DoorLimits",
    "Pending",
    "CommandResult",
    "ChannelStatus",
    "Direction",
    "Event",
    "EventKind",
    "Forward",
    "ForwardKind",
    "ForwardRequest",
    "ForwardState",
    "ForwardStatus",
    "Origin",
    "Pipe",
    "Place",
    "PipeEnd",
    "PipeStatus",
    "PoolStatistics",
    "NetconfSession",
    "NetconfStatistics",
    "Notification",
    "Pool",
    "RpcFault",
    "RpcReply",
    "RunOutcome",
    "Secret",
    "Selector",
    "Server",
    "Session",
    "SessionListener",
    "SessionState",
    "SessionStatus",
    "Target",
    "__version__",
    "connect",
    "copy",
    "serve",
    "CopyOptions",
    "FileInfo",
    "Inventory",
    "read_inventory",
    "Progress",
    "Transferred",
    "Terminal",
    "TerminalEnd",
    "TerminalView",
}
ERRORS = {
    "TerminalEnded",
    "TerminalError",
    "TerminalInUse",
    "TerminalLimit",
    "UnknownTerminal",
    "UnknownToken",
    "UnknownRecording",
    "AccessError",
    "AliasInUse",
    "AuthenticationFailed",
    "BudgetSpent",
    "ChannelError",
    "ChannelLimit",
    "ChannelRefused",
    "CommandError",
    "CommandFailed",
    "CommandTimeout",
    "ConfigError",
    "ConnectError",
    "ConnectFailed",
    "CredentialError",
    "DaemonError",
    "DaemonMismatch",
    "DaemonUnreachable",
    "ForwardError",
    "ForwardInUse",
    "ForwardRefused",
    "FramingError",
    "HandshakeFailed",
    "HelloError",
    "HandlerEnded",
    "HandlerFailed",
    "HandlerNotStarted",
    "HostKeyChanged",
    "HostKeyError",
    "InvalidInput",
    "InvalidSelector",
    "InvalidTarget",
    "LockLost",
    "MalformedMessage",
    "MissingCapability",
    "MooringError",
    "NetconfEnded",
    "NetconfError",
    "NotAllowed",
    "NothingSelected",
    "PipeBroken",
    "PipeClosed",
    "PipeError",
    "PipeTimeout",
    "PoolError",
    "PortTaken",
    "RpcError",
    "RpcTimeout",
    "SessionClosed",
    "SessionError",
    "SessionLost",
    "SessionNotUp",
    "SessionParked",
    "SlowReader",
    "StateError",
    "StreamLimit",
    "TokenInUse",
    "Unauthenticated",
    "UnexpectedReply",
    "UnknownAlias",
    "UnknownForward",
    "UnknownHostKey",
    "WaitTimeout",
    "WrongThread",
    "DiskFull",
    "FileError",
    "FileMismatch",
    "FileExists",
    "FileMissing",
    "FileRefused",
    "FilesUnsupported",
    "UnsafePath",
}


def python(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True
    ).stdout.strip()


def test_the_names_are_these() -> None:
    assert set(mooring.__all__) == NAMES | ERRORS
    assert len(mooring.__all__) == len(NAMES | ERRORS)


def test_every_error_is_public() -> None:
    assert set(errors.__all__) == ERRORS


@pytest.mark.parametrize("name", sorted(NAMES | ERRORS))
def test_each_name_resolves(name: str) -> None:
    assert getattr(mooring, name).__doc__
    assert name in dir(mooring)


def test_another_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match=r"module 'mooring' has no attribute 'sesion'"):
        mooring.sesion  # type: ignore[attr-defined]  # noqa: B018


def test_a_star_import_brings_all() -> None:
    assert python("from mooring import *; print(Pool.__name__, SessionLost.__name__)") == "Pool SessionLost"


def test_importing_it_loads_nothing_heavy() -> None:
    loaded = set(json.loads(python("import json, sys, mooring; print(json.dumps(sorted(sys.modules)))")))
    assert not {name.partition(".")[0] for name in loaded} & {"asyncio", "asyncssh", "cryptography", "lxml", "msgspec"}
    assert {name for name in loaded if name.startswith("mooring")} == {"mooring"}


WITHOUT = """
import sys
for name in ("aiosqlite", "click", "httptools", "litestar", "msgspec", "ncclient", "prometheus_client",
             "prompt_toolkit", "uvicorn", "websockets", "yaml"):
    sys.modules[name] = None  # an import of it fails
import mooring
print(len([getattr(mooring, name) for name in mooring.__all__]) > 100)
"""


def test_the_bare_package_has_every_name() -> None:
    assert python(WITHOUT) == "True"


def test_it_parses_on_python_3_8() -> None:
    ast.parse(Path(mooring.__file__).read_text(), feature_version=(3, 8))


def test_the_version_has_the_form_of_one() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+(\.dev\d+|(a|b|rc)\d+)?", mooring.__version__)
