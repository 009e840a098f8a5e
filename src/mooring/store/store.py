"""The sessions that a daemon must bring back, in one SQLite file with one writer."""

from __future__ import annotations

import asyncio
import os
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

import aiosqlite

from ..model.errors import CredentialError, InvalidTarget, MooringError, StateError
from ..model.target import Target
from .devices import Devices
from .enrolments import Enrolments
from .faults import faults
from .forwards import Forwards
from .schema import prepare
from .tokens import Tokens
from .vault import Vault

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable
    from pathlib import Path
    from sqlite3 import Row

__all__ = ["Remembered", "Store", "rotate_key"]

_DATABASE: Final = "mooring.db"
_KEY: Final = "key"
_TIMEOUT: Final = 30.0
"""Seconds for one call: thousands at once wait for one another's syncs, and a dead disk for ever."""

_CLOSE_TIMEOUT: Final = 3.0
"""Seconds to close: the daemon has 5 to end."""

_RESEALS: Final = (
    "UPDATE session SET sealed = reseal(alias, sealed) WHERE sealed NOT NULL",
    "UPDATE device SET sealed = reseal(alias, sealed) WHERE sealed NOT NULL",
)
_BUSY_TIMEOUT: Final = 1.0
"""Seconds to wait for another writer: it holds the database as long as it lives, or is just going."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """One session as it was remembered.

    Attributes:
        alias: Its name.
        target: Whom to connect to; None where what was stored cannot be read. Without the password where that
            cannot be opened.
        error: Why something is missing; None where nothing is.
    """

    alias: str
    target: Target | None
    error: MooringError | None


class Store:
    """The daemon's memory: of sessions, and under ``devices``, ``forwards``, ``enrolments`` and ``tokens`` of those.

    Made by ``open``. Every verb is one statement and so one transaction: it happened as a whole or not at all, also
    when it is cancelled, and when it has returned it is on the disk. A verb ends within 30 seconds.
    """

    def __init__(self, path: Path, connection: aiosqlite.Connection, vault: Vault) -> None:
        self._path = path
        self._connection = connection
        self._vault = vault
        self._closed = False
        self.devices = Devices(self._using, vault)
        self.forwards = Forwards(self._using)
        self.tokens = Tokens(self._using)
        self.enrolments = Enrolments(self._using)

    @classmethod
    async def open(cls, state_dir: Path) -> Self:
        """Open ``mooring.db`` in a directory, which must exist; make it where it is missing.

        A database of an earlier version is backed up and migrated. Cancelling is safe: it is as it was, or migrated.

        Args:
            state_dir: The daemon's own directory, which nobody else may write.

        Raises:
            StateError: It cannot be used: in use, read-only, full, damaged, a newer version's. Nothing was changed.
        """
        path = state_dir / _DATABASE
        with faults(path):
            _make_private(path)
            async with asyncio.timeout(_TIMEOUT):
                store = cls(path, await _connected(path), Vault(state_dir / _KEY))
                try:
                    await prepare(store._connection, path)
                except BaseException:
                    with suppress(StateError):
                        await store.aclose()
                    raise
        return store

    async def sessions(self) -> list[Remembered]:
        """What is remembered, in the order in which it was first remembered. Cancelling is safe.

        Raises:
            StateError: The database cannot be read.
        """
        async with self._using() as connection:
            rows = await connection.execute_fetchall("SELECT alias, target, sealed FROM session ORDER BY id")
            return await asyncio.to_thread(self._recall, rows)

    async def remember(self, target: Target) -> None:
        """Remember a session, in place of what was remembered under its alias; it is on the disk on return.

        Cancelling is safe: it is remembered, or all is as it was.

        Args:
            target: An inline password is sealed.

        Raises:
            InvalidTarget: It could not be read back.
            StateError: The database cannot be written, or the key for the password not be used. All is as it was.
        """
        text = target.with_options(password="").dsn()
        Target.parse(text)
        async with self._using() as connection:
            sealed = None
            if target.password is not None:
                sealed = await asyncio.to_thread(self._vault.seal, target.alias, target.password)
            await connection.execute_fetchall(
                "INSERT INTO session (alias, target, sealed) VALUES (?, ?, ?)"
                " ON CONFLICT (alias) DO UPDATE SET target = excluded.target, sealed = excluded.sealed",
                (target.alias, text, sealed),
            )

    async def forget(self, alias: str) -> None:
        """Forget a session; one that is not remembered is no error. Cancelling is safe.

        Raises:
            StateError: The database cannot be written. All is as it was.
        """
        async with self._using() as connection:
            await connection.execute_fetchall("DELETE FROM session WHERE alias = ?", (alias,))

    async def rotate(self) -> list[str]:
        """Seal every password anew with a new key, and forget the old one.

        It may end anywhere, by cancelling or by SIGKILL: every password can still be opened, and calling again
        completes it. Backups of the database stay sealed with the old key.

        Returns:
            The aliases whose password could not be opened, and is needed again.

        Raises:
            StateError: The key file cannot be used, or something not be written.
        """
        lost: list[str] = []

        def reseal(alias: str, sealed: bytes) -> bytes:
            try:
                return self._vault.seal(alias, self._vault.open(alias, sealed))
            except CredentialError:
                lost.append(alias)
                return sealed

        async with self._using() as connection:
            await asyncio.to_thread(self._vault.renew)
            await connection.create_function("reseal", 2, reseal)
            for change in _RESEALS:  # each wholly or not at all; the old key opens the rest until it is retired
                await connection.execute_fetchall(change)
            # What the retired key opens is in the log until it has gone into the database.
            await connection.execute_fetchall("PRAGMA wal_checkpoint(TRUNCATE)")
            await asyncio.to_thread(self._vault.retire)
        return lost

    async def aclose(self) -> None:
        """Close the database; once is enough. Cancelling is safe: it closes by itself.

        Raises:
            StateError: It did not end in time. What was remembered stays so.
        """
        self._closed = True
        with faults(self._path):
            async with asyncio.timeout(_CLOSE_TIMEOUT):
                await self._connection.close()

    @asynccontextmanager
    async def _using(self) -> AsyncIterator[aiosqlite.Connection]:
        if self._closed:
            raise StateError(f"{self._path} is closed")
        with faults(self._path):
            async with asyncio.timeout(_TIMEOUT):
                yield self._connection

    def _recall(self, rows: Iterable[Row]) -> list[Remembered]:
        return [self._recalled(*row) for row in rows]

    def _recalled(self, alias: str, text: str, sealed: bytes | None) -> Remembered:
        try:
            target = Target.parse(text)
        except InvalidTarget as error:
            unread = InvalidTarget(f"what was remembered of {alias} cannot be read: {error.message}", hint=error.hint)
            return Remembered(alias=alias, target=None, error=unread)
        if sealed is None:
            return Remembered(alias=alias, target=target, error=None)
        try:
            return Remembered(
                alias=alias, target=target.with_options(password=self._vault.open(alias, sealed)), error=None
            )
        except CredentialError as error:
            again = CredentialError(
                f"the password of {alias} is needed again: {error.message}",
                hint=f"{error.hint}, and restart the daemon; or start {alias} again with its password",
            )
            return Remembered(alias=alias, target=target, error=again)


async def rotate_key(state_dir: Path) -> list[str]:
    """Rotate the key of a daemon that is not running; see ``Store.rotate``.

    Args:
        state_dir: The daemon's directory.

    Raises:
        StateError: There is no database, a daemon has it, the key file cannot be used, or something not be written.
    """
    if not (state_dir / _DATABASE).exists():
        raise StateError(f"there is no {_DATABASE} in {state_dir}", hint="name the state directory of the daemon")
    store = await Store.open(state_dir)
    try:
        return await store.rotate()
    finally:
        await store.aclose()


async def _connected(path: Path) -> aiosqlite.Connection:
    """A connection in autocommit mode: aiosqlite would lose one whose opening is cancelled."""
    opening = asyncio.create_task(_connect(path))
    try:
        return await asyncio.shield(opening)
    except asyncio.CancelledError:
        opening.add_done_callback(_abandon)
        raise


async def _connect(path: Path) -> aiosqlite.Connection:
    return await aiosqlite.connect(path, timeout=_BUSY_TIMEOUT, isolation_level=None)


def _abandon(opening: asyncio.Task[aiosqlite.Connection]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().stop()


def _make_private(path: Path) -> None:
    """Make the database's file before SQLite does, which would let others read it.

    One that exists is not opened: to close it again would drop the locks that this process has on it (fcntl(2)).
    """
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        if path.stat().st_mode & 0o077:
            path.chmod(0o600)
