"""The sessions of a pool as they are found: by alias, by selector, and as hops of others."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ..model.errors import NothingSelected, UnknownAlias
from ..model.selector import Selector

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..session import Session
    from ..transport.route import Route
    from .keeper import Keeper

__all__ = ["KnownRoutes", "Sessions"]


class Sessions:
    """Sessions by their aliases."""

    def __init__(self) -> None:
        self._keepers: dict[str, Keeper] = {}

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

    def _unknown(self, alias: str) -> UnknownAlias:
        return UnknownAlias(f"no session is called {alias}", hint=f"start it: pool.start({alias!r})")


class KnownRoutes(Mapping[str, "Route"]):
    """The routes of sessions by alias, for a target that may name them as hops; no copy, since there may be thousands.

    Args:
        keepers: Who keeps them.
        alias: The target's own, which is no hop of its own.
    """

    def __init__(self, keepers: Mapping[str, Keeper], alias: str) -> None:
        self._keepers = keepers
        self._alias = alias

    def __getitem__(self, alias: str) -> Route:
        """The route of a session; KeyError where there is none."""
        if alias == self._alias:
            raise KeyError(alias)
        return self._keepers[alias].route

    def __iter__(self) -> Iterator[str]:
        """Their aliases."""
        return (alias for alias in self._keepers if alias != self._alias)

    def __len__(self) -> int:
        """How many there are."""
        return len(self._keepers) - (self._alias in self._keepers)


def _read(name: str) -> str:
    return Path(name).expanduser().read_text(encoding="utf-8")
