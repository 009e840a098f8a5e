"""Items shared out to handlers on many hosts, each as fast as it answers; those of a host that dies go to others."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...model.errors import HandlerFailed, InvalidInput, MooringError, PipeError
from ...model.shares import NOBODY, Shares
from ..arguments import check_seconds

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ...model.shares import Share
    from .pipe import Pipe

__all__ = ["Outcome", "Spread"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one item: a result or an error, never both.

    Attributes:
        item: The item.
        host: Who answered; None where nobody did.
        result: What its handler returned.
        error: Why there is none; None where there is.
        tried: Hosts that had it and died before they answered: they may have dealt with it too.
    """

    item: Any
    host: str | None = None
    result: Any = None
    error: MooringError | None = None
    tried: tuple[str, ...] = ()


class Spread:
    """The sharing out. Add what is ``wanted``, take what is ``ready``, and close it at the end.

    Args:
        pipes: Started pipes by their hosts' names.
        window: Requests on their way to each: enough that a handler never waits for us.
        timeout: Seconds that a host has for an item; then it gets no more of them. None as long as it lives.

    Raises:
        InvalidInput: Those are no seconds.
    """

    def __init__(self, pipes: Mapping[str, Pipe], window: int = 4, timeout: float | None = None) -> None:
        check_seconds(timeout)
        self._timeout = timeout
        self._pipes = pipes
        self._shares: Shares[Any] = Shares(window)
        for host, pipe in pipes.items():
            if not pipe.ended:
                self._shares.join(host)
        self._ready: list[Outcome] = []
        self._changed = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def wanted(self) -> int:
        """How many more items it takes now; the others stay with the caller."""
        wanted = max(0, self._shares.wanted - len(self._ready))
        return wanted if self._shares.hosts else 1

    def add(self, items: Iterable[object]) -> None:
        """Share these out."""
        for item in items:
            self._shares.add(item)
        self._dispatch()

    def exchange(self, items: Iterable[object]) -> list[Outcome]:
        """Share these out; what has become of some items by now."""
        self.add(items)
        ready, self._ready = self._ready, []
        return ready

    async def ready(self) -> list[Outcome]:
        """What has become of some items; empty when all that was added is accounted for. Cancelling is safe."""
        while not self._ready and self._shares.left:
            self._changed.clear()
            await self._changed.wait()
        ready, self._ready = self._ready, []
        return ready

    async def aclose(self) -> None:
        """Give up what is under way."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(tuple(self._tasks))

    def _dispatch(self) -> None:
        while (share := self._shares.hand_out()) is not None:
            task = asyncio.create_task(self._carry(share))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        for item, tried in self._shares.orphans():
            self._account(Outcome(item=item, error=PipeError(NOBODY), tried=tried))

    async def _carry(self, share: Share[Any]) -> None:
        host, item, tried = share
        pipe = self._pipes[host]
        sent = not pipe.ended
        try:
            result = await pipe.request(item, timeout=self._timeout)
        except MooringError as error:
            if not pipe.ended and isinstance(error, (HandlerFailed, InvalidInput)):
                self._shares.done(share)
                self._account(Outcome(item=item, host=host, error=error, tried=tried))
            else:
                self._shares.leave(host)
                if (had := self._shares.again(share, sent=sent)) is not None:
                    self._account(Outcome(item=item, error=error, tried=had))
        else:
            self._shares.done(share)
            self._account(Outcome(item=item, host=host, result=result, tried=tried))
        self._dispatch()

    def _account(self, outcome: Outcome) -> None:
        self._ready.append(outcome)
        self._changed.set()
