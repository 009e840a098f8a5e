"""Commands: ``/v1/sessions/{alias}/run`` on one session, ``/v1/run`` on many."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec
from litestar import Request, post

from ..model.access import Actor  # noqa: TC001 - Litestar reads annotations
from ..model.errors import (
    ChannelLimit,
    ChannelRefused,
    CommandTimeout,
    InvalidSelector,
    MooringError,
    NothingSelected,
    SessionClosed,
    SessionLost,
    SessionNotUp,
    SessionParked,
    UnknownAlias,
)
from ..model.problem import result_value
from ..model.result import RunOutcome
from ..pool.fanout import Begun
from .answers import Answer, Stream, encode, value
from .bodies import Base64, FanOutBody, RunBody
from .disconnect import while_connected
from .openapi import described
from .problems import problem
from .reading import Body

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from ..pool.fanout import Selected
    from ..service.fleet import Fleet
    from .asked import Asked

__all__ = ["HANDLERS", "answer_run"]

_RUN: Final = Body(RunBody)
_FAN_OUT: Final = Body(FanOutBody)
_NDJSON: Final = "application/x-ndjson"


class Result(msgspec.Struct):
    """What a command came to, whatever its exit status.

    Attributes:
        alias: The session it ran on.
        command: The command line as sent.
        stdout: What it printed on standard output.
        stderr: The same for standard error.
        exit_status: -1 when a signal ended it; null where the peer told of no end.
        exit_signal: The signal's name without SIG when one ended it.
        duration: Seconds from the call to the end.
        dropped: Bytes of output beyond max_output.
    """

    alias: str
    command: str
    stdout: str | Base64
    stderr: str | Base64
    exit_status: int | None
    exit_signal: str | None
    duration: float
    dropped: int


class Line(msgspec.Struct, omit_defaults=True):
    """One line of a fan-out: one session's result or error; in the last line, the summary.

    Attributes:
        alias: The session.
        result: What the command came to.
        error: Why it could not be run; without an alias, why the whole ended early.
        selected: In the first line, where ``progress`` was asked for: all sessions that are meant.
        begun: Likewise, in a line of its own: a session that has its turn now.
        summary: How many ended with status 0, and how many otherwise.
    """

    alias: str | None = None
    result: Result | None = None
    error: dict[str, Any] | None = None
    selected: list[str] | None = None
    begun: str | None = None
    summary: dict[str, int] | None = None


@post(
    "/v1/sessions/{alias:str}/run",
    status_code=200,
    opt=described(
        answer=Result,
        body=_RUN,
        problems=(
            UnknownAlias,
            SessionParked,
            SessionClosed,
            SessionNotUp,
            SessionLost,
            ChannelLimit,
            ChannelRefused,
            CommandTimeout,
        ),
    ),
)
async def run_command(request: Request[Actor, Any, Any]) -> Answer:
    """Run a command on one session.

    A client that goes away ends the command.
    """
    return await answer_run(request.app.state.fleet, request)


async def answer_run(fleet: Fleet, asked: Asked) -> Answer:
    """The same, of whatever kind of request."""
    body = await _RUN.read(asked)
    alias: str = asked.path_params["alias"]
    work = fleet.run(asked.user, alias, body.command, **body.keywords())
    return value(result_value(await while_connected(asked, work)))


@post(
    "/v1/run",
    status_code=200,
    opt=described(
        answer=Line, media_type=_NDJSON, body=_FAN_OUT, problems=(InvalidSelector, UnknownAlias, NothingSelected)
    ),
)
async def run_everywhere(request: Request[Actor, Any, Any]) -> Stream:
    """Run a command on every session that a selector means; each outcome is a line as it comes.

    A client that goes away ends what is under way. One that reads slowly holds back its own commands; one that takes
    nothing for 20 seconds is told `slow-reader` in a last line, where there is room for it, and cut off.
    """
    fleet: Fleet = request.app.state.fleet
    body = await _FAN_OUT.read(request)
    steps = fleet.run_steps(
        request.user,
        body.selector,
        body.command,
        concurrency=body.concurrency,
        batch=body.batch,
        max_failures=body.max_failures,
        **body.keywords(),
    )
    return Stream(request, _NDJSON.encode(), _lines(steps, progress=body.progress), _last_line)


async def _lines(steps: AsyncGenerator[Selected | Begun | RunOutcome], *, progress: bool) -> AsyncGenerator[bytes]:
    counts = {True: 0, False: 0}
    try:
        async for step in steps:
            if isinstance(step, RunOutcome):
                counts[step.ok] += 1
                yield _line(step)
            elif progress:
                yield encode({"begun": step.alias} if isinstance(step, Begun) else {"selected": step.aliases}) + b"\n"
    finally:
        await steps.aclose()
    yield encode({"summary": {"ok": counts[True], "failed": counts[False]}}) + b"\n"


def _line(outcome: RunOutcome) -> bytes:
    told: dict[str, Any] = {"alias": outcome.alias}
    if outcome.error is not None:
        told["error"] = problem(outcome.error)
    elif outcome.result is not None:
        told["result"] = result_value(outcome.result)
    return encode(told) + b"\n"


def _last_line(error: MooringError) -> bytes:
    return encode({"error": problem(error)}) + b"\n"


HANDLERS: Final = [run_command, run_everywhere]
