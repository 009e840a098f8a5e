"""Waiting for a session to come up: a spinner for who looks on, the daemon's events for what to say."""

from __future__ import annotations

import itertools
import sys
import time
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any, Final, Self

from ..model.errors import (
    DaemonUnreachable,
    MooringError,
    SessionClosed,
    SessionParked,
    UnknownAlias,
    WaitTimeout,
)
from .terminal import live, next_step, printable, tell, width

if TYPE_CHECKING:
    from types import TracebackType

    from ..client import Daemon

__all__ = ["wait_up"]

_FRAME: Final = 0.1
_RESTING: Final = ("backoff", "awaiting")


def wait_up(daemon: Daemon, alias: str, timeout: float) -> dict[str, Any]:
    """Wait until a session is up, and return its status.

    Args:
        daemon: Who holds it.
        alias: The session.
        timeout: Seconds.

    Raises:
        SessionParked: A person must act first; the hint says what.
        SessionClosed: Somebody stopped it meanwhile.
        WaitTimeout: It was not up in time; the daemon goes on trying.
        DaemonError: The daemon went away.
    """
    deadline = time.monotonic() + timeout
    changes = _changes(daemon, alias)
    why, advice = "it is being connected", None
    try:
        with _Spinner() as spinner:
            while True:
                _next(changes, deadline, spinner)
                status = _status(daemon, alias)
                if status["state"] == "up":
                    return status
                if status["state"] == "parked":
                    raise SessionParked(f"{alias} is parked: {status['reason']}", hint=next_step(status))
                spinner.text = f"{alias} {status['state']}: {status['reason']}"
                if status["state"] in _RESTING and status["reason"] != why:
                    why, advice = status["reason"], status["hint"]
                    if not spinner.turning:
                        tell(f"{alias} is not up: {why}", advice)
    except _Late:
        raise WaitTimeout(
            f"{alias} is not up after {timeout:g} s: {why}",
            hint=f"the daemon goes on trying until `mooring stop {alias}`{f'; {advice}' if advice else ''}",
        ) from None
    except KeyboardInterrupt:
        tell(f"{alias} is still held: the daemon goes on trying until `mooring stop {alias}`")
        raise


class _Late(Exception):
    """The deadline has passed."""


def _changes(daemon: Daemon, alias: str) -> SimpleQueue[MooringError | None]:
    """Something for each change of the session, the first at once; an error at the end.

    A thread reads, so that the spinner turns and the deadline holds meanwhile. It ends with the process.
    """
    changes: SimpleQueue[MooringError | None] = SimpleQueue()

    def read() -> None:
        try:
            for _ in daemon.events(f"/v1/events?selector={alias}"):
                changes.put(None)
            changes.put(DaemonUnreachable("the daemon was stopped meanwhile"))
        except MooringError as error:
            changes.put(error)

    Thread(target=read, name="events", daemon=True).start()
    return changes


def _next(changes: SimpleQueue[MooringError | None], deadline: float, spinner: _Spinner) -> None:
    """Wait for a change.

    Raises:
        _Late: The deadline came first.
        MooringError: There will be no more.
    """
    while True:
        left = deadline - time.monotonic()
        if left <= 0:
            raise _Late
        try:
            error = changes.get(timeout=min(left, _FRAME) if spinner.turning else left)
        except Empty:
            spinner.turn()
            continue
        if error is not None and not isinstance(error, UnknownAlias):
            raise error
        return


def _status(daemon: Daemon, alias: str) -> dict[str, Any]:
    try:
        status: dict[str, Any] = daemon.request("GET", f"/v1/sessions/{alias}")
    except UnknownAlias:
        raise SessionClosed(f"{alias} was stopped meanwhile") from None
    return status


class _Spinner:
    """A line on stderr that turns, where that is a terminal; nothing elsewhere.

    Attributes:
        turning: Whether it is one.
        text: What stands beside it.
    """

    def __init__(self) -> None:
        self.turning = live(sys.stderr)
        self.text = "..."
        self._frames = itertools.cycle("|/-\\")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.turning:
            sys.stderr.write("\r\033[K")
            sys.stderr.flush()

    def turn(self) -> None:
        """Draw the next frame, in one line however narrow the terminal is."""
        if self.turning:
            room = (width(sys.stderr) or 80) - 1
            sys.stderr.write(f"\r\033[K{f'{next(self._frames)} {printable(self.text)}'[:room]}")
            sys.stderr.flush()
