"""Whether what is sent on a connection leaves, for those who send as much as another connection brings.

A peer that is logged in and takes nothing has its connection ended over what no window bounds: our answers, a key
exchange that does not end, questions that wait for one another.
"""

from __future__ import annotations

import asyncio
import weakref
from typing import TYPE_CHECKING, Any, Final, Protocol

from asyncssh import ConnectionLost, ProtocolError
from asyncssh.constants import (
    MSG_CHANNEL_FAILURE,
    MSG_CHANNEL_OPEN_CONFIRMATION,
    MSG_CHANNEL_OPEN_FAILURE,
    MSG_CHANNEL_SUCCESS,
    MSG_REQUEST_FAILURE,
    MSG_REQUEST_SUCCESS,
    MSG_UNIMPLEMENTED,
)

if TYPE_CHECKING:
    from asyncssh.connection import SSHConnection

__all__ = ["ANSWERS", "Flow", "flow_of"]

ANSWERS: Final = frozenset(
    {
        MSG_UNIMPLEMENTED,
        MSG_REQUEST_SUCCESS,
        MSG_REQUEST_FAILURE,
        MSG_CHANNEL_OPEN_CONFIRMATION,
        MSG_CHANNEL_OPEN_FAILURE,
        MSG_CHANNEL_SUCCESS,
        MSG_CHANNEL_FAILURE,
    }
)
"""What we send because the peer has asked, and it never said that it would take it."""
_UNREAD: Final = 256 * 1024
"""Bytes of answers that may wait, which is two thousand: a browser behind a slow link asks hundreds at once, and a user
of the gateway may have 512 connections."""
_COSTS: Final = 128
"""Bytes that an answer costs beside what is in it, while it waits."""
_EXCHANGE: Final = 60.0
"""Seconds for new keys, or for some of what is sent to leave: on a slow link they come behind what lay in buffers."""
_ALL_HELD: Final = 1024 * 1024
"""Bytes of questions and answers on all channels that have not left."""
_QUESTIONS: Final = 256
"""Global requests that wait for the one before them, which is more than the listeners that anybody may have."""
_QUESTION_BYTES: Final = 1024 * 1024
"""Bytes of those, and of the one before them; each may have the size of a packet."""
_flows: Final[weakref.WeakKeyDictionary[SSHConnection, Flow]] = weakref.WeakKeyDictionary()


class Waiter(Protocol):
    """Who waits until it leaves."""

    def grant(self) -> None:
        """It does."""


class _Questions(list[Any]):
    """Global requests of a peer: one is looked at when that before it is answered."""

    def append(self, question: Any) -> None:
        """Take one more."""
        size = sum(len(packet.get_full_payload()) for _, packet, _ in (*self, question))
        if len(self) >= _QUESTIONS or size > _QUESTION_BYTES:
            raise ProtocolError("Too many requests at once")
        super().append(question)


class Flow:
    """Whether what is sent on a connection leaves, and who waits for it."""

    __slots__ = ("_all_held", "_answers", "_connection", "_exchange", "_held", "_paused", "waiting")

    def __init__(self, connection: SSHConnection) -> None:
        self._connection = weakref.ref(connection)
        self._paused = False
        self._held: weakref.WeakKeyDictionary[Waiter, int] | None = None
        self._all_held = self._answers = 0
        self._exchange: asyncio.TimerHandle | None = None
        self.waiting: set[Waiter] = set()

    @property
    def full(self) -> bool:
        """Whether it does not: the buffer is full, or new keys are agreed on, and AsyncSSH keeps it meanwhile."""
        connection = self._connection()
        return self._paused or (connection is not None and not connection._kex_complete)  # noqa: SLF001

    def hold(self, waiter: Waiter, size: int) -> int:
        """Count what is sent for somebody though nobody said that it would be taken.

        Returns:
            Bytes of theirs that have not left; of all, where those are more than one may have.
        """
        if not self.full:
            return 0
        if self._held is None:
            self._held = weakref.WeakKeyDictionary()
        held = self._held[waiter] = self._held.get(waiter, 0) + size
        self._all_held += size
        return self._all_held if self._all_held > _ALL_HELD else held

    def answer(self, size: int) -> None:
        """Count an answer. Who leaves too many unread is hung up on."""
        if self.full:
            self._answers += size + _COSTS
            if self._answers > _UNREAD:
                self._end("it asks, and does not read the answers")

    def _end(self, why: str) -> None:
        connection = self._connection()
        if connection is not None:
            connection.connection_lost(ConnectionLost(why))

    def pause(self) -> None:
        """Its buffer is full."""
        self._paused = True

    def resume(self) -> None:
        """It has left."""
        self._paused = False
        self._go_on()

    def agreed(self) -> None:
        """There are new keys: what was kept is sent."""
        self._stop_waiting()
        self._answers = 0  # they are counted as they are sent
        connection = self._connection()
        if connection is not None:
            type(connection)._send_deferred_packets(connection)  # noqa: SLF001
        self._go_on()

    def _go_on(self) -> None:
        if self.full:
            return
        self._held = None
        self._all_held = self._answers = 0
        waiting, self.waiting = self.waiting, set()
        for side in waiting:
            side.grant()

    # Of who is logged in.

    def bound(self) -> None:
        """Have key exchanges end in time, and the peer ask no more at once than anybody needs: it is logged in."""
        connection: Any = self._connection()
        connection._global_request_queue = _Questions(connection._global_request_queue)  # noqa: SLF001
        connection._send_kexinit = self._exchanging  # noqa: SLF001
        if not connection._kex_complete:  # noqa: SLF001 - it began one while it logged in
            self._await_keys(None)

    def _exchanging(self) -> None:
        """A key exchange begins, whichever side wants it."""
        connection: Any = self._connection()
        type(connection)._send_kexinit(connection)  # noqa: SLF001
        self._stop_waiting()
        self._await_keys(None)

    def _stop_waiting(self) -> None:
        if self._exchange is not None:
            self._exchange.cancel()
            self._exchange = None

    def _await_keys(self, before: int | None) -> None:
        """End the connection if there are no new keys in time, unless something has left since: then wait again."""
        connection = self._connection()
        transport: Any = connection and connection._transport  # noqa: SLF001
        if transport is None:
            return
        unsent = transport.get_write_buffer_size()
        if before is not None and not 0 < unsent < before:
            self._end("a key exchange did not end")
        else:
            self._exchange = asyncio.get_running_loop().call_later(_EXCHANGE, self._await_keys, max(unsent, 1))


def flow_of(connection: SSHConnection) -> Flow:
    """The flow of a connection, watched from now on; AsyncSSH itself looks at none."""
    flow = _flows.get(connection)
    if flow is None:
        flow = _flows[connection] = Flow(connection)
        connection.pause_writing = flow.pause  # type: ignore[method-assign]
        connection.resume_writing = flow.resume  # type: ignore[method-assign]
        connection._send_deferred_packets = flow.agreed  # type: ignore[method-assign] # noqa: SLF001
    return flow
