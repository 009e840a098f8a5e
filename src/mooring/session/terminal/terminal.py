"""``session.terminal``: a pseudo-terminal at the far end of a session."""

from __future__ import annotations

import asyncio
import contextlib
import copy
from typing import TYPE_CHECKING, Any, Final, Protocol, Self

from ...model.errors import InvalidInput, MooringError, SessionLost, TerminalEnded, WaitTimeout
from ...model.result import TerminalEnd
from ...transport.terminal import TerminalChannel, open_terminal
from ..arguments import check_seconds, encoded
from ..slots import Kind
from .pace import Pace
from .scrollback import Scrollback
from .view import TerminalView

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from ..attachment import Attachment

__all__ = ["LEAST_SCROLLBACK", "SCROLLBACK", "Terminal", "check_size"]

SCROLLBACK: Final = 256 * 1024
"""Bytes that a terminal remembers: some thousand lines."""
LEAST_SCROLLBACK: Final = 64 * 1024
"""Twice a packet, so that none pushes out what a view that leads has yet to read."""
CLOSE_TIMEOUT: Final = 5.0
"""Seconds to wait until the far side has confirmed that a terminal is closed."""
_REDRAW: Final = 0.25
"""Seconds for which a program sees one row less, so that it sees a change: some look at the size only now and then."""
_LARGEST: Final = 10_000


class Tap(Protocol):
    """Who is told all that happens on a terminal, at once, and holds nothing up."""

    def output(self, data: bytes) -> None:
        """It shows something."""

    def input(self, data: bytes) -> None:
        """Somebody types something."""

    def resize(self, columns: int, rows: int) -> None:
        """It has another size."""


