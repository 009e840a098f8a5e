"""What happened to each session lately, for who comes later: the daemon keeps the end of it, in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..model.status import SessionState

if TYPE_CHECKING:
    from ..model.event import Event
    from ..pool import Pool

    _Events = list[Event]

__all__ = ["MOST", "History"]

MOST: Final = 50
"""Events of a session that are kept: a night of losing its connection and finding it again."""


class History:
    """The latest events of each session that a pool holds; it ends with the session.

    Args:
        pool: Whose.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._kept: dict[str, list[Event]] = {}
        self._events = pool.events(wanted=self._note)

    def of(self, alias: str) -> _Events:
        """Those of one session, the oldest first."""
        return list(self._kept.get(alias, ()))

    def _note(self, event: Event) -> bool:
        """Keep it here, as it happens; nobody reads the stream."""
        if event.state is SessionState.CLOSED:
            self._kept.pop(event.alias, None)
        elif event.alias in self._pool:  # what a stranger claims to be grows nothing
            kept = self._kept.setdefault(event.alias, [])
            kept.append(event)
            del kept[:-MOST]
        return False
