"""``/channels``: the API of sshpool in its own dialect, for the programs that speak it.

Texts and statuses are sshpool's to the byte: JSON with sorted keys, in ASCII, ended by a newline; ``OK``, ``NOT FOUND``
and ``BAD REQUEST`` as ``text/html``. docs/sshpool.md says what is different on purpose.
"""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import json
import logging
import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, unquote_plus

from litestar import Request, Router, route

from ..model.access import Action, Actor
from ..model.errors import (
    AccessError,
    InvalidInput,
    InvalidTarget,
    MooringError,
    SessionClosed,
    SessionNotUp,
    SessionParked,
    UnknownAlias,
)
from ..model.login import login
from ..model.status import SessionState
from ..model.target import Target
from ..service import policy
from .answers import Answer
from .bodies import MAX_OUTPUT
from .disconnect import while_connected

if TYPE_CHECKING:
    from ..model.result import CommandResult
    from ..model.status import SessionStatus
    from ..service.fleet import Fleet

__all__ = ["WAIT", "body_text", "router"]

WAIT: Final = 30.0
"""Seconds that a command waits for its session to come up: an attempt to connect takes 20 at most, and another may
follow it."""

_FORM: Final = "application/x-www-form-urlencoded"
_JSON: Final = "application/json"
_HTML: Final = b"text/html; charset=utf-8"
_ENCODED: Final = re.compile(r"(?=[^%]*%|.*=$)(?P<text>(?:[A-Za-z0-9*._~+-]|%[0-9A-Fa-f]{2})+)=?")
"""What only an encoder writes: nothing that it would have encoded, and something that it did, or a field without a
value."""

_TOO_MUCH: Final = f"{MAX_OUTPUT >> 20} MiB of each stream are kept; stream more with `mooring run`"
_SETTLED: Final = frozenset({SessionState.UP, SessionState.PARKED, SessionState.CLOSED})

_NOT_ALLOWED: Final = b"""\
<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 3.2 Final//EN">
<title>405 Method Not Allowed</title>
<h1>Method Not Allowed</h1>
<p>The method is not allowed for the requested URL.</p>
"""

_log = logging.getLogger(__name__)


def body_text(body: bytes, content_type: str, name: str) -> str:
    """The one text that a body is: a DSN or a command.

    Args:
        body: The body as it came.
        content_type: As the client says it; empty where it says nothing. A form is often none: ``curl -d TEXT`` says
            so of any text. JSON may be any text too, since sshpool never looked.
        name: What the text is called where it has a name: ``name=text`` in a form, ``{"name": "text"}`` in JSON.

    Raises:
        InvalidInput: It is no UTF-8, a form of several fields, or of several parts.
    """
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidInput("the body is not UTF-8") from None
    kind = content_type.partition(";")[0].strip().lower()
    if kind.startswith("multipart/"):
        raise InvalidInput("the body has several parts", hint="send the text itself")
    if kind == _FORM:
        return _from_form(text, name)
    return _from_json(text, name) if kind == _JSON else text


def _from_form(text: str, name: str) -> str:
    if text.startswith(f"{name}="):
        fields = parse_qsl(text, keep_blank_values=True)
        if len(fields) != 1:
            raise InvalidInput(f"the form has more than the field {name!r}", hint="write & as %26, + as %2B, % as %25")
        return fields[0][1]
    encoded = _ENCODED.fullmatch(text)
    return unquote_plus(encoded["text"]) if encoded else text


def _from_json(text: str, name: str) -> str:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    if isinstance(value, dict) and isinstance(value.get(name), str):
        value = value[name]
    return value if isinstance(value, str) else text


@route("/", http_method=["GET", "HEAD"], status_code=200)
async def show_all(request: Request[Actor, Any, Any]) -> Answer:
    """Every channel's meta information, by alias."""
    fleet: Fleet = request.app.state.fleet
    return _json({status.alias: _meta(status) for status in fleet.list(request.user)})


@route("/", http_method=["POST"], status_code=200)
async def start(request: Request[Actor, Any, Any]) -> Answer:
    """Hold a channel; one of that alias goes. It is not waited for."""
    fleet: Fleet = request.app.state.fleet
    try:
        text = body_text(await request.body(), request.headers.get("content-type", ""), "dsn").strip()
        if "://" not in text:
            raise InvalidTarget("a DSN begins with alias://")
        await fleet.start(request.user, Target.parse(text), replace=True)
    except InvalidInput as error:
        _log.error("Unable to start SSH channel due to %s", _shown(error))
        return _text("BAD REQUEST", 400)
    return _text("OK")


