"""The forwards that a daemon must bring back."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from ..model.errors import MooringError
from ..model.forward import ForwardKind, KeptForward, Place

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    import aiosqlite

__all__ = ["Forwards"]

_log: Final = logging.getLogger(__name__)


class Forwards:
    """What a daemon must remember of forwards. Each verb is one statement: it happened as a whole or not at all.

    Args:
        using: Gives the database, for a bounded time.
    """

    def __init__(self, using: Callable[[], AbstractAsyncContextManager[aiosqlite.Connection]]) -> None:
        self._using = using

    async def kept(self) -> list[KeptForward]:
        """Them, in the order in which they were made; one that cannot be read is left out, and told in the log.

        Raises:
            StateError: The database cannot be read.
        """
        async with self._using() as connection:
            rows = await connection.execute_fetchall(
                "SELECT alias, name, kind, listen, destination FROM forward ORDER BY id"
            )
        return [found for row in rows if (found := _read(*row)) is not None]

    async def keep(self, forward: KeptForward) -> None:
        """Remember one, in place of the one of its name; it is on the disk on return.

        Raises:
            StateError: The database cannot be written. All is as it was.
        """
        destination = None if forward.destination is None else str(forward.destination)
        async with self._using() as connection:
            await connection.execute_fetchall(
                "INSERT OR REPLACE INTO forward (alias, name, kind, listen, destination) VALUES (?, ?, ?, ?, ?)",
                (forward.alias, forward.name, forward.kind.value, str(forward.listen), destination),
            )

    async def forget(self, alias: str, name: str | None = None) -> None:
        """Forget one, or all of a session.

        Args:
            alias: The session.
            name: The forward; None for all.

        Raises:
            StateError: The database cannot be written. All is as it was.
        """
        async with self._using() as connection:
            await connection.execute_fetchall(
                "DELETE FROM forward WHERE alias = ? AND name = coalesce(?, name)", (alias, name)
            )


def _read(alias: str, name: str, kind: str, listen: str, destination: str | None) -> KeptForward | None:
    try:
        return KeptForward(
            alias=alias,
            name=name,
            kind=ForwardKind(kind),
            listen=Place.parse(listen),
            destination=None if destination is None else Place.parse(destination),
        )
    except (MooringError, ValueError) as error:
        _log.warning("what was remembered of the forward %s of %s cannot be read: %s", name, alias, error)
        return None
