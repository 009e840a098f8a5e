"""The tables of the audit trail, and whether those of a file are as they were made."""

from __future__ import annotations

import contextlib
import re
import shlex
import sqlite3
from typing import TYPE_CHECKING, Final

from ...model.audit import Head
from ...model.errors import StateError
from ..faults import DAMAGED
from ..schema import APPLICATION
from .chain import BEGIN

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["SCHEMA", "VERSION", "check_tables", "read_base"]

VERSION: Final = 1
SCHEMA: Final = f"""
BEGIN IMMEDIATE;
CREATE TABLE record (
    seq INTEGER PRIMARY KEY,
    body TEXT NOT NULL,
    hash TEXT NOT NULL,
    good TEXT AS (CASE WHEN json_valid(body) THEN body END) VIRTUAL,
    at REAL AS (json_extract(good, '$.at')) VIRTUAL,
    who TEXT AS (json_extract(good, '$.who')) VIRTUAL,
    what TEXT AS (json_extract(good, '$.what')) VIRTUAL,
    alias TEXT AS (json_extract(good, '$.alias')) VIRTUAL,
    outcome TEXT AS (json_extract(good, '$.outcome')) VIRTUAL
);
CREATE TABLE base (id INTEGER PRIMARY KEY CHECK (id = 1), seq INTEGER NOT NULL, hash TEXT NOT NULL);
INSERT INTO base VALUES (1, {BEGIN.seq}, '{BEGIN.hash}');
PRAGMA application_id = {APPLICATION};
PRAGMA user_version = {VERSION};
COMMIT;
"""  # noqa: S608 - of our own words
_MADE: Final = "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY name"
_STATISTICS: Final = (
    ("table", "sqlite_stat1", "sqlite_stat1", "CREATE TABLE sqlite_stat1(tbl,idx,stat)"),
    ("table", "sqlite_stat4", "sqlite_stat4", "CREATE TABLE sqlite_stat4(tbl,idx,neq,nlt,ndlt,sample)"),
)
"""What ``ANALYZE`` makes (https://sqlite.org/fileformat2.html#stat1tab). Whole, since a name tells nothing: what SQLite
takes a row for is in its last column."""
_DROPPED: Final = frozenset({"index", "table", "trigger", "view"})
_PLAIN: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
"""A name that can be typed as it is."""
_HASH: Final = re.compile(r"[0-9a-f]{64}")


def check_tables(database: sqlite3.Connection, path: Path) -> None:
    """Check that a file has the tables that we make and nothing else: no trigger, and no column that tells of another.

    What ``ANALYZE`` leaves is passed over.

    Raises:
        StateError: It has not; it says which is added, changed or missing.
    """
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as beside:
        beside.executescript(SCHEMA)
        ours = beside.execute(_MADE).fetchall()
    found = [row for row in database.execute(_MADE).fetchall() if row not in _STATISTICS]
    if found == ours:
        return
    made, there = {row[:2]: row for row in ours}, {row[:2]: row for row in found}
    added = [thing for thing in there if thing not in made]
    touched = [thing for thing in made if there.get(thing) != made[thing]]
    kind, name = (touched or added or [("table", "sqlite_master")])[0]
    how = "missing" if (kind, name) in made and (kind, name) not in there else "changed"
    hint = DAMAGED
    if not touched and added:
        how = "added"
        if kind in _DROPPED and _PLAIN.fullmatch(str(name)):
            hint = f"drop it: {shlex.join(['sqlite3', str(path), f'DROP {kind.upper()} {name}'])}"
    message = f"{path} is damaged: its tables are not as they were made: the {kind} {name!r:.80} is {how}"
    raise StateError(message, hint=hint)


def read_base(database: sqlite3.Connection, path: Path) -> Head:
    """The last record that was let go.

    Raises:
        StateError: It does not say.
    """
    rows = database.execute("SELECT seq, hash FROM base LIMIT 2").fetchall()
    if len(rows) == 1:
        [(seq, digest)] = rows
        if isinstance(seq, int) and seq >= BEGIN.seq and isinstance(digest, str) and _HASH.fullmatch(digest):
            return Head(seq, digest)
    raise StateError(f"{path} is damaged: it does not say with which record it begins", hint=DAMAGED)
