"""Sessions lent to a door that opens channels of its own on them: it asks here before each."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from ..model.access import Action
from ..model.errors import NotAllowed, UnknownAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from ..model.access import Actor
    from ..model.errors import MooringError
    from ..session import Session
    from .audit import Audit, Deed

__all__ = ["Visits"]


class Visits:
    """Who may reach which session.

    Args:
        find: The session of this alias, if the actor may do this on it.
        audit: Records what is done.
    """

    def __init__(self, find: Callable[[Actor, Action, str], Session], audit: Audit) -> None:
        self._find = find
        self._audit = audit

    def arrive(self, actor: Actor, alias: str, address: str) -> Deed:
        """Somebody has logged in, and means this session. The deed ends when they leave.

        Raises:
            StateError: It cannot be recorded.
        """
        return self._audit.begin(actor, "login", alias, address=address)

    def turn_away(self, alias: str, address: str, error: MooringError, attempts: int) -> None:
        """Somebody could not show who they are."""
        self._audit.refuse(None, "login", alias, error, by="gateway", address=address, attempts=attempts)

    def turn_back(self, actor: Actor, alias: str, address: str) -> None:
        """Somebody who has shown who they are has too many connections."""
        self._audit.refuse(actor, "login", alias, "too-many-connections", address=address)

    def begin(self, actor: Actor, alias: str, actions: Sequence[Action], name: str, what: bytes) -> tuple[Deed, Action]:
        """Something is started on a channel of the session.

        Args:
            actor: Who does.
            alias: On which session.
            actions: What it takes: one of these.
            name: ``exec``, ``shell`` or ``subsystem``.
            what: The command, or the subsystem.

        Raises:
            UnknownAlias, NotAllowed: As ``reach``.
            StateError: It cannot be recorded, and must not be done.
        """
        action = self._widest(actor, alias, actions)
        told: dict[str, Any] = {"subsystem": what} if name == "subsystem" else {}
        if name == "exec":
            told = self._audit.command(what)
        if Action.FILES in actions and name == "exec":
            told["files"] = "unseen"
        return self._audit.begin(actor, f"{action.value}.{name}", alias, **told), action

    def begin_forward(self, actor: Actor, alias: str, what: str, **detail: str) -> Deed:
        """A connection or a listener is asked for, or the agent of who visits is lent; likewise."""
        return self._audit.begin(actor, f"forward.{what}", alias, **detail)

    def refuse_forward(self, actor: Actor, alias: str, what: str, code: str, **detail: str) -> None:
        """One of these is refused by what is known of who visits alone, whatever they may do on the session."""
        self._audit.refuse(actor, f"forward.{what}", alias, code, **detail)

    def reach(self, actor: Actor, alias: str, actions: Iterable[Action], *, tell: bool = True) -> Session:
        """The session, whatever its state, for an actor who may do one of these things on it.

        Args:
            actor: Who.
            alias: Of which session.
            actions: What.
            tell: Whether a refusal is recorded: not where it is not known yet what will be asked for.

        Raises:
            UnknownAlias: There is none of this alias for them.
            NotAllowed: They may do none of this; it names the last.
        """
        return self._granted(actor, alias, actions, tell=tell)[0]

    def _widest(self, actor: Actor, alias: str, actions: Sequence[Action]) -> Action:
        """The last of these that they may do."""
        for action in reversed(actions):
            with contextlib.suppress(NotAllowed, UnknownAlias):
                self._find(actor, action, alias)
                return action
        return self._granted(actor, alias, actions)[1]

    def _granted(
        self, actor: Actor, alias: str, actions: Iterable[Action], *, tell: bool = True
    ) -> tuple[Session, Action]:
        """The session, and the first of these that they may do."""
        refusal: NotAllowed | UnknownAlias | None = None
        for action in actions:
            try:
                return self._find(actor, action, alias), action
            except (NotAllowed, UnknownAlias) as error:
                refusal = error
        assert refusal is not None  # noqa: S101 - there is at least one action
        if tell:
            self._audit.refuse(actor, action.value, alias if isinstance(refusal, NotAllowed) else "", refusal)
        raise refusal
