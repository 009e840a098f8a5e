"""What the tests of the pool share: how to reach a real peer, and bounds on waiting."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Protocol, TypeVar

from mooring import Pool, Session
from mooring.model.status import SessionState
from tests.peers.keys import public_line
from tests.peers.sshd import Sshd

KEEPALIVE = 0.3
"""For who is to notice a silent link soon: a peer that gets no time for three of these is lost, too."""
BOUND = 30.0
"""Seconds for what should happen soon; what is promised within a time is held to that in test_faults."""

_TURN = 0.02
_T = TypeVar("_T")


class Port(Protocol):
    """Something on 127.0.0.1."""

    @property
    def port(self) -> int:
        """Its port."""


def reach(server: Sshd, at: Port | None = None, **keywords: Any) -> dict[str, Any]:
    """Keywords of ``Pool.start`` that get into a server, directly or by a link before it."""
    return {
        "username": server.user,
        "port": (at or server).port,
        "identity": [str(server.client_key)],
        "host_key": public_line(server.host_keys[0]),
        "agent_path": None,
        "keepalive": 5.0,
        "connect_timeout": 5.0,
        **keywords,
    }


async def hold(pool: Pool, alias: str, server: Sshd, at: Port | None = None, **keywords: Any) -> Session:
    """A session to a server that is up."""
    session = await pool.start(f"{alias}://127.0.0.1", **reach(server, at, **keywords))
    await session.wait_up(timeout=30)
    return session


async def until(session: Session, *states: SessionState, timeout: float = BOUND) -> None:
    """Wait until a session stands in one of the states; TimeoutError where it does not in time."""
    async with asyncio.timeout(timeout):
        while session.state not in states:
            await session.wait_change()


@contextlib.asynccontextmanager
async def within(seconds: float) -> AsyncIterator[None]:
    """Hold a block to a time that is promised: as long as the loop turns, since nobody is quick who gets no time.

    Raises:
        TimeoutError: It takes longer.
    """

    async def count() -> None:
        for _ in range(round(seconds / _TURN)):  # a turn that comes late counts as one
            await asyncio.sleep(_TURN)
        bound.reschedule(asyncio.get_running_loop().time())

    async with asyncio.timeout(None) as bound:
        counting = asyncio.create_task(count())
        try:
            yield
        finally:
            counting.cancel()


async def true(holds: Callable[[], bool], timeout: float = 30.0) -> None:
    """Wait until something holds of which no event tells."""
    async with asyncio.timeout(timeout):
        while not holds():  # noqa: ASYNC110 - as said
            await asyncio.sleep(0.005)


async def soon(call: Awaitable[_T], timeout: float = BOUND) -> _T:
    """What comes of a call, within the bound."""
    async with asyncio.timeout(timeout):
        return await call


async def logged(server: Sshd, pattern: str, count: int = 1, since: int = 0) -> None:
    """Wait for lines in a server's log without holding up the loop."""
    await asyncio.to_thread(server.wait_log, pattern, count=count, since=since)


def quick() -> float:
    """Dice for a back-off of a tenth of its step."""
    return 0.1


def slow() -> float:
    """Dice for a back-off of its whole step."""
    return 1.0


Dice = Callable[[], float]
