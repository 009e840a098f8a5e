"""The file of the audit trail, as one thread uses it: SQLite, to which records are moved, and the oldest let go."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from ...model.audit import AuditRecord, Head
from ...model.errors import StateError
from ..faults import faults
from ..schema import APPLICATION
from .chain import BEGIN, sealed
from .head import HeadFile
from .tables import SCHEMA, VERSION, check_tables, read_base

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...model.audit import AuditQuery
    from .chain import Check
    from .journal import Body

__all__ = ["Ledger", "Overdue"]

_PAGE: Final = 4096
_LOG: Final = 4 << 20
"""Bytes of the write-ahead log that are kept for the next records."""
_ROWS: Final = 64
_HASH: Final = "CAST(hash AS BLOB)"
"""Whatever type somebody gave it: it is what it says."""
_WINDOW: Final = 20_000
"""Records that are looked through in one turn, so that none waits long to be added."""
_LET_GO: Final = 5_000
_BUSY_TIMEOUT: Final = 1.0
_YEAR_9999: Final = 253_370_764_800.0
"""Seconds since 1970 from which on calendars fail."""


class Line(NamedTuple):
    """A record: its number, itself as canonical JSON, its hash."""

    seq: int
    body: bytes
    hash: str


class Overdue(NamedTuple):
    """Records that are to go: the oldest.

    Attributes:
        up_to: The last of them.
        first: The number of the first.
        many: How many they are.
        since: When the first was made; None where that is not known.
        until: Likewise the last.
    """

    up_to: Head
    first: int
    many: int
    since: float | None
    until: float | None

    def young(self, before: float) -> bool:
        """Whether one of them is younger than this."""
        return self.until is not None and self.until >= before

    def told(self) -> dict[str, object]:
        """As the record of it tells."""
        end = self.up_to
        numbers = {"from": self.first, "to": end.seq, "count": self.many, "since": self.since, "until": self.until}
        return {"up_to": end.seq, "hash": end.hash, **numbers}


class Ledger:
    """The records of a daemon. All but the constructor may fail with StateError.

    Args:
        path: The database; it is made where it is missing.
        read_only: To be read alone, while no daemon uses it: nothing is made, and nothing changed.

    Attributes:
        end: Where the chain ends.
        missed: What the file beside the database knew of its end, where that is not there any more, or ``BEGIN`` where
            that file is not; None where all is as it was left.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self._read_only = read_only
        self.end = BEGIN
        self.missed: Head | None = None
        self._path = path
        self._late: list[Line] = []

    def open(self) -> None:
        """Open it, for this process alone."""
        with faults(self._path), contextlib.ExitStack() as undo:
            self._database = self._connected()
            undo.callback(self._database.close)
            self._prepare()
            base, last = self.base(), f"SELECT seq, {_HASH} FROM record ORDER BY seq DESC LIMIT 1"  # noqa: S608 - of our own words
            row = self._database.execute(last).fetchone()
            self.end = base if row is None else _head(*row)
            self._heads = HeadFile(self._path.with_suffix(".head"), read_only=self._read_only)
            undo.pop_all()

    def _connected(self) -> sqlite3.Connection:
        if self._read_only:
            # Without a log nobody uses it, and SQLite makes none for what cannot change.
            log = Path(f"{self._path}-wal")
            how = "mode=ro" if log.exists() else "mode=ro&immutable=1"
            address = f"{self._path.absolute().as_uri()}?{how}"
            return sqlite3.connect(address, timeout=_BUSY_TIMEOUT, isolation_level=None, uri=True)
        os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))
        return sqlite3.connect(self._path, timeout=_BUSY_TIMEOUT, isolation_level=None)

    def _prepare(self) -> None:
        if not self._read_only:
            self._database.execute("PRAGMA locking_mode = EXCLUSIVE")
        version, made = self._number("PRAGMA user_version"), False
        if self._number("SELECT count(*) FROM sqlite_master"):
            if self._number("PRAGMA application_id") != APPLICATION:
                raise StateError(f"{self._path} is the database of another program", hint="move it away")
            if version != VERSION:
                raise StateError(f"{self._path} has version {version}", hint="install the Mooring that made it")
            check_tables(self._database, self._path)
            made = True
        elif self._read_only:
            raise StateError(f"{self._path} is empty", hint="name the state directory of a daemon")
        if self._read_only:
            return
        self._database.executescript(
            f"PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA journal_size_limit = {_LOG};"
        )
        if not made:
            self._database.executescript(SCHEMA)

    def recover(self, bodies: Sequence[Body]) -> None:
        """Take what was recorded and did not come here; go on behind what was last known, whether it is there or not.

        What was changed is linked to nothing that comes after it, and what is missing leaves a gap: that stays to be
        seen.
        """
        with faults(self._path):
            known = self._heads.read()
        for seq, body in bodies:
            self.take([(seq, body)])
            if known is not None and seq == known.seq and known != self.end:
                self.end = known
                self._late[-1] = Line(seq, body, known.hash)
        if known is None:
            self.missed = BEGIN if self.end.seq else None
        elif known.seq > self.end.seq or (known.seq == self.end.seq and known != self.end):
            self.end = self.missed = known

    def take(self, bodies: Sequence[Body]) -> None:
        """Have records, as they come: this gives them their hashes."""
        before = self.end.hash
        for seq, body in bodies:
            before = sealed(before, body)
            self._late.append(Line(seq, body, before))
        if bodies:
            self.end = Head(bodies[-1][0], before)

    def move(self) -> None:
        """Put into the database what was taken; it is on the disk on return.

        Where that fails, none of it is there, and it is told of all the same.
        """
        if self._late:
            with faults(self._path):
                self._insert(self._late)
            self._late = []

    def _insert(self, rows: Sequence[Line]) -> None:
        self._database.execute("BEGIN IMMEDIATE")
        try:
            # A statement for many: Python's other threads run while SQLite works, and not in between.
            for start in range(0, len(rows), _ROWS):
                part = rows[start : start + _ROWS]
                values = ",".join(["(?,?,?)"] * len(part))
                flat = [value for seq, body, stored in part for value in (seq, body.decode("utf-8", "replace"), stored)]
                self._database.execute(f"INSERT INTO record (seq, body, hash) VALUES {values}", flat)  # noqa: S608 - question marks
            self._database.execute("COMMIT")
        finally:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")

    def keep_head(self) -> None:
        """The disk has all that was taken: keep the end of that beside the database."""
        with faults(self._path):
            self._heads.write(self.end)

    def base(self) -> Head:
        """The last record that was let go."""
        return read_base(self._database, self._path)

    def overdue(self, before: float, most: int) -> Overdue | None:
        """Up to which record the oldest should be let go; None for none.

        Args:
            before: Those that are older, seconds since 1970.
            most: And so many that no more bytes than these are used.
        """
        with faults(self._path):
            used = self._number("PRAGMA page_count") - self._number("PRAGMA freelist_count")
            last = "SELECT max(seq) FROM (SELECT seq FROM record ORDER BY seq LIMIT ?)"
            [up_to] = self._database.execute(last, (_LET_GO,)).fetchone()
            if used * _PAGE <= most:  # up to the first that is young: of one behind it the time may be wrong
                young = "SELECT seq - 1 FROM record WHERE seq <= ? AND ifnull(at < ?, 0) = 0 ORDER BY seq LIMIT 1"
                [up_to] = self._database.execute(young, (up_to, before)).fetchone() or (up_to,)
            until = f"SELECT seq, {_HASH}, at FROM record WHERE seq <= ? ORDER BY seq DESC LIMIT 1"  # noqa: S608 - of our own words
            row = self._database.execute(until, (up_to,)).fetchone()
            if row is None:
                return None
            first, since = self._database.execute("SELECT seq, at FROM record ORDER BY seq LIMIT 1").fetchone()
            count = "SELECT count(*) FROM record WHERE seq <= ?"
            [many] = self._database.execute(count, (up_to,)).fetchone()
        return Overdue(_head(*row[:2]), first, many, _instant(since), _instant(row[2]))

    def let_go(self, up_to: Head) -> None:
        """Keep no record up to this one any more; the next stays linked to it. All that was taken must have been moved.

        The end that is kept beside the database is never among those that go, whatever kills us in between.
        """
        with faults(self._path):
            self._heads.write(self.end)
            self._heads.sync()
            self._database.execute("BEGIN IMMEDIATE")
            try:
                self._database.execute("UPDATE base SET seq = ?, hash = ?", (up_to.seq, up_to.hash))
                self._database.execute("DELETE FROM record WHERE seq <= ?", (up_to.seq,))
                self._database.execute("COMMIT")
            finally:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")

    def page(
        self, query: AuditQuery, start: int | None, limit: int, *, ascending: bool
    ) -> tuple[list[AuditRecord], int | None]:
        """Some records from a number on, in either direction, and from where to go on; a part of the file at a time."""
        with faults(self._path):
            oldest, newest = self.base().seq + 1, self.end.seq
            begin = start if start is not None else oldest if ascending else newest
            low, high = max(begin, oldest), begin + _WINDOW
            if not ascending:
                low, high = max(begin - _WINDOW, oldest), min(begin, newest)
            terms, values = _where(query)
            where = " AND ".join(["seq BETWEEN ? AND ?", *terms])
            found = [
                _record(*row) for row in self._select(where, [low, high, *values], limit=limit, ascending=ascending)
            ]
        last = found[-1].seq if len(found) == limit else high if ascending else low
        after = last + 1 if ascending else last - 1
        return found, after if oldest <= after <= newest else None

    def begin_check(self) -> tuple[Head, Head, Head | None, Sequence[int]]:
        """Where a check begins and ends, the end that the file beside the database knows, and what is before it all."""
        with faults(self._path):
            base, before = self.base(), "SELECT seq FROM record WHERE seq <= ? ORDER BY seq LIMIT ?"
            added = self._database.execute(before, (base.seq, _ROWS)).fetchall()
            return base, self.end, self._heads.read(), [seq for [seq] in added]

    def check(self, check: Check, after: int) -> int | None:
        """Have a part of the records taken; the number of the last of them, None where there are no more."""
        with faults(self._path):
            base = self.base()
            if base.seq > after:
                beside = self._heads.read()
                check.begin_behind(base, self.end.seq, [self.end] if beside is None else [self.end, beside])
            rows = self._select("seq > ? AND seq <= ?", [max(after, base.seq), check.up_to], limit=500, ascending=True)
        for row in rows:
            check.take(*row)
        return rows[-1].seq if rows else None

    def _select(self, where: str, values: Sequence[object], *, limit: int, ascending: bool) -> Sequence[Line]:
        """Records of the database, and of those that it had no room for."""
        order = "ASC" if ascending else "DESC"
        query = (
            f"SELECT seq, CAST(body AS BLOB), {_HASH} FROM record"  # noqa: S608 - of our own words
            f" WHERE {where} ORDER BY seq {order} LIMIT ?"
        )
        rows = self._database.execute(query, (*values, limit)).fetchall()
        if self._late:
            with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as beside:
                beside.executescript(SCHEMA)
                beside.executemany("INSERT INTO record (seq, body, hash) VALUES (?, CAST(? AS TEXT), ?)", self._late)
                rows += beside.execute(query, (*values, limit)).fetchall()
            rows = sorted(rows, reverse=not ascending)[:limit]
        return [Line(seq, body or b"", _text(stored)) for seq, body, stored in rows]

    def close(self) -> None:
        """Close it."""
        with faults(self._path):
            if not self._read_only:
                self._heads.sync()
            self._heads.close()
            self._database.close()

    def _number(self, query: str) -> int:
        return int(self._database.execute(query).fetchone()[0])


