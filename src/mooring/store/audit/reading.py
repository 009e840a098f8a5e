"""What is asked of the audit trail, a part of the file at a time: by a daemon, or of files that one has left."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from ...model.audit import AuditPage, AuditReport
from ...model.errors import StateError
from .chain import Check
from .journal import read_journal
from .ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ...model.audit import AuditQuery, AuditRecord, Head

__all__ = ["DATABASE", "JOURNAL", "page", "verify", "verify_files"]

DATABASE: Final = "audit.db"
JOURNAL: Final = "audit.journal"
_T = TypeVar("_T")


class Ask(Protocol):
    """How the thread that has the ledger is asked."""

    async def __call__(self, work: Callable[[], _T], /) -> _T:
        """What comes of it."""


async def page(
    ask: Ask, ledger: Ledger, query: AuditQuery, *, start: int | None, limit: int, ascending: bool
) -> AuditPage:
    """Some records, in one direction; see ``Trail.page``."""
    found: list[AuditRecord] = []
    while True:
        first, room = start, limit - len(found)
        some, start = await ask(lambda: ledger.page(query, first, room, ascending=ascending))  # noqa: B023 - awaited at once
        found += some
        if len(found) >= limit or start is None:
            return AuditPage(records=tuple(found), next=start)


async def verify(ask: Ask, ledger: Ledger, known: Head | None) -> AuditReport:
    """Check the chain; see ``Trail.verify``."""
    base, own, beside, added = await ask(ledger.begin_check)
    ends = [own] if beside is None else [own, beside]
    check = Check(base, own.seq, ends, known=known, added=added, blind=beside is None)
    place: int | None = base.seq
    while place is not None:
        after = place
        place = await ask(lambda: ledger.check(check, after))  # noqa: B023 - awaited at once
    return check.report()


def verify_files(state_dir: Path, known: Head | None = None) -> AuditReport:
    """Check the chain that a daemon has left in its state directory, however it ended; nothing is recorded.

    Args:
        state_dir: The directory.
        known: An end that was kept elsewhere.

    Raises:
        StateError: There is no trail in it, it cannot be read, or a daemon is using it.
    """
    path = state_dir / DATABASE
    if not path.is_file():
        raise StateError(f"there is no {path}", hint="name the state directory of a daemon")
    shared = path.with_name(f"{DATABASE}-shm")
    made = not shared.exists()
    ledger = Ledger(path, read_only=True)
    ledger.open()
    try:
        bodies, _ = read_journal(state_dir / JOURNAL, ledger.end.seq)
        ledger.recover(bodies)
        return asyncio.run(verify(_at_once, ledger, known))
    finally:
        ledger.close()
        if made:  # by SQLite, where a log was left, and not taken away by those who only read
            shared.unlink(missing_ok=True)


async def _at_once(work: Callable[[], _T], /) -> _T:
    return work()
