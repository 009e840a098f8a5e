"""One who looks at a terminal of the daemon's, and perhaps types."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from ..model.terminal import Notice, TerminalStatus, ViewerStatus
from ..session.terminal.terminal import check_size

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..model.access import Actor
    from ..model.result import TerminalEnd
    from ..session.terminal import Terminal, TerminalView
    from .audit import Deed

__all__ = ["Kept", "Viewer"]

_PROGRAM: Final = re.compile(r"[A-Za-z0-9_./-]{1,64}")


class Kept:
    """A terminal that outlives its viewers.

    Args:
        terminal: The terminal.
        name: Its name.
        actor: Who opened it.
        since: When, seconds since the epoch.
    """

    def __init__(self, terminal: Terminal, name: str, actor: Actor, since: float) -> None:
        self.terminal = terminal
        self.name = name
        self.actor = actor
        self.viewers: list[Viewer] = []
        self.driver: Viewer | None = None
        self._since = since

    @property
    def key(self) -> tuple[str, str]:
        """Its session's alias, and its name."""
        return self.terminal.alias, self.name

    def drive(self, viewer: Viewer | None) -> None:
        """What this viewer types goes to it from now on, and it has the size of theirs; all are told."""
        self.driver = viewer
        if viewer is not None:
            self.terminal.lead(viewer.view)
            if viewer.size == self.terminal.size:
                self.terminal.redraw()
            else:
                self.terminal.resize(*viewer.size)
        for each in self.viewers:
            each.view.tell()

    def status(self, ended: str | None = None) -> TerminalStatus:
        """How it stands."""
        terminal = self.terminal
        return TerminalStatus(
            alias=terminal.alias,
            name=self.name,
            program=_program(terminal.command),
            opened_by=self.actor.name,
            since=self._since,
            columns=terminal.size[0],
            rows=terminal.size[1],
            full_screen=terminal.full_screen,
            received=terminal.received,
            viewers=tuple(viewer.status() for viewer in self.viewers),
            ended=ended,
        )


def _program(command: str | None) -> str | None:
    """What of a command line can hold no secret."""
    word = (command or "").split(None, 1)[:1]
    return word[0] if word and _PROGRAM.fullmatch(word[0]) else None


class Viewer:
    """One who looks at a kept terminal: ``Terminals.open`` and ``attach`` make it, ``leave`` ends it.

    Args:
        kept: The terminal.
        actor: Who.
        size: Columns and rows of the viewer's own terminal.
        taking: Begins the record of their taking over; raises where they may not.
        deed: What records that they look, until they leave; None where the record of the terminal says so.
    """

    def __init__(
        self, kept: Kept, actor: Actor, size: tuple[int, int], taking: Callable[[], Deed], deed: Deed | None = None
    ) -> None:
        self.size = size
        self.view: TerminalView = kept.terminal.view()
        self._kept = kept
        self._actor = actor
        self._taking = taking
        self._deed = deed
        self._told: Notice | None = None
        kept.viewers.append(self)

    @property
    def name(self) -> str:
        """The terminal's name."""
        return self._kept.name

    @property
    def drives(self) -> bool:
        """Whether what they type goes to the terminal."""
        return self._kept.driver is self

    async def read(self) -> bytes | Notice:
        """What the terminal shows next, or how they stand to it now, where that has changed; b"" at its end.

        Cancelling is safe.
        """
        while True:
            notice = self._notice()
            if notice != self._told and not self.view.begins:  # what is shown again would wipe it out
                if self._told is not None and notice.missed != self._told.missed:
                    self._kept.terminal.redraw()
                self._told = notice
                return notice
            if data := self.view.take():
                return data
            if self._kept.terminal.ended:
                return b""
            await self.view.wait()

    async def write(self, data: bytes) -> None:
        """Type something; of who only looks on, nothing is typed. Cancelling is safe.

        Raises:
            TerminalEnded, SessionLost: It has ended.
        """
        if self.drives:
            await self._kept.terminal.write(data)

    def write_eof(self) -> None:
        """Who types nothing more may still look."""

    def resize(self, columns: int, rows: int) -> None:
        """The viewer's own terminal has another size; where it has not, what fills the screen is drawn anew.

        Raises:
            InvalidInput: It is no size.
        """
        before, self.size = self.size, check_size((columns, rows))
        if self.drives:
            if self.size == before:
                self._kept.terminal.redraw()
            else:
                self._kept.terminal.resize(columns, rows)

    async def take(self) -> None:
        """Drive from now on; who did before looks on. Cancelling is safe: they drive.

        Raises:
            UnknownAlias, NotAllowed: They may not, or no longer.
            StateError: It cannot be recorded.
        """
        if not self.drives and not self._kept.terminal.ended:
            async with self._taking():
                self._kept.drive(self)

    def leave(self) -> None:
        """Look no more; the terminal goes on. More than once is fine."""
        if self in self._kept.viewers:
            self._kept.viewers.remove(self)
            self._kept.terminal.leave(self.view)
            if self.drives:
                self._kept.drive(None)
            if self._deed is not None:
                self._deed.end()

    def end(self) -> TerminalEnd:
        """How the terminal ended.

        Raises:
            SessionLost, TerminalEnded: As ``Terminal.wait`` has them.
        """
        return self._kept.terminal.end()

    def status(self) -> ViewerStatus:
        """How they stand."""
        return ViewerStatus(actor=self._actor.name, drives=self.drives, missed=self.view.missed)

    def _notice(self) -> Notice:
        driver = self._kept.driver
        return Notice(
            drives=driver is self, driver=None if driver is None else driver.status().actor, missed=self.view.missed
        )
