"""A program on this host, on pipes or on a terminal, from its start to its end.

It leads a session and process group of its own, as below sshd. Python runs nothing between fork and exec: a program
that controls its terminal is started by way of ``/bin/sh``, which opens it (the first terminal that the leader of a
session opens becomes its own).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import termios
import threading
from typing import TYPE_CHECKING, Final, Protocol

from .descriptors import Inlet, Outlet
from .terminal import open_terminal, resize

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from .terminal import Size

__all__ = ["Child", "Listener"]

_LAST_WORDS: Final = 0.2
"""Seconds after a program's end for which its terminal may say more: its own last words are there by then, and others
that it left behind may have the terminal open for ever."""
_GRACE: Final = 5.0
"""Seconds for which a program that was hung up on may say what it has to."""
_TAKE_TERMINAL: Final = ("/bin/sh", "-c", 'exec 0<>"$0" 1>&0 2>&0; exec "$@"')
_left: Final[list[subprocess.Popen[bytes]]] = []
"""Those that outlived whoever had started them: they are looked after when another is started."""


class Listener(Protocol):
    """Who hears of a program."""

    def said(self, data: bytes) -> None:
        """Standard output, or the terminal's."""

    def complained(self, data: bytes) -> None:
        """Standard error, where there is no terminal."""

    def full(self, *, full: bool) -> None:
        """Whether what the program was told waits for it now."""

    def ended(self, status: int) -> None:
        """It has ended, and all that it said was told; a negative number is that of the signal that ended it."""


class Child:
    """One program. Call ``start`` once, and ``hang_up`` in the end.

    Args:
        listener: Told what it does, until ``hang_up``.
    """

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._process: subprocess.Popen[bytes] | None = None
        self._inlet: Inlet | None = None
        self._outlets: list[Outlet] = []
        self._terminal: int | None = None
        self._ending: _Ending | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._saying = 0
        self._ended = False
        self._left = False

    @property
    def gone(self) -> bool:
        """Whether it has ended, or never began."""
        return self._ending is None or self._ending.over.done()

    def start(
        self,
        command: Sequence[str | bytes],
        environment: Mapping[bytes, bytes],
        folder: str,
        terminal: tuple[Size, Mapping[int, int]] | None = None,
    ) -> None:
        """Start it.

        Args:
            command: Its words, the program's path first.
            environment: All of it.
            folder: Where it stands.
            terminal: Size and modes of the terminal that it controls; None for pipes.

        Raises:
            OSError: It cannot be started; nothing is left behind.
        """
        _left[:] = [process for process in _left if process.poll() is None]
        if terminal is None:
            self._start_on_pipes(command, environment, folder)
        else:
            self._start_on_terminal(command, environment, folder, *terminal)
        assert self._process is not None  # noqa: S101 - it was just started
        self._ending = _Ending(self._process, self._gone)

    def _start_on_pipes(self, command: Sequence[str | bytes], environment: Mapping[bytes, bytes], folder: str) -> None:
        with contextlib.ExitStack() as theirs, contextlib.ExitStack() as ours:
            ends = [_pipe(ours, theirs, ours_reads=number > 0) for number in range(3)]
            self._process = _popen(command, environment, folder, [end[1] for end in ends])
            ours.pop_all()
        stdin, stdout, stderr = (end[0] for end in ends)
        self._inlet = Inlet(stdin, self._full)
        self._saying = 2
        self._outlets = [
            Outlet(stdout, self._listener.said, self._silent),
            Outlet(stderr, self._listener.complained, self._silent),
        ]

    def _start_on_terminal(
        self,
        command: Sequence[str | bytes],
        environment: Mapping[bytes, bytes],
        folder: str,
        size: Size,
        modes: Mapping[int, int],
    ) -> None:
        with contextlib.ExitStack() as theirs, contextlib.ExitStack() as ours:
            terminal, end = open_terminal(size, modes)
            ours.callback(os.close, terminal)
            theirs.callback(os.close, end)
            name = os.ttyname(end)
            typed = os.dup(terminal)
            ours.callback(os.close, typed)
            environment = {**environment, b"SSH_TTY": os.fsencode(name)}
            self._process = _popen([*_TAKE_TERMINAL, name, *command], environment, folder, [end] * 3)
            ours.pop_all()
        self._terminal = terminal
        self._inlet = Inlet(typed, self._full)
        self._saying = 1
        self._outlets = [Outlet(terminal, self._listener.said, self._silent)]

    def write(self, data: bytes) -> None:
        """Tell it something on standard input."""
        if self._inlet is not None:
            self._inlet.write(data)

    def mute(self) -> None:
        """Take no more of its standard output, at whose next word it gets a SIGPIPE. A terminal has other readers."""
        if self._terminal is None and self._outlets and not self._left and self._outlets[0].open:
            self._outlets[0].close()
            self._silent()

    def end_input(self) -> None:
        """Let it know that nothing follows. A terminal has no such end: what is typed there may have."""
        if self._inlet is not None and self._terminal is None:
            self._inlet.end()

    def pause(self) -> None:
        """Take nothing of what it says for now."""
        for outlet in self._outlets:
            outlet.pause()

    def resume(self) -> None:
        """Go on."""
        for outlet in self._outlets:
            outlet.resume()

    def resize(self, size: Size) -> None:
        """Tell it how large its terminal is now."""
        if self._terminal is not None and self._saying:
            resize(self._terminal, size)

    def send_break(self) -> bool:
        """Send a break on its terminal; whether it has one."""
        if self._terminal is None or not self._saying:
            return False
        with contextlib.suppress(termios.error):
            termios.tcsendbreak(self._terminal, 0)
        return True

    def signal(self, number: int) -> None:
        """Send a signal to it and all of its group."""
        if self._process is not None and not self._ended:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, number)

    def hang_up(self) -> None:
        """Hear and tell nothing any more; where it has not ended, it gets a SIGHUP. Safe to call twice.

        What it says on pipes is taken for a while and dropped: it may have to say something before it ends, and should
        not be ended by a SIGPIPE over that.
        """
        if self._left:
            return
        self._left = True
        self.signal(signal.SIGHUP)  # before it can see that its input has ended
        if self._inlet is not None:
            self._inlet.close()
        if self._terminal is not None or self.gone:
            self._let_go()
            return
        for outlet in self._outlets:
            outlet.drop()
        self._timer = asyncio.get_running_loop().call_later(_GRACE, self._let_go)

    def _let_go(self) -> None:
        """Have nothing of it any more but, perhaps, its end."""
        if self._timer is not None:
            self._timer.cancel()
        for outlet in self._outlets:
            outlet.close()
        self._terminal = None
        if self._process is not None and not self._ended and self._process not in _left:
            _left.append(self._process)

    async def wait_gone(self, timeout: float) -> None:
        """Wait for its end, after ``hang_up``; one that pays no heed to that is let go, and lives on.

        Args:
            timeout: Seconds.
        """
        if self._ending is not None:
            await asyncio.wait((self._ending.over,), timeout=timeout)
            self._ending.forget()
            self._let_go()

    def _full(self, full: bool) -> None:  # noqa: FBT001 - as an inlet calls it
        if not self._left:
            self._listener.full(full=full)

    def _silent(self) -> None:
        """One of its outputs has come to its end."""
        self._saying -= 1
        self._finish()

    def _gone(self) -> None:
        self._ended = True
        if self._left:
            self._let_go()
        if self._terminal is not None and self._saying and not self._left:
            asyncio.get_running_loop().call_later(_LAST_WORDS, self._finish_terminal)
        self._finish()

    def _finish_terminal(self) -> None:
        if not self._left and self._saying:
            self._outlets[0].finish()

    def _finish(self) -> None:
        if self._ended and not self._saying and not self._left:
            process, self._left = self._process, True
            if self._inlet is not None:
                self._inlet.close()
            assert process is not None  # noqa: S101 - it has ended
            self._listener.ended(process.returncode)


