"""Errors as HTTP says them: problem details (RFC 9457) of one form, whoever found the fault."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from litestar.enums import ScopeType
from litestar.exceptions import HTTPException

from ..model.errors import (
    AccessError,
    AliasInUse,
    BudgetSpent,
    ChannelLimit,
    CommandTimeout,
    ConnectError,
    DiskFull,
    FileError,
    FileExists,
    FileMissing,
    FileRefused,
    FilesUnsupported,
    ForwardInUse,
    InvalidInput,
    LockLost,
    MissingCapability,
    MooringError,
    NothingSelected,
    PortTaken,
    RpcError,
    RpcTimeout,
    SessionClosed,
    SessionError,
    SessionNotUp,
    SessionParked,
    SlowReader,
    StateError,
    StreamLimit,
    TerminalEnded,
    TerminalInUse,
    TerminalLimit,
    TokenInUse,
    Unauthenticated,
    UnknownAlias,
    UnknownForward,
    UnknownRecording,
    UnknownTerminal,
    UnknownToken,
    WaitTimeout,
)
from ..model.problem import to_problem
from .answers import Answer, encode
from .disconnect import ClientGone

if TYPE_CHECKING:
    from collections.abc import Mapping

    from litestar import Request
    from litestar.types import ExceptionHandlersMap, Receive, Scope, Send

    from .asked import Asked

__all__ = [
    "HANDLERS",
    "PLAIN",
    "PROBLEM",
    "STATUSES",
    "Silence",
    "answer_to",
    "deny",
    "plain_refusal",
    "problem",
    "refusal",
    "status_of",
]

PROBLEM: Final = b"application/problem+json"

STATUSES: Final[Mapping[type[MooringError], int]] = {
    InvalidInput: 400,
    Unauthenticated: 401,
    AccessError: 403,
    UnknownAlias: 404,
    NothingSelected: 404,
    AliasInUse: 409,
    SessionParked: 409,
    SessionClosed: 409,
    LockLost: 409,
    RpcError: 422,
    MissingCapability: 422,
    ConnectError: 502,
    UnknownForward: 404,
    UnknownToken: 404,
    UnknownRecording: 404,
    ForwardInUse: 409,
    TokenInUse: 409,
    PortTaken: 409,
    UnknownTerminal: 404,
    TerminalInUse: 409,
    TerminalEnded: 410,
    TerminalLimit: 503,
    SessionError: 502,
    FileExists: 412,
    FileMissing: 404,
    FileRefused: 403,
    FilesUnsupported: 501,
    FileError: 502,
    DiskFull: 507,
    SessionNotUp: 503,
    ChannelLimit: 503,
    BudgetSpent: 503,
    SlowReader: 503,
    StreamLimit: 503,
    StateError: 503,
    CommandTimeout: 504,
    RpcTimeout: 504,
    WaitTimeout: 504,
    MooringError: 500,
}
"""The status of each error; one that is not here has its parent's."""

_log = logging.getLogger(__name__)


def status_of(error: type[MooringError]) -> int:
    """The status that tells of an error."""
    return next(STATUSES[cls] for cls in error.__mro__ if cls in STATUSES)


def problem(error: MooringError) -> dict[str, Any]:
    """An error as problem details, its status included."""
    return {**to_problem(error), "status": status_of(type(error))}


def refusal(error: MooringError) -> Answer:
    """The answer that tells of an error."""
    status = status_of(type(error))
    headers = [(b"www-authenticate", b'Bearer realm="mooring"')] if isinstance(error, Unauthenticated) else []
    return Answer(encode(problem(error)), status=status, media_type=PROBLEM, headers=headers)


PLAIN: Final[Mapping[int, tuple[str, str]]] = {
    400: ("bad-request", "The request cannot be understood."),
    404: ("not-found", "There is nothing at this path."),
    405: ("method-not-allowed", "This path does not take this method."),
    413: ("body-too-large", "The body has more bytes than are taken."),
    416: ("range-not-satisfiable", "The part that is asked for lies behind the end."),
    426: ("upgrade-required", "This path speaks WebSocket alone (RFC 6455)."),
    500: ("internal-error", "A bug in the daemon; its log says more."),
}
"""Faults for which there is no class of error, since they lie in HTTP alone: the code of each status, and the words."""


def plain_refusal(status: int, headers: Mapping[str, str] | None = None) -> Answer:
    """The answer that tells of a fault that lies in HTTP alone."""
    code, words = PLAIN.get(status, PLAIN[400])
    told = {
        "type": f"urn:mooring:error:{code}",
        "title": code.replace("-", " "),
        "detail": words.rstrip("."),
        "code": code,
        "retryable": False,
        "hint": None,
        "status": status,
    }
    raw = [(name.encode(), text.encode()) for name, text in (headers or {}).items()]
    return Answer(encode(told), status=status, media_type=PROBLEM, headers=raw)


async def deny(scope: Scope, send: Send, answer: Answer) -> None:
    """Give an answer instead of what was asked for; to who asked for a WebSocket, instead of that (ASGI, 2.3)."""

    async def send_renamed(message: Any) -> None:  # noqa: ANN401 - as ASGI has it
        renamed: Any = {**message, "type": f"websocket.{message['type']}"}
        await send(renamed)

    await answer(scope, _nothing, send_renamed if scope["type"] == ScopeType.WEBSOCKET else send)


async def _nothing() -> Any:  # noqa: ANN401 - as ASGI has it
    raise RuntimeError("an answer takes nothing")


class Silence:
    """No answer: nobody is there."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Do nothing."""


def answer_to(request: Asked, error: Exception) -> Answer | Silence:
    """The answer to a request that failed. What Litestar says is not passed on: it may repeat what came."""
    if isinstance(error, MooringError):
        return refusal(error)
    if isinstance(error, ClientGone):
        return Silence()
    if isinstance(error, HTTPException):
        return plain_refusal(error.status_code, {name: _methods(text) for name, text in (error.headers or {}).items()})
    method, path = (request.scope.get(name, "") for name in ("method", "path_template"))
    _log.error("a bug: %s %s failed", method, path, exc_info=error)
    return plain_refusal(500)


def _methods(text: str) -> str:
    """A header of Litestar's: it counts `websocket` among the methods of ``Allow``."""
    return ", ".join(word for word in text.split(", ") if word != "websocket")


def _handle(request: Request[Any, Any, Any], error: Exception) -> Any:  # noqa: ANN401 - Litestar wants its Response
    return _Asked(answer_to(request, error))


class _Asked:
    """What Litestar asks of an exception handler's response: an ASGI application."""

    def __init__(self, answer: Answer | Silence) -> None:
        self._answer = answer

    def to_asgi_response(self, **_: object) -> Answer | Silence:
        """It is one."""
        return self._answer


HANDLERS: Final[ExceptionHandlersMap] = {HTTPException: _handle, Exception: _handle}
"""For Litestar: how exceptions are answered."""
