"""A remote command with our own standard streams, as ``ssh`` has it: one loop around ``poll``, no threads.

Nobody who shares our streams notices: they stay blocking, and are written no more at once than cannot block. So a
signal is always heard, the daemon is read only while our output is taken, and memory stays small.
"""

from __future__ import annotations

import os
import select
import signal
import stat
import time
from collections import deque

from ..wire.channel import Kind, Opening, read_exit, read_problem

TYPE_CHECKING = False  # typing itself would cost every start of the command line 3 ms
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Final, Self

    from ..client import Channel
    from ..client.upgrade import Upgrade
    from ..model.errors import MooringError
    from ..wire.channel import Frame
    from .run import Wanted

__all__ = ["Leave", "Signals", "at_once", "run_one"]

_GRACE: Final = 2.0
"""Seconds that the far side has to end after a signal, before we leave it to the daemon."""
_SILENCE: Final = 20.0
"""Seconds without a byte after which the daemon is asked for a sign of life."""
_CHUNK: Final = 64 * 1024
_SIGNALS: Final = ("INT", "TERM", "HUP")
_NOBODY_READS: Final = 141  # as a shell reports who was ended by SIGPIPE
_TIMEOUT: Final = 124
_NO_STATUS: Final = 255


def run_one(upgrade: Upgrade, wanted: Wanted) -> int:
    """Run a command on a session and return the exit code.

    Args:
        upgrade: The way to the session.
        wanted: What was asked for.

    Raises:
        MooringError: There is no such session, it is not up, or it was lost.
    """
    with upgrade.open(Opening("exec", command=wanted.command)) as channel, Signals() as signals:
        try:
            return _Attached(wanted, channel, signals).run()
        except Leave as leave:
            return leave.code


