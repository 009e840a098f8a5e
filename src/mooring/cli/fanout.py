"""The same for many sessions at once, each in a thread of its own: answers are waited for, and not computed."""

from __future__ import annotations

from queue import Empty, SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Final, Generic, NamedTuple, TypeVar
from urllib.parse import quote

from ..model.errors import MooringError, NothingSelected
from ..model.selector import ALIAS
from .selection import selected

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ..client import Daemon

__all__ = ["CONCURRENCY", "Outcome", "aliases", "each"]

CONCURRENCY: Final = 32
"""Sessions at once: enough to keep a daemon busy, and no more replies in memory than that."""

_T = TypeVar("_T")


class Outcome(NamedTuple, Generic[_T]):
    """What came of one session.

    Attributes:
        alias: Which.
        value: What was returned; None beside an error.
        error: Why there is none.
    """

    alias: str
    value: _T | None
    error: Exception | None

    def result(self) -> _T:
        """The value.

        Raises:
            Exception: There is none.
        """
        if self.error is not None:
            raise self.error
        return self.value  # type: ignore[return-value]  # there is one where there is no error


def aliases(daemon: Daemon, selector: str) -> list[str]:
    """The sessions that a selector means. A plain alias is taken as it is: whoever uses it is told if there is none.

    Raises:
        MooringError: The selector is malformed, or means no session; the daemon could not be asked.
    """
    if ALIAS.fullmatch(selector) and selector != "all":
        return [selector]
    found = daemon.request("GET", f"/v1/sessions?selector={quote(selected(selector))}")
    if not found["sessions"]:
        raise NothingSelected("the selector matches no session", hint="all means every session")
    return [session["alias"] for session in found["sessions"]]


def each(names: Sequence[str], work: Callable[[str], _T], concurrency: int = CONCURRENCY) -> Iterator[Outcome[_T]]:
    """Do something for each session, and yield what came of each as it ends.

    What is under way when nobody asks for more any longer is left to end with the process.

    Raises:
        Exception: What ``work`` raised, and is no MooringError.
    """
    waiting: SimpleQueue[str] = SimpleQueue()
    outcomes: SimpleQueue[Outcome[_T]] = SimpleQueue()
    for name in names:
        waiting.put(name)

    def run() -> None:
        while True:
            try:
                name = waiting.get_nowait()
            except Empty:
                return
            try:
                outcomes.put(Outcome(name, work(name), None))
            except Exception as error:  # noqa: BLE001 - raised where it is asked for
                outcomes.put(Outcome(name, None, error))

    for _ in range(min(concurrency, len(names))):
        Thread(target=run, daemon=True).start()
    for _ in names:
        outcome = outcomes.get()
        if outcome.error is not None and not isinstance(outcome.error, MooringError):
            raise outcome.error
        yield outcome
