"""Records as they are written: each gets its time and its number, and goes to the journal in that order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..clock import Clock
    from .journal import Body, Journal

__all__ = ["Pen", "ours"]

_encode: Final = msgspec.json.Encoder(order="sorted").encode
_TOGETHER: Final = 64
"""Records that are written at once."""


class Pen:
    """Writes for the loop.

    Args:
        journal: Where.
        clock: What time it is.
        seq: The number of the last record there is.

    Attributes:
        seq: That of the last that was written.
        late: Records that are written with the next.
    """

    def __init__(self, journal: Journal, clock: Clock, seq: int) -> None:
        self.seq = seq
        self.late: list[dict[str, Any]] = []
        self._journal = journal
        self._clock = clock
        self._fresh: list[Body] = []

    def date(self, fields: dict[str, Any]) -> None:
        """Say when it was. Where the clock was set, a record of its own says so before."""
        now, step = self._clock.read()
        fields["at"] = at = int(now * 1e6) / 1e6  # rounding takes five times as long
        if step:
            self.late.append(ours("audit.clock", {"set_by": round(step, 3)}) | {"at": at})

    def write(self, fields: dict[str, Any] | None = None) -> bool:
        """Write what is late, and this behind it.

        Returns:
            Whether there was room for all of it.

        Raises:
            StateError: The journal could not be written.
        """
        while len(self.late) > _TOGETHER:
            if not self._write(self.late[:_TOGETHER]):
                return False
            del self.late[:_TOGETHER]
        if not self._write(self.late if fields is None else [*self.late, fields]):
            return False
        self.late.clear()
        return True

    def _write(self, records: Sequence[dict[str, Any]]) -> bool:
        bodies: list[Body] = []
        for seq, fields in enumerate(records, self.seq + 1):
            fields["seq"] = seq
            bodies.append((seq, _encode(fields)))
        if bodies and not self._journal.write(bodies):
            return False
        self.seq += len(bodies)
        self._fresh += bodies
        return True

    def take(self) -> Sequence[Body]:
        """What was written since this was last asked."""
        fresh, self._fresh = self._fresh, []
        return fresh


def ours(what: str, detail: dict[str, Any]) -> dict[str, Any]:
    """A record of what the daemon does by itself."""
    fields: dict[str, Any] = {"who": "mooringd", "door": "mooringd", "what": what, "alias": "", "outcome": "done"}
    return fields | {"of": None, "detail": detail}
