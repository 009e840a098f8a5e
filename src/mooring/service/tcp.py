"""A TCP connection from the far side on (RFC 4254 section 7.2), with the face of a process: bytes both ways, an end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from ..model.errors import ChannelRefused
from ..session.attachment import OPEN_TIMEOUT
from ..transport.mapping import session_error

if TYPE_CHECKING:
    from ..session import Session

__all__ = ["TcpChannel", "open_tcp"]

_late: Final[set[asyncio.Task[Any]]] = set()
"""Openings that nobody waits for any more; each ends with its link at the latest."""


class _Nothing:
    """The standard error of what has none."""

    async def read(self, n: int = -1) -> bytes:  # noqa: ARG002 - as any reader
        """The end."""
        return b""


class TcpChannel:
    """What a process offers, for a TCP connection.

    Attributes:
        stdin: Where bytes go: AsyncSSH's writer.
        stdout: Where they come from: its reader. A lost session is an error of AsyncSSH's there.
        stderr: Nothing comes from here.
        exit_status: 0, once the far side has ended it.
        exit_signal: None.
    """

    exit_signal = None

    def __init__(self, reader: Any, writer: Any) -> None:  # noqa: ANN401 - AsyncSSH's, which is not imported here
        self.stdin = writer
        self.stdout = reader
        self.stderr = _Nothing()
        self._connection = writer.get_extra_info("connection")
        self._ended = False

    @property
    def exit_status(self) -> int | None:
        """0 once all has come."""
        return 0 if self.stdout.at_eof() else None

    @property
    def lost(self) -> bool:
        """Whether its end was that of the session: asked when it is closed, and of who has not ended it before."""
        return not self._ended and bool(self._connection.is_closed())

    def close(self) -> None:
        """End it."""
        self._ended = self._ended or not self._connection.is_closed()
        self.stdin.close()

    terminate = kill = close

    def send_signal(self, signal: str) -> None:
        """Nobody is there to take one."""

    def change_terminal_size(self, width: int, height: int, pixwidth: int = 0, pixheight: int = 0) -> None:
        """There is no terminal."""

    async def wait_closed(self) -> None:
        """End our side, too, and wait until it is closed. Cancelling is safe."""
        self.stdin.close()
        await self.stdin.wait_closed()


async def open_tcp(session: Session, host: str, port: int) -> TcpChannel:
    """Have the far side connect to a place that it knows by this name.

    Cancelling is safe: AsyncSSH would forget an opening that was cancelled, so it goes on by itself and is closed.

    Raises:
        SessionNotUp, SessionParked, SessionClosed: It is not up; nothing was sent.
        ChannelRefused: The far side cannot or may not connect, or does not answer.
        SessionLost: The session was lost meanwhile.
    """
    connection = session.connection
    opening = asyncio.create_task(connection.open_connection(host, port, encoding=None))
    try:
        await asyncio.wait((opening,), timeout=OPEN_TIMEOUT)
    except BaseException:
        _give_up(opening)
        raise
    if not opening.done():
        _give_up(opening)
        raise ChannelRefused(f"{session.alias} did not answer the opening of a connection in time")
    try:
        return TcpChannel(*opening.result())
    except Exception as error:
        raise session_error(error, session.alias, lost=connection.is_closed()) from error


def _give_up(opening: asyncio.Task[Any]) -> None:
    _late.add(opening)
    opening.add_done_callback(_close)


def _close(opening: asyncio.Task[Any]) -> None:
    _late.discard(opening)
    if not opening.cancelled() and opening.exception() is None:
        opening.result()[1].close()
