"""The audit trail as the daemon uses it: each record is in the journal before what it tells of begins."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from ...model.audit import AuditHealth, AuditSettings
from ...model.errors import StateError
from ..clock import Clock
from ..worker import Worker
from . import reading
from .beginning import begin
from .chain import ROTATED
from .entry import NOBODY_WAITS, Batch, Entry
from .journal import HALF
from .ledger import Ledger
from .pen import Pen, ours
from .rotation import Rotation

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from ...model.audit import AuditPage, AuditQuery, AuditReport, Head
    from .journal import Body, Journal
    from .ledger import Overdue

__all__ = ["Trail"]

_T = TypeVar("_T")
_log: Final = logging.getLogger(__name__)
_TIMEOUT: Final = 30.0
_CLOSE_TIMEOUT: Final = 3.0
_SYNC: Final = 0.05
"""Seconds after which the disk is given what was written."""
_MOVE: Final = 1.0
"""Seconds after which the ledger takes it; and between two attempts, where it cannot."""
_RESERVE: Final = 1 << 20
"""Bytes of the journal that are left for what is refused, where the ledger takes nothing more."""
_END: Final = 512
"""And for the end of each thing that is under way."""


class Trail:
    """The audit trail: made by ``open``, and to be closed.

    Records get their numbers as they come, and are in the journal when ``append`` returns: what kills this process
    then, loses none. A thread has the disk keep them a moment later, gives them their hashes, and has the ledger take
    them, in bulk. Where that cannot, the journal fills: what would be begun is refused then, and there is room for
    saying so.
    """

    def __init__(self, settings: AuditSettings, clock: Clock, ledger: Ledger, journal: Journal, worker: Worker) -> None:
        self._settings = settings
        self._ledger = ledger
        self._journal = journal
        self._worker = worker
        self._loop = asyncio.get_running_loop()
        self._pen = Pen(journal, clock, ledger.end.seq)
        self._moved_to = ledger.end.seq
        self._open = 0
        self._uncounted: dict[str, int] = {}
        self._fault: StateError | None = None
        self._stuck: StateError | None = None
        self._batch = Batch()
        self._waited_for = False
        self._sync_timer: asyncio.TimerHandle | None = None
        self._syncing = False
        self._move_timer: asyncio.TimerHandle | None = None
        self._moving = False
        self._rotation = Rotation(settings, clock, ledger, worker, self._let_go)
        self._closed = False

    @classmethod
    async def open(cls, state_dir: Path, settings: AuditSettings | None = None, clock: Clock | None = None) -> Self:
        """Open ``audit.db`` in a directory, which must exist; make it where it is missing.

        Args:
            state_dir: The daemon's own directory.
            settings: For how long records are kept.
            clock: The time; None for the system's.

        Raises:
            StateError: It cannot be used: in use, read-only, full, damaged, another program's.
        """
        ledger, worker = Ledger(state_dir / reading.DATABASE), Worker("audit")
        try:
            journal = await _in_time(worker, lambda: begin(ledger, state_dir / reading.JOURNAL))
        except BaseException:
            worker.close(0)
            raise
        trail = cls(settings or AuditSettings(), clock or Clock(), ledger, journal, worker)
        if ledger.missed is not None:
            _log.error("records are missing at the end of the audit trail: `mooring audit verify` says which")
        detail = {} if ledger.missed is None else {"missed": {"seq": ledger.missed.seq, "hash": ledger.missed.hash}}
        try:
            await trail.note("audit.opened", **detail).kept()
        except BaseException:
            await trail.aclose()
            raise
        return trail

    # What is recorded.

    def append(self, fields: dict[str, Any], *, ends: bool = True) -> Entry:
        """Record what is about to be done.

        Args:
            fields: ``who``, ``door``, ``what``, ``alias``, ``outcome``, ``detail``: text, numbers, lists and objects.
            ends: Whether its end is to be recorded too.

        Raises:
            StateError: It could not be recorded, and must not be done.
        """
        self._pen.date(fields)
        if not self._has_room() or not self._write(fields):
            raise self._refusal()
        self._open += ends
        return self._waited() if self._settings.wait else Entry(self._pen.seq, NOBODY_WAITS)

    def check(self) -> None:
        """Check that something could be recorded now.

        Raises:
            StateError: It could not, and must not be done.
        """
        if not self._has_room():
            raise self._refusal()

    def _has_room(self) -> bool:
        """Whether there is room for more than the ends of what is under way, and refusals."""
        room = self._journal.room
        if room <= HALF and not self._moving and self._stuck is None and not self._closed:
            self._move()
        return self._fault is None and room >= _RESERVE + (self._open + len(self._pen.late)) * _END

    def _refusal(self) -> StateError:
        error = self._fault or self._stuck or StateError("the audit trail is closed, or far behind")
        message = f"it is refused, since it cannot be recorded: {error.message}"
        return StateError(message, hint=error.hint or "look at the disk of the state directory")

    def append_end(self, fields: dict[str, Any]) -> bool:
        """Record what has been done, or refused.

        The end of what has begun is written with the next record, or a moment later: one call for both costs little
        more than one for one. Nothing of it is dropped. Of the rest it is counted, where there is no room, how many
        there were: what is refused has room that is kept for it alone.

        Returns:
            Whether it is, or will be, on record by itself.
        """
        self._pen.date(fields)
        if fields["of"] is not None:
            self._open -= 1
            self._pen.late.append(fields)
            if self._sync_timer is None and not self._syncing:
                self._sync_later()
        elif not ((fields["outcome"] == "refused" or self._has_room()) and self._write(fields)):
            outcome = fields["outcome"]
            self._uncounted[outcome] = self._uncounted.get(outcome, 0) + 1
            return False
        return True

    def note(self, what: str, **detail: Any) -> Entry:
        """Record what the daemon does by itself; ``kept`` waits for the disk."""
        fields = ours(what, detail)
        self._pen.date(fields)
        if not self._write(fields):
            self._pen.late.append(fields)
            return Entry(0, self._batch)
        return self._waited()

    def _write(self, fields: dict[str, Any] | None = None) -> bool:
        """Write what waits, and this behind it; False where that cannot be now."""
        if self._closed:
            return False
        before = self._pen.seq
        try:
            if not self._pen.write(fields):
                return False
        except StateError as error:
            self._fail(error)
            return False
        if self._pen.seq == before:
            return True
        if self._sync_timer is None and not self._syncing:
            self._sync_later()
        if self._move_timer is None:
            self._move_later()
        return True

    def _waited(self) -> Entry:
        """The record that was just written is waited for."""
        self._waited_for = True
        if not self._syncing:
            self._syncing = True
            self._loop.call_soon(self._sync)
        return Entry(self._pen.seq, self._batch)

    def _hand_over(self) -> Sequence[Body]:
        """What the thread has not been given."""
        self._write()
        return self._pen.take()

    @property
    def busy(self) -> bool:
        """Whether anything is yet to be written, kept or moved."""
        return self._sync_timer is not None or self._syncing or self._move_timer is not None or self._moving

    # Having the disk keep it.

    def _sync_later(self) -> None:
        if not self._closed:
            self._sync_timer = self._loop.call_later(_SYNC, self._sync)

    def _sync(self) -> None:
        if self._sync_timer is not None:
            self._sync_timer.cancel()
            self._sync_timer = None
        if self._closed:
            return
        self._syncing, self._waited_for = True, False
        batch, self._batch = self._batch, Batch()
        fresh, seq = self._hand_over(), self._pen.seq

        def job() -> None:
            try:
                self._ledger.take(fresh)
                self._journal.sync()
                self._ledger.keep_head()
                error: StateError | None = None
            except Exception as fault:  # noqa: BLE001 - as in _take
                error = _failed(fault)
            self._worker.tell(self._synced, batch, seq, error)

        self._worker.put(job)

    def _synced(self, batch: Batch, seq: int, error: StateError | None) -> None:
        self._syncing = False
        if error is not None:
            self._fail(error)
        batch.end(error)
        if self._waited_for:
            self._sync()
        elif self._pen.seq > seq:
            self._sync_later()

    def _fail(self, error: StateError) -> None:
        """Nothing is begun until the ledger has what the journal may have lost."""
        if self._fault is None:
            _log.error("nothing is done until it can be recorded: %s", error)
        self._fault = error
        self._move_later()

    # Moving it to the ledger.

    def _move_later(self) -> None:
        if self._move_timer is None and not self._moving and not self._closed:
            self._move_timer = self._loop.call_later(_MOVE, self._move)

    def _move(self) -> None:
        if self._move_timer is not None:
            self._move_timer.cancel()
            self._move_timer = None
        self._moving = True
        fresh = self._hand_over()
        self._worker.put(lambda: self._worker.tell(self._moved, self._take(fresh)))

    def _take(self, fresh: Sequence[Body]) -> StateError | None:
        """In the thread: have the ledger take records, and move all that it has; why it could not."""
        try:
            self._ledger.take(fresh)
            self._ledger.move()
        except Exception as error:  # noqa: BLE001 - nobody else would see it, and nothing may be done any more
            return _failed(error)
        self._worker.tell(self._taken, self._ledger.end.seq)
        self._rotation.look()
        return None

    def _taken(self, up_to: int) -> None:
        """So many are in the ledger: their part of the journal may be used again."""
        self._moved_to = up_to
        self._journal.release(up_to)
        if self._uncounted and self._write():
            uncounted, self._uncounted = self._uncounted, {}
            self.note("audit.uncounted", **uncounted)

    def _moved(self, error: StateError | None) -> None:
        self._moving = False
        if error is not None and self._stuck is None:
            _log.error("records stay in the journal, and once that is full nothing more is done: %s", error)
        elif error is None and (self._stuck or self._fault) is not None:
            _log.warning("the audit trail can be written again")
        self._stuck = error
        if error is None:
            self._fault = None
        if self._pen.seq > self._moved_to or error is not None:
            self._move_later()

    def _let_go(self, found: Overdue) -> None:
        """Record it first: the chain says itself from where on it is whole."""
        told = not self._closed and self.note(ROTATED, **found.told()).seq > 0
        fresh = self._hand_over()
        self._worker.put(lambda: self._rotation.go(found if self._take(fresh) is None and told else None))

    # What is asked.

    @property
    def health(self) -> AuditHealth:
        """How it fares."""
        stuck = self._stuck is not None or not self._has_room()
        return AuditHealth(stuck=stuck, old=self._rotation.old, young=self._rotation.young)

    async def page(
        self, query: AuditQuery, *, start: int | None = None, limit: int = 100, ascending: bool = False
    ) -> AuditPage:
        """Some records, in one direction. Cancelling is safe.

        Args:
            query: Which.
            start: The number of the first that may be meant; None for the latest, or the oldest where it ascends.
            limit: How many at most.
            ascending: From the oldest on.

        Raises:
            StateError: It cannot be read.
        """
        return await reading.page(self._ask, self._ledger, query, start=start, limit=limit, ascending=ascending)

    async def verify(self, known: Head | None = None) -> AuditReport:
        """Check the chain as far as it goes now, and its end against what is known of it elsewhere. Cancelling is safe.

        Args:
            known: An end that was kept elsewhere.

        Raises:
            StateError: It cannot be read.
        """
        return await reading.verify(self._ask, self._ledger, known)

    async def _ask(self, work: Callable[[], _T], /) -> _T:
        """Have the ledger asked, which takes first what was written before."""
        if self._closed:
            raise StateError("the audit trail is closed")
        fresh = self._hand_over()

        def job() -> _T:
            self._take(fresh)
            return work()

        return await _in_time(self._worker, job)

    async def aclose(self) -> None:
        """Have the ledger take all, and close; once is enough. What it cannot take stays in the journal.

        Raises:
            StateError: It did not end in time.
        """
        if self._closed:
            return
        self.note("audit.closed")
        fresh, ended = self._hand_over(), False
        self._closed = True
        for timer in (self._sync_timer, self._move_timer):
            if timer is not None:
                timer.cancel()
        if lost := len(self._pen.late) + sum(self._uncounted.values()):
            _log.error("%d ends and refusals are not recorded: there was no room", lost)
        try:
            await self._worker.ask(lambda: self._end(fresh), _CLOSE_TIMEOUT)
            ended = True
        except TimeoutError:
            raise StateError("the audit trail did not close in time") from None
        finally:
            self._batch.end(None if ended else StateError("the audit trail did not close in time"))
            self._worker.close(_CLOSE_TIMEOUT if ended else 0.0)

    def _end(self, fresh: Sequence[Body]) -> None:
        """In the thread: close all."""
        if (error := self._take(fresh)) is not None:
            _log.error("records stay in the journal: %s", error)
            self._journal.sync()
        self._ledger.keep_head()
        self._journal.close(keep=error is not None)
        self._ledger.close()


async def _in_time(worker: Worker, work: Callable[[], _T]) -> _T:
    """What comes of something that the thread does. Cancelling is safe: it is done all the same."""
    try:
        return await worker.ask(work, _TIMEOUT)
    except TimeoutError:
        raise StateError("the audit trail did not answer in time") from None


def _failed(error: Exception) -> StateError:
    return error if isinstance(error, StateError) else StateError(f"the audit trail failed: {error!r}")
