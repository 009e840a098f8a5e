"""One recording that goes on: the loop says what happens, a thread writes it down a moment later."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final, TypeAlias

from ...model.errors import StateError
from .cast import LARGEST, Cast, header
from .folder import CastFile

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ...model.recording import Recording
    from ..worker import Worker
    from .folder import Folder

__all__ = ["Backlog", "Tape"]

_Events: TypeAlias = "list[tuple[float, str, bytes]]"

_log: Final = logging.getLogger(__name__)
_SOON: Final = 0.1
"""Seconds after which something is written: what a daemon that is killed has not recorded."""
_AT_ONCE: Final = 64 * 1024
"""Bytes that are written without waiting for more."""
_BEHIND: Final = 8 << 20
"""Bytes of one recording that wait for the disk; with more, it does not keep up."""
_ALL_BEHIND: Final = 64 << 20
"""The same of all."""
_EVENT: Final = 128
"""Bytes that an event costs beside its data."""
_KEEP_TIMEOUT: Final = 5.0
_WRITE_TIMEOUT: Final = 10.0
"""Seconds after which a disk that has not taken what is written does not answer, however little that is."""
_MIB: Final = 1 << 20


class Backlog:
    """Bytes that wait for the disk, of all recordings together.

    Args:
        one: Of one of them at most.
        all: Of all.
    """

    def __init__(self, one: int = _BEHIND, all: int = _ALL_BEHIND) -> None:  # noqa: A002 - the word for it
        self.one = one
        self.all = all
        self.now = 0


class Tape:
    """What a terminal shows, recorded until ``end``. Nothing here waits, and nothing is raised.

    Args:
        recording: What is known of it.
        term: What kind of terminal it is.
        input: Whether what is typed is recorded too.
        max_mib: MiB with which it ends.
        folder: Where.
        worker: Writes.
        backlog: What waits for the disk.
        ended: Called when it has ended and its file is closed.
    """

    def __init__(
        self,
        recording: Recording,
        term: str,
        *,
        input: bool,  # noqa: A002 - as the setting is called
        max_mib: int,
        folder: Folder,
        worker: Worker,
        backlog: Backlog,
        ended: Callable[[Tape], None],
    ) -> None:
        self._began = time.monotonic()
        self._recording = recording
        self._input = input
        self._worker = worker
        self._backlog = backlog
        self._ended = ended
        self._writer = _Writer(folder, recording, term, self._began, max_mib)
        self._events: _Events = []
        self._waiting = self._writing = 0
        self._keep = True
        self._timer: asyncio.TimerHandle | None = None
        self._hung: asyncio.TimerHandle | None = None
        self._opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._failed: Callable[[StateError], None] | None = None
        self._over = False
        self.error: StateError | None = None
        """Why it has ended before its time."""
        worker.submit(self._writer.open, self._has_begun)

    @property
    def id(self) -> str:
        """Its name."""
        return self._recording.id

    def status(self) -> Recording:
        """How it stands."""
        return self._recording

    async def kept(self) -> None:
        """Wait until its file is there, for five seconds at most. Cancelling is safe.

        Raises:
            StateError: It cannot be recorded.
        """
        await asyncio.wait((self._opened,), timeout=_KEEP_TIMEOUT)
        if not self._opened.done():
            self._fail(_no_answer())
        if self.error is not None:
            raise self.error

    def when_failed(self, told: Callable[[StateError], None]) -> None:
        """Call this when it ends before its time; at once where it has."""
        self._failed = told
        if self.error is not None:
            told(self.error)

    # What happens.

    def output(self, data: bytes | memoryview) -> None:
        """The terminal shows something."""
        self._add("o", bytes(data))

    def input(self, data: bytes | memoryview) -> None:
        """Somebody types something; it is recorded where that was asked for."""
        if self._input:
            self._add("i", bytes(data))

    def resize(self, columns: int, rows: int) -> None:
        """The terminal has another size; one that cannot be is passed over."""
        if 0 < columns <= LARGEST and 0 < rows <= LARGEST:
            self._add("r", b"%dx%d" % (columns, rows))

    def end(self, status: int | None = None) -> None:
        """It has ended; once is enough.

        Args:
            status: The exit status of what ran; None where it is not known.
        """
        if not self._over and status is not None:
            self._add("x", b"%d" % status)
        self._finish()

    def discard(self) -> None:
        """There is nothing to be recorded after all."""
        self._keep = False
        self._finish()

    def _add(self, code: str, data: bytes) -> None:
        if self._over or not data:
            return
        self._events.append((time.monotonic(), code, data))
        cost = len(data) + _EVENT
        self._waiting += cost
        self._backlog.now += cost
        if self._waiting + self._writing > self._backlog.one or self._backlog.now > self._backlog.all:
            self._drop()
            self._events.append((time.monotonic(), "m", b"the recording ends here: the disk did not keep up"))
            self._fail(StateError("the disk of the recordings does not keep up", hint="look at that disk"))
        elif self._waiting >= _AT_ONCE:
            self._write()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_SOON, self._write)

    def _drop(self) -> None:
        self._events = []
        self._backlog.now -= self._waiting
        self._waiting = 0

    # How it is written.

    def _has_begun(self, size: int | None, error: BaseException | None) -> None:
        if not self._opened.done():
            self._opened.set_result(None)
        if error is None:
            self._recording = replace(self._recording, bytes=size or 0)
        else:
            self._fail(_told(error))

    def _write(self) -> None:
        """Have written what waits, unless something is being written: then it follows."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._writing or not self._events or self._over:
            return
        events, self._events = self._events, []
        self._writing, self._waiting = self._waiting, 0
        self._hung = asyncio.get_running_loop().call_later(_WRITE_TIMEOUT, lambda: self._fail(_no_answer()))
        self._worker.submit(lambda: self._writer.write(events), self._written)

    def _written(self, size: int | None, error: BaseException | None) -> None:
        self._answered()
        self._backlog.now -= self._writing
        self._writing = 0
        if size is not None:
            self._recording = replace(self._recording, bytes=size)
        if error is not None:
            self._fail(_told(error))
        elif self._waiting >= _AT_ONCE:
            self._write()
        elif self._events and self._timer is None and not self._over:
            self._timer = asyncio.get_running_loop().call_later(_SOON, self._write)

    def _answered(self) -> None:
        if self._hung is not None:
            self._hung.cancel()
            self._hung = None

    def _fail(self, error: StateError) -> None:
        if self._over:
            return
        self.error = error
        _log.warning("the recording %s of %s ends: %s", self.id, self._recording.alias, error)
        self._finish()
        if self._failed is not None:
            self._failed(error)

    def _finish(self) -> None:
        """Write the last of it, and close it."""
        if self._over:
            return
        self._over = True
        self._answered()
        if self._timer is not None:
            self._timer.cancel()
        events, self._events = self._events, []
        waiting, self._waiting = self._waiting, 0
        seconds = round(time.monotonic() - self._began, 6)

        def finished(_: None, error: BaseException | None) -> None:
            self._backlog.now -= waiting
            if error is not None:
                _log.warning("the end of the recording %s may be missing: %s", self.id, error)
            self._recording = replace(self._recording, seconds=seconds, bytes=self._writer.size)
            self._ended(self)

        self._worker.submit(lambda: self._writer.close(events, seconds, keep=self._keep), finished)


