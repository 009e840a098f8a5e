"""Which sessions are held: started, remembered, replaced, forgotten, each as a whole or not at all."""

from __future__ import annotations

import asyncio
import logging
import weakref
from typing import TYPE_CHECKING, Protocol

from ..model.errors import AliasInUse, MooringError
from ..model.status import Direction
from ..model.target import Target
from ..pool.nowhere import nowhere
from .arrivals import Arrivals
from .audit import Audit
from .reload import Reloaded, changes, hop_of, hops_first
from .through import through

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..pool import Pool
    from ..session import Session
    from ..transport.route import Route
    from .homecoming import Homecoming

__all__ = ["Memory", "Remembered", "Roster"]

_log = logging.getLogger(__name__)


class Memory(Protocol):
    """What keeps sessions over a restart: a change is on the disk when its verb returns."""

    async def remember(self, target: Target) -> None:
        """Keep a target, in place of the one of that alias."""

    async def forget(self, alias: str) -> None:
        """Keep none of that alias."""


class Remembered(Protocol):
    """One session that was kept."""

    @property
    def alias(self) -> str:
        """Its name."""

    @property
    def target(self) -> Target | None:
        """Whom to connect to; None where it cannot be read."""

    @property
    def error(self) -> MooringError | None:
        """Why something of it is missing; None where nothing is."""