class Leave(Exception):
    """We leave, whatever the far side does."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Signals:
    """Signals as bytes on a pipe. Those that we were started deaf to stay ignored, as nohup wants it.

    Args:
        names: Which, without ``SIG``.
    """

    def __init__(self, names: Sequence[str] = _SIGNALS) -> None:
        self._names = names

    def __enter__(self) -> Self:
        self._pipe, self._sender = os.pipe()
        os.set_blocking(self._pipe, False)
        os.set_blocking(self._sender, False)
        self._wakeup = signal.set_wakeup_fd(self._sender, warn_on_full_buffer=False)
        numbers = [getattr(signal, f"SIG{name}") for name in self._names]
        self._before = {number: signal.getsignal(number) for number in numbers}
        for number, before in self._before.items():
            if before is not signal.SIG_IGN:
                signal.signal(number, lambda *_: None)
        return self

    def __exit__(self, *_: object) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)
        signal.set_wakeup_fd(self._wakeup)
        os.close(self._sender)
        os.close(self._pipe)

    def fileno(self) -> int:
        """Where they are read."""
        return self._pipe

    def taken(self) -> bytes:
        """The numbers of those that came."""
        return os.read(self._pipe, 64)


class _Attached:
    """The loop.

    It is ``over`` when the far side has said its last word: what is left is to write it down. Where it was told to end
    (``_ending``: the exit code), it has little time to do so.
    """

    def __init__(self, wanted: Wanted, channel: Channel, signals: Signals) -> None:
        self._alias = wanted.selector
        self._channel = channel
        self._signals = signals
        self._stdin = wanted.stdin
        self._deadline = None if wanted.timeout is None else time.monotonic() + wanted.timeout
        self._output: deque[tuple[int, memoryview]] = deque()
        self._over = False
        self._status = _NO_STATUS
        self._failure: MooringError | None = None
        self._ending: int | None = None
        self._poll = select.poll()
        self._polled: dict[int, int] = {}
        self._sizes = {descriptor: at_once(descriptor) for descriptor in (1, 2)}

    def run(self) -> int:
        """Pass bytes on until the far side has ended, and return the exit code.

        Raises:
            Leave: We end before it.
            MooringError: The session or the daemon failed.
        """
        while self._output or not self._over:
            ready = self._ready()
            if self._deadline is not None and time.monotonic() >= self._deadline:
                self._out_of_time()
            elif not ready:
                self._channel.nudge()
            for descriptor, events in ready:
                self._happened(descriptor, events)
        if self._ending is not None:
            return self._ending
        if self._failure:
            raise self._failure
        return self._status

    def _ready(self) -> list[tuple[int, int]]:
        """Wait until something happens that we have a use for, or it is time for something."""
        wanted = self._wanted()
        if wanted != self._polled:
            for descriptor in self._polled.keys() - wanted.keys():
                self._poll.unregister(descriptor)
            for descriptor, events in wanted.items():
                self._poll.register(descriptor, events)
            self._polled = wanted
        waits = [] if self._deadline is None else [max(self._deadline - time.monotonic(), 0)]
        if not self._output:
            waits.append(_SILENCE)
        return self._poll.poll(min(waits) * 1000 if waits else None)

    def _wanted(self) -> dict[int, int]:
        """What we wait for. A descriptor of no use is left out, since ``poll`` reports its end over and over."""
        wanted = {self._signals.fileno(): select.POLLIN, 1: 0}  # 1: its reader's going away is always reported
        daemon = select.POLLOUT if self._channel.unsent else 0
        if self._output:
            wanted[self._output[0][0]] = select.POLLOUT
        else:
            daemon |= select.POLLIN
        if daemon:
            wanted[self._channel.fileno()] = daemon
        if self._stdin and self._channel.window and not self._over:
            wanted[0] = select.POLLIN
        return wanted

    def _happened(self, descriptor: int, events: int) -> None:
        if descriptor == self._signals.fileno():
            self._signalled()
        elif descriptor == 0:
            self._read()
        elif descriptor in self._sizes:
            self._write(descriptor, events)
        else:
            self._channel.flush()
            if not self._output:
                for frame in self._channel.receive():
                    self._take(frame)

    def _read(self) -> None:
        """Pass standard input on."""
        if self._over or not self._stdin:
            return  # what came in the same moment has ended it
        try:
            data = os.read(0, min(self._channel.window, _CHUNK))
        except BlockingIOError:  # somebody who shares it made it non-blocking, and was quicker
            return
        except OSError as error:
            _tell(f"standard input: {error.strerror}")
            data = b""
        if data:
            self._channel.stdin(data)
        else:
            self._end_input()

    def _end_input(self) -> None:
        self._stdin = False
        self._channel.stdin_eof()

    def _write(self, descriptor: int, events: int) -> None:
        """Write of the output what does not block."""
        if not self._output:
            if events & (select.POLLERR | select.POLLHUP):
                raise Leave(_NOBODY_READS)
            return
        target, data = self._output[0]
        if target != descriptor:
            return
        try:
            written = os.write(target, data[: self._sizes[target]])
        except BlockingIOError:  # as in _read
            return
        except BrokenPipeError:
            raise Leave(_NOBODY_READS) from None
        if written < len(data):
            self._output[0] = (target, data[written:])
        else:
            self._output.popleft()

    def _take(self, frame: Frame) -> None:
        """What the daemon said."""
        kind, payload = frame
        if kind is Kind.STDOUT or kind is Kind.STDERR:
            self._output.append((1 if kind is Kind.STDOUT else 2, memoryview(payload)))
        elif kind is Kind.OPENED and not self._stdin:
            self._end_input()
        elif kind is Kind.EXIT:
            self._finish()
            self._status = self._exit_code(*read_exit(payload))
        elif kind is Kind.ERROR:
            from ..model.problem import from_problem  # noqa: PLC0415 - costs as much as all else

            self._finish()
            self._failure = from_problem(read_problem(payload))

    def _finish(self) -> None:
        self._over = True
        if self._ending is None:
            self._deadline = None  # our reader may take all the time it needs, unless we were told to end

    def _exit_code(self, status: int | None, name: str | None) -> int:
        if name is None and status is not None:
            return status
        number = getattr(signal, f"SIG{name}", None)
        if self._ending is None:
            how = f"was ended by {name}" if name else "ended, and did not tell how"
            _tell(f"{self._alias}: the command {how}")
        return _NO_STATUS if number is None else 128 + int(number)

    def _signalled(self) -> None:
        """Somebody wants us to end: the far side shall end first, but who asks twice will not wait."""
        number = self._signals.taken()[0]
        if self._over or self._ending is not None:
            raise Leave(128 + number)
        self._end(signal.Signals(number).name.removeprefix("SIG"), 128 + number)

    def _out_of_time(self) -> None:
        if self._ending is not None:
            if not self._over:
                _tell(f"{self._alias}: the command has not told of its end, and may still run there")
            raise Leave(self._ending)
        _tell(f"{self._alias}: it has not ended in time, and was sent TERM")
        self._end("TERM", _TIMEOUT)

    def _end(self, name: str, code: int) -> None:
        if not self._channel.opened:
            raise Leave(code)
        self._ending = code
        self._deadline = time.monotonic() + _GRACE
        self._stdin = False
        self._channel.signal(name)


def _tell(text: str) -> None:
    """A line on stderr, where it is taken at once: who was told to end waits for no reader."""
    from .terminal import printable  # noqa: PLC0415 - seldom needed

    poll = select.poll()
    poll.register(2, select.POLLOUT)
    if any(events == select.POLLOUT for _, events in poll.poll(0)):
        os.write(2, f"mooring run: {printable(text)}\n".encode(errors="replace"))


def at_once(descriptor: int) -> int:
    """Bytes that can be written without blocking when ``poll`` says that some can (pipe(7), PIPE_BUF)."""
    mode = os.fstat(descriptor).st_mode
    never_full = stat.S_ISREG(mode) or (stat.S_ISCHR(mode) and not os.isatty(descriptor))
    return _CHUNK if never_full else select.PIPE_BUF
