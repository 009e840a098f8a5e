"""Databases of other versions and of other programs."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from mooring.model.errors import StateError
from mooring.store import Store, schema
from tests.peers.ending import ending

from .held import EDGE, PASSWORD, WEB, recall, remembered

pytestmark = pytest.mark.anyio

NOW = len(schema.MIGRATIONS)
NEXT = [*schema.MIGRATIONS, "ALTER TABLE session ADD COLUMN note TEXT NOT NULL DEFAULT 'none'"]


@pytest.fixture
async def database(store: Store, tmp_path: Path) -> Path:
    """The file of a closed store that remembers two sessions."""
    await store.remember(EDGE)
    await store.remember(WEB)
    await store.aclose()
    return tmp_path / "mooring.db"


def ask(database: Path, query: str) -> list[object]:
    with closing(sqlite3.connect(database)) as connection:
        return [row[0] for row in connection.execute(query)]


async def test_what_is_committed_is_on_the_disk(store: Store) -> None:
    async with store._using() as connection:  # noqa: SLF001 - no other way to see what the daemon's connection does
        [synchronous] = await connection.execute_fetchall("PRAGMA synchronous")
        [mode] = await connection.execute_fetchall("PRAGMA journal_mode")
    assert (synchronous[0], mode[0]) == (2, "wal")


async def test_a_new_database_needs_no_backup(database: Path) -> None:
    assert ask(database, "PRAGMA user_version") == [NOW]
    assert ask(database, "PRAGMA application_id") == [schema.APPLICATION]
    assert sorted(path.name for path in database.parent.iterdir()) == ["key", "mooring.db"]


async def test_an_earlier_version_is_backed_up_and_migrated(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "MIGRATIONS", NEXT)
    assert await recall(database.parent) == [remembered(EDGE), remembered(WEB)]
    assert ask(database, "PRAGMA user_version") == [NOW + 1]
    assert ask(database, "SELECT note FROM session") == ["none", "none"]
    backup = database.with_name(f"mooring.db.v{NOW}.bak")
    assert backup.stat().st_mode & 0o777 == 0o600
    assert PASSWORD.encode() not in backup.read_bytes()
    assert sorted(path.name for path in database.parent.iterdir()) == ["key", "mooring.db", f"mooring.db.v{NOW}.bak"]

    monkeypatch.undo()
    with pytest.raises(
        StateError, match=rf"mooring\.db has version {NOW + 1}, and this Mooring knows {NOW} at most"
    ) as refused:
        await Store.open(database.parent)
    assert "install the newer Mooring again" in str(refused.value.hint)
    assert str(backup) in str(refused.value.hint)
    assert ask(database, "PRAGMA user_version") == [NOW + 1]
    backup.replace(database)
    assert await recall(database.parent) == [remembered(EDGE), remembered(WEB)]


async def test_a_newer_version_is_left_as_it_is(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA user_version = 7")
    before = {path.name: path.read_bytes() for path in database.parent.iterdir()}
    with pytest.raises(StateError, match=rf"version 7, and this Mooring knows {NOW} at most") as refused:
        await Store.open(database.parent)
    assert refused.value.hint == "install the newer Mooring again, or name another state directory"
    assert {path.name: path.read_bytes() for path in database.parent.iterdir()} == before


async def test_a_migration_that_fails_changes_nothing(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "MIGRATIONS", [*NEXT, "UPDATE session SET missing = 1"])
    with pytest.raises(StateError, match="no such column: missing"):
        await Store.open(database.parent)
    monkeypatch.undo()
    assert await recall(database.parent) == [remembered(EDGE), remembered(WEB)]


async def test_a_migration_cancelled_anywhere_happened_or_not(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for turns in range(0, 60, 4):
        monkeypatch.setattr(schema, "MIGRATIONS", [*schema.MIGRATIONS, f"CREATE TABLE extra{turns} (number)"])
        call = asyncio.create_task(Store.open(database.parent))
        for _ in range(turns):
            await asyncio.sleep(0)
        if call.cancel():
            with pytest.raises(asyncio.CancelledError):
                await call
        else:
            await (await call).aclose()
        version, tables = ask(database, "PRAGMA user_version"), ask(database, "SELECT name FROM sqlite_master")
        assert (f"extra{turns}" in tables) == (version == [len(schema.MIGRATIONS)])
        assert await recall(database.parent) == [remembered(EDGE), remembered(WEB)]


MIGRATING = """
import asyncio, pathlib, sys
from mooring.store import Store, schema
schema.MIGRATIONS = [*schema.MIGRATIONS, '''
    UPDATE session SET target = 'gone';
    CREATE TABLE much AS WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n''']
asyncio.run(Store.open(pathlib.Path(sys.argv[1])))
"""


async def test_a_migration_killed_half_way_changes_nothing(database: Path) -> None:
    log = database.with_name("mooring.db-wal")
    with ending(subprocess.Popen([sys.executable, "-c", MIGRATING, database.parent])):
        deadline = time.monotonic() + 30
        # It never ends; once its log grows it has begun.
        while not (log.exists() and log.stat().st_size) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert log.stat().st_size
    assert await recall(database.parent) == [remembered(EDGE), remembered(WEB)]
    assert ask(database.with_name(f"mooring.db.v{NOW}.bak"), "PRAGMA user_version") == [NOW]


async def test_a_backup_that_cannot_be_made_stops_the_migration(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup = database.with_name(f"mooring.db.v{NOW}.bak")
    backup.mkdir()
    monkeypatch.setattr(schema, "MIGRATIONS", NEXT)
    with pytest.raises(StateError, match="Is a directory"):
        await Store.open(database.parent)
    assert ask(database, "PRAGMA user_version") == [NOW]
    assert sorted(path.name for path in database.parent.iterdir()) == ["key", "mooring.db", f"mooring.db.v{NOW}.bak"]


async def test_a_database_of_another_program_is_left_as_it_is(tmp_path: Path) -> None:
    database = tmp_path / "mooring.db"
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("CREATE TABLE recipes (name)")
    database.chmod(0o600)
    before = database.read_bytes()
    with pytest.raises(StateError, match="is the database of another program"):
        await Store.open(tmp_path)
    assert database.read_bytes() == before
