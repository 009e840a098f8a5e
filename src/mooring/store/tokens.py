"""The named tokens that a daemon must remember: what each may do, and its hash."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from ..model.access import Action
from ..model.errors import MooringError
from ..model.token import KeptToken, Token

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager
    from sqlite3 import Row

    import aiosqlite

__all__ = ["Tokens"]

_log: Final = logging.getLogger(__name__)


class Tokens:
    """What a daemon must remember of tokens. Each verb is one statement: it happened as a whole or not at all.

    Args:
        using: Gives the database, for a bounded time.
    """

    def __init__(self, using: Callable[[], AbstractAsyncContextManager[aiosqlite.Connection]]) -> None:
        self._using = using

    async def kept(self) -> list[KeptToken]:
        """Them, in the order in which they were made; one that cannot be read opens nothing, and is told in the log.

        Raises:
            StateError: The database cannot be read.
        """
        async with self._using() as connection:
            rows = await connection.execute_fetchall(
                "SELECT name, digest, actions, selector, created, expires FROM token ORDER BY id"
            )
        return [found for row in rows if (found := _read(row)) is not None]

    async def keep(self, kept: KeptToken) -> None:
        """Remember one; it is on the disk on return.

        Raises:
            StateError: The database cannot be written. All is as it was.
        """
        token = kept.token
        async with self._using() as connection:
            await connection.execute_fetchall(
                "INSERT OR REPLACE INTO token (name, digest, actions, selector, created, expires)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (token.name, kept.digest, " ".join(token.actions), token.selector, token.created, token.expires),
            )

    async def forget(self, name: str) -> None:
        """Forget one; one that is not remembered is no error.

        Raises:
            StateError: The database cannot be written. All is as it was.
        """
        async with self._using() as connection:
            await connection.execute_fetchall("DELETE FROM token WHERE name = ?", (name,))


def _read(row: Row) -> KeptToken | None:
    name, digest, actions, selector, created, expires = row
    try:
        token = Token(
            name=name,
            actions=tuple(map(Action, actions.split())),
            selector=selector,
            created=created,
            expires=expires,
        )
    except (MooringError, ValueError) as error:
        _log.warning("what was remembered of the token %s cannot be read: %s", name, error)
        return None
    return KeptToken(token=token, digest=digest)
