"""How fast a terminal may show: as fast as one view reads, unless that stands still."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from .view import TerminalView

__all__ = ["PATIENCE", "Pace"]

PATIENCE: Final = 3.0
"""Seconds for which the far side waits for a view that reads nothing: longer than a link hesitates."""


class _ReadOn(Protocol):
    def __call__(self, *, on: bool) -> None: ...


class Pace:
    """Holds the far side back for the view that leads.

    Without it, whoever prints much would lose the middle of it on a slow link. A view that reads nothing for
    ``PATIENCE`` is not waited for any more, until it has read all there is.

    Args:
        size: Bytes of the scroll-back, past which a view misses something.
        read_on: Lets the far side go on, or not.
    """

    def __init__(self, size: int, read_on: _ReadOn) -> None:
        self._high = size // 2
        self._low = size // 4
        self._read_on = read_on
        self._leader: TerminalView | None = None
        self._seen = 0
        self._given_up = False
        self._timer: asyncio.TimerHandle | None = None

    def follow(self, view: TerminalView) -> None:
        """This view leads from now on."""
        self.stop()
        self._leader = view
        self._given_up = False

    def forget(self, view: TerminalView) -> None:
        """This view leads no more."""
        if self._leader is view:
            self.stop()
            self._leader = None

    def check(self) -> None:
        """More was shown."""
        leader = self._leader
        if leader is not None and not self._given_up and self._timer is None and leader.behind > self._high:
            self._read_on(on=False)
            self._wait(leader)

    def moved(self, view: TerminalView) -> None:
        """A view has read on."""
        if view is not self._leader:
            return
        if self._timer is not None and view.behind <= self._low:
            self.stop()
        if self._given_up and not view.behind:
            self._given_up = False

    def stop(self) -> None:
        """Let the far side go on."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._read_on(on=True)

    def _wait(self, leader: TerminalView) -> None:
        self._seen = leader.position
        self._timer = asyncio.get_running_loop().call_later(PATIENCE, self._out_of_patience, leader)

    def _out_of_patience(self, leader: TerminalView) -> None:
        if leader.position != self._seen:
            self._wait(leader)
            return
        self._given_up = True
        self.stop()
