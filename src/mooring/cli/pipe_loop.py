"""Lines to handlers and what they say back: one loop around ``poll`` for as many pipes as there are, no threads.

Lines are read only while a handler has room for one, and handlers only while our output is taken: memory stays small.
"""

from __future__ import annotations

import select
import time
from typing import TYPE_CHECKING, Final

from ..client.pipe import Answered, Ended, Logged, Said, Wrote
from ..model.errors import DaemonError, InvalidInput, MooringError, PipeError, PipeTimeout
from ..model.shares import NOBODY, Shares
from .output import NOBODY_READS
from .run_one import Leave

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..client.pipe import Handler
    from ..model.shares import Share
    from .lines import Line, Lines
    from .output import Output
    from .pipe_shown import Shown
    from .run_one import Signals

__all__ = ["START_TIMEOUT", "Conversation"]

START_TIMEOUT: Final = 30.0
"""Seconds that a handler has to take the pipe, and at the end to end."""
_SILENCE: Final = 20.0
"""Seconds without a byte after which the daemon is asked for a sign of life."""


class Conversation:
    """The loop.

    Args:
        handlers: Whom to speak to; their aliases differ.
        lines: What to say.
        shown: Who is told what comes of it.
        output: What that one writes to.
        signals: Signals for us.
        window: Items on their way to each handler.
        timeout: Seconds that one has for an item; None as long as it takes.
        answers: Whether they are asked for answers.
        retry: Whether what a handler did not answer goes to others.
    """

    def __init__(
        self,
        handlers: Sequence[Handler],
        lines: Lines,
        shown: Shown,
        output: Output,
        signals: Signals,
        *,
        window: int,
        timeout: float | None,
        answers: bool = True,
        retry: bool = True,
    ) -> None:
        self._handlers = {handler.channel.fileno(): handler for handler in handlers}
        self._by_alias = {handler.alias: handler for handler in handlers}
        self._lines = lines
        self._shown = shown
        self._output = output
        self._signals = signals
        self._timeout = timeout
        self._answers = answers
        self._retry = retry
        self._shares: Shares[Line] = Shares(window)
        self._asked: dict[str, dict[int, Share[Line]]] = {alias: {} for alias in self._by_alias}
        self._deadlines = dict.fromkeys(self._by_alias, time.monotonic() + START_TIMEOUT)
        self._poll = select.poll()
        self._polled: dict[int, int] = {}
        self._heard = time.monotonic()
        self.fault: InvalidInput | None = None
        """The line that was none; those before it were dealt with."""
        self.ends: dict[str, Ended] = {}
        """How the handlers ended."""

    def run(self) -> None:
        """Pass lines on until all is dealt with.

        Raises:
            Leave: A signal came, or nobody reads our output.
            DaemonUnreachable: The daemon has gone silent.
        """
        for handler in self._by_alias.values():
            self._watch(handler)
        self._register(self._signals.fileno(), select.POLLIN)
        self._register(1, 0)  # its reader's going away is always reported
        while True:
            self._share()
            self._finish()
            if not self._output.drain():
                if self._output.wait(self._signals):
                    self._signalled()
            elif self._handlers:
                self._wait()
            else:
                return

    def _share(self) -> None:
        """Give the handlers what they have room for."""
        while self._shares.free(self._ready):
            if not self._shares.waiting:
                line = self._take()
                if line is None:
                    break
                self._shares.add(line)
            share = self._shares.hand_out(self._ready)
            if share is not None:
                self._post(share)
        wanted = self._reading and self._shares.free(self._ready)
        self._register(self._lines.descriptor, select.POLLIN if wanted else None)

    @property
    def _reading(self) -> bool:
        return not self._lines.ended and self.fault is None

    def _ready(self, alias: str) -> bool:
        return self._by_alias[alias].room

    def _take(self) -> Line | None:
        if self.fault is None:
            try:
                return self._lines.take()
            except InvalidInput as error:
                self.fault = error
        return None

    def _post(self, share: Share[Line]) -> None:
        handler = self._by_alias[share.host]
        idle = not handler.state.busy
        if self._answers:
            self._asked[share.host][handler.ask(share.item.text)] = share
        else:
            handler.send(share.item.text)
            self._shares.done(share)
        if idle:
            self._renew(handler)
        self._flush(handler)

    def _finish(self) -> None:
        """Have the handlers end when there is nothing more for them."""
        if self._shares.left or not (self._lines.empty or self.fault):
            return
        for handler in self._by_alias.values():
            if handler.acknowledged and not handler.state.closing and not handler.ended:
                handler.terminate()
                self._renew(handler)
                self._flush(handler)

    def _renew(self, handler: Handler) -> None:
        """It has dealt with something or been given something: its deadline counts from now."""
        seconds = self._timeout if handler.state.busy else START_TIMEOUT if handler.state.closing else None
        if seconds is None:
            self._deadlines.pop(handler.alias, None)
        else:
            self._deadlines[handler.alias] = time.monotonic() + seconds

    def _wait(self) -> None:
        now = time.monotonic()
        due = min([self._heard + _SILENCE, *self._deadlines.values()])
        ready = self._poll.poll(max(0.0, due - now) * 1000)
        for descriptor, _ in ready:
            if descriptor == self._signals.fileno():
                self._signalled()
            elif descriptor == self._lines.descriptor:
                self._read()
            elif descriptor == 1:
                raise Leave(NOBODY_READS)
            elif descriptor in self._handlers:
                self._hear(self._handlers[descriptor])
        self._look()

    def _read(self) -> None:
        try:
            self._lines.fill()
        except OSError as error:
            self.fault = InvalidInput(f"what is to be sent cannot be read: {error.strerror or error}")

    def _signalled(self) -> None:
        raise Leave(128 + self._signals.taken()[0])

    def _flush(self, handler: Handler) -> None:
        try:
            handler.flush()
        except DaemonError as error:
            self._gone(handler, error)
        self._watch(handler)

    def _hear(self, handler: Handler) -> None:
        """Take what a handler says."""
        self._heard = time.monotonic()
        unfinished = handler.state.unfinished
        try:
            events = handler.receive()
        except DaemonError as error:
            self._gone(handler, error)
            return
        alias = handler.alias
        if handler.acknowledged and alias not in self._shares.hosts and not handler.ended:
            self._shares.join(alias)
            self._deadlines.pop(alias, None)
            self._shown.hosts(len(self._shares.hosts))
        for event in events:
            self._heard_that(handler, event)
        if not handler.ended:
            if handler.state.unfinished < unfinished:
                self._renew(handler)
            self._watch(handler)

    def _heard_that(self, handler: Handler, event: Answered | Said | Logged | Wrote | Ended) -> None:
        match event:
            case Answered():
                self._answered(handler, event)
            case Said(message, _):
                self._shown.said(handler.alias, message)
            case Logged(fields):
                self._shown.logged(handler.alias, fields)
            case Wrote(data):
                self._shown.wrote(handler.alias, data)
            case Ended():
                self._ended(handler, event)

    def _answered(self, handler: Handler, answer: Answered) -> None:
        share = self._asked[handler.alias].pop(answer.number)
        self._shares.done(share)
        if answer.error is None:
            self._shown.result(share.item, handler.alias, answer.value, share.tried)
        else:
            self._shown.error(share.item, handler.alias, answer.error, share.tried)
        self._renew(handler)

    def _gone(self, handler: Handler, error: MooringError) -> None:
        """It is given up."""
        handler.close()
        self._ended(handler, handler.given_up(error))

    def _ended(self, handler: Handler, ended: Ended) -> None:
        """Nothing more comes of it: what it had goes to others, or nowhere."""
        alias = handler.alias
        self.ends[alias] = ended
        self._deadlines.pop(alias, None)
        for descriptor in [descriptor for descriptor, one in self._handlers.items() if one is handler]:
            self._register(descriptor, None)
            del self._handlers[descriptor]
        handler.close()
        self._shares.leave(alias)
        self._shown.hosts(len(self._shares.hosts))
        if self._retry and ended.error is not None:
            self._shown.complained(ended.error.message)
        error = ended.error or PipeError(f"the handler on {alias} ended before it answered")
        for share in reversed(self._asked.pop(alias).values()):
            if not self._retry:
                self._shares.done(share)
                continue
            tried = self._shares.again(share)
            if tried is not None:
                self._shown.error(share.item, None, error, tried)
        if not self._handlers:
            for line, tried in self._shares.orphans():
                self._shown.error(line, None, PipeError(NOBODY), tried)

    def _look(self) -> None:
        """See to what is due."""
        now = time.monotonic()
        if now >= self._heard + _SILENCE:
            self._heard = now
            for handler in self._handlers.values():
                handler.channel.nudge()
        for alias in [alias for alias, deadline in self._deadlines.items() if deadline <= now]:
            handler = self._by_alias[alias]
            what, seconds = "end" if handler.state.closing else "acknowledge the pipe", START_TIMEOUT
            if handler.state.busy:
                what, seconds = "answer" if self._answers else "deal with a line", self._timeout or START_TIMEOUT
            msg = f"the handler on {alias} did not {what} within {seconds:g} s; {handler.state.in_flight()}"
            self._gone(handler, PipeTimeout(msg, hint="it was sent TERM"))

    def _watch(self, handler: Handler) -> None:
        if not handler.ended:
            channel = handler.channel
            self._register(channel.fileno(), select.POLLIN | (select.POLLOUT if channel.unsent else 0))

    def _register(self, descriptor: int, events: int | None) -> None:
        if self._polled.get(descriptor) == events:
            return
        if events is None:
            if self._polled.pop(descriptor, None) is not None:
                self._poll.unregister(descriptor)
            return
        self._polled[descriptor] = events
        self._poll.register(descriptor, events)
