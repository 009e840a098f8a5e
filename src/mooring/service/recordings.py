"""Recordings of terminals: begun for those that are to be recorded, and shown to those who may do everything."""

from __future__ import annotations

import logging
import signal
from typing import TYPE_CHECKING, Final

from ..model.access import Actor
from ..model.errors import StateError
from ..model.recording import Recording, RecordingSettings
from ..model.selector import Selector
from ..wire.frames import Terminal

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from ..session import Session
    from ..store.recordings.archive import Archive
    from ..store.recordings.tape import Tape
    from .audit import Audit

    _Recordings = list[Recording]

__all__ = ["NO_TERMINAL", "Recordings", "let_go", "status_of"]

_log: Final = logging.getLogger(__name__)
_SWITCH: Final = "[recordings] enabled = true in the daemon's configuration, and a restart, switches them on"
_OURSELVES: Final = Actor(name="mooringd", door="mooringd", grants=())
NO_TERMINAL: Final = Terminal("", 80, 24)
"""As what a shell without a terminal is recorded."""


class Recordings:
    """The recordings of a daemon. To see them takes ``admin`` on all: a terminal shows whatever its user may see.

    Args:
        archive: Has them; None where there are none, and will be none.
        settings: What is recorded.
    """

    def __init__(self, archive: Archive | None = None, settings: RecordingSettings | None = None) -> None:
        self._archive = archive
        self._settings = settings or RecordingSettings()
        self._selector = Selector.parse(self._settings.select)
        self.audit: Audit

    # What is recorded.

    @property
    def enabled(self) -> bool:
        """Whether any terminals are recorded."""
        return self._archive is not None and self._settings.enabled

    def wants(self, session: Session) -> bool:
        """Whether those on a session are."""
        return self.enabled and self._selector.matches(session.alias, session.labels)

    async def begin(
        self,
        actor: Actor,
        what: str,
        session: Session,
        term: Terminal,
        failed: Callable[[StateError], None],
    ) -> Tape | None:
        """Record a terminal from now on, if it is to be recorded. Cancelling is safe: there is none.

        Args:
            actor: Who opens it.
            what: What they do, as the audit trail names it.
            session: On which session.
            term: What kind of terminal it is, and its size.
            failed: Called when it can be recorded no longer, and must not go on therefore.

        Returns:
            What it is recorded on, which is on the disk; None where it is not.

        Raises:
            StateError: It cannot be recorded, and must not be opened therefore.
        """
        if self._archive is None or not self.wants(session):
            return None
        await self._archive.check()
        try:
            tape = self._archive.begin(actor, what, session.alias, term.type, (term.columns, term.rows))
        except StateError as error:
            self._refuse(session.alias, error)
            return None
        try:
            await tape.kept()
        except StateError as error:
            self._refuse(session.alias, error)
            return None
        except BaseException:
            tape.discard()
            raise
        if self._settings.required:
            tape.when_failed(lambda error: failed(_ended(error)))
        return tape

    def _refuse(self, alias: str, error: StateError) -> None:
        if self._settings.required:
            message = f"it is refused, since it cannot be recorded: {error.message}"
            raise StateError(message, hint=error.hint) from error
        _log.warning("a terminal on %s is not recorded: %s", alias, error)

    # What is asked of them.

    def list(self, actor: Actor) -> _Recordings:
        """Them all, the oldest first; those that go on too.

        Raises:
            NotAllowed: The actor may not do everything.
            StateError: Nothing is recorded here.
        """
        return self._asked(actor).list()

    async def read(self, actor: Actor, recording_id: str) -> AsyncGenerator[bytes]:
        """One as asciicast, as far as it goes now, in parts.

        Raises:
            NotAllowed, StateError: As ``list``.
            UnknownRecording: There is none of this id.
            StateError: It cannot be read.
        """
        archive = self._asked(actor)
        recording = archive.find(recording_id)
        async with self.audit.begin(actor, "admin.recording.read", recording.alias, recording=recording_id) as deed:
            await deed.kept()
            sent = 0
            async for part in archive.read(recording_id):
                sent += len(part)
                deed.tell(bytes=sent)
                yield part

    async def remove(self, actor: Actor, recording_id: str) -> Recording:
        """Let one go before its time, and return what it was. Cancelling is safe: it is gone.

        Raises:
            NotAllowed, StateError, UnknownRecording: As ``read``.
            InvalidInput: It goes on.
        """
        archive = self._asked(actor)
        recording = archive.find(recording_id)
        async with self.audit.begin(actor, "admin.recording.remove", recording.alias, recording=recording_id):
            return await archive.remove(recording_id)

    def _asked(self, actor: Actor) -> Archive:
        self.audit.check_everything(actor, "see recordings")
        if self._archive is None:
            raise StateError("this daemon records no terminals", hint=_SWITCH)
        return self._archive


def let_go(audit: Audit, recording: Recording, young: bool) -> None:  # noqa: FBT001 - as it is called
    """Have it recorded that a recording is let go, as old as it becomes or younger, since there are too many."""
    told = {"recording": recording.id, "opened_by": recording.who, "began": recording.began, "bytes": recording.bytes}
    audit.note(_OURSELVES, "recording.let_go", recording.alias, **told, **{"for": "size" if young else "age"})


def status_of(status: int | None, signal_name: str | None) -> int | None:
    """The exit status of what has ended as a shell has it: 128 and the number of the signal that ended it.

    Args:
        status: Its own; None where it is not known.
        signal_name: The signal, as SSH names it (RFC 4254, section 6.10); None for none.
    """
    if not signal_name:
        return status
    number = getattr(signal, f"SIG{signal_name}", None)
    return 128 + number if isinstance(number, signal.Signals) else None


def _ended(error: StateError) -> StateError:
    return StateError(f"it was ended, since it cannot be recorded: {error.message}", hint=error.hint)
