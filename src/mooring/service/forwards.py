"""The forwards of a daemon's sessions: made and removed by those who may, and brought back."""

from __future__ import annotations

import ipaddress
import logging
from typing import TYPE_CHECKING, Final, Protocol

from ..model.access import Action
from ..model.errors import ForwardError, MooringError, NothingSelected
from ..model.forward import ForwardKind, KeptForward, Place
from ..model.selector import Selector
from .through import through

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ..model.access import Actor
    from ..model.forward import ForwardStatus
    from ..session import Session
    from ..session.forward import Forward
    from .audit import Audit

    _Kept = list[KeptForward]
    _Statuses = list[ForwardStatus]

__all__ = ["ForwardMemory", "Forwards"]

_log: Final = logging.getLogger(__name__)


class ForwardMemory(Protocol):
    """What keeps forwards over a restart: a change is on the disk when its verb returns."""

    async def kept(self) -> list[KeptForward]:
        """Them, in the order in which they were made."""

    async def keep(self, forward: KeptForward) -> None:
        """Keep one, in place of the one of its name."""

    async def forget(self, alias: str, name: str | None = None) -> None:
        """Keep one no longer, or none of a session."""


class Forwards:
    """The forwards of a daemon.

    Args:
        session: Gives a session to an actor who may do something on it.
        seen: The sessions that an actor may read, of those that a selector means.
        memory: Brings forwards back after a restart; None forgets them.
        audit: Records what is done.
    """

    def __init__(
        self,
        session: Callable[[Actor, Action, str], Session],
        seen: Callable[[Actor, Action, Selector], list[Session]],
        memory: ForwardMemory | None,
        audit: Audit,
    ) -> None:
        self._audit = audit
        self._session = session
        self._seen = seen
        self._memory = memory

    async def add(
        self,
        actor: Actor,
        alias: str,
        kind: ForwardKind,
        listen: Place,
        destination: Place | None,
        *,
        name: str | None = None,
    ) -> ForwardStatus:
        """Make a forward on a session, and remember it. Cancelling does all or nothing.

        Args:
            actor: Who asks. It takes ``forward`` on the session. What opens this machine to the far side or to its
                network takes ``admin`` on all: to connect from here for the far side, to listen off loopback, to
                make a socket among the daemon's files.
            alias: On which session.
            kind: Which side listens.
            listen: Where. A port that was chosen for 0 is the one that it comes back on.
            destination: Where its connections lead; None for SOCKS.
            name: Its name; None for one made of where it listens.

        Raises:
            UnknownAlias, NotAllowed: There is no session of this alias; the actor may not do this.
            StateError: It cannot be remembered; there is none then.
            MooringError: As ``Session.forward_local`` and ``forward_remote`` have them.
        """
        session = self._session(actor, Action.FORWARD, alias)
        if kind is ForwardKind.REMOTE or not _on_loopback(listen):
            self._audit.check_everything(actor, "open this machine to others")
        told = {"kind": kind.value, "listen": str(listen), "destination": str(destination or "socks"), "name": name}
        async with self._audit.begin(actor, "forward.add", alias, **told):
            return await through(self._make(session, kind, listen, destination, name))

    async def _make(
        self, session: Session, kind: ForwardKind, listen: Place, destination: Place | None, name: str | None
    ) -> ForwardStatus:
        forward = await session.forwards.add(kind, listen, destination, name=name)
        try:
            if self._memory is not None:
                await self._memory.keep(_kept(forward))
        except BaseException:
            await forward.__aexit__(None, None, None)
            raise
        return forward.status()

    def list(self, actor: Actor, selector: str = "all") -> _Statuses:
        """The forwards of the sessions that an actor may read.

        Raises:
            InvalidSelector: It is malformed.
            UnknownAlias, NothingSelected: It means no session.
        """
        parsed = Selector.parse(selector)
        for alias in parsed.named:
            self._session(actor, Action.READ, alias)
        sessions = self._seen(actor, Action.READ, parsed)
        if not sessions and parsed.include != ("*",):
            raise NothingSelected("the selector matches no session", hint="all means every session")
        return [forward.status() for session in sessions for forward in session.forwards]

    def show(self, actor: Actor, alias: str, name: str) -> ForwardStatus:
        """One forward.

        Raises:
            UnknownAlias, UnknownForward: There is none.
        """
        return self._session(actor, Action.READ, alias).forwards[name].status()

    async def remove(self, actor: Actor, alias: str, name: str) -> ForwardStatus:
        """Forget a forward and close it; what goes through it is cut. Returns how it ended.

        Raises:
            UnknownAlias, NotAllowed, UnknownForward: There is none; the actor may not ``forward`` on its session.
            StateError: It cannot be forgotten; it stands as it stood.
        """
        forward = self._session(actor, Action.FORWARD, alias).forwards[name]
        async with self._audit.begin(actor, "forward.remove", alias, name=name):
            return await through(self._end(forward))

    async def _end(self, forward: Forward) -> ForwardStatus:
        if self._memory is not None:
            await self._memory.forget(forward.alias, forward.name)
        forward.close()
        await forward.wait_closed()
        return forward.status()

    # What the fleet calls.

    async def kept(self, alias: str | None = None) -> _Kept:
        """Those that are remembered: all, or a session's."""
        found = [] if self._memory is None else await self._memory.kept()
        return [forward for forward in found if alias in {None, forward.alias}]

    async def bring_back(self, session: Session, kept: Iterable[KeptForward]) -> None:
        """Make a session's forwards again; what cannot stand yet is tried until it does."""
        for entry in kept:
            try:
                await session.forwards.add(entry.kind, entry.listen, entry.destination, name=entry.name, now=False)
            except (ForwardError, MooringError) as error:
                _log.warning("%s: forward %s does not come back: %s", session.alias, entry.name, error)

    async def forget(self, alias: str) -> None:
        """Remember none of a session."""
        if self._memory is not None:
            await self._memory.forget(alias)


def _kept(forward: Forward) -> KeptForward:
    return KeptForward(
        alias=forward.alias,
        name=forward.name,
        kind=forward.kind,
        listen=forward.listens_at,
        destination=forward.destination,
    )


def _on_loopback(listen: Place) -> bool:
    if listen.path:
        return False
    try:
        return ipaddress.ip_address(listen.host).is_loopback
    except ValueError:
        return listen.host == "localhost"
