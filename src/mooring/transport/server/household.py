"""What the connections of one server share: the terms, the keys, the tasks of handlers, and who is there."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

import asyncssh

from ..callbacks import report

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from .keys import Keys
    from .owner import Owner
    from .terms import Terms

__all__ = ["Household"]

_TIMEOUT: Final = 2.0
"""Seconds in which handlers should end that were cancelled."""


class Household:
    """The connections of a server.

    Args:
        terms: What it was told.
        most: Clients that may be logged in at once.

    Attributes:
        keys: Which keys may log in; None where none may.
        owners: Its connections.
    """

    def __init__(self, terms: Terms, most: int) -> None:
        self.terms = terms
        self.keys: Keys | None = None
        self.owners: set[Owner] = set()
        self._most = most
        self._tasks: set[asyncio.Task[None]] = set()

    def make_server(self) -> asyncssh.SSHServer:
        """Who is asked what the terms do not say."""
        factory = self.terms.server_factory or asyncssh.SSHServer
        try:
            return factory()
        except Exception as error:  # noqa: BLE001 - a caller's, whatever it is
            report(factory, error, "the connection is ended")
            return _Nobody()

    def has_room(self) -> bool:
        """Whether one more may be logged in."""
        return len(self.logged_in()) < self._most

    def logged_in(self) -> list[asyncssh.SSHServerConnection]:
        """Who is."""
        return [owner.connection for owner in self.owners if owner.logged_in]

    def run(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run a handler as a task of ours."""
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def dismiss(self, *, cancel: bool = True) -> None:
        """Wait for the handlers to end, for a while."""
        for task in self._tasks if cancel else ():
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_TIMEOUT)

    def hang_up(self) -> None:
        """Cut the connections that we have made."""
        for owner in list(self.owners):
            if owner.dialed:
                owner.connection.abort()


class _Nobody(asyncssh.SSHServer):
    """Ends its connection."""

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        """Somebody came."""
        del conn
        raise asyncssh.ConnectionLost("Refused")
