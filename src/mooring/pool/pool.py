"""The pool: the sessions of one process."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from ..model.errors import AliasInUse, InvalidInput, NothingSelected, SessionParked, UnknownAlias
from ..model.event import Event, EventKind
from ..model.selector import Selector
from ..model.status import PoolStatistics, SessionState
from ..model.target import Target
from ..session import Session
from ..transport.dial import Dialer
from ..transport.keywords import split
from ..transport.route import Router
from .events import BACKLOG, EventHub, EventStream
from .fanout import fan_out
from .handshakes import Handshakes
from .hops import Hops
from .keeper import Keeper
from .limits import HANDSHAKES, HANDSHAKES_PER_HOST

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Hashable
    from types import TracebackType

    from ..model.result import RunOutcome
    from ..transport.route import Route

__all__ = ["ConfigFiles", "Pool"]

ConfigFiles = str | Path | Sequence[str | Path] | None

_SPREAD: Final = 1.0
"""Seconds over which sessions are woken when their host shows that it is back."""


class Pool:
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
        self._config = _paths(config)
        self._keepers: dict[str, Keeper] = {}
        self._starting: set[str] = set()
        self._neighbours: dict[Hashable, set[Keeper]] = {}
        self._hub = EventHub()
        self._counts: Counter[str] = Counter()
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
        if parsed.alias in self._keepers or parsed.alias in self._starting:
            msg = f"{parsed.alias} is in use"
            raise AliasInUse(msg, hint=f"stop it first, or name this one: other://{parsed.host}")
        self._starting.add(parsed.alias)
        try:
            known = {alias: keeper.route for alias, keeper in self._keepers.items()}
            route = await self._router.route(parsed, rest, known)
        finally:
            self._starting.discard(parsed.alias)
        self._check_open()
        keeper = self._keep(route, self._hub.emit)
        self._keepers[parsed.alias] = keeper
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
        max_failures: int | None = None,
        **keywords: Any,
    ) -> AsyncGenerator[RunOutcome]:
        """Run a command on every session that a selector means; outcomes come as they end, one for each.

        ``async for outcome in pool.run("site:ams", "uptime")``. Leaving the loop early stops what is under way
        (with ``contextlib.aclosing``, at once).

        Args:
            selector: Which sessions; see Selector. ``@file`` is read.
            command: The command line.
            concurrency: How many at once; the default keeps one event loop busy without a queue before it.
            max_failures: The failure budget: after so many errors and statuses other than 0, the rest are not
                tried, and say so with ``BudgetSpent``. None tries all.
            keywords: As ``Session.run`` has them.

        Raises:
            InvalidSelector: It is malformed.
            UnknownAlias, NothingSelected: It means no session.
            InvalidInput: A number is less than 1.
        """
        if concurrency < 1 or (max_failures is not None and max_failures < 1):
            msg = "concurrency and max_failures must be at least 1"
            raise InvalidInput(msg)
        return fan_out(
            self.select(selector),
            lambda session: session.run(command, **keywords),
            concurrency=concurrency,
            max_failures=max_failures,
        )

    def select(self, selector: str | Selector) -> list[Session]:
        """The sessions that a selector means, in the order in which they were started.

        Raises:
            InvalidSelector: It is malformed.
            UnknownAlias: It names an alias that no session has.
            NothingSelected: It means no session.
        """
        parsed = Selector.parse(selector, read=_read)
        for alias in parsed.named:
            if alias not in self._keepers:
                raise self._unknown(alias)
        chosen = [session for session in self.sessions if parsed.matches(session.alias, session.labels)]
        if not chosen:
            msg = f"selector {parsed.text!r} matches no session"
            raise NothingSelected(msg, hint="all means every session")
        return chosen

    @property
    def sessions(self) -> list[Session]:
        """Every session, in the order in which they were started; hops that only serve others left out."""
        return [keeper.session for keeper in self._keepers.values()]

    def __getitem__(self, alias: str) -> Session:
        """The session of this alias.

        Raises:
            UnknownAlias: There is none.
        """
        keeper = self._keepers.get(alias)
        if keeper is None:
            raise self._unknown(alias)
        return keeper.session

    def __contains__(self, alias: object) -> bool:
        """Whether a session has this alias."""
        return alias in self._keepers

    def events(self, backlog: int = BACKLOG) -> EventStream:
        """What happens from this moment on: ``async for event in pool.events()``.

        Args:
            backlog: Events kept for a slow reader; then the oldest go, and are counted.

        Raises:
            InvalidInput: ``backlog`` is less than 1.
        """
        if backlog < 1:
            msg = "backlog must be at least 1"
            raise InvalidInput(msg)
        return self._hub.listen(backlog)

    def statistics(self) -> PoolStatistics:
        """The pool at this moment."""
        states = Counter(session.state for session in self.sessions)
        return PoolStatistics(
            sessions=len(self._keepers),
            states={state: states[state] for state in SessionState},
            hops=len(self.hops),
            handshakes=self.handshakes.running,
            handshakes_waiting=self.handshakes.waiting,
            connects=self._counts["connects"],
            failures=self._counts["failures"],
            losses=self._counts["losses"],
            commands=self._counts["commands"] + sum(session.commands for session in self.sessions),
            events_lost=self._hub.lost,
        )

    def __repr__(self) -> str:
        """A status line."""
        states = Counter(session.state.value for session in self.sessions)
        told = ", ".join(f"{count} {state}" for state, count in states.items())
        return f"<Pool of {len(self._keepers)} sessions{': ' if told else ''}{told}>"

    # What its keepers call.

    def connected(self, keeper: Keeper) -> None:
        """A keeper's session came up: whoever waits for the same host or hop tries soon."""
        self._counts["connects"] += 1
        for neighbour in self._neighbours.get(keeper.route.daemon, set()) - {keeper}:
            neighbour.nudge(self.dice() * _SPREAD)
        for child in self.hops.behind(keeper.route):
            if isinstance(child.session.error, SessionParked):
                child.retry("the jump host is up")
            else:
                child.nudge(self.dice() * _SPREAD)

    def failed(self, keeper: Keeper) -> None:  # noqa: ARG002 - which one is in its session's events
        """An attempt failed."""
        self._counts["failures"] += 1

    def lost(self, keeper: Keeper) -> None:  # noqa: ARG002 - which one is in its session's events
        """A connection was lost."""
        self._counts["losses"] += 1

    def _check_open(self) -> None:
        if self._closing.is_set():
            msg = "the pool is closed"
            raise InvalidInput(msg, hint="make another one")
        if self._owner is None:
            msg = "the pool is not open"
            raise InvalidInput(msg, hint="use it in `async with mooring.Pool() as pool:`")

    def _keep(self, route: Route, emit: Callable[[Event], None]) -> Keeper:
        keeper = Keeper(Session(route.target, emit, policy=route.policy), route, self)
        keeper.task = self._tasks.create_task(self._while_kept(keeper), name=f"keeper of {route.target.alias}")
        self._neighbours.setdefault(route.daemon, set()).add(keeper)
        return keeper

    async def _while_kept(self, keeper: Keeper) -> None:
        try:
            await keeper.run()
        finally:
            neighbours = self._neighbours[keeper.route.daemon]
            neighbours.discard(keeper)
            if not neighbours:
                del self._neighbours[keeper.route.daemon]
            if self._keepers.get(keeper.session.alias) is keeper:
                del self._keepers[keeper.session.alias]
            self._counts["commands"] += keeper.session.commands

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

    def _unknown(self, alias: str) -> UnknownAlias:
        return UnknownAlias(f"no session is called {alias}", hint=f"start it: pool.start({alias!r})")


def _started(session: Session) -> Event:
    """The first event of a session; it leaves no state."""
    return Event(
        kind=EventKind.STATE, alias=session.alias, at=time.time(), reason="started", state=SessionState.CONNECTING
    )


def _read(name: str) -> str:
    return Path(name).expanduser().read_text(encoding="utf-8")


def _paths(config: ConfigFiles) -> list[Path] | None:
    """ssh_config files as the Router takes them: None for the usual ones, an empty list for none."""
    if config is None:
        return []
    if isinstance(config, (str, Path)):
        config = [config]
    return [Path(path).expanduser() for path in config] or None
