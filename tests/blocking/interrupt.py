"""An exception out of a signal handler, as Ctrl-C makes one."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager


class Rung(BaseException):
    """What the handler raises."""


@contextmanager
def alarm(seconds: float) -> Iterator[None]:
    """Have it raised in the main thread."""

    def ring(*_: object) -> None:
        raise Rung

    before = signal.signal(signal.SIGALRM, ring)
    left, again = signal.setitimer(signal.ITIMER_REAL, seconds)  # of the timer that bounds the test
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        signal.setitimer(signal.ITIMER_REAL, left, again)