@route("/{alias:str}", http_method=["GET", "HEAD"], status_code=200)
async def show(request: Request[Actor, Any, Any]) -> Answer:
    """One channel's meta information."""
    alias: str = request.path_params["alias"]
    fleet: Fleet = request.app.state.fleet
    try:
        return _json(_meta(fleet.show(request.user, alias)))
    except UnknownAlias:
        return _text("NOT FOUND", 404)


@route("/{alias:str}", http_method=["POST"], status_code=200)
async def run(request: Request[Actor, Any, Any]) -> Answer:
    """Run a command; whatever keeps it from running is an ``exception`` in the answer."""
    alias: str = request.path_params["alias"]
    fleet: Fleet = request.app.state.fleet
    try:
        command = body_text(await request.body(), request.headers.get("content-type", ""), "command")
    except InvalidInput:
        return _text("BAD REQUEST", 400)
    try:
        result = await while_connected(request, _run(fleet, request.user, alias, command))
    except UnknownAlias:
        return _text("NOT FOUND", 404)
    except AccessError:
        raise
    except MooringError as error:
        return _json({"exception": _shown(error)})
    if result.dropped:
        return _json({"exception": f"the command ended with {result.exit_status}, and printed too much: {_TOO_MUCH}"})
    status = -1 if result.exit_status is None else result.exit_status
    return _json({"exit_code": status, "stderr": result.stderr, "stdout": result.stdout})


@route("/{alias:str}", http_method=["DELETE"], status_code=200)
async def stop(request: Request[Actor, Any, Any]) -> Answer:
    """End a channel."""
    alias: str = request.path_params["alias"]
    fleet: Fleet = request.app.state.fleet
    try:
        await fleet.stop(request.user, fleet.show(request.user, alias).alias)
    except UnknownAlias:
        return _text("NOT FOUND", 404)
    return _text("OK")


@route("/", http_method=["PUT", "PATCH", "DELETE"], status_code=405)
async def refuse_all() -> Answer:
    """What sshpool does not allow."""
    return _refusal(b"GET, HEAD, OPTIONS, POST")


@route("/{alias:str}", http_method=["PUT", "PATCH"], status_code=405)
async def refuse() -> Answer:
    """What sshpool does not allow."""
    return _refusal(b"DELETE, GET, HEAD, OPTIONS, POST")


router: Final = Router(
    "/channels",
    route_handlers=[show_all, start, refuse_all, show, run, stop, refuse],
    include_in_schema=False,  # another dialect than that of /v1, described in docs/sshpool.md
)


async def _run(fleet: Fleet, actor: Actor, alias: str, command: str) -> CommandResult[str]:
    """Run it; a session that is not up is waited for, since sshpool starts a dead channel first."""
    try:
        return await fleet.run(actor, alias, command, max_output=MAX_OUTPUT)
    except (SessionParked, SessionClosed):
        raise
    except SessionNotUp:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(WAIT):
                await _settle(fleet, actor, alias)
    return await fleet.run(actor, alias, command, max_output=MAX_OUTPUT)


async def _settle(fleet: Fleet, actor: Actor, alias: str) -> None:
    """Connect now, and wait until it is up, or will not be by itself."""
    async with fleet.watch(actor, alias) as watch:
        states = {status.state for status in watch.snapshot}
        if not states or states & _SETTLED:
            return
        labels = watch.snapshot[0].labels
        if SessionState.BACKOFF in states and policy.allowed(actor, Action.ADMIN, alias, labels):
            await fleet.retry(actor, alias)  # who may only run commands waits for the next attempt
        async for event in watch:
            if event.state in _SETTLED:
                return


def _meta(status: SessionStatus) -> dict[str, Any]:
    user, password, host, port = login(status.target, getpass.getuser())
    return {
        "user": status.username or user,
        "pass": password,
        "host": host,
        "port": status.port or port,
        "is_alive": status.state is SessionState.UP,
        "start_time": status.since,
    }


def _json(value: dict[str, Any]) -> Answer:
    return Answer(json.dumps(value, sort_keys=True, separators=(",", ":")).encode("ascii") + b"\n")


def _text(text: str, status: int = 200) -> Answer:
    return Answer(text.encode("ascii"), status=status, media_type=_HTML)


def _refusal(allowed: bytes) -> Answer:
    return Answer(_NOT_ALLOWED, status=405, media_type=_HTML, headers=[(b"allow", allowed)])


def _shown(error: MooringError) -> str:
    """An error as Python shows it, its hint included."""
    return f"{type(error).__name__}({str(error)!r})"
