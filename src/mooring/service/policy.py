"""Who may do what: the one place where it is decided. Pure: a plain function of the actor, the action and the session.

Who may neither read a session nor do on it what they ask is told the same as of an alias that nobody has.
"""

from __future__ import annotations

import contextlib
import functools
from typing import TYPE_CHECKING

from ..model.access import Action
from ..model.errors import AliasInUse, NotAllowed, UnknownAlias
from ..model.selector import ALIAS, Selector

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from ..model.access import Actor

__all__ = [
    "allowed",
    "check",
    "check_everything",
    "check_same_user",
    "discreet",
    "everything",
    "in_use",
    "sees_waiting",
    "unknown",
]


def allowed(actor: Actor, action: Action, alias: str, labels: Collection[str] = ()) -> bool:
    """Whether an actor may do this on a session: some grant of theirs has the action, or ``admin``, and means it.

    Raises:
        InvalidSelector: The selector of a grant is malformed; nothing is allowed by mistake.
    """
    for grant in actor.grants:  # asked with every verb: a generator would take as long as all of it
        actions = grant.actions
        if (action in actions or Action.ADMIN in actions) and _selector(grant.selector).matches(alias, labels):
            return True
    return False


def check(actor: Actor, action: Action, alias: str, labels: Collection[str] = ()) -> None:
    """Refuse what an actor may not do.

    Raises:
        UnknownAlias: They may not even read the session, and so are not told that there is one.
        NotAllowed: They may read it, and not do this.
        InvalidSelector: The selector of a grant is malformed.
    """
    if allowed(actor, action, alias, labels):
        return
    if not allowed(actor, Action.READ, alias, labels):
        raise unknown(alias)
    raise NotAllowed(f"{actor.name} may not {action.value} on {alias}", hint=_HINT)


def everything(actor: Actor, action: Action = Action.ADMIN) -> bool:
    """Whether an actor may do this on all sessions, on those that do not exist yet too; by default everything.

    Raises:
        InvalidSelector: The selector of a grant is malformed.
    """
    return any(
        not grant.actions.isdisjoint({action, Action.ADMIN})
        and "*" in _selector(grant.selector).include
        and not _selector(grant.selector).exclude
        for grant in actor.grants
    )


def check_everything(actor: Actor, what: str, action: Action = Action.ADMIN) -> None:
    """Refuse what no selector can bound.

    Args:
        actor: Who.
        what: To do what, as a verb with its object.
        action: What it takes, on all.

    Raises:
        NotAllowed: They may not do that on all.
        InvalidSelector: The selector of a grant is malformed.
    """
    if not everything(actor, action):
        raise NotAllowed(f"{actor.name} may not {what}", hint=f"it takes {action.value} on all")


def sees_waiting(actor: Actor) -> bool:
    """Whether an actor may know of devices that wait: it takes ``read`` on all, or ``approve`` on anything.

    They are in nobody's selector, and whoever lets one in decides which alias it has.

    Raises:
        InvalidSelector: The selector of a grant is malformed.
    """
    return everything(actor, Action.READ) or any(
        not grant.actions.isdisjoint({Action.APPROVE, Action.ADMIN}) for grant in actor.grants
    )


@contextlib.contextmanager
def discreet(actor: Actor) -> Iterator[None]:
    """Around letting a device in: who may not do that on all is not told by whom an alias or id is used.

    Raises:
        AliasInUse: One is.
    """
    try:
        yield
    except AliasInUse:
        if everything(actor, Action.APPROVE):
            raise
        raise in_use() from None


def in_use() -> AliasInUse:
    """That an alias or id is used, whoever has it."""
    return AliasInUse("the alias, or the id, is in use", hint="choose another, or ask who may approve all")


def check_same_user(actor: Actor, uid: int) -> None:
    """Refuse the daemon's own files to everybody but its user, who could open them without it.

    Args:
        actor: Who.
        uid: Whose process the daemon is.

    Raises:
        NotAllowed: They are another user, or came a way on which the kernel does not say who they are.
    """
    if actor.uid != uid:
        raise NotAllowed(
            f"{actor.name} may not have the daemon open files on its machine",
            hint="come over its Unix socket as its user, or send the content",
        )


def unknown(alias: str) -> UnknownAlias:
    """That no session has this alias. What cannot be one is not repeated: it may be a DSN with a password."""
    name = alias if ALIAS.fullmatch(alias) else "that"
    return UnknownAlias(f"no session is called {name}", hint="the status shows all that there are")


_HINT = "ask for it to be granted"


@functools.lru_cache(maxsize=1024)
def _selector(text: str) -> Selector:
    return Selector.parse(text)
