"""Callers wait here for a channel slot; who holds one is known by name."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import re
from collections import Counter, deque
from typing import TYPE_CHECKING, Final

from ..model.errors import ChannelLimit
from ..model.status import ChannelStatus
from .slots import Kind, Slots

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..model.errors import MooringError
    from ..transport.channel import SlotHolder

__all__ = ["ChannelGate", "Lease"]

_PROGRAM: Final = re.compile(r"[A-Za-z0-9_./-]{1,64}")


class Lease:
    """One taken slot. Exactly one of ``release`` and ``refused`` frees it; a second call does nothing."""

    __slots__ = ("_freed", "_gate", "_kind", "_since", "_what", "holder")

    def __init__(self, gate: ChannelGate, kind: Kind, what: str, since: float) -> None:
        self._gate = gate
        self._kind = kind
        self._what = what
        self._since = since
        self._freed = False
        self.holder: SlotHolder | None = None
        """The channel that it is for, as long as it is."""

    def use(self, what: str) -> None:
        """There is a command for it now."""
        self._what = what
        self._since = self._gate.now()

    def confirmed(self) -> None:
        """The server opened the channel."""
        self._gate.slots.confirmed(self._gate.now())

    def release(self) -> None:
        """The channel is closed on both sides, or was never asked for."""
        if self._free():
            self._gate.slots.closed(self._kind, self._gate.now())
            self._gate.freed.set()
            self._gate.grant()

    def refused(self) -> float:
        """The server would not open the channel; returns the seconds to pause before asking again."""
        pause = 0.0
        if self._free():
            pause = self._gate.slots.refused(self._kind, self._gate.now())
            self._gate.grant()
        return pause

    def _free(self) -> bool:
        freed, self._freed = self._freed, True
        if not freed:
            self._gate.holders.discard(self)
            self.holder = None
        return not freed

    @property
    def name(self) -> str:
        """What holds the slot: the kind, and the program where its name can hold no secret."""
        program = self._what.split(None, 1)[0] if self._what.strip() else ""
        name = f"{self._kind.value} {program}" if _PROGRAM.fullmatch(program) else self._kind.value
        return f"{name} (abandoned)" if self.abandoned else name

    @property
    def abandoned(self) -> bool:
        """Whether nobody is there for what runs on the channel any more, and it goes on."""
        return self.holder is not None and self.holder.abandoned

    @property
    def since(self) -> float:
        """When it was taken, monotonic."""
        return self._since


class ChannelGate:
    """The slots of one connection, and the queue before them.

    First come, first served, except that a waiting HELD channel lets a RUN pass to the slot kept for it, and that
    a KILL goes before all others.

    Args:
        alias: The session's name, for messages.
        channels: How many to begin with.
    """

    def __init__(self, alias: str, channels: int) -> None:
        self.slots = Slots(channels)
        self.holders: set[Lease] = set()
        self.now = asyncio.get_running_loop().time
        self._alias = alias
        self._queue: deque[tuple[Kind, str, asyncio.Future[Lease]]] = deque()
        self._closed: MooringError | None = None
        self.freed = asyncio.Event()
        self.ahead = 0
        """Slots taken for channels without a command; they are given up when somebody waits."""
        self.on_wait: Callable[[], None] = lambda: None
        """Called when somebody begins to wait."""

    def try_lease(self, kind: Kind, what: str) -> Lease | None:
        """A slot if one is free and nobody waits for it, else None."""
        if self._closed is None and not self._queue and self.slots.admits(kind):
            return self._take(kind, what)
        return None

    async def lease(self, kind: Kind, what: str, deadline: float, since: float) -> Lease:
        """Wait for a slot. Cancelling is safe: a slot handed over at that moment goes to the next.

        Args:
            kind: What it is for.
            what: The command, for the names of holders.
            deadline: When to give up, monotonic.
            since: When the caller began to wait, for the message.

        Raises:
            ChannelLimit: None became free in time; the message names who holds them.
            SessionNotUp: The connection was lost meanwhile; nothing was sent.
        """
        if (lease := self.try_lease(kind, what)) is not None:
            return lease
        if self._closed is not None:
            raise copy.copy(self._closed)
        waiter: asyncio.Future[Lease] = asyncio.get_running_loop().create_future()
        entry = (kind, what, waiter)
        if kind is Kind.KILL:
            self._queue.appendleft(entry)
        else:
            self._queue.append(entry)
        self.grant()
        if not waiter.done():
            self.on_wait()
        try:
            async with asyncio.timeout_at(deadline):
                return await waiter
        except BaseException as error:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                waiter.result().release()
            else:
                with contextlib.suppress(ValueError):
                    self._queue.remove(entry)
            if isinstance(error, TimeoutError):
                raise self.limit_error(since) from None
            raise

    async def pause(self, timeout: float) -> None:
        """Wait until a channel of ours closes, at most ``timeout`` seconds. Cancelling is safe."""
        self.freed.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self.freed.wait()

    def grant(self) -> None:
        """Hand free slots to those who wait, in their order."""
        for entry in tuple(self._queue):
            kind, what, waiter = entry
            if self.slots.taken >= self.slots.limit and kind is not Kind.KILL:
                break
            if not waiter.done() and self.slots.admits(kind):
                self._queue.remove(entry)
                waiter.set_result(self._take(kind, what))

    def close(self, error: MooringError) -> None:
        """The connection is gone: everybody who waits gets ``error``."""
        self._closed = error
        while self._queue:
            *_, waiter = self._queue.popleft()
            if not waiter.done():
                # One each: raising adds to an error's traceback.
                waiter.set_exception(copy.copy(error))
        self.freed.set()

    @property
    def waiting(self) -> int:
        """How many wait for a slot."""
        return len(self._queue)

    def status(self) -> ChannelStatus:
        """How it stands."""
        slots = self.slots
        return ChannelStatus(
            open=slots.taken - self.ahead,
            limit=slots.limit,
            waiting=self.waiting,
            refused=slots.refusals,
            ahead=self.ahead,
            abandoned=sum(lease.abandoned for lease in self.holders),
        )

    def _take(self, kind: Kind, what: str) -> Lease:
        self.slots.take(kind)
        lease = Lease(self, kind, what, self.now())
        self.holders.add(lease)
        return lease

    def limit_error(self, since: float) -> ChannelLimit:
        """That no slot became free since then, with the names of those who hold them."""
        names = Counter(lease.name for lease in sorted(self.holders, key=lambda lease: lease.since))
        held = ", ".join(f"{count} x {name}" if count > 1 else name for name, count in names.most_common(8))
        oldest = max((self.now() - lease.since for lease in self.holders), default=0.0)
        return ChannelLimit(
            f"{self._alias}: no channel became free within {round(self.now() - since, 1):g} s; "
            f"{self.slots.taken} of {self.slots.limit} are held by {held or 'nobody'}, "
            f"the oldest for {oldest:.0f} s",
            hint="close one, raise channels= where the server allows more, or wait longer",
        )
