"""The sessions of a daemon, in plain verbs: the actor first, then what they want."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from ..model.access import Action
from ..model.errors import InvalidInput, NotAllowed, NothingSelected
from ..model.selector import Selector
from ..model.target import Target
from ..pool.events import BACKLOG
from ..pool.fanout import FanOutLimits, fan_out, outcomes
from . import policy
from .agents import Agents
from .deciding import Deciding
from .files import Files
from .forwards import Forwards
from .history import History
from .netconf import Netconf
from .opening import Openings
from .recordings import Recordings
from .terminals import Terminals
from .tokens import Tokens
from .visits import Visits
from .watch import Watch

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable, Mapping

    from ..model.access import Actor
    from ..model.errors import MooringError
    from ..model.event import Event
    from ..model.result import CommandResult, RunOutcome
    from ..model.status import PoolStatistics, SessionStatus
    from ..pool import Pool
    from ..pool.fanout import Begun, Selected
    from ..session import Session
    from ..transport.route import Route
    from ..wire.channel import Opening
    from .audit import Audit
    from .forwards import ForwardMemory
    from .homecoming import Homecoming
    from .opening import Channel
    from .pulse import Pulse
    from .roster import Memory, Remembered

    _Events = list[Event]
    _Sessions = list[Session]

__all__ = ["Fleet"]

_TOLD: Final = 20
"""Sessions that are recorded of one refusal."""
_OPENABLE: Final = frozenset(Action) - {Action.READ, Action.APPROVE}
"""What is granted to be done on a channel, by whatever door."""
_RUN_KEYWORDS: Final = frozenset({"input", "env", "timeout", "check", "encoding", "errors", "max_output", "kill"})


class Fleet(Deciding):
    """The sessions of a daemon, and who may do what with them: each verb asks ``policy`` before anything else.

    A session that an actor may not read is shown to them nowhere; one on which they may also not do what they ask does
    not exist for them.

    Args:
        pool: Holds the sessions; open, and nobody else's.
        memory: Brings those that doors have started back after a restart; None forgets them.
        home: The devices that call; None where none do.
        kept: Brings forwards back; likewise.
        agents: Those that are expected; None expects none.
        tokens: Named ones; None for none.
        audit: Records what is done; None records nothing.
        recordings: Those of terminals; None records none.

    Attributes:
        audit: What is recorded, and may be asked for.
        agents: The same for agents that are expected.
        netconf: The same for NETCONF.
        files: The same for files.
        forwards: The same for forwards.
        terminals: The same for terminals that outlive their viewers.
        recordings: The same for what terminals showed.
        tokens: Who may come in with which grants.
        visits: The same for channels that a door opens by itself.
        pulse: How far the event loop is behind; None where nobody looks.
    """

    def __init__(
        self,
        pool: Pool,
        memory: Memory | None,
        home: Homecoming | None = None,
        kept: ForwardMemory | None = None,
        *,
        agents: Agents | None = None,
        tokens: Tokens | None = None,
        audit: Audit | None = None,
        recordings: Recordings | None = None,
    ) -> None:
        super().__init__(pool, memory, home, audit)
        self.agents = agents or Agents(None, None)
        self.netconf = Netconf(self._session, self.audit)
        self.files = Files(self._session, self._select, self.audit)
        self.forwards = Forwards(self._session, self._seen, kept, self.audit)
        self.recordings = recordings or Recordings()
        self._openings = Openings(self._session, self.audit, self.recordings)
        self.terminals = Terminals(self._session, self._seen, self.audit, self.recordings)
        self.tokens = tokens or Tokens(None)
        self.agents.audit = self.tokens.audit = self.recordings.audit = self.audit
        self.visits = Visits(self._find, self.audit)
        self.pulse: Pulse | None = None
        self._history = History(pool)

    async def restore(self, remembered: Iterable[Remembered]) -> list[MooringError]:
        """Start what was remembered, its forwards included, and return what was wrong with any of it.

        As ``Roster.restore``. A forward whose session is no more is forgotten.
        """
        kept = await self.forwards.kept()
        errors = await super().restore(remembered)
        for alias in dict.fromkeys(forward.alias for forward in kept):
            if alias in self._pool:
                await self.forwards.bring_back(self._pool[alias], [one for one in kept if one.alias == alias])
            else:
                await self.forwards.forget(alias)
        return errors

    async def _put(self, route: Route, *, remember: bool) -> Session:
        kept = await self.forwards.kept(route.target.alias)
        session = await super()._put(route, remember=remember)
        await self.forwards.bring_back(session, kept)
        return session

    async def _drop(self, alias: str) -> None:
        await self.forwards.forget(alias)
        await super()._drop(alias)

    async def start(
        self, actor: Actor, target: str | Target, *, replace: bool = False, remember: bool = True, **options: Any
    ) -> SessionStatus:
        """Hold a session from now on, over a restart too; it need not be up when this returns.

        It is remembered before it is started, and started before this returns. Bad input changes nothing.
        Cancelling does all or nothing: from the moment of remembering on, it is waited for.

        Args:
            actor: Who asks. It takes ``admin`` on all: where a target leads, and with which of the daemon's keys
                and files, is bound by no selector.
            target: A DSN, ``[user@]host[:port]`` or a ``Host`` of ssh_config.
            replace: Stop the session of that alias, once the new target was found sound; the default refuses.
            remember: Bring it back after a restart; otherwise it is the configuration's.
            options: Fields of Target.

        Raises:
            NotAllowed: The actor may not do everything.
            InvalidTarget: The target or an option is malformed.
            ConfigError: ssh_config says something for this host that cannot be honoured.
            AliasInUse: Another session has this alias.
            StateError: It cannot be remembered.
        """
        self.audit.check_everything(actor, "start sessions")
        parsed = Target.parse(target, **options)
        async with self.audit.begin(actor, "admin.start", parsed.alias, target=str(parsed), replace=replace):
            return (await self._hold(parsed, replace=replace, remember=remember)).status()

    async def stop(self, actor: Actor, selector: str | Selector) -> list[str]:
        """Close the sessions that a selector means, for good, and return their aliases.

        Each is forgotten first. Cancelling leaves none half stopped.

        Raises:
            InvalidSelector: It is malformed.
            UnknownAlias, NothingSelected: It means no session.
            NotAllowed: The actor has no ``admin`` on one of them; none was stopped.
            StateError: One cannot be forgotten; it stands as it stood, the others are stopped.
        """
        aliases = [session.alias for session in self._select(actor, Action.ADMIN, Selector.parse(selector))]
        ended = await asyncio.gather(*(self._stop(actor, alias) for alias in aliases), return_exceptions=True)
        for error in ended:
            if error is not None:
                raise error
        return aliases

    async def _stop(self, actor: Actor, alias: str) -> None:
        async with self.audit.begin(actor, "admin.stop", alias):
            await self._end(alias)

    def list(self, actor: Actor, selector: str | Selector = "all") -> list[SessionStatus]:
        """The sessions that an actor may read, in the order in which they were started.

        Args:
            actor: Who asks.
            selector: Which of them; ``all`` of none is none. ``@file`` is refused: the files are not theirs.

        Raises:
            InvalidSelector: It is malformed.
            UnknownAlias, NothingSelected: It means no session.
        """
        parsed = Selector.parse(selector)
        if parsed.include == ("*",):
            return [session.status() for session in self._seen(actor, Action.READ, parsed)]
        return [session.status() for session in self._select(actor, Action.READ, parsed)]

    def show(self, actor: Actor, alias: str) -> SessionStatus:
        """One session.

        Raises:
            UnknownAlias: There is none of this alias.
        """
        return self._session(actor, Action.READ, alias).status()

    def check_open(self, actor: Actor, alias: str) -> None:
        """Check that an actor may open something on a session, or read it; what it is to be is asked for later.

        Raises:
            UnknownAlias: There is none of this alias, or they may do nothing of that on it.
        """
        session = self._named(alias)
        if not any(policy.allowed(actor, action, alias, session.labels) for action in _OPENABLE):
            self.audit.check(actor, Action.READ, alias, session.labels)

    def history(self, actor: Actor, alias: str) -> _Events:
        """What happened to one session lately, the oldest first; fifty events at most.

        Raises:
            UnknownAlias: There is none of this alias.
        """
        return self._history.of(self._session(actor, Action.READ, alias).alias)

    async def retry(self, actor: Actor, alias: str) -> SessionStatus:
        """Attempt to connect now, whatever back-off and parking say.

        Raises:
            UnknownAlias, NotAllowed: There is no session of this alias; the actor has no ``admin`` on it.
        """
        session = self._session(actor, Action.ADMIN, alias)
        async with self.audit.begin(actor, "admin.retry", alias):
            session.retry()
            return session.status()

    async def run(self, actor: Actor, alias: str, command: str, **keywords: Any) -> CommandResult[Any]:
        """Run a command on one session and return what came of it. Cancelling ends it at the far side too.

        Args:
            actor: Who asks.
            alias: On which session.
            command: The command line.
            keywords: ``input``, ``env``, ``timeout``, ``check``, ``encoding``, ``errors``, ``max_output`` and
                ``kill``, as ``Session.run`` has them. Its others reach for the daemon's files.

        Raises:
            UnknownAlias, NotAllowed: There is no session of this alias; the actor may not ``run`` on it.
            MooringError: As ``Session.run`` has them.
        """
        session = self._session(actor, Action.RUN, alias)
        _check_keywords(keywords)
        return await self._run(actor, session, command, keywords)

    async def _run(
        self, actor: Actor, session: Session, command: str, keywords: Mapping[str, Any]
    ) -> CommandResult[Any]:
        async with self.audit.begin(actor, "run", session.alias, **self.audit.command(command)) as deed:
            result: CommandResult[Any] = await session.run(command, **keywords)
            if result.exit_signal is None:
                deed.tell(exit_status=result.exit_status)
            else:
                deed.tell(exit_signal=result.exit_signal)
        return result

    def run_many(
        self,
        actor: Actor,
        selector: str | Selector,
        command: str,
        **keywords: Any,
    ) -> AsyncGenerator[RunOutcome]:
        """Run a command on every session that a selector means; outcomes come as they end, one for each.

        Arguments and errors are those of ``run_steps``.
        """
        return outcomes(self.run_steps(actor, selector, command, **keywords))

    def run_steps(
        self,
        actor: Actor,
        selector: str | Selector,
        command: str,
        *,
        concurrency: int = 100,
        batch: int | str | None = None,
        max_failures: int | str | None = None,
        **keywords: Any,
    ) -> AsyncGenerator[Selected | Begun | RunOutcome]:
        """The same, and besides which sessions are meant, first of all, and when each of them has its turn.

        Closing the generator ends what is under way, at the far side too. A slow reader holds back its own commands
        and nobody else's.

        Args:
            actor: Who asks.
            selector: Which sessions.
            command: The command line.
            concurrency: How many at once, and how many outcomes may wait for the reader.
            batch: So many, or such a share of them (``10%``), must have ended before any other begins.
            max_failures: After so many errors and statuses other than 0, or such a share, the rest is not tried;
                None tries all.
            keywords: As ``run`` has them.

        Raises:
            InvalidSelector: It is malformed.
            UnknownAlias, NothingSelected: It means no session.
            NotAllowed: The actor may not ``run`` on one of them; nothing was run.
            InvalidInput: A keyword is unknown, a number less than 1, or a share none.
        """
        _check_keywords(keywords)
        sessions = self._select(actor, Action.RUN, Selector.parse(selector))
        limits = FanOutLimits(concurrency, batch, max_failures)
        return fan_out(sessions, lambda session: self._run(actor, session, command, keywords), limits)

    async def open(self, actor: Actor, alias: str, opening: Opening) -> Channel:
        """Open a channel on a session: bytes in and out, until either side ends it. Cancelling is safe.

        Args:
            actor: Who asks. An ``exec`` takes ``run``, a ``shell`` takes ``shell``, the subsystem ``netconf`` takes
                ``netconf``, ``sftp`` takes ``files``, another one ``run``, and ``direct-tcpip`` takes ``forward``.
            alias: On which session.
            opening: What to open.

        Raises:
            UnknownAlias, NotAllowed: There is no session of this alias; the actor may not do this on it.
            InvalidInput: It lacks what its kind needs.
            MooringError: As ``Session.process`` has them.
        """
        return await self._openings.open(actor, alias, opening)

    def watch(self, actor: Actor, selector: str | Selector = "all", *, backlog: int = BACKLOG) -> Watch:
        """What an actor may read, from the moment on at which this is entered; see Watch.

        Args:
            actor: Who asks.
            selector: Which sessions, those that are yet to come included.
            backlog: Events kept for a slow reader; then the oldest go, and are counted.

        Raises:
            InvalidSelector: It is malformed.
            UnknownAlias: It names a session that there is not.
        """
        parsed = Selector.parse(selector)
        for alias in parsed.named:
            self._session(actor, Action.READ, alias)
        home = self._home
        return Watch(self._pool, actor, parsed, backlog, lambda: () if home is None else home.pending)

    def statistics(self, actor: Actor) -> PoolStatistics:
        """The fleet in numbers: of all sessions together, so that it takes ``read`` on all.

        Raises:
            NotAllowed: The actor may not read all sessions.
        """
        self.audit.check_everything(actor, "read numbers of all sessions", Action.READ)
        return self._pool.statistics()

    def _session(self, actor: Actor, action: Action, alias: str) -> Session:
        """The session of this alias, if the actor may do this on it."""
        session = self._named(alias)
        self.audit.check(actor, action, alias, session.labels)
        return session

    def _find(self, actor: Actor, action: Action, alias: str) -> Session:
        """The same, where a refusal is not the end of it, and so not recorded."""
        session = self._named(alias)
        policy.check(actor, action, alias, session.labels)
        return session

    def _named(self, alias: str) -> Session:
        if alias not in self._pool:
            raise policy.unknown(alias)
        return self._pool[alias]

    def _select(self, actor: Actor, action: Action, selector: Selector) -> _Sessions:
        """The sessions that a selector means, if the actor may do this on every one of them.

        It means none that they may not see; of those that they see, none is passed over in silence.
        """
        for alias in selector.named:
            self._session(actor, action, alias)
        meant = self._seen(actor, action, selector)
        refused = [
            session.alias for session in meant if not policy.allowed(actor, action, session.alias, session.labels)
        ]
        if refused:
            some = ", ".join(refused[:3]) + (f" and {len(refused) - 3} more" if len(refused) > 3 else "")
            error = NotAllowed(
                f"{actor.name} may not {action.value} on {some}", hint="exclude what is not granted: !name"
            )
            for alias in refused[:_TOLD]:
                self.audit.refuse(actor, action.value, alias, error, of=len(refused))
            raise error
        if not meant:
            raise NothingSelected("the selector matches no session", hint="all means every session")
        return meant

    def _seen(self, actor: Actor, action: Action, selector: Selector) -> _Sessions:
        return [
            session
            for session in self._pool.sessions
            if selector.matches(session.alias, session.labels)
            and (
                policy.allowed(actor, Action.READ, session.alias, session.labels)
                or policy.allowed(actor, action, session.alias, session.labels)
            )
        ]


def _check_keywords(keywords: Mapping[str, Any]) -> None:
    for name in keywords:
        if name not in _RUN_KEYWORDS:
            raise InvalidInput(f"unknown keyword {name!r}", hint=f"there are {', '.join(sorted(_RUN_KEYWORDS))}")
