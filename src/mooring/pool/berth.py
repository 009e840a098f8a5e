"""One task a device: hold the connection it brought, and wait for the next."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from ..model.errors import SessionError, SessionLost
from ..model.status import SessionState
from .keeper import Keeper

if TYPE_CHECKING:
    from ..model.errors import MooringError
    from ..session import Session
    from ..transport.link import Link
    from ..transport.route import Route
    from .keeper import Fleet

__all__ = ["Berth"]

_log: Final = logging.getLogger(__name__)
_REPLACED: Final = "the device called again: its newer connection took the place of this one"


class Berth(Keeper):
    """Keeps one session that a device brings: nothing is dialed, it is waited for.

    ``moor`` gives it a connection, which takes the place of one that it has: the device knows better than we do
    whether that one still stands.
    """

    def __init__(self, session: Session, route: Route, fleet: Fleet) -> None:
        super().__init__(session, route, fleet)
        self._newer: Link | None = None

    def moor(self, link: Link) -> None:
        """Hold a connection from now on."""
        if self._stopping:
            link.connection.abort()
            return
        if self._newer is not None:
            self._newer.connection.abort()
        self._newer = link
        self._wake.set()

    @property
    def parked(self) -> bool:
        """Whether a person must act first: then its calls are hung up on before the login."""
        return self.session.state is SessionState.PARKED

    async def park(self, error: MooringError) -> None:
        """A login failed: try no more until a person says so. A connection that stands is left alone."""
        if self.session.state is SessionState.AWAITING:
            self.session.connecting("it called")
            await self._part(SessionState.PARKED, error, error.message)

    def retry(self, reason: str = "told to try again") -> None:
        """Let it in at its next call."""
        if self.session.state is SessionState.PARKED:
            self.session.connecting(reason)
            self._wake.set()

    def nudge(self, seconds: float) -> None:
        """Nothing: the device comes when it comes."""

    async def run(self) -> None:
        """Hold what comes, until cancelled."""
        self._begun = True
        try:
            await self._part(SessionState.AWAITING, None, "waits for its call")
            while not self._stopping:
                await self._wake.wait()
                self._wake.clear()
                try:
                    await self._hold()
                except Exception as bug:  # noqa: BLE001 - logged, and shown by the session
                    # As for one that is dialed: parked, since its next call would only repeat it.
                    _log.exception("%s: failed unexpectedly", self.session.alias)
                    error = SessionError(f"internal error: {type(bug).__name__}", hint="please report the log")
                    await self._part(SessionState.PARKED, error, error.message)
        finally:
            if self._newer is not None:
                self._newer.connection.abort()
            await self._part(SessionState.CLOSED, None, "closed by us")

    async def _hold(self) -> None:
        """One connection's whole life, up to its loss or its replacement."""
        link, self._newer = self._newer, None
        if self.session.state is SessionState.CONNECTING:  # it was told to try again
            await self._part(SessionState.AWAITING, None, "waits for its call")
        if link is None:
            return
        self._link = link
        self.session.connecting(f"it called from {link.peer}")
        self.session.attach(link, f"called home from {link.peer}")
        self._fleet.connected(self)
        error = await self._lost_or_replaced(link)
        self._fleet.lost(self, link)
        if self._newer is not None:
            link.connection.abort()  # it may be half open, and a goodbye would take its time
        await self._part(SessionState.AWAITING, error, error.message)

    async def _lost_or_replaced(self, link: Link) -> SessionLost:
        lost = asyncio.ensure_future(link.wait_lost())
        called = asyncio.ensure_future(self._wake.wait())
        try:
            await asyncio.wait((lost, called), return_when=asyncio.FIRST_COMPLETED)
            return lost.result() if lost.done() else SessionLost(_REPLACED)
        finally:
            for task in (lost, called):
                task.cancel()
            await asyncio.gather(lost, called, return_exceptions=True)
