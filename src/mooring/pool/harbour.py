"""Where devices that call home are moored: a berth in the pool for each, its name, and what it tells of itself."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from ..model.errors import AliasInUse, MooringError, SessionClosed, SessionError, SessionLost
from ..model.event import Event, EventKind
from ..model.status import Direction, SessionState
from ..session import Session
from ..session.facts import gather
from .nowhere import nowhere

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..model.device import Device
    from ..model.target import Target
    from ..transport.link import Link
    from ..transport.route import Route
    from .berth import Berth
    from .pool import Pool
    from .watcher import CallWatcher

    Facts = Mapping[str, str | None]

__all__ = ["Harbour", "route_of"]

_log: Final = logging.getLogger(__name__)
_MOST: Final = 10_000
"""Sessions, beyond which of those under patterns the one whose device is longest away is forgotten."""
_NAMING: Final = 30.0
"""Seconds for a device to tell that of which its alias is made."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Whose a berth is: the entry's alias, and for one that means many, which of them."""

    berth: Berth
    entry: str
    identity: str


class Harbour:
    """The berths of devices, from their first call, or their entry, to ``clear`` or ``aclose``.

    Args:
        pool: Holds the sessions.
        facts: Whether each device is asked what it is when it is up.
        watcher: Told of each call.
        forgotten: Told the id of a device under a pattern that had to go.
    """

    def __init__(self, pool: Pool, *, facts: bool, watcher: CallWatcher, forgotten: Callable[[str], object]) -> None:
        self._pool = pool
        self._ask = facts
        self._watcher = watcher
        self._forgotten = forgotten
        self._places: dict[str, _Place] = {}
        self._named: dict[tuple[str, str], str] = {}
        self._asking: dict[str, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def berth(self, device: Device, name: str | None, told: Facts | None = None) -> Berth | None:
        """The berth of a device, a new one where it has none yet; None where its alias takes what it has not told.

        Args:
            device: Its entry.
            name: What it calls itself, proven.
            told: Its facts, once they are known.

        Raises:
            AliasInUse: Another device has the alias, or a session that we dial.
            InvalidInput: No alias can be made of what it told.
            SessionError: There are too many.
        """
        entry, identity = device.target.alias, (name or "") if device.is_pattern else ""
        alias = self._named.get((entry, identity))
        if alias is None:
            if device.asks and told is None:
                return None
            alias = device.named(name, told or {}).alias
        place = self._places.get(alias)
        if place is not None and (place.entry, place.identity) != (entry, identity) and alias in self._pool:
            raise AliasInUse(
                f"{place.identity or alias} has the alias {alias}, which {identity or entry} would get too"
            )
        if place is None or alias not in self._pool:
            if identity:
                self._make_room()
            target = device.named(name, told or {}) if told or not device.asks else device.target
            berth = self._pool.berth(route_of(target.with_options(alias=alias), device.policy))
            self._places[alias] = place = _Place(berth, entry, identity)
            if device.asks:
                self._named[entry, identity] = alias
        return place.berth

    def _make_room(self) -> None:
        """See that there is room for a session under a pattern: whoever makes up ids could have any number of them.

        Raises:
            SessionError: None of them is away, so none can go.
        """
        if len(self._places) < _MOST:
            return
        for alias, place in self._places.items():
            if place.identity and place.berth.session.state is SessionState.AWAITING:
                # The key of one that was accepted unseen goes with it. One that proved a secret may not be replaced
                # by another that knows it, and makes up names until this one is forgotten.
                self._drop(alias, place, known=place.berth.route.policy != "accept-new")
                place.berth.cancel()
                return
        raise SessionError(f"there are {_MOST} sessions of devices, and none of them is away")

    def _drop(self, alias: str, place: _Place, *, known: bool = False) -> None:
        del self._places[alias]
        self._named.pop((place.entry, place.identity), None)
        if not known:
            self._forgotten(place.identity)

    def identity(self, alias: str) -> str | None:
        """The id of the device under a pattern whose session it is; None where it is none."""
        place = self._places.get(alias)
        return place.identity or None if place is not None else None

    async def leave(self, alias: str) -> None:
        """Close the session of one device under a pattern, and forget the device."""
        place = self._places[alias]
        self._drop(alias, place)
        await self._stop({alias: place})

    async def name(self, device: Device, name: str | None, link: Link) -> tuple[Berth, Facts]:
        """The berth of a device whose alias is made of its facts, and these: it is asked before it has a session.

        Cancelling is safe; the link is the caller's.

        Raises:
            SessionError, AliasInUse, InvalidInput: It does not tell, or what it told makes no alias that is free.
        """
        asked = Session(device.target, lambda _: None, Direction.CALLED_HOME, policy=device.policy)
        asked.attach(link, "asked for its name")
        try:
            async with asyncio.timeout(_NAMING):
                told = await gather(asked)
        except TimeoutError:
            raise SessionError(f"{name} did not tell what its alias is made of") from None
        finally:
            await asked.detach(SessionState.CLOSED, None, "asked")
        berth = self.berth(device, name, told)
        assert berth is not None  # noqa: S101 - what it takes was told
        return berth, told

    def moor(self, berth: Berth, link: Link, name: str | None, address: str, told: Facts | None) -> None:
        """Hold a connection at a berth from now on, in place of the one that it has.

        Args:
            berth: Where.
            link: The connection.
            name: What the device calls itself.
            address: Where it called from.
            told: Its facts, where it was asked already.

        Raises:
            SessionClosed: The device was removed while it logged in.
        """
        session = berth.session
        place = self._places.pop(session.alias, None)
        if place is None or place.berth is not berth:
            if place is not None:
                self._places[session.alias] = place
            raise SessionClosed(f"{session.alias} was removed while it logged in")
        self._places[session.alias] = place  # the last to be forgotten
        if session.state is SessionState.UP:
            reason = f"{session.alias} called again, from {link.peer}: the newer connection is used"
            self._pool.announce(Event(kind=EventKind.REPLACED, alias=session.alias, at=time.time(), reason=reason))
        if name is not None:
            session.facts["device_id"] = name
        berth.moor(link)
        self._forget(session.alias)
        task = asyncio.create_task(self._greet(session, link, address, told), name=f"facts of {session.alias}")
        self._asking[session.alias] = task
        self._tasks.add(task)
        task.add_done_callback(lambda task: self._asked(session.alias, task))

    async def _greet(self, session: Session, link: Link, address: str, told: Facts | None) -> None:
        """Ask a device what it is when it is up, and keep what it tells."""
        try:
            while not link.closed and (session.state is not SessionState.UP or session.link is not link):
                await session.wait_change()
            if not link.closed:
                self._watcher.up(session, address)
            found = told or (await gather(session) if self._ask else {})
            if link.closed:
                raise SessionLost(f"{session.alias} was lost before it told what it is")
        except MooringError as error:
            _log.debug("%s: no facts: %s", session.alias, error)
            self._watcher.untold(session, address, error)
            return
        if self._ask or told:
            session.facts.update(found)
            reason = f"{session.alias} told what it is"
            self._pool.announce(Event(kind=EventKind.FACTS, alias=session.alias, at=time.time(), reason=reason))
            self._watcher.told(session, address, found)

    def _asked(self, alias: str, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if self._asking.get(alias) is task:
            del self._asking[alias]
        if not task.cancelled() and (bug := task.exception()) is not None:
            _log.error("%s: asking for its facts failed unexpectedly", alias, exc_info=bug)

    def _forget(self, alias: str) -> None:
        task = self._asking.pop(alias, None)
        if task is not None:
            task.cancel()

    async def clear(self, entry: str) -> None:
        """Close the sessions of an entry."""
        gone = {alias: place for alias, place in self._places.items() if place.entry == entry}
        for alias in gone:
            del self._places[alias]
        self._named = {key: alias for key, alias in self._named.items() if key[0] != entry}
        await self._stop(gone)

    async def aclose(self) -> None:
        """Close all of them."""
        await self._stop(self._places)
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _stop(self, places: dict[str, _Place]) -> None:
        for alias in places:
            self._forget(alias)
        await asyncio.gather(*(place.berth.stop() for place in places.values()))


def route_of(target: Target, policy: str) -> Route:
    """A device's route: it leads nowhere, but names whom to log in as, and how the connection is kept."""
    route = nowhere(target)
    return replace(
        route,
        policy=policy,
        identity=target.identity or (),
        keepalive=target.keepalive or route.keepalive,
        connect_timeout=target.connect_timeout or route.connect_timeout,
    )
