"""Mooring for synchronous code: the same names, the same errors, and every call waits.

::

    import mooring.blocking

    with mooring.blocking.connect("edge1") as session:
        print(session.run("uptime", timeout=10).stdout)

    with mooring.blocking.Pool() as pool:
        pool.start("web1://deploy@10.0.0.5:22?label=site:ams").wait_up(timeout=20)
        for outcome in pool.run("site:ams", "uptime"):
            print(outcome.alias, outcome.result or outcome.error)

Everything runs on one event loop in one daemon thread of the process, which the first ``with`` starts and the end
of the program ends, after saying goodbye to what is still open. All of it may be used from any number of threads at
once, and from signal handlers. From a coroutine it may be called too, and holds up the loop that it runs on:
use ``mooring`` itself there. From its own loop's thread (where callbacks given to AsyncSSH run) it is refused with
``WrongThread``, since it would wait for itself.

A forked process gets a loop of its own at its first ``with``. What its parent opened stays the parent's: used in the
child it raises ``SessionClosed``, closing it there does nothing, and the child's copies of its sockets lead nowhere.

Ctrl-C, or whatever else a signal handler raises, cancels the call that waits, and passes through.
"""

from __future__ import annotations

from .connect import connect
from .forward import Forward
from .loop import shutdown
from .pipe import Pipe
from .pool import Pool
from .process import Process
from .session import Session
from .streams import Events, Outcomes
from .terminal import Terminal, TerminalView

__all__ = [
    "Events",
    "Forward",
    "Outcomes",
    "Pipe",
    "Pool",
    "Process",
    "Session",
    "Terminal",
    "TerminalView",
    "connect",
    "shutdown",
]
