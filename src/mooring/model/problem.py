"""Errors and results as plain values for JSON, both ways: RFC 9457's problem details with our own members."""

from __future__ import annotations

import base64
import dataclasses
from typing import TYPE_CHECKING, Any, Final

from . import errors
from .errors import (
    CommandError,
    CommandTimeout,
    ConfigError,
    FileError,
    HandlerFailed,
    HostKeyError,
    MissingCapability,
    MooringError,
    PipeError,
    RpcError,
    SessionLost,
)
from .result import CommandResult, PipeEnd, RpcFault

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["from_problem", "result_value", "to_problem", "to_result"]

_CLASSES: Final[Mapping[str, type[MooringError]]] = {
    cls.code: cls for cls in (getattr(errors, name) for name in errors.__all__)
}


def to_problem(error: MooringError) -> dict[str, Any]:
    """An error as problem details: ``title``, ``detail``, ``code``, ``retryable``, ``hint``, and what it carries."""
    problem: dict[str, Any] = {
        "type": f"urn:mooring:error:{error.code}",
        "title": error.code.replace("-", " "),
        "detail": error.message,
        "code": error.code,
        "retryable": error.retryable,
        "hint": error.hint,
    }
    if isinstance(error, CommandError):
        problem["result"] = result_value(error.result)
    if isinstance(error, CommandTimeout):
        problem["remote_may_still_run"] = error.remote_may_still_run
    if isinstance(error, SessionLost):
        problem |= {"stdout": _output(error.stdout), "stderr": _output(error.stderr)}
    if isinstance(error, RpcError):
        problem["errors"] = [dataclasses.asdict(fault) for fault in error.errors]
    if isinstance(error, PipeError):
        problem["end"] = error.end
    if isinstance(error, FileError):
        problem |= {"path": error.shown(error.path), "where": error.where}  # what is no text, JSON cannot carry
    return problem | {name: getattr(error, name) for name in _carried(error)}


def from_problem(problem: Mapping[str, Any]) -> MooringError:
    """The error that problem details tell of; one whose ``code`` is unknown becomes a plain MooringError."""
    cls = _CLASSES.get(str(problem.get("code")), MooringError)
    error = cls.__new__(cls)
    message = str(problem.get("detail") or problem.get("title") or "the daemon gave no reason")
    error.args = (message,)
    error.message = message
    hint = problem.get("hint")
    error.hint = None if hint is None else str(hint)
    if isinstance(error, CommandError):
        error.result = to_result(problem.get("result") or {})
    if isinstance(error, CommandTimeout):
        error.remote_may_still_run = bool(problem.get("remote_may_still_run", True))
    if isinstance(error, SessionLost):
        error.stdout, error.stderr = _bytes(problem.get("stdout", "")), _bytes(problem.get("stderr", ""))
    if isinstance(error, RpcError):
        error.errors, error.xml = tuple(map(_fault, problem.get("errors") or ())), b""
    if isinstance(error, PipeError):
        end = problem.get("end")
        error.end = PipeEnd(*end) if isinstance(end, (list, tuple)) and len(end) == len(PipeEnd._fields) else None
    if isinstance(error, FileError):
        error.path, error.where = str(problem.get("path", "")), str(problem.get("where", ""))
    for name in _carried(error):
        setattr(error, name, problem.get(name))
    return error


def result_value(result: CommandResult[Any]) -> dict[str, Any]:
    """A result as a plain value. Bytes become ``{"base64": ...}``."""
    return {
        "alias": result.alias,
        "command": result.command,
        "stdout": _output(result.stdout),
        "stderr": _output(result.stderr),
        "exit_status": result.exit_status,
        "exit_signal": result.exit_signal,
        "duration": result.duration,
        "dropped": result.dropped,
    }


def to_result(value: Mapping[str, Any]) -> CommandResult[Any]:
    """The result that a plain value tells of; what is missing is empty."""
    return CommandResult(
        alias=str(value.get("alias", "")),
        command=str(value.get("command", "")),
        stdout=_bytes(value.get("stdout", "")),
        stderr=_bytes(value.get("stderr", "")),
        exit_status=value.get("exit_status"),
        exit_signal=value.get("exit_signal"),
        duration=float(value.get("duration", 0.0)),
        dropped=int(value.get("dropped", 0)),
    )


def _fault(value: Mapping[str, Any]) -> RpcFault:
    names = [field.name for field in dataclasses.fields(RpcFault)]
    return RpcFault(**{name: str(value[name]) for name in names if name in value})


def _carried(error: MooringError) -> tuple[str, ...]:
    """The attributes that are plain values already."""
    if isinstance(error, HostKeyError):
        return ("host", "fingerprint", "key_type")
    if isinstance(error, MissingCapability):
        return ("capability",)
    if isinstance(error, HandlerFailed):
        return ("remote_traceback",)
    return ("source", "line") if isinstance(error, ConfigError) else ()


def _output(data: str | bytes) -> str | dict[str, str]:
    return data if isinstance(data, str) else {"base64": base64.b64encode(data).decode("ascii")}


def _bytes(value: object) -> Any:  # noqa: ANN401 - text or bytes, as it was sent
    if isinstance(value, dict):
        return base64.b64decode(value.get("base64", ""))
    return str(value)