def _where(query: AuditQuery) -> tuple[list[str], list[object]]:
    terms: list[str] = []
    values: list[object] = []
    for name, pattern in (("who", query.who), ("alias", query.alias)):
        if pattern is not None:
            terms.append(f"{name} GLOB ?")
            values.append(pattern)
    if query.what is not None:
        terms.append("(what GLOB ? OR what GLOB ?)")
        values += [query.what, f"{query.what}.*"]
    for term, value in (("outcome = ?", query.outcome), ("at >= ?", query.since), ("at < ?", query.until)):
        if value is not None:
            terms.append(term)
            values.append(value)
    return terms, values


def _head(seq: int, stored: bytes) -> Head:
    return Head(seq, _text(stored))


def _text(stored: bytes | None) -> str:
    return (stored or b"").decode("utf-8", "replace")


def _instant(at: object) -> float | None:
    """When a record was made, unless somebody has changed that into what is no time."""
    return at if isinstance(at, float) and 1 <= at < _YEAR_9999 else None


def _record(seq: int, body: bytes, stored: str) -> AuditRecord:
    """A record as it is told; one that somebody has made unreadable is told as that."""
    try:
        record = msgspec.json.decode(body, type=AuditRecord)
        if 0 <= record.at < _YEAR_9999:
            return replace(record, seq=seq, hash=stored)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    return AuditRecord(seq=seq, at=0.0, who="", door="", what="unreadable", alias="", outcome="failed", hash=stored)
