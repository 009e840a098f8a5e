"""``/v1/audit``: what was done, by whom, and whether the records of it still hold together."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, Final

from litestar import Request, get

from ..model.access import Actor  # noqa: TC001 - Litestar reads annotations
from ..model.audit import AuditPage, AuditQuery, AuditReport, Head
from ..model.errors import InvalidInput, StateError
from .answers import Answer, value
from .disconnect import while_connected
from .openapi import Asked, described

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from ..service.fleet import Fleet

__all__ = ["HANDLERS"]

_MOST: Final = 1000
_LAST: Final = 1 << 59
_TEXT: Final = "^[^\\u0000]*$"
_ASKED: Final = {
    "who": Asked("the actor's name, `*` and `?` as in file names", pattern=_TEXT),
    "what": Asked("what was done, or an action with all of its kinds: `files`", pattern=_TEXT),
    "alias": Asked("the session, as `who`", pattern=_TEXT),
    "outcome": "`begun`, `done`, `failed`, `cancelled` or `refused`",
    "since": Asked("not before this: seconds since 1970", type="number"),
    "until": Asked("before this, likewise", type="number"),
    "order": Asked("which first", enum=["newest", "oldest"], default="newest"),
    "start": Asked(
        "the number of the record to go on from: `next` of the page before",
        type="integer",
        minimum=1,
        maximum=_LAST,
    ),
    "limit": Asked("so many at most", type="integer", minimum=1, maximum=_MOST, default=100),
}
_END: Final = {
    "head": Asked(
        "an end that was kept elsewhere, `NUMBER:HASH`, which must be in the chain",
        pattern="^[0-9]{1,18}:[0-9a-f]{64}$",
    )
}
_HEAD: Final = re.compile(r"([0-9]{1,18}):([0-9a-f]{64})")


@get(
    "/v1/audit",
    opt=described(
        answer=AuditPage,
        query=_ASKED,
        problems=(InvalidInput, StateError),
    ),
)
async def read_audit(request: Request[Actor, Any, Any]) -> Answer:
    """Read the audit trail, a page at a time.

    It takes `admin` on all. What takes time has two records: `begun`, and one that tells its end, whose `of` is the
    number of the first.
    """
    fleet: Fleet = request.app.state.fleet
    asked = _asked(request, _ASKED)
    order = asked.get("order", "newest")
    if order not in {"newest", "oldest"}:
        raise InvalidInput("order may be newest or oldest")
    query = AuditQuery(
        who=asked.get("who"),
        what=asked.get("what"),
        alias=asked.get("alias"),
        outcome=asked.get("outcome"),
        since=_seconds("since", asked.get("since")),
        until=_seconds("until", asked.get("until")),
    )
    start = _number("start", asked.get("start"), _LAST)
    limit = _number("limit", asked.get("limit", "100"), _MOST)
    work = fleet.audit.page(request.user, query, start=start, limit=limit or 1, ascending=order == "oldest")
    return value(await while_connected(request, work))


@get(
    "/v1/audit/verify",
    opt=described(
        answer=AuditReport,
        query=_END,
        problems=(InvalidInput, StateError),
    ),
)
async def verify_audit(request: Request[Actor, Any, Any]) -> Answer:
    """Check every hash of the audit trail, and its end against what is kept beside it."""
    fleet: Fleet = request.app.state.fleet
    text = _asked(request, _END).get("head")
    known = None
    if text is not None:
        found = _HEAD.fullmatch(text)
        if found is None:
            raise InvalidInput("head is NUMBER:HASH, as a check before has told them")
        known = Head(int(found[1]), found[2])
    return value(await while_connected(request, fleet.audit.verify(request.user, known)))


def _asked(request: Request[Actor, Any, Any], known: Collection[str]) -> Mapping[str, str]:
    """What was asked for: a filter that nobody heeds would show what is not meant."""
    given: Mapping[str, str] = request.query_params
    if not given.keys() <= set(known):
        raise InvalidInput("there is a parameter that is not known", hint=f"there are {', '.join(known)}")
    return given


def _seconds(name: str, text: str | None) -> float | None:
    if text is None:
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not math.isfinite(seconds):
        raise InvalidInput(f"{name} is a number of seconds since 1970")
    return seconds


def _number(name: str, text: str | None, most: int) -> int | None:
    if text is None:
        return None
    if not re.fullmatch(r"[0-9]{1,18}", text) or not 1 <= int(text) <= most:
        raise InvalidInput(f"{name} is a number from 1 to {most}")
    return int(text)


HANDLERS: Final = [read_audit, verify_audit]
