"""The pool: the sessions of one process."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from ..model.errors import AliasInUse, HostKeyError, InvalidInput, SessionParked
from ..model.event import Event, EventKind
from ..model.measure import Measures
from ..model.status import Direction, PoolStatistics, SessionState
from ..model.target import Target
from ..session import Session
from ..transport.dial import Dialer
from ..transport.keywords import split
from ..transport.route import Router
from .berth import Berth
from .events import BACKLOG, EventHub, EventStream
from .fanout import FanOutLimits, fan_out, outcomes
from .handshakes import Handshakes
from .hops import Hops
from .keeper import Keeper
from .limits import HANDSHAKES, HANDSHAKES_PER_HOST
from .sessions import KnownRoutes, Sessions
from .statistics import statistics

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Hashable, Iterator
    from types import TracebackType

    from ..model.errors import MooringError
    from ..model.result import RunOutcome
    from ..model.selector import Selector
    from ..transport.keywords import Keywords
    from ..transport.link import Link
    from ..transport.route import Route

__all__ = ["ConfigFiles", "Pool"]

ConfigFiles = str | Path | Sequence[str | Path] | None

_SPREAD: Final = 1.0
"""Seconds over which sessions are woken when their host shows that it is back."""


class Pool(Sessions):
    """Sessions by their aliases, kept alive until the pool is closed.

    ::

        async with mooring.Pool() as pool:
            session = await pool.start("web1://deploy@10.0.0.5:22?label=site:ams")
            await session.wait_up(timeout=20)
            async for outcome in pool.run("site:ams", "uptime"):
                print(outcome.alias, outcome.result or outcome.error)

    Args:
        config: ssh_config files. The default reads ``~/.ssh/config`` and ``/etc/ssh/ssh_config``; None reads
            none, as in AsyncSSH.
        handshakes: In flight at once.
        handshakes_per_host: In flight at once to one host and port.
        dice: Gives numbers from 0 to 1 for jitter.
    """

    def __init__(
        self,
        *,
        config: ConfigFiles = (),
        handshakes: int = HANDSHAKES,
        handshakes_per_host: int = HANDSHAKES_PER_HOST,
        dice: Callable[[], float] = random.random,
    ) -> None:
        if handshakes < 1 or handshakes_per_host < 1:
            msg = "handshakes and handshakes_per_host must be at least 1"
            raise InvalidInput(msg)
        self.dice = dice
        self.handshakes = Handshakes(handshakes, handshakes_per_host)
        self.hops = Hops(self._leading_to, self._keep_hop)
        super().__init__()
        self._config = _paths(config)
        self._starting: set[str] = set()
        self._neighbours: dict[Hashable, set[Keeper]] = {}
        self._hub = EventHub()
        self._connects = 0
        self.measures = Measures()
        self._owner: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()

    async def __aenter__(self) -> Self:
        """Open it: read ssh_config and be ready to start sessions.

        Raises:
            ConfigError: ssh_config cannot be read or honoured.
            InvalidInput: It was opened before.
        """
        if self._owner is not None or self._closing.is_set():
            msg = "a pool can be opened once"
            raise InvalidInput(msg, hint="make another one")
        self._router = await asyncio.to_thread(Router, self._config)
        self.dialer = Dialer()
        opened = asyncio.Event()
        self._owner = asyncio.create_task(self._own(opened), name="mooring pool")
        try:
            await opened.wait()
        except BaseException:
            await self.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it (see ``aclose``)."""
        await self.aclose()

    async def _own(self, opened: asyncio.Event) -> None:
        """Own every keeper's task: in a task of its own, so that the caller's errors stay the caller's."""
        async with asyncio.TaskGroup() as self._tasks:
            opened.set()
            await self._closing.wait()
            for keeper in self._all_keepers():
                keeper.cancel()

    async def aclose(self) -> None:
        """Close every session, all at once; each has five seconds to say goodbye. Safe to call twice."""
        owner, self._owner = self._owner, None
        if owner is None:
            return
        self._closing.set()
        try:
            await owner
        finally:
            self._hub.close()
            await self.dialer.aclose()

    async def start(self, target: str | Target, **keywords: Any) -> Session:
        """Start to hold a session, and return it at once: ``wait_up`` waits for it.

        Cancelling is safe: nothing is started.

        Args:
            target: A DSN, ``[user@]host[:port]`` or a ``Host`` of ssh_config.
            keywords: Fields of Target, and AsyncSSH's connection keywords, under their names.

        Raises:
            InvalidTarget: The target or a keyword is malformed.
            ConfigError: ssh_config says something for this host that cannot be honoured.
            AliasInUse: Another session has this alias.
            InvalidInput: The pool is not open.
        """
        self._check_open()
        fields, rest = split(keywords)
        parsed = Target.parse(target, **fields)
        with self._claimed(parsed, free=parsed.alias not in self._keepers):
            return self._begin(await self._lookup(parsed, rest))

    async def route(self, target: Target) -> Route:
        """Look a target up as ``start`` does, and start nothing; ``put`` takes what is found. Cancelling is safe.

        Raises:
            InvalidTarget, ConfigError, InvalidInput: As ``start`` has them.
        """
        self._check_open()
        return await self._lookup(target, None)

    async def put(self, route: Route, *, barred: MooringError | None = None) -> Session:
        """Hold a session on a route, in place of the one that has its alias; those behind that go through this one.

        Args:
            route: Where to.
            barred: Hold it parked with this error, and never dial: what cannot be started is shown all the same.

        Raises:
            AliasInUse: Another one is being started or replaced now.
            InvalidInput: The pool is not open.
        """
        with self._claimed(route.target):
            held = self._keepers.get(route.target.alias)
            if held is not None:
                self.hops.reroute(held.route, route, self._all_keepers() - {held})
                await held.stop()
            return self._begin(route, barred)

    def berth(self, route: Route) -> Berth:
        """Hold a session for a device that calls home: ``CallHomeServer`` brings its connections.

        Raises:
            AliasInUse: Another session has this alias.
            InvalidInput: The pool is not open.
        """
        self._check_open()
        with self._claimed(route.target, free=route.target.alias not in self._keepers):
            how = {"policy": route.policy, "measures": self.measures}
            session = Session(route.target, self._hub.emit, Direction.CALLED_HOME, **how)
            berth = Berth(session, route, self)
            self._employ(berth, route)
            self._keepers[route.target.alias] = berth
            self._hub.emit(_started(session))
            return berth

    async def trust(self, alias: str, fingerprint: str) -> None:
        """Trust the host key for which a session is parked, in the place of others, and connect.

        Cancelling is safe: the key is written down or not.

        Args:
            alias: Which session.
            fingerprint: The key's, as somebody has compared it: another is not trusted.

        Raises:
            UnknownAlias: There is none of this alias.
            InvalidInput: It does not stand there for want of trust, or shows another key.
            StateError: The file of known keys cannot be written.
        """
        session, keeper = self[alias], self._keepers[alias]
        error = session.error
        if not isinstance(error, HostKeyError) or error.key is None or error.fingerprint is None:
            raise InvalidInput(f"{alias} shows no key that would do if it were trusted", hint="its status says more")
        if error.fingerprint != fingerprint:
            raise InvalidInput(f"{alias} shows {error.key_type} {error.fingerprint}", hint="compare that one")
        await self.dialer.trust(keeper.route, error.key, session.trusted)
        session.retry()

    def announce(self, event: Event) -> None:
        """Give an event out that is of no session."""
        self._hub.emit(event)

    @contextlib.contextmanager
    def _claimed(self, target: Target, *, free: bool = True) -> Iterator[None]:
        """Keep an alias for the length of the block."""
        if not free or target.alias in self._starting:
            msg = f"{target.alias} is in use"
            raise AliasInUse(msg, hint=f"stop it first, or name this one: other://{target.host}")
        self._starting.add(target.alias)
        try:
            yield
        finally:
            self._starting.discard(target.alias)

    async def _lookup(self, target: Target, keywords: Keywords | None) -> Route:
        return await self._router.route(target, keywords, KnownRoutes(self._keepers, target.alias))

    def _begin(self, route: Route, barred: MooringError | None = None) -> Session:
        self._check_open()
        keeper = self._keep(route, self._hub.emit, barred)
        self._keepers[route.target.alias] = keeper
        self._hub.emit(_started(keeper.session))
        return keeper.session

    async def stop(self, selector: str | Selector) -> list[str]:
        """Close the sessions that a selector means, for good, and return their aliases.

        Raises:
            InvalidSelector: It is malformed.
            UnknownAlias, NothingSelected: It means no session.
        """
        aliases = [session.alias for session in self.select(selector)]
        await asyncio.gather(*(self._stop(alias) for alias in aliases))
        return aliases

    async def _stop(self, alias: str) -> None:
        keeper = self._keepers.get(alias)
        if keeper is not None:
            await keeper.stop()

    def run(
        self,
        selector: str | Selector,
        command: str,
        *,
        concurrency: int = 100,
        batch: int | str | None = None,
        max_failures: int | str | None = None,
        **keywords: Any,
    ) -> AsyncGenerator[RunOutcome]:
        """Run a command on every session that a selector means; outcomes come as they end, one for each.

        ``async for outcome in pool.run("site:ams", "uptime")``. Leaving the loop early stops what is under way
        (with ``contextlib.aclosing``, at once).

        Args:
            selector: Which sessions; see Selector. ``@file`` is read.
            command: The command line.
            concurrency: How many at once; the default keeps one event loop busy without a queue before it.
            batch: So many, or such a share of them (``"10%"``), must have ended before any other begins. None runs
                all as one batch.
            max_failures: The failure budget: after so many errors and statuses other than 0, or such a share of
                all, the rest are not tried, and say so with ``BudgetSpent``. None tries all.
            keywords: As ``Session.run`` has them.

        Raises:
            InvalidSelector: It is malformed.
            UnknownAlias, NothingSelected: It means no session.
            InvalidInput: A number is less than 1, or a share is none.
        """
        limits = FanOutLimits(concurrency, batch, max_failures)
        return outcomes(fan_out(self.select(selector), lambda session: session.run(command, **keywords), limits))

    def events(self, backlog: int = BACKLOG, wanted: Callable[[Event], bool] | None = None) -> EventStream:
        """What happens from this moment on: ``async for event in pool.events()``.

        Args:
            backlog: Events kept for a slow reader; then the oldest go, and are counted.
            wanted: Asked as each event happens, while its session is still to be found; None takes all.

        Raises:
            InvalidInput: ``backlog`` is less than 1.
        """
        if backlog < 1:
            msg = "backlog must be at least 1"
            raise InvalidInput(msg)
        return self._hub.listen(backlog, wanted)

    def statistics(self) -> PoolStatistics:
        """The pool at this moment."""
        every = [keeper.session for keeper in self._all_keepers()]
        return statistics(self, every, self._connects, self._hub.lost)

    def __repr__(self) -> str:
        """A status line."""
        states = Counter(session.state.value for session in self.sessions)
        told = ", ".join(f"{count} {state}" for state, count in states.items())
        return f"<Pool of {len(self._keepers)} sessions{': ' if told else ''}{told}>"

    # What its keepers call.

    def connected(self, keeper: Keeper) -> None:
        """A keeper's session came up: whoever waits for the same host or hop tries soon."""
        self._connects += 1
        for neighbour in self._neighbours.get(keeper.route.daemon, set()) - {keeper}:
            neighbour.nudge(self.dice() * _SPREAD)
        for child in self.hops.behind(keeper.route):
            if isinstance(child.session.error, SessionParked):
                child.retry("the jump host is up")
            else:
                child.nudge(self.dice() * _SPREAD)

    def failed(self, keeper: Keeper, error: MooringError) -> None:  # noqa: ARG002 - which one is in its session's events
        """An attempt failed."""
        self.measures.failures[error.code] += 1

    def lost(self, keeper: Keeper, link: Link) -> None:  # noqa: ARG002 - likewise
        """A connection was lost."""
        self.measures.losses[link.ended] += 1

    def _check_open(self) -> None:
        if self._closing.is_set():
            msg = "the pool is closed"
            raise InvalidInput(msg, hint="make another one")
        if self._owner is None:
            msg = "the pool is not open"
            raise InvalidInput(msg, hint="use it in `async with mooring.Pool() as pool:`")

    def _keep(self, route: Route, emit: Callable[[Event], None], barred: MooringError | None = None) -> Keeper:
        keeper = Keeper(Session(route.target, emit, policy=route.policy, measures=self.measures), route, self, barred)
        self._employ(keeper, route)
        return keeper

    def _employ(self, keeper: Keeper, route: Route) -> None:
        keeper.task = self._tasks.create_task(
            self._while_kept(keeper, route.daemon), name=f"keeper of {route.target.alias}"
        )
        self._neighbours.setdefault(route.daemon, set()).add(keeper)

    async def _while_kept(self, keeper: Keeper, daemon: Hashable) -> None:
        try:
            await keeper.run()
        finally:
            neighbours = self._neighbours[daemon]  # not the keeper's: its route may have changed
            neighbours.discard(keeper)
            if not neighbours:
                del self._neighbours[daemon]
            if self._keepers.get(keeper.session.alias) is keeper:
                del self._keepers[keeper.session.alias]

    def _keep_hop(self, route: Route) -> Keeper:
        return self._keep(route, self._emit_for_hop)

    def _emit_for_hop(self, event: Event) -> None:
        """A hop that only serves others makes no events of its own, but whom it trusts is told."""
        if event.kind is EventKind.HOST_KEY:
            self._hub.emit(event)

    def _leading_to(self, key: Hashable) -> Keeper | None:
        """The keeper of a started session that leads the same way as a hop."""
        return next((keeper for keeper in self._keepers.values() if keeper.route.key == key), None)

    def _all_keepers(self) -> set[Keeper]:
        return set().union(*self._neighbours.values())


def _started(session: Session) -> Event:
    """The first event of a session; it leaves no state."""
    return Event(
        kind=EventKind.STATE, alias=session.alias, at=time.time(), reason="started", state=SessionState.CONNECTING
    )


def _paths(config: ConfigFiles) -> list[Path] | None:
    """ssh_config files as the Router takes them: None for the usual ones, an empty list for none."""
    if config is None:
        return []
    if isinstance(config, (str, Path)):
        config = [config]
    return [Path(path).expanduser() for path in config] or None
