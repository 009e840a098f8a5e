"""Jump hosts: one session for all that go through it, up before they dial."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ..model.status import SessionState

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable

    from ..transport.route import Route
    from .keeper import Keeper

__all__ = ["Hops"]


class Hops:
    """The hops in use, each with the keepers of the sessions behind it.

    Args:
        find: The keeper of a session that was started under a name of its own and leads the same way, or None.
        make: Starts to keep a hop.
    """

    def __init__(self, find: Callable[[Hashable], Keeper | None], make: Callable[[Route], Keeper]) -> None:
        self._find = find
        self._make = make
        self._own: dict[Hashable, Keeper] = {}
        self._children: dict[Hashable, set[Keeper]] = {}

    def __len__(self) -> int:
        """How many hops are kept for others only."""
        return len(self._own)

    def lease(self, route: Route, child: Keeper) -> Keeper:
        """Who keeps a hop: it stays until the last child lets it go."""
        self._children.setdefault(route.key, set()).add(child)
        keeper = self._find(route.key) or self._own.get(route.key)
        if keeper is None or keeper.session.state is SessionState.CLOSED:
            keeper = self._own[route.key] = self._make(route)
        return keeper

    async def release(self, route: Route, child: Keeper) -> None:
        """Let a hop go; one that is kept for others only is closed with its last child."""
        children = self._children.get(route.key, set())
        children.discard(child)
        if not children:
            self._children.pop(route.key, None)
            if (keeper := self._own.pop(route.key, None)) is not None:
                await keeper.stop()

    def retry(self, route: Route) -> None:
        """Have a hop that waits attempt now: whoever wants what is behind it wants it too."""
        keeper = self._find(route.key) or self._own.get(route.key)
        if keeper is not None:
            keeper.retry()

    def reroute(self, old: Route, new: Route, keepers: Iterable[Keeper]) -> None:
        """A session was put in the place of another: whoever went through that one goes through this one next."""
        for keeper in keepers:
            keeper.route = _rerouted(keeper.route, old, new)
        leased = set().union(*self._children.values())
        self._children.clear()
        for child in leased:
            if child.route.via is not None:
                self._children.setdefault(child.route.via.key, set()).add(child)
        self._own = {keeper.route.key: keeper for keeper in self._own.values()}

    def behind(self, route: Route) -> tuple[Keeper, ...]:
        """The keepers of the sessions behind a hop."""
        return tuple(self._children.get(route.key, ()))


def _rerouted(route: Route, old: Route, new: Route) -> Route:
    """A route in which one hop stands for another; itself where that is not on the way."""
    if route is old:
        return new
    via = _rerouted(route.via, old, new) if route.via is not None else None
    return route if via is route.via else replace(route, via=via)
