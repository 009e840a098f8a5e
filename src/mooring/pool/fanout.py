"""One command on many sessions, outcomes as they come."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from ..model.amount import amount
from ..model.errors import BudgetSpent, InvalidInput, MooringError
from ..model.result import RunOutcome

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence

    from ..model.result import CommandResult
    from ..session import Session

    Call = Callable[[Session], Awaitable[CommandResult[Any]]]

__all__ = ["Begun", "FanOutLimits", "Selected", "fan_out", "outcomes"]


class Selected(NamedTuple):
    """The first step of a fan-out.

    Attributes:
        aliases: All sessions that are meant, in the order in which they have their turn.
    """

    aliases: tuple[str, ...]


class Begun(NamedTuple):
    """A session has its turn: what is to be run may run from now on.

    Attributes:
        alias: Which.
    """

    alias: str


@dataclass(frozen=True, slots=True)
class FanOutLimits:
    """How much at once, and until when.

    Attributes:
        concurrency: Sessions at once; and so many outcomes wait for a slow reader, then the rest waits too.
        batch: So many, or such a share of all (``10%``), must have ended before any other begins. None for one batch.
        max_failures: After so many errors and statuses other than 0, or such a share of all, no further session is
            tried: each of the rest gets ``BudgetSpent``. None for no end.
    """

    concurrency: int
    batch: int | str | None
    max_failures: int | str | None


def fan_out(
    sessions: Sequence[Session], call: Call, limits: FanOutLimits
) -> AsyncGenerator[Selected | Begun | RunOutcome]:
    """Call something on every session, and yield its steps; an outcome for each, in the order of their ends.

    Closing the generator, or cancelling who reads it, cancels what is under way.

    Raises:
        InvalidInput: A number is less than 1, or a share is none.
    """
    if limits.concurrency < 1:
        raise InvalidInput("concurrency must be at least 1")
    total = len(sessions)
    size = total if limits.batch is None else amount(limits.batch, total, "batch")
    budget = None if limits.max_failures is None else amount(limits.max_failures, total, "max_failures")
    batches = [sessions[start : start + size] for start in range(0, total, size or 1)]
    return _FanOut(call, limits.concurrency, budget).steps(batches)


async def outcomes(steps: AsyncGenerator[Selected | Begun | RunOutcome]) -> AsyncGenerator[RunOutcome]:
    """The outcomes among the steps; closing this closes those."""
    async with aclosing(steps):
        async for step in steps:
            if isinstance(step, RunOutcome):
                yield step


class _FanOut:
    def __init__(self, call: Call, concurrency: int, budget: int | None) -> None:
        self._call = call
        self._concurrency = concurrency
        self._budget = budget
        self._failures = 0
        self._steps: asyncio.Queue[Begun | RunOutcome | Exception] = asyncio.Queue(2 * concurrency)

    async def steps(self, batches: Sequence[Sequence[Session]]) -> AsyncGenerator[Selected | Begun | RunOutcome]:
        aliases = tuple(session.alias for batch in batches for session in batch)
        yield Selected(aliases)
        left = len(aliases)
        work = asyncio.create_task(self._run(batches))
        try:
            while left:
                step = await self._steps.get()
                if isinstance(step, Exception):
                    raise step
                left -= isinstance(step, RunOutcome)
                yield step
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)

    async def _run(self, batches: Sequence[Sequence[Session]]) -> None:
        for batch in batches:
            todo = iter(batch)
            async with asyncio.TaskGroup() as workers:
                for _ in range(min(self._concurrency, len(batch))):
                    workers.create_task(self._work(todo))

    async def _work(self, todo: Iterator[Session]) -> None:
        for session in todo:
            if self._budget is not None and self._failures >= self._budget:
                message = f"not tried on {session.alias}: {self._failures} had failed before"
                await self._steps.put(RunOutcome(alias=session.alias, error=BudgetSpent(message)))
                continue
            await self._steps.put(Begun(session.alias))
            try:
                outcome = RunOutcome(alias=session.alias, result=await self._call(session))
            except MooringError as error:
                outcome = RunOutcome(alias=session.alias, error=error)
            except Exception as bug:  # noqa: BLE001 - handed to the reader, who would wait for ever
                await self._steps.put(bug)
                return
            self._failures += not outcome.ok
            await self._steps.put(outcome)
