"""One command on many sessions, outcomes as they come."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from ..model.errors import BudgetSpent, MooringError
from ..model.result import RunOutcome

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

    from ..model.result import CommandResult
    from ..session import Session

__all__ = ["fan_out"]


async def fan_out(
    sessions: Sequence[Session],
    call: Callable[[Session], Awaitable[CommandResult[Any]]],
    *,
    concurrency: int,
    max_failures: int | None,
) -> AsyncGenerator[RunOutcome]:
    """Call something on every session, and yield one outcome for each, in the order of their ends.

    Closing the generator, or cancelling who reads it, cancels what is under way.

    Args:
        sessions: On which.
        call: What.
        concurrency: How many at once.
        max_failures: After so many errors and statuses other than 0 no further session is tried: each of the
            rest gets ``BudgetSpent``. None for no end.
    """
    todo = iter(sessions)
    done: asyncio.Queue[RunOutcome | Exception] = asyncio.Queue()
    failures = 0

    async def work() -> None:
        nonlocal failures
        for session in todo:
            if max_failures is not None and failures >= max_failures:
                message = f"not tried on {session.alias}: {failures} had failed before"
                done.put_nowait(RunOutcome(alias=session.alias, error=BudgetSpent(message)))
                continue
            try:
                outcome = RunOutcome(alias=session.alias, result=await call(session))
            except MooringError as error:
                outcome = RunOutcome(alias=session.alias, error=error)
            except Exception as bug:  # noqa: BLE001 - handed to the reader, who would wait for ever
                done.put_nowait(bug)
                return
            failures += not outcome.ok
            done.put_nowait(outcome)

    workers = [asyncio.create_task(work()) for _ in range(min(concurrency, len(sessions)))]
    try:
        for _ in sessions:
            outcome = await done.get()
            if isinstance(outcome, Exception):
                raise outcome
            yield outcome
    finally:
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
