"""What an actor may read of the fleet, from one moment on: a snapshot, then every change."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Self

from ..model.access import Action
from . import policy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType

    from ..model.access import Actor
    from ..model.device import Pending
    from ..model.event import Event
    from ..model.forward import ForwardStatus
    from ..model.selector import Selector
    from ..model.status import Measured, SessionStatus
    from ..pool import Pool

__all__ = ["Watch"]

_AT_ONCE: Final = 200
"""Sessions that are measured in one turn of the loop: two milliseconds."""


class Watch:
    """A snapshot, then changes: ``async with fleet.watch(actor) as watch: ... async for event in watch``.

    No change is missed between the two. A reader that falls more than ``backlog`` events behind loses the oldest,
    and gets a ``LOST`` event with their number in their place: what it knows is then out of date, until it watches
    anew. Events of sessions that the actor may not read are neither given nor counted.

    Attributes:
        snapshot: The sessions as they stood when it was entered.
    """

    def __init__(
        self,
        pool: Pool,
        actor: Actor,
        selector: Selector,
        backlog: int,
        waiting: Callable[[], Iterable[Pending]] = tuple,
    ) -> None:
        self._pool = pool
        self._waiting = waiting
        self._actor = actor
        self._selector = selector
        self._backlog = backlog
        self._measured: dict[str, Measured] = {}
        self._forwards: dict[tuple[str, str], ForwardStatus] = {}
        self._calling: dict[str, Pending] = {}
        self._aliases: dict[str, None] = {}
        """Sessions that it means, so that measuring them is no walk over all."""
        self.snapshot: list[SessionStatus] = []

    async def __aenter__(self) -> Self:
        """Take the snapshot and listen from this moment on."""
        self._events = self._pool.events(self._backlog, self._wanted)
        self.snapshot = [
            session.status() for session in self._pool.sessions if self._means(session.alias, session.labels)
        ]
        self._aliases = dict.fromkeys(status.alias for status in self.snapshot)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Listen no more."""
        self._events.close()

    def __aiter__(self) -> Self:
        """Itself."""
        return self

    async def __anext__(self) -> Event:
        """The next event. Cancelling is safe: none is lost. Ends with the pool."""
        return await anext(self._events)

    async def measure(self) -> tuple[list[Measured], list[ForwardStatus], list[Pending]]:
        """Tell the numbers of sessions and forwards that are others than the last time, and who called meanwhile.

        That a device which waits calls again is no event, since strangers decide how often one does. Cancelling is
        safe: what was not given is given the next time.
        """
        measured: dict[str, Measured] = {}
        forwards: dict[tuple[str, str], ForwardStatus] = {}
        for number, alias in enumerate(tuple(self._aliases)):
            if number % _AT_ONCE == _AT_ONCE - 1:
                await asyncio.sleep(0)
            if alias not in self._pool:
                del self._aliases[alias]
                continue
            session = self._pool[alias]
            if self._means(session.alias, session.labels):
                measured[session.alias] = session.measured()
                forwards |= {(one.alias, one.name): one.status() for one in session.forwards}
        calling = {one.id: one for one in self._waiting()} if self._sees_waiting() else {}
        before, self._measured = self._measured, measured
        stood, self._forwards = self._forwards, forwards
        called, self._calling = self._calling, calling
        return (
            [one for alias, one in measured.items() if one != before.get(alias)],
            [one for name, one in forwards.items() if one != stood.get(name)],
            [one for name, one in calling.items() if one != called.get(name)],
        )

    def _sees_waiting(self) -> bool:
        return self._selector.matches("") and policy.sees_waiting(self._actor)

    def _wanted(self, event: Event) -> bool:
        """Asked as the event happens: a session that ends is still there. Without one, it is of a device that waits."""
        if not event.alias:
            return self._sees_waiting()
        means = self._means(event.alias, self._pool[event.alias].labels if event.alias in self._pool else ())
        if means:
            self._aliases[event.alias] = None
        return means

    def _means(self, alias: str, labels: tuple[str, ...]) -> bool:
        return self._selector.matches(alias, labels) and policy.allowed(self._actor, Action.READ, alias, labels)
