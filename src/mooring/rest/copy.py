"""``/v1/copy``: files from session to session, or between them and the daemon's own machine."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Final

import msgspec
from litestar import Request, post

from ..model.access import Actor  # noqa: TC001 - Litestar reads annotations
from ..model.errors import FileError, InvalidSelector, MooringError, NothingSelected, UnknownAlias
from ..service.files import Named
from .answers import Stream, encode
from .bodies import CopyBody
from .openapi import described
from .problems import problem
from .reading import Body

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from ..service.files import Step
    from ..service.fleet import Fleet
    from .bodies import CopyPlace

__all__ = ["HANDLERS"]

_COPY: Final = Body(CopyBody)
_NDJSON: Final = "application/x-ndjson"


class CopyLine(msgspec.Struct, omit_defaults=True):
    """One line of a copy.

    Attributes:
        alias: The session that it goes to, or comes from.
        progress: How far it is.
        error: Why one file was not copied; the rest goes on.
        done: It has ended, with so many files and bytes.
        failed: It has ended, and why; without an alias, why the whole did.
        summary: How many sessions ended with all files copied, and how many otherwise.
    """

    alias: str | None = None
    progress: dict[str, Any] | None = None
    error: dict[str, Any] | None = None
    done: dict[str, Any] | None = None
    failed: dict[str, Any] | None = None
    summary: dict[str, int] | None = None


@post(
    "/v1/copy",
    status_code=200,
    opt=described(
        answer=CopyLine, media_type=_NDJSON, body=_COPY, problems=(InvalidSelector, UnknownAlias, NothingSelected)
    ),
)
async def copy_files(request: Request[Actor, Any, Any]) -> Stream:
    """Copy files; what happens is a line as it comes.

    A path without a session is one on the daemon's machine, and open to its own user over its Unix socket alone. A
    client that goes away ends what is under way; nothing half written stands under its name then.
    """
    fleet: Fleet = request.app.state.fleet
    body = await _COPY.read(request)
    steps = fleet.files.copy(
        request.user, [_named(place) for place in body.sources], _named(body.target), **body.keywords()
    )
    return Stream(request, _NDJSON.encode(), _lines(steps), _last_line)


def _named(place: CopyPlace) -> Named:
    return Named(place.session, place.text())


async def _lines(steps: AsyncGenerator[Step]) -> AsyncGenerator[bytes]:
    counts = {True: 0, False: 0}
    try:
        async for step in steps:
            if step.done is not None or step.failed is not None:
                counts[step.done is not None and not step.done.failed] += 1
            yield encode(_line(step)) + b"\n"
    finally:
        await steps.aclose()
    yield encode({"summary": {"ok": counts[True], "failed": counts[False]}}) + b"\n"


def _line(step: Step) -> dict[str, Any]:
    told: dict[str, Any] = {"alias": step.alias}
    if step.progress is not None:
        told["progress"] = {**dataclasses.asdict(step.progress), "path": FileError.shown(step.progress.path)}
    if step.error is not None:
        told["error"] = problem(step.error)
    if step.done is not None:
        told["done"] = dataclasses.asdict(step.done)
    if step.failed is not None:
        told["failed"] = problem(step.failed)
    return told


def _last_line(error: MooringError) -> bytes:
    return encode({"failed": problem(error)}) + b"\n"


HANDLERS: Final = [copy_files]
