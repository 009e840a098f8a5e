"""Many pipes from one point: what sshpipe wished for."""

from __future__ import annotations

import asyncio
import contextlib
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal, Self

from ...blocking.loop import loop_thread
from ...model.errors import InvalidInput, MooringError, PipeClosed, PipeError, SessionLost
from ...model.status import SessionState
from ...pool import Pool
from ...session.arguments import check_seconds
from ...session.pipe.pipe import CLOSE_TIMEOUT
from ...session.pipe.spread import Outcome, Spread
from .pipe import handler_command, response_of

if TYPE_CHECKING:
    import logging
    from collections.abc import Iterable, Iterator, Sequence
    from os import PathLike
    from types import TracebackType

    from ...blocking.loop import LoopThread
    from ...session.pipe import Pipe

__all__ = ["Outcome", "SSHMultiPipe"]


class SSHMultiPipe:
    """The same handler on many hosts, spoken to from one point; ``with`` starts and closes them.

    ::

        with SSHMultiPipe(["web1", "web2"], deploy="handler.py") as pipes:
            for outcome in pipes.map(range(10_000)):
                print(outcome.item, outcome.host, outcome.result, outcome.error)

    Args:
        hosts: Hosts, addresses or names of ssh_config; each once.
        command: The handler's command, as SSHPipe has it; with ``deploy``, the interpreter.
        deploy: A local handler file that is shipped to each host over its pipe; nothing is installed there.
        args: Further words for the handler, quoted.
        user: The login; ssh_config's by default.
        term_message: What empty output is told as.
        config: An ssh_config file; ssh's own by default.
        logger: Gets the handlers' log records.
        codec: As SSHPipe has it.
        window: Items on their way to each host in ``map``: what a host that dies may have begun.
        options: Further keywords of ``mooring.Pool.start``.
    """

    def __init__(
        self,
        hosts: Iterable[str],
        command: str | Sequence[str] = "python3",
        *,
        deploy: str | PathLike[str] | None = None,
        args: Sequence[str] = (),
        user: str | None = None,
        term_message: str = "TERM",
        config: str | None = None,
        logger: logging.Logger | None = None,
        codec: Literal["json", "pickle"] = "json",
        window: int = 4,
        **options: Any,
    ) -> None:
        self.hosts = list(hosts)
        if not self.hosts or len(set(self.hosts)) < len(self.hosts):
            raise InvalidInput("hosts must name at least one host, and each once")
        self.term_message = term_message
        self._command = command if deploy else handler_command(command)
        self._keywords: dict[str, Any] = {"deploy": deploy, "args": args, "logger": logger, "codec": codec}
        self._options = options if user is None else {**options, "username": user}
        self._window = window
        self._pool = Pool(config=() if config is None else config)
        self._thread: LoopThread | None = None
        self._pipes: dict[str, Pipe] = {}
        self._errors: dict[str, MooringError] = {}
        self._ends: dict[str, tuple[int, str, str]] = {}

    def start(self) -> dict[str, MooringError]:
        """Connect to all hosts and start their handlers, all at once.

        Returns:
            Why, for each host whose handler did not start; the others are used.
        """
        if self._thread is None:
            self._thread = loop_thread()
            self._thread.enter(self._pool, "SSHMultiPipe.start")
            self._thread.call(self._start)
        return dict(self._errors)

    async def _start(self) -> None:
        await asyncio.gather(*(self._start_one(host) for host in self.hosts))

    async def _start_one(self, host: str) -> None:
        try:
            session = await self._pool.start(host, **self._options)
            if session.state is SessionState.CONNECTING:
                await session.wait_change()
            if session.error is not None:
                raise session.error
            self._pipes[host] = await session.pipe(self._command, **self._keywords).start()
        except MooringError as error:
            self._errors[host] = error
            self._ends[host] = response_of(error, self.term_message)

    def alive(self) -> list[str]:
        """The hosts whose handlers are there."""
        return [host for host, pipe in self._pipes.items() if not pipe.ended]

    def send(self, host: str, message: object, *, timeout: float | None = None) -> None:
        """Send a message to one host.

        Args:
            host: One of the hosts.
            message: As SSHPipe has it.
            timeout: Seconds to wait while its handler is a long way behind; None as long as it lives.

        Raises:
            PipeError, SessionLost: Its handler is not there, or did not take it in time.
        """
        self._running().call(self._pipe(host).send, message, timeout=timeout)

    def broadcast(self, message: object, *, timeout: float | None = None) -> dict[str, MooringError]:
        """Send a message to all hosts that are alive.

        Args:
            message: As SSHPipe has it.
            timeout: Seconds to wait for those that are a long way behind; None as long as they live.

        Returns:
            Why, for each host that it could not be sent to.
        """
        return self._running().call(self._broadcast, message, timeout)

    async def _broadcast(self, message: object, timeout: float | None) -> dict[str, MooringError]:
        async def send(host: str, pipe: Pipe) -> tuple[str, MooringError | None]:
            try:
                await pipe.send(message, timeout=timeout)
            except MooringError as error:
                return host, error
            return host, None

        told = await asyncio.gather(*(send(host, self._pipes[host]) for host in self.alive()))
        return {host: error for host, error in told if error is not None}

    def map(self, items: Iterable[object], *, timeout: float | None = None) -> Iterator[Outcome]:
        """Share items out, each host as fast as it answers, and give what became of each as it comes.

        Items are taken from the iterable as they are needed, and each is sent before the next is taken. Every one of
        them has exactly one outcome. Those that a dying host had not answered go to others; ``tried`` then names it,
        since it may have dealt with them.

        Args:
            items: What to deal with.
            timeout: Seconds that a host has for an item, those that it was given just before included; then it gets
                no more, and what it has goes to others. None as long as it lives.
        """
        thread = self._running()
        spread = thread.read(lambda: Spread(self._pipes, self._window, timeout))
        rest = iter(items)
        try:
            more = True
            while True:
                if more and spread.wanted:
                    taken = list(islice(rest, 1))  # the next one may take its time
                    more = bool(taken)
                    yield from thread.read(spread.exchange, taken)
                    continue
                outcomes = thread.call(spread.ready)
                if not outcomes and not more:
                    return
                yield from outcomes
        finally:
            thread.call(spread.aclose)

    def responses(self) -> dict[str, tuple[int, str, str]]:
        """Exit status, output and errors of each handler that has ended, as SSHPipe's ``response``."""
        for host, pipe in self._pipes.items():
            if pipe.ended and host not in self._ends:
                self._ends[host] = self._running().call(self._close_one, pipe, CLOSE_TIMEOUT)
        return dict(self._ends)

    def close(self, *, timeout: float | None = CLOSE_TIMEOUT) -> dict[str, tuple[int, str, str]]:
        """End all handlers, all at once, and return their responses. Safe to call twice.

        Args:
            timeout: Seconds that they have to deal with what they were sent; then they are sent TERM, and half a
                second later KILL. None as long as it takes.
        """
        check_seconds(timeout)
        if self._thread is not None:
            thread, self._thread = self._thread, None
            with contextlib.suppress(MooringError):
                thread.call(self._close, timeout)
            thread.leave(self._pool, "SSHMultiPipe.close")
        return dict(self._ends)

    async def _close(self, timeout: float | None) -> None:
        left = {host: pipe for host, pipe in self._pipes.items() if host not in self._ends}
        ends = await asyncio.gather(*(self._close_one(pipe, timeout) for pipe in left.values()))
        self._ends.update(zip(left, ends, strict=True))

    async def _close_one(self, pipe: Pipe, timeout: float | None) -> tuple[int, str, str]:
        try:
            return response_of(await pipe.close(timeout), self.term_message)
        except (PipeError, SessionLost) as error:
            return response_of(error, self.term_message)

    def _pipe(self, host: str) -> Pipe:
        if host not in self.hosts:
            raise InvalidInput(f"{host} is none of the hosts")
        if host not in self._pipes:
            raise self._errors[host]
        return self._pipes[host]

    def _running(self) -> LoopThread:
        if self._thread is None:
            raise PipeClosed("the pipes are not started", hint="start() or with")
        return self._thread

    def __enter__(self) -> Self:
        """Start them."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close them; after an error in the block, without waiting for what was sent."""
        if error is not None and self._thread is not None:
            self._thread.call(self._give_up, error)
        self.close()

    async def _give_up(self, error: BaseException) -> None:
        for pipe in self._pipes.values():
            await pipe.__aexit__(type(error), error, None)
