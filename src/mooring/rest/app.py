"""The application put together: who may come in, what there is, and what becomes of errors."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any, Final

from litestar import Litestar, Request, get
from litestar.datastructures import Headers, State
from litestar.enums import ScopeType
from litestar.routes import HTTPRoute

from ..model.errors import MooringError
from . import (
    agents,
    audit,
    channels,
    copy,
    events,
    files,
    forwards,
    gateway,
    netconf,
    pending,
    probes,
    recordings,
    run,
    sessions,
    signing,
    terminals,
    tokens,
    websocket,
)
from .answers import WRITE_TIMEOUT, Answer, encode
from .methods import with_methods
from .openapi import described, document
from .problems import HANDLERS, Silence, answer_to, deny, refusal
from .reading import MAX_BODY

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from litestar.types import ControllerRouterHandler, Receive, Scope, Send

    from ..model.access import Actor
    from ..service.fleet import Fleet
    from .access import Access
    from .gateway import Gateway

__all__ = ["Door", "make_app"]

_NOBODY: Final = object()
_RUN: Final = re.compile(r"/v1/sessions/([^/]+)/run")


class Door:
    """The application as ASGI: nothing is looked at before it is known who asks, and before the fleet is whole.

    Args:
        inside: What there is.
        access: Who may come in.
        fleet: Who is let in waits until it is ready.
    """

    def __init__(self, inside: Litestar, access: Access, fleet: Fleet) -> None:
        self.inside = inside
        self._access = access
        self._fleet = fleet
        self._open = frozenset(_open_to_all(inside))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, or refuse it. There is no lifespan: what the application needs is there before it."""
        try:
            self._let_in(scope)
        except MooringError as error:
            await deny(scope, send, refusal(error))
            return
        if "user" not in scope:
            await self.inside(scope, receive, send)
            return
        with self._access.holding(scope):
            if not self._fleet.ready:
                await self._fleet.wait_ready()
            await self._answer(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        found = _RUN.fullmatch(scope["path"])
        if found is None or scope["type"] != ScopeType.HTTP or scope["method"] != "POST":
            await self.inside(scope, receive, send)
            return
        # Without Litestar, whose way to a handler costs a tenth of a command.
        request = _Request(scope, receive, found[1])
        try:
            answer: Answer | Silence = await run.answer_run(self.inside.state.fleet, request)
        except Exception as error:  # noqa: BLE001 - as Litestar has it
            answer = answer_to(request, error)
        if not (isinstance(answer, Answer) and answer.at_once(scope)):
            await answer(scope, receive, send)

    def _let_in(self, scope: Scope) -> None:
        self._access.check_place(scope)
        if (scope.get("method"), scope["path"]) in self._open:
            return
        scope["user"] = self._access.actor(scope)
        admit = scope["state"].get("admit")
        if admit is not None and admit(scope["user"]):  # it is no stranger's connection any more
            try:
                self._access.welcome(scope)
            except MooringError:
                admit(_NOBODY)  # with the next request they are new again
                raise


def _open_to_all(inside: Litestar) -> Iterator[tuple[str, str]]:
    """Method and path of what asks nobody who they are: probes, the way in, and what the page is made of."""
    for route in inside.routes:
        if isinstance(route, HTTPRoute):
            for handler in route.route_handlers:
                what = handler.opt.get("described")
                if handler.opt.get("open") or (what is not None and what.open):
                    yield from ((method, route.path) for method in handler.http_methods)


class _Request:
    """As much of Litestar's Request as a command asks for: making a whole one takes longer than all that it tells."""

    __slots__ = ("path_params", "receive", "scope", "user")

    def __init__(self, scope: Scope, receive: Receive, alias: str) -> None:
        self.scope = scope
        self.receive = receive
        self.path_params = {"alias": alias}
        self.user: Actor = scope["user"]

    @property
    def headers(self) -> Headers:
        """Of the request."""
        return Headers.from_scope(self.scope)


def make_app(
    fleet: Fleet,
    access: Access,
    *,
    version: str,
    place: probes.Place | None = None,
    visits: Gateway | None = None,
    page: Sequence[ControllerRouterHandler] = (),
    write_timeout: float = WRITE_TIMEOUT,
) -> Door:
    """The daemon's API over a fleet, for an ASGI server.

    The server puts into a request's ``scope["state"]``: ``peer``, the uid at the other end of a Unix socket, and may
    put ``watch``, which has something called when the client leaves, and tells whether they are there, ``admit``,
    called with who asks when that is known, which tells whether they are new on the connection, ``answer``, which
    answers as a whole where it can, ``abort``, which cuts the connection, and ``take``, which gives it to another
    protocol.

    Args:
        fleet: What the API is of.
        access: Who may come in.
        version: The daemon's, told by ``/v1/version``.
        place: Where it runs, told by ``/v1/daemon``; None for this process and no files.
        visits: The SSH gateway; None where there is none.
        page: Further handlers, of Litestar; those with ``opt={"open": True}`` ask nobody who they are.
        write_timeout: Seconds in which the reader of a stream must take something.
    """
    handlers = with_methods(
        [
            *sessions.HANDLERS,
            *run.HANDLERS,
            *copy.HANDLERS,
            *files.HANDLERS,
            *events.HANDLERS,
            *forwards.HANDLERS,
            *gateway.HANDLERS,
            *terminals.HANDLERS,
            *pending.HANDLERS,
            *tokens.HANDLERS,
            *audit.HANDLERS,
            *recordings.HANDLERS,
            *signing.HANDLERS,
            *agents.HANDLERS,
            *netconf.HANDLERS,
            *websocket.HANDLERS,
            *probes.HANDLERS,
            tell_schema,
            *page,
        ]
    )
    inside = Litestar(
        [*handlers, channels.router],
        exception_handlers=HANDLERS,
        logging_config=None,
        openapi_config=None,
        request_max_body_size=MAX_BODY,
        state=State(
            {
                "fleet": fleet,
                "access": access,
                "version": version,
                "place": place or probes.Place(pid=os.getpid(), state_dir="", config=None, socket=""),
                "gateway": visits,
                "write_timeout": write_timeout,
                "followers": events.Followers(),
            }
        ),
    )
    return Door(inside, access, fleet)


@get("/schema/openapi.json", opt=described(answer=dict[str, Any]))
async def tell_schema(request: Request[Any, Any, Any]) -> Answer:
    """Describe the API: this document."""
    state = request.app.state
    if "schema" not in state:
        state.schema = encode(document(request.app, state.version))
    return Answer(state.schema)
