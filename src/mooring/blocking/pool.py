"""The pool for synchronous code."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, Self

from ..model.errors import InvalidInput
from ..pool import Pool as AsyncPool
from ..pool.events import BACKLOG
from ..pool.limits import HANDSHAKES, HANDSHAKES_PER_HOST
from .loop import LoopThread, loop_thread
from .session import Session
from .streams import Events, Outcomes

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from ..model.selector import Selector
    from ..model.status import PoolStatistics
    from ..model.target import Target
    from ..pool.pool import ConfigFiles

__all__ = ["Pool"]


class Pool:
    """``mooring.Pool`` for synchronous code: ``with mooring.blocking.Pool() as pool:``.

    Its methods take what those of ``mooring.Pool`` take and raise what they raise; before it is opened and after it
    is closed, InvalidInput. In a forked child they raise SessionClosed, but for ``close``, which does nothing there.

    Args:
        config: As ``mooring.Pool`` has it.
        handshakes: Likewise.
        handshakes_per_host: Likewise.
        dice: Likewise.
    """

    def __init__(
        self,
        *,
        config: ConfigFiles = (),
        handshakes: int = HANDSHAKES,
        handshakes_per_host: int = HANDSHAKES_PER_HOST,
        dice: Callable[[], float] = random.random,
    ) -> None:
        self._pool = AsyncPool(config=config, handshakes=handshakes, handshakes_per_host=handshakes_per_host, dice=dice)
        self._thread: LoopThread | None = None

    def __enter__(self) -> Self:
        """Open it.

        Raises:
            ConfigError: ssh_config cannot be read or honoured.
        """
        thread = loop_thread()
        thread.enter(self._pool, "Pool.__enter__")
        self._thread = thread
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Close every session, as ``mooring.Pool.aclose``."""
        thread = self._thread
        if thread is not None:
            thread.leave(self._pool, "Pool.close")
            self._thread = None

    def start(self, target: str | Target, **keywords: Any) -> Session:
        """Start to hold a session, and return it at once, as ``mooring.Pool.start``."""
        thread = self._open()
        return Session(thread.call(self._pool.start, target, **keywords), thread)

    def stop(self, selector: str | Selector) -> list[str]:
        """Close sessions for good, and return their aliases, as ``mooring.Pool.stop``."""
        return self._open().call(self._pool.stop, selector)

    def run(
        self,
        selector: str | Selector,
        command: str,
        *,
        concurrency: int = 100,
        batch: int | str | None = None,
        max_failures: int | str | None = None,
        **keywords: Any,
    ) -> Outcomes:
        """Run a command on every session that a selector means, as ``mooring.Pool.run``.

        ``for outcome in pool.run("site:ams", "uptime")``: outcomes come as they end. Leaving the loop early stops
        what is under way.
        """
        thread = self._open()
        keywords |= {"concurrency": concurrency, "batch": batch, "max_failures": max_failures}
        stream = thread.read(lambda: self._pool.run(selector, command, **keywords))
        return Outcomes(stream, thread)

    def select(self, selector: str | Selector) -> list[Session]:
        """The sessions that a selector means, as ``mooring.Pool.select``."""
        thread = self._open()
        return [Session(session, thread) for session in thread.read(self._pool.select, selector)]

    @property
    def sessions(self) -> list[Session]:
        """Every session, in the order in which they were started."""
        thread = self._open()
        return [Session(session, thread) for session in thread.read(lambda: self._pool.sessions)]

    def __getitem__(self, alias: str) -> Session:
        """The session of this alias.

        Raises:
            UnknownAlias: There is none.
        """
        thread = self._open()
        return Session(self._pool[alias], thread)

    def __contains__(self, alias: object) -> bool:
        """Whether a session has this alias."""
        self._open()
        return alias in self._pool

    def events(self, backlog: int = BACKLOG, *, timeout: float | None = None) -> Events:
        """What happens from this moment on: ``with pool.events() as events: for event in events:``.

        Args:
            backlog: As ``mooring.Pool.events`` has it.
            timeout: Seconds to wait for each event before WaitTimeout is raised, after which the iteration may go
                on; None waits as long as the pool is open.
        """
        thread = self._open()
        return Events(thread.read(self._pool.events, backlog), thread, timeout)

    def statistics(self) -> PoolStatistics:
        """The pool at this moment."""
        return self._open().read(self._pool.statistics)

    def _open(self) -> LoopThread:
        if self._thread is None:
            msg = "the pool is not open"
            raise InvalidInput(msg, hint="use it in `with mooring.blocking.Pool() as pool:`")
        self._thread.check_process()
        return self._thread

    def __repr__(self) -> str:
        """Whose it is."""
        return f"<blocking pool of process {self._thread.pid}>" if self._thread else "<blocking pool, not open>"
