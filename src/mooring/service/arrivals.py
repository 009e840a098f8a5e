"""What is recorded of the fleet itself: who called home, who was not let in, and which sessions use old algorithms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..model.access import Actor
from ..model.event import EventKind
from ..model.status import Direction, SessionState

if TYPE_CHECKING:
    from ..model.event import Event
    from ..pool import Pool
    from .audit import Audit

__all__ = ["Arrivals"]

_OURSELVES: Final = Actor(name="mooringd", door="mooringd", grants=())


class Arrivals:
    """Has it recorded as it happens.

    Args:
        pool: Whose sessions.
        audit: Records it.
    """

    def __init__(self, pool: Pool, audit: Audit) -> None:
        self._pool = pool
        self._audit = audit
        if audit.records:
            self._events = pool.events(wanted=self._note)

    def _note(self, event: Event) -> bool:
        """Have one thing recorded; nobody reads the stream."""
        if event.kind in {EventKind.REFUSED, EventKind.PENDING}:
            error = event.error or event.kind.value
            self._audit.refuse(None, "login", event.alias, error, by="call-home", reason=event.reason)
        elif event.state is SessionState.UP and event.alias in self._pool:
            status = self._pool[event.alias].status()
            if status.direction is Direction.CALLED_HOME:
                device = Actor(name=event.alias, door="call-home", grants=())
                told = {"address": status.peer, "host_key": status.host_key}
                self._audit.note(device, "login", event.alias, **told)
            if status.legacy:
                self._audit.note(_OURSELVES, "session.algorithms", event.alias, old=list(status.legacy))
        return False
