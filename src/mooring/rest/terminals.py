"""``/v1/terminals``: the terminals that the daemon keeps; they are opened and looked at over a channel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec
from litestar import Request, delete, get

from ..model.access import Actor  # noqa: TC001 - Litestar reads annotations
from ..model.errors import TerminalEnded, UnknownAlias, UnknownTerminal
from ..model.terminal import TerminalStatus
from .answers import Answer, value
from .openapi import described
from .selecting import SELECTED, SELECTOR, named, selector_of

if TYPE_CHECKING:
    from ..service.fleet import Fleet

__all__ = ["HANDLERS"]


class TerminalList(msgspec.Struct):
    """Terminals, by their sessions and names."""

    terminals: list[TerminalStatus]


@get(
    "/v1/terminals",
    opt=described(answer=TerminalList, query=SELECTOR, problems=SELECTED),
)
async def list_terminals(request: Request[Actor, Any, Any]) -> Answer:
    """List terminals that run."""
    fleet: Fleet = request.app.state.fleet
    return value(TerminalList(fleet.terminals.list(request.user, selector_of(request))))


@get(
    "/v1/terminals/{alias:str}/{name:str}",
    opt=described(answer=TerminalStatus, problems=(UnknownAlias, UnknownTerminal)),
)
async def show_terminal(request: Request[Actor, Any, Any]) -> Answer:
    """Show one terminal; one that has ended not long ago, too."""
    fleet: Fleet = request.app.state.fleet
    return value(fleet.terminals.show(request.user, *named(request)))


@delete(
    "/v1/terminals/{alias:str}/{name:str}",
    status_code=200,
    opt=described(answer=TerminalStatus, problems=(UnknownAlias, UnknownTerminal, TerminalEnded)),
)
async def end_terminal(request: Request[Actor, Any, Any]) -> Answer:
    """Hang up a terminal: what runs on it gets HUP from its system. The answer tells how it ended."""
    fleet: Fleet = request.app.state.fleet
    return value(await fleet.terminals.end(request.user, *named(request)))


HANDLERS: Final = [list_terminals, show_terminal, end_terminal]