class Terminal:
    r"""A program, or the user's shell, on a pseudo-terminal at the far end; ``Session.terminal`` makes it.

    ::

        async with session.terminal() as terminal:
            view = terminal.view()
            await terminal.write("uptime\n")
            async for data in view:
                ...

    It remembers the last that it has shown; any number may look, each with a view. It lives on one connection: when
    that is lost it has ended, and says so.
    """

    def __init__(
        self,
        attach: Callable[[], Attachment],
        command: str | None,
        *,
        alias: str,
        term: str,
        size: tuple[int, int],
        env: Mapping[str, str],
        scrollback: int,
        timeout: float,
    ) -> None:
        self._attach = attach
        self._env = env
        self._timeout = timeout
        self._channel: TerminalChannel | None = None
        self._started = False
        self._scrollback = Scrollback(scrollback)
        self._views: set[TerminalView] = set()
        self._pace = Pace(scrollback, self._read_on)
        self._room = asyncio.Event()
        self._room.set()
        self._over: asyncio.Future[None] | None = None
        self._failure: MooringError | None = None
        self._redrawing: asyncio.TimerHandle | None = None
        self._told: Callable[[], None] = lambda: None
        self.alias = alias
        """The session's name."""
        self.command = command
        """The command line; None for the user's shell."""
        self.term = term
        """What kind of terminal it is, as ``TERM`` says it."""
        self.size = size
        """Columns and rows."""
        self.tap: Tap | None = None
        """Who is told all that happens on it."""

    async def start(self) -> Self:
        """Start what runs on it. ``async with`` does it. Cancelling is safe: a program that was started is hung up.

        Raises:
            TerminalEnded: It was started before.
            SessionNotUp, SessionParked, SessionClosed, ChannelLimit, ChannelRefused, SessionLost: As
                ``Session.process``.
        """
        if self._started:
            raise TerminalEnded("the terminal was started before", hint="make another one with session.terminal()")
        attachment = self._attach()
        self._started = True
        self._over = asyncio.get_running_loop().create_future()
        options: dict[str, Any] = {"term_type": self.term, "term_size": self.size}
        if self._env:
            options["env"] = {**attachment.link.route.env, **self._env}
        try:
            self._channel = await attachment.open(
                Kind.HELD,
                self.command or "terminal",
                attachment.now() + self._timeout,
                lambda on_close: self._made(TerminalChannel(on_close, self)),
                lambda channel: open_terminal(attachment.link.connection, channel, self.command, options),
                command=self.command is not None,
            )
        except BaseException as error:
            self._end(error if isinstance(error, MooringError) else TerminalEnded("its start was cancelled"))
            raise
        return self

    def _made(self, channel: TerminalChannel) -> TerminalChannel:
        self._channel = channel  # it may speak before it is known to be open
        return channel

    @property
    def ended(self) -> bool:
        """Whether nothing runs on it: it has ended, or was never started."""
        return self._over is None or self._over.done()

    @property
    def received(self) -> int:
        """Bytes that it has shown."""
        return self._scrollback.end

    @property
    def full_screen(self) -> bool:
        """Whether a program shows the alternate screen, as editors and pagers do."""
        return self._scrollback.now.full_screen

    def when_ended(self, told: Callable[[], None]) -> None:
        """Call this when it has ended; at once where it has."""
        self._told = told
        if self.ended:
            told()

    def view(self, *, scrollback: bool = True, leads: bool = False) -> TerminalView:
        """Look at what it shows, from now on.

        Args:
            scrollback: Whether to begin with what it remembers: without the questions to a terminal in it, since who
                answered them would type into what runs now.
            leads: Whether the far side waits for this view, a few seconds at most where it does not read on. Only one
                leads; the last wins.
        """
        view = TerminalView(self._scrollback, again=scrollback, moved=self._pace.moved)
        self._views.add(view)
        if leads:
            self.lead(view)
        if self._over is None or self._over.done():
            view.tell(ended=self._started)
        return view

    def lead(self, view: TerminalView) -> None:
        """Have the far side wait for this view, and no other."""
        self._pace.follow(view)

    def leave(self, view: TerminalView) -> None:
        """A view looks no more."""
        self._views.discard(view)
        self._pace.forget(view)
        view.tell(ended=True)

    async def write(self, data: str | bytes, *, timeout: float | None = None) -> None:
        r"""Type something; ``"\x03"`` is Ctrl-C, ``"\r"`` Enter. Cancelling is safe: it was not typed then.

        Args:
            data: What to type; a text is typed as UTF-8.
            timeout: Seconds to wait for the far side to take what was typed before; None as long as it lives.

        Raises:
            WaitTimeout: It did not; nothing was typed.
            TerminalEnded, SessionLost: It has ended.
            InvalidInput: It is no text that UTF-8 can write.
        """
        check_seconds(timeout)
        channel = self._usable()
        typed = encoded(data, "utf-8", "strict") or b""
        if not self._room.is_set():
            try:
                async with asyncio.timeout(timeout):
                    await self._room.wait()
            except TimeoutError:
                msg = f"what runs on the terminal on {self.alias} takes no input"
                raise WaitTimeout(msg, hint="it is slow, or stuck") from None
            channel = self._usable()
        channel.write(typed)
        if self.tap is not None:
            self.tap.input(typed)

    def resize(self, columns: int, rows: int) -> None:
        """It has another size: what runs on it is told. After the end nothing happens.

        Raises:
            InvalidInput: It is no size.
        """
        size = check_size((columns, rows))
        if self.tap is not None and size != self.size:
            self.tap.resize(columns, rows)
        self.size = size
        self._stop_redrawing()
        if self._channel is not None and not self.ended:
            self._channel.resize(columns, rows)

    def redraw(self) -> None:
        """Have a program that draws the whole screen draw it anew: it sees one row less for a moment."""
        if not self.full_screen or self._redrawing is not None or self._channel is None or self.ended:
            return
        columns, rows = self.size
        self._channel.resize(columns, rows - 1 if rows > 1 else rows + 1)
        self._redrawing = asyncio.get_running_loop().call_later(_REDRAW, self.resize, columns, rows)

    def _stop_redrawing(self) -> None:
        if self._redrawing is not None:
            self._redrawing.cancel()
            self._redrawing = None

    async def wait(self) -> TerminalEnd:
        """Wait until it has ended, however long that takes, and return how. Cancelling is safe: it goes on.

        Raises:
            SessionLost: The connection was lost under it.
            TerminalEnded: It was closed, or never started.
        """
        if self._over is None:
            raise TerminalEnded("the terminal was not started", hint="async with session.terminal() as terminal:")
        await asyncio.shield(self._over)
        return self.end()

    def end(self) -> TerminalEnd:
        """How it ended. Raises as ``wait``, and TerminalEnded where it has not."""
        if self._failure is not None:
            raise copy.copy(self._failure)
        if self._channel is None or not self.ended:
            raise TerminalEnded(f"the terminal on {self.alias} has not ended")
        return TerminalEnd(self._channel.status, self._channel.signal)

    async def close(self, timeout: float = CLOSE_TIMEOUT) -> None:
        """Hang up: what runs on it gets HUP from its system. Safe to call twice. Cancelling is safe: it is hung up.

        Args:
            timeout: Seconds to wait for the far side to confirm it.
        """
        check_seconds(timeout)
        channel = self._channel
        if channel is None:
            return
        self.hang_up(TerminalEnded(f"the terminal on {self.alias} was closed"))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await asyncio.shield(channel.ended)

    def hang_up(self, why: MooringError) -> None:
        """The same, for a reason, and without a wait."""
        if self._channel is not None:
            self._end(why)
            self._channel.abandon()

    async def __aenter__(self) -> Self:
        """Start it."""
        return await self.start()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Hang up."""
        await self.close()

    # What the channel tells.

    def stdout_received(self, data: bytes) -> None:
        """It shows something."""
        if self.ended:
            return
        self._scrollback.add(data)
        if self.tap is not None:
            self.tap.output(data)
        for view in self._views:
            view.tell()
        self._pace.check()

    stderr_received = stdout_received

    def room(self, *, there: bool) -> None:
        """Whether it takes input."""
        if there:
            self._room.set()
        else:
            self._room.clear()

    def channel_ended(self) -> None:
        """What ran on it has ended, or the connection is gone."""
        lost = self._channel is None or self._channel.lost
        self._end(SessionLost(f"{self.alias} was lost under the terminal") if lost else None)

    def _end(self, failure: MooringError | None) -> None:
        if self._over is None or self._over.done():
            return
        self._failure = failure
        self._stop_redrawing()
        self._pace.stop()
        self._over.set_result(None)
        self._room.set()
        for view in self._views:
            view.tell(ended=True)
        self._told()

    def _usable(self) -> TerminalChannel:
        if self._failure is not None:
            raise copy.copy(self._failure)
        if self._channel is None or self.ended:
            what = "has ended" if self._started else "was not started"
            raise TerminalEnded(f"the terminal on {self.alias} {what}")
        return self._channel

    def _read_on(self, *, on: bool) -> None:
        if self._channel is not None:
            self._channel.read_on(on=on)

    def __repr__(self) -> str:
        """A status line."""
        how = "ended" if self.ended else "x".join(map(str, self.size))
        return f"<Terminal on {self.alias}: {how}, {self.received} bytes shown, {len(self._views)} views>"


def check_size(size: object) -> tuple[int, int]:
    """Columns and rows of a terminal.

    Raises:
        InvalidInput: It is no such pair.
    """
    if isinstance(size, tuple | list) and len(size) == 2 and all(type(n) is int and 0 < n <= _LARGEST for n in size):
        return size[0], size[1]
    raise InvalidInput(f"a terminal's size is (columns, rows), each from 1 to {_LARGEST}")
