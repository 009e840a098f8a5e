"""The terminals of a daemon: they outlive those who look at them, and end with their sessions."""

from __future__ import annotations

import re
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from ..model.access import Action
from ..model.errors import (
    InvalidInput,
    MooringError,
    NothingSelected,
    TerminalEnded,
    TerminalInUse,
    TerminalLimit,
    UnknownTerminal,
)
from ..model.selector import Selector
from ..session.terminal.terminal import check_size
from ..wire.frames import Terminal as Screen
from ..wire.frames import check_fitting
from .recordings import status_of
from .viewer import Kept, Viewer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..model.access import Actor
    from ..model.terminal import TerminalStatus
    from ..session import Session
    from ..session.terminal import Terminal
    from ..store.recordings.tape import Tape
    from ..wire.channel import Opening
    from .audit import Audit, Deed
    from .recordings import Recordings

    _Statuses = list[TerminalStatus]

__all__ = ["MOST", "MOST_VIEWERS", "Terminals"]

MOST: Final = 200
"""Terminals at once: each remembers a quarter of a MiB. Nobody has more than are left then, so that one who opens all
that they may, half of these, leaves others some. A session has room for a few only, its channel slots."""
MOST_VIEWERS: Final = 16
"""Viewers of one terminal."""
_REMEMBERED: Final = 50
"""Ended terminals whose end can still be asked for."""
_WHAT: Final = "shell.terminal"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class Terminals:
    """The terminals of a daemon.

    Opening one and looking at one's own takes ``shell``; somebody else's may be more than a shell, and takes ``admin``.

    Args:
        session: Gives a session to an actor who may do something on it.
        seen: The sessions that an actor may read, of those that a selector means.
        audit: Records what is done.
        recordings: Records what they show.
    """

    def __init__(
        self,
        session: Callable[[Actor, Action, str], Session],
        seen: Callable[[Actor, Action, Selector], list[Session]],
        audit: Audit,
        recordings: Recordings,
    ) -> None:
        self._audit = audit
        self._recordings = recordings
        self._session = session
        self._seen = seen
        self._kept: dict[tuple[str, str], Kept] = {}
        self._opening: dict[tuple[str, str], Actor] = {}
        self._ended: OrderedDict[tuple[str, str], TerminalStatus] = OrderedDict()

    async def view(self, actor: Actor, alias: str, opening: Opening) -> Viewer:
        """What an opening of kind ``terminal`` asks for: ``open`` or ``attach``, which say what they raise."""
        check_fitting(opening)
        term = opening.term
        if term is None or opening.kind != "terminal":
            raise InvalidInput("no terminal is asked for")
        size = term.columns, term.rows
        if opening.view is not None:
            return await self.attach(actor, alias, opening.name, size=size, drive=opening.view == "attach")
        return await self.open(
            actor, alias, term=term.type, size=size, name=opening.name, command=opening.command, env=opening.env
        )

    async def open(
        self,
        actor: Actor,
        alias: str,
        *,
        term: str,
        size: tuple[int, int],
        name: str | None = None,
        command: str | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Viewer:
        """Open a terminal on a session, and drive it. Cancelling is safe: there is none then.

        Args:
            actor: Who asks.
            alias: On which session.
            term: What kind of terminal, as ``TERM`` says it.
            size: Columns and rows.
            name: Its name; None for the first number that is free.
            command: The command line; None for the user's shell.
            env: Environment variables.

        Raises:
            UnknownAlias, NotAllowed: There is no session of this alias; the actor has no ``shell`` on it.
            TerminalInUse, TerminalLimit: The name is taken; the actor has as many as are left for others.
            InvalidInput: An argument cannot be meant.
            MooringError: As ``Session.process`` has them.
        """
        session = self._session(actor, Action.SHELL, alias)
        terminal = session.terminal(command, term=term, size=size, env=env)
        key = alias, self._free(alias) if name is None else name
        if not _NAME.fullmatch(key[1]):
            raise InvalidInput("a terminal's name has letters, digits, dots, dashes and underscores, 64 at most")
        if key in self._kept or key in self._opening:
            raise TerminalInUse(f"{alias} has a terminal {key[1]} already", hint="attach to it, or give another name")
        self._check_share(actor)
        kept = await self._started(terminal, key, actor, session)
        viewer = self._viewer(kept, actor, size)
        kept.drive(viewer)
        return viewer

    async def _started(self, terminal: Terminal, key: tuple[str, str], actor: Actor, session: Session) -> Kept:
        """Start a terminal, and record it until it ends."""
        told = {} if terminal.command is None else self._audit.command(terminal.command)
        deed = self._audit.begin(actor, _WHAT, key[0], name=key[1], **told)
        self._opening[key] = actor
        tape: Tape | None = None
        try:
            screen = Screen(terminal.term, *terminal.size)
            tape = terminal.tap = await self._recordings.begin(actor, _WHAT, session, screen, terminal.hang_up)
            if tape is not None:
                deed.tell(recording=tape.id)
            await terminal.start()
            await self._kept_by(deed, terminal)
        except BaseException as error:
            if tape is not None:
                tape.discard()
            deed.end(error)
            raise
        finally:
            del self._opening[key]
        kept = Kept(terminal, key[1], actor, time.time())
        self._ended.pop(key, None)
        self._kept[key] = kept

        def gone() -> None:
            self._gone(kept)
            if tape is not None:
                tape.end(_status(terminal))
            deed.tell(bytes=terminal.received)
            deed.end(_fault(terminal))

        terminal.when_ended(gone)
        return kept

    async def _kept_by(self, deed: Deed, terminal: Terminal) -> None:
        try:
            await deed.kept()
        except BaseException:
            await terminal.close()
            raise

    async def attach(
        self, actor: Actor, alias: str, name: str | None, *, size: tuple[int, int], drive: bool = True
    ) -> Viewer:
        """Look at a terminal that there is: what it remembers first, then what it shows. Cancelling is safe.

        Args:
            actor: Who asks.
            alias: On which session.
            name: Which; None for the only one.
            size: Columns and rows of the viewer's own terminal.
            drive: Whether to type too; who did before looks on then.

        Raises:
            UnknownAlias, NotAllowed: There is no session of this alias; the actor may not look.
            UnknownTerminal, TerminalEnded: There is no such terminal; it has ended, and how.
            TerminalLimit: As many look at it as may.
            StateError: It cannot be recorded.
        """
        name, size = self._find(actor, alias, name).name, check_size(size)
        deed = self._audit.begin(actor, "shell.attach", alias, name=name, drives=drive)
        try:
            await deed.kept()
            kept = self._find(actor, alias, name)  # it may have ended meanwhile
            if len(kept.viewers) >= MOST_VIEWERS:
                raise TerminalLimit(f"{MOST_VIEWERS} look at the terminal {alias}/{name}", hint="some may leave")
            viewer = self._viewer(kept, actor, size, deed)
        except BaseException as error:
            deed.end(error)
            raise
        if drive:
            kept.drive(viewer)
        return viewer

    def list(self, actor: Actor, selector: str = "all") -> _Statuses:
        """The terminals of the sessions that an actor may read.

        Raises:
            InvalidSelector: It is malformed.
            UnknownAlias, NothingSelected: It means no session.
        """
        parsed = Selector.parse(selector)
        for alias in parsed.named:
            self._session(actor, Action.READ, alias)
        aliases = {session.alias for session in self._seen(actor, Action.READ, parsed)}
        if not aliases and parsed.include != ("*",):
            raise NothingSelected("the selector matches no session", hint="all means every session")
        return [kept.status() for (alias, _), kept in sorted(self._kept.items()) if alias in aliases]

    def show(self, actor: Actor, alias: str, name: str) -> TerminalStatus:
        """One terminal; one that has ended not long ago, too.

        Raises:
            UnknownAlias, UnknownTerminal: There is none.
        """
        self._session(actor, Action.READ, alias)
        if kept := self._kept.get((alias, name)):
            return kept.status()
        if past := self._ended.get((alias, name)):
            return past
        raise _unknown(alias)

    async def end(self, actor: Actor, alias: str, name: str) -> TerminalStatus:
        """Hang up a terminal, and return how it ended. Cancelling is safe: it is hung up.

        Raises:
            UnknownAlias, NotAllowed: There is no session of this alias; the actor may not.
            UnknownTerminal, TerminalEnded: There is none; it has ended, and how.
        """
        kept = self._find(actor, alias, name)
        async with self._audit.begin(actor, "shell.end", alias, name=name):
            await kept.terminal.close()
        return self._ended[kept.key] if kept.key in self._ended else kept.status("it was closed")

    def _find(self, actor: Actor, alias: str, name: str | None) -> Kept:
        self._session(actor, Action.SHELL, alias)
        names = [each for at, each in self._kept if at == alias]
        if name is None:
            if len(names) != 1:
                what = f"has several: {', '.join(sorted(names))}" if names else "has none"
                raise UnknownTerminal(f"{alias} {what}", hint="name one" if names else "open one")
            name = names[0]
        kept = self._kept.get((alias, name))
        if kept is None:
            past = self._ended.get((alias, name))
            if past is None:
                raise _unknown(alias)
            raise TerminalEnded(f"the terminal {alias}/{name} has ended: {past.ended}")
        self._check(actor, kept)
        return kept

    def _check_share(self, actor: Actor) -> None:
        owners = [*(kept.actor for kept in self._kept.values()), *self._opening.values()]
        own = sum(_same(actor, owner) for owner in owners)
        if own >= MOST - len(owners):
            what = f"you have {own} of the {MOST} terminals that there may be"
            raise TerminalLimit(what, hint="end some; what is left is for others")

    def _check(self, actor: Actor, kept: Kept) -> None:
        self._session(actor, Action.SHELL if _same(actor, kept.actor) else Action.ADMIN, kept.terminal.alias)

    def _viewer(self, kept: Kept, actor: Actor, size: tuple[int, int], deed: Deed | None = None) -> Viewer:
        def taking() -> Deed:
            self._check(actor, kept)
            return self._audit.begin(actor, "shell.take", kept.terminal.alias, name=kept.name)

        return Viewer(kept, actor, size, taking, deed)

    def _gone(self, kept: Kept) -> None:
        """It has ended: who looks is told by it, and who asks later by us."""
        if self._kept.get(kept.key) is kept:
            del self._kept[kept.key]
            self._ended[kept.key] = kept.status(_how(kept))
            while len(self._ended) > _REMEMBERED:
                self._ended.popitem(last=False)

    def _free(self, alias: str) -> str:
        taken = {name for at, name in (*self._kept, *self._opening, *self._ended) if at == alias}
        return next(str(number) for number in range(1, len(taken) + 2) if str(number) not in taken)


def _same(one: Actor, other: Actor) -> bool:
    return (one.name, one.door, one.token) == (other.name, other.door, other.token)


def _status(terminal: Terminal) -> int | None:
    """The exit status of what ran, as a shell has it; None where it is not known."""
    try:
        end = terminal.end()
    except MooringError:
        return None
    return status_of(end.exit_status, end.exit_signal)


def _fault(terminal: Terminal) -> MooringError | None:
    """What kept it from its end; None where it came to that, or was hung up."""
    try:
        terminal.end()
    except TerminalEnded:
        return None
    except MooringError as error:
        return error
    return None


def _how(kept: Kept) -> str:
    try:
        status, signal = kept.terminal.end()
    except MooringError as error:
        return error.message
    if signal:
        return f"what ran on it was ended by {signal}"
    return "what ran on it has ended" + ("" if status is None else f" with status {status}")


def _unknown(alias: str) -> UnknownTerminal:
    return UnknownTerminal(f"{alias} has no terminal of that name", hint="the list shows all that there are")