def _pipe(ours: contextlib.ExitStack, theirs: contextlib.ExitStack, *, ours_reads: bool) -> tuple[int, int]:
    """Our end of a pipe, which does not block, and the program's."""
    reading, writing = os.pipe()
    mine, other = (reading, writing) if ours_reads else (writing, reading)
    ours.callback(os.close, mine)
    theirs.callback(os.close, other)
    os.set_blocking(mine, False)
    return mine, other


def _popen(
    command: Sequence[str | bytes], environment: Mapping[bytes, bytes], folder: str, ends: Sequence[int]
) -> subprocess.Popen[bytes]:
    program, *words = map(os.fsencode, command)
    stdin, stdout, stderr = ends
    return subprocess.Popen(  # noqa: S603 - what the agent is for
        [os.path.basename(program), *words],  # noqa: PTH119 - by this a shell calls itself when it complains
        executable=program,
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        env=environment,
        cwd=folder,
        start_new_session=True,
    )


class _Ending:
    """The end of a program, waited for in the background; it is no zombie any more when the call comes.

    Args:
        process: The program.
        call: What is called.

    Attributes:
        over: Done with its end.
    """

    def __init__(self, process: subprocess.Popen[bytes], call: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._process = process
        self._call = call
        self._descriptor: int | None = None
        self.over: asyncio.Future[None] = self._loop.create_future()
        try:
            self._descriptor = os.pidfd_open(process.pid)
        except (AttributeError, OSError):  # not on Linux, or an old one
            name = f"waits for {process.pid}"
            threading.Thread(target=self._wait, name=name, daemon=True).start()
        else:
            self._loop.add_reader(self._descriptor, self._ended)

    def forget(self) -> None:
        """Wait for it no more. Safe to call twice."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            self._loop.remove_reader(descriptor)
            os.close(descriptor)

    def _ended(self) -> None:
        self.forget()
        self._process.wait()
        if not self.over.done():
            self.over.set_result(None)
            self._call()

    def _wait(self) -> None:
        self._process.wait()
        with contextlib.suppress(RuntimeError):  # the loop has ended before it
            self._loop.call_soon_threadsafe(self._ended)
