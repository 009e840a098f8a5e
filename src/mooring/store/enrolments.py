"""Agents that are expected: what verifies their tokens. The end of a token is one with the device that came with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ..model.enrolment import Enrolment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from contextlib import AbstractAsyncContextManager

    import aiosqlite

__all__ = ["Enrolments"]


class Enrolments:
    """What a daemon must remember of tokens. Each verb is one statement: it happened as a whole or not at all.

    Args:
        using: Gives the database, for a bounded time.
    """

    def __init__(self, using: Callable[[], AbstractAsyncContextManager[aiosqlite.Connection]]) -> None:
        self._using = using

    async def all(self) -> list[Enrolment]:
        """All of them, the latest last.

        Raises:
            StateError: The database cannot be read.
        """
        async with self._using() as connection:
            rows = await connection.execute_fetchall(
                "SELECT device_id, alias, labels, public_key, issued, expires, used FROM enrolment ORDER BY issued"
            )
        return [
            Enrolment(
                device_id=device_id,
                alias=alias,
                labels=tuple(msgspec.json.decode(labels, type=list[str])),
                public_key=bytes(public_key),
                issued=issued,
                expires=expires,
                used=bool(used),
            )
            for device_id, alias, labels, public_key, issued, expires, used in rows
        ]

    async def expect(self, enrolment: Enrolment) -> None:
        """Remember a token, in place of the one of its id.

        Raises:
            StateError: The database cannot be written.
        """
        async with self._using() as connection:
            await connection.execute_fetchall(
                "INSERT OR REPLACE INTO enrolment (device_id, alias, labels, public_key, issued, expires, used)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    enrolment.device_id,
                    enrolment.alias,
                    msgspec.json.encode(enrolment.labels).decode(),
                    enrolment.public_key,
                    enrolment.issued,
                    enrolment.expires,
                    enrolment.used,
                ),
            )

    async def forget(self, device_ids: Iterable[str]) -> None:
        """Forget the tokens of ids; one that is not remembered is no error.

        Raises:
            StateError: The database cannot be written.
        """
        async with self._using() as connection:
            await connection.execute_fetchall(
                "DELETE FROM enrolment WHERE device_id IN (SELECT value FROM json_each(?))",
                (msgspec.json.encode(list(device_ids)).decode(),),
            )
