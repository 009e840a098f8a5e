"""Programs that a test starts by itself, and that end with it whatever becomes of it."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from subprocess import Popen
from typing import AnyStr


@contextlib.contextmanager
def ending(process: Popen[AnyStr]) -> Iterator[Popen[AnyStr]]:
    """Kill a program on leaving, if it still runs, and close our ends of its pipes.

    The ``with`` of a ``Popen`` itself would wait: for ever, where a test fails because the program hangs. A test that
    wants it to end by itself waits for that, with a timeout. Where it was started with ``start_new_session``, all that
    it has started goes with it.
    """
    leads = os.getpgid(process.pid) == process.pid
    try:
        yield process
    finally:
        if leads:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):  # what was written and not flushed
                    pipe.close()
