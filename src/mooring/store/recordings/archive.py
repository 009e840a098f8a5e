"""The recordings of a daemon: begun, listed, read, and let go when they are old or too many."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from functools import partial
from typing import TYPE_CHECKING, Final, Self, TypeVar

from ...model.errors import InvalidInput, StateError, UnknownRecording
from ...model.recording import Recording, RecordingSettings
from ..clock import Clock
from ..worker import Worker
from .cast import LARGEST
from .folder import ID, Folder
from .tape import Backlog, Tape

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping
    from pathlib import Path

    from ...model.access import Actor

    _Recordings = list[Recording]
    _Going = list[tuple[Recording, bool]]
    LetGo = Callable[[Recording, bool], None]

__all__ = ["FOLDER", "Archive"]

_T = TypeVar("_T")
_log: Final = logging.getLogger(__name__)
FOLDER: Final = "recordings"
"""In the state directory."""
_OPEN_TIMEOUT: Final = 30.0
_TIMEOUT: Final = 5.0
"""Seconds for the disk to answer."""
_CLOSE_TIMEOUT: Final = 3.0
_CHUNK: Final = 256 * 1024
_MOST: Final = 10_000
"""Recordings that are kept: each costs half a kilobyte of memory, and a line of the list."""
_BLOCK: Final = 4096
"""What a file takes of the disk at least."""
_USUAL: Final = 80, 24
_MIB: Final = 1 << 20
_DAY: Final = 86_400.0
_HOUR: Final = 3600.0


class Archive:
    """Them all: made by ``open``, and to be closed."""

    def __init__(self, path: Path, settings: RecordingSettings, clock: Clock, let_go: LetGo) -> None:
        self._settings = settings
        self._clock = clock
        self._tell = let_go
        self._folder = Folder(path, settings.free_mib)
        self._worker = Worker("recordings")
        self._backlog = Backlog()
        self._kept: dict[str, Recording] = {}
        self._tapes: dict[str, Tape] = {}
        self._trouble: StateError | None = None
        self._timer: asyncio.TimerHandle | None = None

    @classmethod
    async def open(
        cls,
        state_dir: Path,
        settings: RecordingSettings,
        clock: Clock | None = None,
        let_go: LetGo = lambda _recording, _young: None,
    ) -> Self:
        """Open the folder ``recordings`` in a directory; make it where it is missing.

        Args:
            state_dir: The daemon's own directory.
            settings: What is recorded, and for how long.
            clock: The time; None for the system's.
            let_go: Called with each that is let go, once it is gone, and whether it is younger than it may become.

        Raises:
            StateError: It cannot be used.
        """
        archive = cls(state_dir / FOLDER, settings, clock or Clock(), let_go)
        try:
            found = await archive._worker.ask(archive._folder.open, _OPEN_TIMEOUT)
        except TimeoutError:
            archive._worker.close(0)
            raise StateError(f"{state_dir / FOLDER} did not answer in time") from None
        except BaseException:
            archive._worker.close(_CLOSE_TIMEOUT)
            raise
        archive._kept = {recording.id: recording for recording in found}
        archive._look_for_overdue()
        return archive

    # What is recorded.

    async def check(self) -> None:
        """Look whether something can be recorded now, for ``begin``. Cancelling is safe."""
        try:
            await self._worker.ask(self._folder.check, _TIMEOUT)
        except TimeoutError:
            self._trouble = StateError("the disk of the recordings does not answer", hint="look at that disk")
        except StateError as error:
            self._trouble = error
        else:
            self._trouble = None

    def begin(self, actor: Actor, what: str, alias: str, term: str, size: tuple[int, int]) -> Tape:
        """Record a terminal from now on; ``check`` has been asked before.

        Args:
            actor: Who opened it.
            what: What they do, as the audit trail names it.
            alias: The session.
            term: What kind of terminal it is.
            size: Columns and rows; of one that cannot be, the usual ones.

        Raises:
            StateError: It cannot be recorded.
        """
        if self._trouble is not None:
            raise self._trouble
        began = round(self._clock.now(), 6)
        columns, rows = (said if 0 < said <= LARGEST else usual for said, usual in zip(size, _USUAL, strict=True))
        recording = Recording(
            id=f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime(began))}-{secrets.token_hex(4)}",
            alias=alias,
            who=actor.name,
            door=actor.door,
            what=what,
            began=began,
            seconds=None,
            bytes=0,
            columns=columns,
            rows=rows,
        )
        self._tapes[recording.id] = tape = Tape(
            recording,
            term,
            input=self._settings.input,
            max_mib=self._settings.max_mib,
            folder=self._folder,
            worker=self._worker,
            backlog=self._backlog,
            ended=self._ended,
        )
        return tape

    def _ended(self, tape: Tape) -> None:
        del self._tapes[tape.id]
        recording = tape.status()
        if recording.bytes:
            self._kept[recording.id] = recording
        self._let_go()

    # What there is.

    def list(self) -> _Recordings:
        """Them all, the oldest first."""
        return sorted((recording for recording in self._all() if recording.bytes), key=_age)

    def _all(self) -> _Recordings:
        return [*self._kept.values(), *(tape.status() for tape in self._tapes.values())]

    def find(self, recording_id: str) -> Recording:
        """One.

        Raises:
            UnknownRecording: There is none.
        """
        tape = self._tapes.get(recording_id)
        found = self._kept.get(recording_id) if tape is None else tape.status()
        if found is None:
            name = recording_id if ID.fullmatch(recording_id) else "that"
            raise UnknownRecording(f"no recording is called {name}", hint="`mooring rec list` shows all that there are")
        return found

    async def read(self, recording_id: str) -> AsyncGenerator[bytes]:
        """One as asciicast, as far as it goes now, in parts.

        Raises:
            UnknownRecording: There is none.
            StateError: It cannot be read.
        """
        size, start = self.find(recording_id).bytes, 0
        while start < size:
            part = await self._ask(lambda: self._folder.read(recording_id, start, min(_CHUNK, size - start)))  # noqa: B023 - awaited at once
            if not part:
                raise StateError(f"the recording {recording_id} is not whole any more")
            start += len(part)
            yield part

    async def remove(self, recording_id: str) -> Recording:
        """Let one go, and return what it was. Cancelling is safe: it is gone.

        Raises:
            UnknownRecording: There is none.
            InvalidInput: It goes on.
            StateError: It cannot be removed; it may be there after a restart.
        """
        recording = self.find(recording_id)
        if recording_id in self._tapes:
            raise InvalidInput(f"the recording {recording_id} goes on", hint="end its terminal first")
        del self._kept[recording_id]
        await self._ask(lambda: self._folder.remove(recording_id))
        return recording

    async def _ask(self, work: Callable[[], _T]) -> _T:
        try:
            return await self._worker.ask(work, _TIMEOUT)
        except TimeoutError:
            raise StateError("the disk of the recordings does not answer", hint="look at that disk") from None

    # What is let go.

    def _look_for_overdue(self) -> None:
        self._let_go()
        self._timer = asyncio.get_running_loop().call_later(_HOUR, self._look_for_overdue)

    def _let_go(self) -> None:
        oldest = sorted(self._kept.values(), key=_end)
        count = len(oldest) + len(self._tapes)
        used = sum(max(recording.bytes, _BLOCK) for recording in self._all())
        before = self._clock.least() - self._settings.keep_days * _DAY
        going: _Going = []
        for recording in oldest:
            too_many = count > _MOST or used > self._settings.keep_mib * _MIB
            overdue = _end(recording) < before
            if not too_many and not overdue:
                break
            going.append((recording, not overdue))
            del self._kept[recording.id]
            count -= 1
            used -= max(recording.bytes, _BLOCK)
        if going:
            ids = [recording.id for recording, _ in going]
            self._worker.submit(lambda: self._folder.clear(ids), partial(self._gone, going))

    def _gone(self, going: _Going, left: Mapping[str, StateError] | None, error: BaseException | None) -> None:
        """Tell of those that are gone; those that are left go with the next, or within the hour."""
        why_left = dict.fromkeys((recording.id for recording, _ in going), error) if left is None else left
        young = 0
        for recording, early in going:
            if recording.id in why_left:
                self._kept[recording.id] = recording
            else:
                self._tell(recording, early)
                young += early
        if young:
            said = young, self._settings.keep_days, self._settings.keep_mib, _MOST
            why = "%d recordings younger than keep_days = %g are let go: there is room for keep_mib = %d, and for %d"
            _log.warning(why, *said)
        if why_left:
            _log.warning("%d old recordings cannot be let go: %s", len(why_left), next(iter(why_left.values())))
        if gone := len(going) - len(why_left):
            _log.info("%d old recordings are let go", gone)

    async def aclose(self) -> None:
        """End what is recorded, and close; what the disk does not take in time is left."""
        if self._timer is not None:
            self._timer.cancel()
        for tape in list(self._tapes.values()):
            tape.end()
        try:
            await self._worker.ask(lambda: None, _CLOSE_TIMEOUT)
        except TimeoutError:
            _log.warning("the disk of the recordings did not take the last of them in time")
            self._worker.close(0)
        else:
            self._worker.close(_CLOSE_TIMEOUT)


def _age(recording: Recording) -> tuple[float, str]:
    return recording.began, recording.id


def _end(recording: Recording) -> float:
    return recording.began + (recording.seconds or 0)