class Roster:
    """The sessions of a daemon.

    Each comes from its configuration, which names it again at every start, or from a door, and is then remembered.

    Args:
        pool: Holds the sessions; open, and nobody else's.
        memory: Brings them back after a restart; None forgets them.
        home: The devices that call; their aliases are among the sessions'. None where none do.
        audit: Records what is done; None records nothing.
    """

    def __init__(
        self, pool: Pool, memory: Memory | None, home: Homecoming | None = None, audit: Audit | None = None
    ) -> None:
        self.audit = audit or Audit()
        self._arrivals = Arrivals(pool, self.audit)
        self._pool = pool
        self._memory = memory
        self._home = home
        self._configured: set[str] = set()
        self._barred: set[str] = set()
        self._locks: weakref.WeakValueDictionary[str, asyncio.Lock] = weakref.WeakValueDictionary()
        self._restored = asyncio.Event()

    @property
    def ready(self) -> bool:
        """Whether what was remembered has been brought back."""
        return self._restored.is_set()

    async def wait_ready(self) -> None:
        """Wait until it has: until then, all means some. ``restore`` bounds the wait; cancelling is safe."""
        await self._restored.wait()

    async def restore(self, remembered: Iterable[Remembered]) -> list[MooringError]:
        """Start what was remembered, and return what was wrong with any of it; then the fleet is ``ready``.

        What cannot be started is held parked with its error, so that it is seen, and replaced or stopped. What the
        configuration calls likewise stays its own.
        """
        errors: list[MooringError] = []
        entries = {entry.alias: entry for entry in remembered}
        # Nothing else is known of one that cannot be read.
        targets = [entry.target or Target(alias=alias, host="?") for alias, entry in entries.items()]
        for target in hops_first(targets):
            try:
                await self._admit(target, entries[target.alias].error)
            except MooringError as error:
                _log.warning("%s: %s", target.alias, error)
                errors.append(error)
        for session in self._pool.sessions:
            if session.alias in self._configured and hop_of(session.target) in entries:  # it was not there yet
                await self._pool.put(await self._pool.route(session.target))
        self._restored.set()
        return errors

    async def reload(self, targets: Iterable[Target]) -> Reloaded:
        """Make the sessions of the configuration those that it names now; touch nothing else.

        What is new and cannot be started is held parked with its error; what is changed and cannot be goes on as it
        was. A session of a door is not touched, whatever the configuration calls its own.

        Raises:
            AliasInUse: The configuration names a session twice; nothing was changed.
        """
        held = {alias: self._pool[alias].target for alias in self._configured if alias in self._pool}
        todo = changes({alias: None if alias in self._barred else target for alias, target in held.items()}, targets)
        errors: list[MooringError] = []
        started: list[str] = []
        await asyncio.gather(*(self._end(alias, configured=True) for alias in todo.stop))
        for target in todo.start:
            try:
                await self._admit(target, None, configured=True)
                started.append(target.alias)
            except MooringError as error:
                errors.append(error)
        own = [target for target in todo.replace if target.alias in self._configured]  # a door may have taken one over
        calls = [self._hold(target, replace=True, remember=False) for target in own]
        replaced = await asyncio.gather(*calls, return_exceptions=True)
        for outcome in replaced:
            if isinstance(outcome, MooringError):
                errors.append(outcome)
            elif isinstance(outcome, BaseException):
                raise outcome
        return Reloaded(
            stopped=todo.stop,
            started=tuple(started),
            replaced=tuple(session.alias for session in replaced if not isinstance(session, BaseException)),
            unchanged=len(held) - len(todo.stop) - len(todo.replace),
            errors=tuple(errors),
        )

    async def _hold(self, target: Target, *, replace: bool, remember: bool) -> Session:
        """Start a session, once it is sound and remembered. Cancelling does all or nothing."""
        async with self._changing(target.alias):
            if target.alias in self._pool and not replace:
                raise AliasInUse(f"{target.alias} is in use", hint="replace it, stop it, or give this one another name")
            if self._calls(target.alias):
                raise AliasInUse(
                    f"{target.alias} is a device that calls home", hint=f"`mooring stop {target.alias}` first"
                )
            route = await self._pool.route(target)
            return await through(self._put(route, remember=remember))

    async def _put(self, route: Route, *, remember: bool) -> Session:
        alias = route.target.alias
        if self._memory is not None and remember:
            await self._memory.remember(route.target)
        elif alias in self._pool:
            await self._forget(alias)
        session = await self._pool.put(route)
        self._barred.discard(alias)
        (self._configured.discard if remember else self._configured.add)(alias)
        return session

    async def _admit(self, target: Target, error: MooringError | None, *, configured: bool = False) -> None:
        """Start a session that was asked for before this daemon ran; where that cannot be, hold it parked.

        Raises:
            AliasInUse: There is one of that alias.
            MooringError: It cannot be started; it is held parked.
        """
        async with self._changing(target.alias):
            if target.alias in self._pool:
                raise AliasInUse(f"there is another session called {target.alias}", hint="stop one of them")
            if configured:
                self._configured.add(target.alias)
            if error is None:
                try:
                    await self._pool.start(target)
                except MooringError as fault:
                    error = fault
                else:
                    return
            await self._pool.put(nowhere(target), barred=error)
            self._barred.add(target.alias)
            raise error

    async def _end(self, alias: str, *, configured: bool = False) -> None:
        """Close a session for good, once it is forgotten. Cancelling does all or nothing.

        Args:
            alias: Which one.
            configured: Only while it is still the configuration's: a door may have taken it over.
        """
        async with self._changing(alias):
            if alias in self._pool and (alias in self._configured or not configured):
                await through(self._drop(alias))

    def _calls(self, alias: str) -> bool:
        return alias in self._pool and self._pool[alias].direction is Direction.CALLED_HOME

    async def _drop(self, alias: str) -> None:
        if self._home is not None and self._calls(alias) and self._home.has(alias):
            await self._home.remove(alias)
            return
        await self._forget(alias)
        await self._pool[alias].close()
        self._configured.discard(alias)
        self._barred.discard(alias)

    async def _forget(self, alias: str) -> None:
        if self._memory is not None and alias not in self._configured:
            await self._memory.forget(alias)

    def _changing(self, alias: str) -> asyncio.Lock:
        """One change of an alias at a time."""
        return self._locks.setdefault(alias, asyncio.Lock())
