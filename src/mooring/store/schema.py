"""The tables, and how a database of an earlier version comes to this one."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from ..model.errors import StateError
from .private import sync_directory

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import aiosqlite

__all__ = ["MIGRATIONS", "prepare"]

APPLICATION: Final = 0x4D6F6F72
"""``Moor``: what tells our databases from others' (https://sqlite.org/fileformat2.html#application_id)."""

MIGRATIONS: Final[Sequence[str]] = (
    # `id` keeps the order in which sessions were started; `target` is a DSN without its password.
    """
    CREATE TABLE session (
        id INTEGER PRIMARY KEY,
        alias TEXT NOT NULL UNIQUE,
        target TEXT NOT NULL,
        sealed BLOB
    );
    """,
    # Devices that call home. `told` is a Pending as JSON; in `waiting`, which has one row, a list of them.
    """
    CREATE TABLE device (
        id INTEGER PRIMARY KEY,
        alias TEXT NOT NULL UNIQUE,
        device_id TEXT,
        target TEXT NOT NULL,
        sealed BLOB
    );
    CREATE TABLE rejection (id TEXT PRIMARY KEY, told TEXT NOT NULL);
    CREATE TABLE waiting (id INTEGER PRIMARY KEY CHECK (id = 1), told TEXT NOT NULL);
    CREATE TABLE pin (device_id TEXT PRIMARY KEY, fingerprint TEXT NOT NULL);
    """,
    # Forwards, of sessions and devices alike.
    """
    CREATE TABLE forward (
        id INTEGER PRIMARY KEY,
        alias TEXT NOT NULL,
        name TEXT NOT NULL,
        kind TEXT NOT NULL,
        listen TEXT NOT NULL,
        destination TEXT,
        UNIQUE (alias, name)
    );
    """,
    # Agents that are expected: of a token the half that verifies. One that came is a device, in one step with its end.
    """
    CREATE TABLE enrolment (
        device_id TEXT PRIMARY KEY,
        alias TEXT NOT NULL,
        labels TEXT NOT NULL,
        public_key BLOB NOT NULL,
        issued REAL NOT NULL,
        expires REAL NOT NULL,
        used INTEGER NOT NULL
    );
    CREATE TRIGGER enrolled AFTER INSERT ON device BEGIN
        UPDATE enrolment SET used = 1 WHERE device_id = NEW.device_id;
    END;
    """,
    # Named tokens: `actions` has a space between them, `digest` is SHA-256, times are seconds since 1970.
    """
    CREATE TABLE token (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        digest BLOB NOT NULL UNIQUE,
        actions TEXT NOT NULL,
        selector TEXT NOT NULL,
        created REAL NOT NULL,
        expires REAL
    );
    """,
)
"""Number N leads from version N to N + 1. Each is written once and never changed."""


async def prepare(connection: aiosqlite.Connection, path: Path) -> None:
    """Take the database for this process alone, and bring it to this version: wholly, or not at all.

    A database that has something in it is backed up to ``<name>.v<version>.bak`` before it is changed.

    Args:
        connection: To the database; in autocommit mode.
        path: Its file.

    Raises:
        StateError: It is a newer version's, another program's, or damaged; it was not changed.
        sqlite3.Error, OSError: It cannot be used; it was not changed.
    """
    # With an exclusive lock there is one writer, and no shared memory beside the file (https://sqlite.org/wal.html, 9).
    await connection.execute_fetchall("PRAGMA locking_mode = EXCLUSIVE")
    version = await _number(connection, "PRAGMA user_version")
    tables = await _number(connection, "SELECT count(*) FROM sqlite_master")
    if tables and await _number(connection, "PRAGMA application_id") != APPLICATION:
        raise StateError(f"{path} is the database of another program", hint="name another state directory")
    newest = len(MIGRATIONS)
    if version > newest:
        backup = path.with_name(f"{path.name}.v{newest}.bak")
        other = f"; or put {backup} in its place, which knows nothing newer" if backup.exists() else ""
        raise StateError(
            f"{path} has version {version}, and this Mooring knows {newest} at most",
            hint=f"install the newer Mooring again, or name another state directory{other}",
        )
    complaints = [str(row[0]) for row in await connection.execute_fetchall("PRAGMA quick_check(1)")]
    if complaints != ["ok"]:
        raise StateError(
            f"{path} is damaged: {' '.join(complaints[0].split())}", hint="move it away, or put a backup in its place"
        )
    # Committed is on the disk, and what was deleted or sealed with a retired key is overwritten.
    await connection.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON;")
    if version == newest:
        return
    if version:
        await _back_up(connection, path.with_name(f"{path.name}.v{version}.bak"))
    await connection.executescript(
        f"BEGIN IMMEDIATE; {';'.join(MIGRATIONS[version:])};"
        f"PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {newest}; COMMIT;"
    )


async def _number(connection: aiosqlite.Connection, query: str) -> int:
    [row] = await connection.execute_fetchall(query)
    return int(row[0])


async def _back_up(connection: aiosqlite.Connection, backup: Path) -> None:
    fresh = backup.with_name(backup.name + ".new")
    fresh.unlink(missing_ok=True)
    try:
        # SQLite would make it readable to others; an empty file it takes as it is.
        descriptor = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            await connection.execute("VACUUM INTO ?", (str(fresh),))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        fresh.replace(backup)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
    sync_directory(backup.parent)
