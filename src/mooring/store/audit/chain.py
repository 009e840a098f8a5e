"""The chain: each record's hash covers the one before, so that none can be changed, dropped or moved unseen. Pure."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from ...model.audit import AuditFault, AuditReport, Head

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["BEGIN", "Check", "sealed"]

BEGIN: Final = Head(0, "0" * 64)
"""Before the first record."""
ROTATED: Final = "audit.rotated"
"""What a record says that tells which older ones were let go."""
OPENED: Final = "audit.opened"
"""And one that tells what was missed at a start."""
_FIRST: Final = 2
"""A daemon that was killed as it recorded its first start has kept no end yet: the next start misses it."""
_MOST: Final = 100
_Kind: TypeAlias = Literal["added", "changed", "dropped", "head", "reordered", "tail"]


def sealed(before: str, body: bytes) -> str:
    """The hash of a record: SHA-256, of the hash before it as text and of the record as canonical JSON, in UTF-8."""
    return hashlib.sha256(before.encode() + body).hexdigest()


class Check:
    """A walk along the chain: ``take`` each record in order, then ``report``.

    Args:
        base: The last record that was let go; ``BEGIN`` where none was.
        up_to: The number of the last record that is to be taken.
        ends: Where the chain ends, as its keeper knows; each is looked for.
        known: Where it ended once, as somebody else knows; likewise.
        added: The numbers of records that stand before all that is kept, and are none of the chain.
        blind: Whether the end that is kept beside it could not be read.

    Attributes:
        up_to: As given, or later.
    """

    def __init__(
        self,
        base: Head,
        up_to: int,
        ends: Sequence[Head] = (),
        *,
        known: Head | None = None,
        added: Sequence[int] = (),
        blind: bool = False,
    ) -> None:
        self._blind = blind
        self._base = self._last = base
        self._heads: dict[int, set[str]] = {}
        self._known = known
        self._first = 0
        self._count = 0
        self._let_go = 0
        self._faults: list[AuditFault] = []
        for seq in added:
            self._fault(seq, "added", f"{seq} is no record of the chain, which begins with {base.seq + 1}")
        self.begin_behind(base, up_to, ends if known is None else [*ends, known])

    def take(self, seq: int, body: bytes, stored: str) -> None:
        """One record, as it is stored."""
        self._count += 1
        self._first = self._first or seq
        before = self._last
        if seq > before.seq + 1:
            several = f"the records {before.seq + 1} to {seq - 1} are" if seq > before.seq + 2 else f"{seq - 1} is"
            self._fault(before.seq + 1, "dropped", f"{several} missing")
        elif sealed(before.hash, body) != stored:
            self._fault(seq, *_blame(seq, body))
        value = _read(body)
        if value.get("what") == ROTATED:
            self._note_rotation(value.get("detail"))
        if value.get("what") == OPENED and seq > _FIRST:
            self._note_opening(seq, value.get("detail"))
        self._last = Head(seq, stored)
        self._compare(self._last)

    def begin_behind(self, base: Head, up_to: int, ends: Sequence[Head]) -> None:
        """The records up to this one were let go, perhaps while others were taken.

        Then the record of an earlier rotation may be gone too, and the one of this is among those up to ``up_to``. Of
        ends that were let go those of now take the place; only that what somebody else knew cannot be checked is told.
        """
        self._last, self.up_to = base, up_to
        gone = {seq for seq in self._heads if seq < base.seq}
        older = {end.seq for end in ends if end.seq < base.seq}
        if self._known is not None:
            older |= gone & {self._known.seq}
        for seq in gone:
            del self._heads[seq]
        for end in ends:
            if end.seq >= base.seq:
                self._heads.setdefault(end.seq, set()).add(end.hash)
        for seq in sorted(older):
            told = f"{seq} is older than what is kept (from {base.seq + 1}): it cannot be checked"
            self._fault(seq, "head", told)
        self._compare(base)

    def _compare(self, last: Head) -> None:
        if self._heads.pop(last.seq, {last.hash}) != {last.hash}:
            self._fault(last.seq, "changed", f"{last.seq} is not the record that was last when its hash was kept")

    def _note_rotation(self, detail: object) -> None:
        if isinstance(detail, dict) and isinstance(up_to := detail.get("up_to"), int):
            self._let_go = max(self._let_go, up_to)
            if up_to == self._base.seq and detail.get("hash") != self._base.hash:
                self._fault(up_to + 1, "changed", f"the hash of {up_to}, the last that was let go, was changed")

    def _note_opening(self, seq: int, detail: object) -> None:
        missed = detail.get("missed") if isinstance(detail, dict) else None
        if isinstance(missed, dict) and missed.get("seq") == BEGIN.seq:
            self._fault(seq, "head", f"the end that is kept in audit.head could not be read when {seq} was recorded")

    def report(self) -> AuditReport:
        """What was found."""
        if self._base.seq > self._let_go:
            first = self._let_go + 1
            self._fault(first, "dropped", f"the records {first} to {self._base.seq} are missing, and were not let go")
        if self._blind and self._count:
            self._fault(self._last.seq, "head", "what audit.head told of the end cannot be read: some may be missing")
        for seq in self._heads:
            first = self._last.seq + 1
            self._fault(first, "tail", f"the records {first} to {seq} are missing at the end")
        return AuditReport(
            records=self._count,
            first=self._first,
            last=self._last.seq,
            hash=self._last.hash,
            faults=tuple(self._faults),
        )

    def _fault(self, seq: int, kind: _Kind, message: str) -> None:
        if len(self._faults) < _MOST:
            self._faults.append(AuditFault(seq=seq, kind=kind, message=message))


def _blame(seq: int, body: bytes) -> tuple[Literal["changed", "reordered"], str]:
    said = _read(body).get("seq")
    if isinstance(said, int) and said != seq:
        return "reordered", f"the record {said} stands in the place of {seq}"
    return "changed", f"{seq}, or its hash, was changed"


def _read(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