class _Writer:
    """What the thread does of it.

    Attributes:
        size: Bytes that are in the file; 0 where there is none.
    """

    def __init__(self, folder: Folder, recording: Recording, term: str, began: float, max_mib: int) -> None:
        self._folder = folder
        self._path = folder.place(recording.id)
        self._recording = recording
        self._header = header(recording, term)
        self._began = began
        self._max = max_mib
        self._cast = Cast(began)
        self._file: CastFile | None = None
        self.size = 0

    def open(self) -> int:
        self._folder.check()
        file = CastFile(self._path)
        try:
            file.write(self._header)
        except StateError:
            file.close(self._recording.began)
            self._folder.remove(self._recording.id)
            raise
        self._file = file
        return file.size

    def write(self, events: _Events) -> int:
        """Write events down, as long as there is room for them; else a remark, and StateError."""
        file = self._file
        if file is None:
            return 0
        room = self._max * _MIB - file.size
        lines = self._lines(events, room)
        try:
            self._folder.check()
            file.write(b"".join(lines))
        except StateError:
            self._remark(file, "there is no room for it on the disk")
            raise
        if len(lines) < len(events):
            self._remark(file, f"it has its maximum of {self._max} MiB")
            raise StateError(
                f"the recording has its maximum of {self._max} MiB", hint="max_mib of [recordings] may be larger"
            )
        return file.size

    def _lines(self, events: Sequence[tuple[float, str, bytes]], room: int) -> list[bytes]:
        lines = []
        for at, code, data in events:
            line = self._cast.event(at, code, data)
            room -= len(line)
            if room < 0:
                break
            lines.append(line)
        return lines

    def _remark(self, file: CastFile, why: str) -> None:
        with contextlib.suppress(StateError):
            file.write(self._cast.event(time.monotonic(), "m", f"the recording ends here: {why}".encode()))

    def close(self, events: _Events, seconds: float, *, keep: bool) -> None:
        """Write the last, and close it."""
        file = self._file
        if file is None:
            return
        try:
            if shown := [event for event in events if event[1] != "x"]:
                self.write(shown)
            last = self._lines([event for event in events if event[1] == "x"], self._max * _MIB)
            file.write(b"".join([self._cast.rest(self._began + seconds), *last]))
        finally:
            self._file, self.size = None, file.size if keep else 0
            file.close(self._recording.began + seconds)
        if not keep:
            self._folder.remove(self._recording.id)


def _no_answer() -> StateError:
    return StateError("the disk of the recordings does not answer", hint="look at that disk")


def _told(error: BaseException) -> StateError:
    return error if isinstance(error, StateError) else StateError(f"the recording failed: {error!r}")
