"""How a trail begins: with what was left in the journal, where it was not closed."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from .journal import Journal, read_journal

if TYPE_CHECKING:
    from pathlib import Path

    from .ledger import Ledger

__all__ = ["begin"]

_log: Final = logging.getLogger(__name__)


def begin(ledger: Ledger, path: Path) -> Journal:
    """In the thread: open all, and have the ledger take what was left in the journal."""
    ledger.open()
    try:
        bodies, whole = read_journal(path, ledger.end.seq)
        if not whole:
            _log.error("a record in the audit journal is cut off: we were killed as it was written, or it was changed")
        if bodies:
            _log.warning("%d records are taken from the audit journal: it was not closed", len(bodies))
        ledger.recover(bodies)
        ledger.move()
        return Journal(path)
    except BaseException:
        ledger.close()
        raise
