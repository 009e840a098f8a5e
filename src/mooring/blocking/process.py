"""A remote process for synchronous code: three files and an exit status."""

from __future__ import annotations

import asyncio
import io
from typing import IO, TYPE_CHECKING, Any, AnyStr, Generic, Self

from ..model.errors import ChannelError, SessionLost, WaitTimeout
from ..transport.mapping import mapped

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import TracebackType

    from _typeshed import ReadableBuffer, WriteableBuffer

    from ..transport.channel import HeldProcess
    from .loop import LoopThread

__all__ = ["Process"]


class Process(Generic[AnyStr]):
    """A command, shell or subsystem at the far end, made by ``Session.process``.

    ``stdin``, ``stdout`` and ``stderr`` are files as Python has them, of text or of bytes: iterate over the lines,
    or read and write. What is written goes out at once, closing ``stdin`` ends it, and lines end as the peer ends
    them. A reader that finds the connection lost raises SessionLost. Two streams that both carry much must be read
    by two threads, or be one: ``stderr=asyncssh.STDOUT``.

    Args:
        process: AsyncSSH's object, made with ``encoding=None``.
        alias: The session's name.
        thread: Where the object lives.
        encoding: How bytes become text; None leaves them.
        errors: What becomes of output that is no text.
    """

    def __init__(
        self,
        process: HeldProcess,
        alias: str,
        thread: LoopThread,
        encoding: str | None = None,
        errors: str = "strict",
    ) -> None:
        self._process = process
        self._alias = alias
        self._thread = thread
        stdin: Any = _Stdin(process, alias, thread)
        stdout: Any = io.BufferedReader(_Output(process.stdout.read, process, alias, thread))
        stderr: Any = io.BufferedReader(_Output(process.stderr.read, process, alias, thread))
        if encoding is not None:
            # The raw stdin serves as a buffer, since it writes all that it is given.
            stdin = io.TextIOWrapper(stdin, encoding, newline="\n", write_through=True)
            stdout = io.TextIOWrapper(stdout, encoding, errors, newline="\n")
            stderr = io.TextIOWrapper(stderr, encoding, errors, newline="\n")
        self.stdin: IO[AnyStr] = stdin
        self.stdout: IO[AnyStr] = stdout
        self.stderr: IO[AnyStr] = stderr

    @property
    def exit_status(self) -> int | None:
        """Its exit status; -1 when a signal ended it, None until it has ended."""
        self._thread.check_process()
        status = self._process.exit_status
        return -1 if status is None and self._process.exit_signal else status

    @property
    def exit_signal(self) -> str | None:
        """The signal's name without ``SIG`` when one ended it, else None."""
        self._thread.check_process()
        signal = self._process.exit_signal
        return signal[0] if signal else None

    def wait(self, timeout: float | None = None) -> int | None:
        """Wait for its end, and return the exit status: None where the server told none.

        Its output must be read, or it may wait for us for ever.

        Args:
            timeout: Seconds; None waits as long as it runs.

        Raises:
            WaitTimeout: It has not ended in time; it goes on.
            SessionLost: The connection was lost before its end.
        """
        self._thread.call(self._wait, timeout)
        return self.exit_status

    async def _wait(self, timeout: float | None) -> None:
        try:
            async with asyncio.timeout(timeout):
                await asyncio.shield(self._process.ended)
        except TimeoutError:
            msg = f"the process on {self._alias} has not ended within {timeout:g} s"
            raise WaitTimeout(msg, hint="close() ends it") from None
        if self.exit_status is None and _lost(self._process):
            msg = f"{self._alias} was lost while the process ran"
            raise SessionLost(msg, hint="it may go on there")

    def send_signal(self, signal: str) -> None:
        """Send it a signal, by its name without ``SIG`` (RFC 4254 section 6.9). Servers may ignore it.

        Raises:
            SessionLost: The connection is gone.
            ChannelError: It has ended.
        """
        self._thread.call(self._send_signal, signal)

    async def _send_signal(self, signal: str) -> None:
        _check_open(self._process, self._alias)
        with mapped(self._alias):
            self._process.send_signal(signal)

    def close(self) -> None:
        """Send it TERM unless it has ended, and close its channel. Safe to call twice.

        It holds its slot until the server confirms the close: OpenSSH does so when the process has ended.
        """
        self._thread.post(self._close)

    def _close(self) -> None:
        if not self._process.is_closing():
            self._process.send("TERM")
            self._process.abandon()

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()


class _Output(io.RawIOBase):
    """One of its output streams."""

    def __init__(
        self, read: Callable[[int], Awaitable[bytes]], process: HeldProcess, alias: str, thread: LoopThread
    ) -> None:
        self._read = read
        self._process = process
        self._alias = alias
        self._thread = thread

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Wait for some output; 0 at its end."""
        room = memoryview(buffer)
        data = self._thread.call(self._readinto, len(room))
        room[: len(data)] = data
        return len(data)

    async def _readinto(self, size: int) -> bytes:
        with mapped(self._alias, self._process.get_extra_info("connection")):
            return await self._read(size)


class _Stdin(io.RawIOBase):
    """Its input. Closing never waits, since a finaliser may do it."""

    def __init__(self, process: HeldProcess, alias: str, thread: LoopThread) -> None:
        self._process = process
        self._alias = alias
        self._thread = thread

    def writable(self) -> bool:
        return True

    def write(self, data: ReadableBuffer, /) -> int:
        """Send all of it, as fast as the peer takes it."""
        content = bytes(data)
        self._thread.call(self._write, content)
        return len(content)

    async def _write(self, content: bytes) -> None:
        _check_open(self._process, self._alias)
        with mapped(self._alias, self._process.get_extra_info("connection")):
            self._process.stdin.write(content)
            await self._process.stdin.drain()

    def close(self) -> None:
        if not self.closed:
            super().close()
            self._thread.post(self._end)

    def _end(self) -> None:
        if not self._process.stdin.is_closing():
            self._process.stdin.write_eof()


def _lost(process: HeldProcess) -> bool:
    return bool(process.get_extra_info("connection").is_closed())


def _check_open(process: HeldProcess, alias: str) -> None:
    if process.is_closing() and not _lost(process):
        msg = f"the process on {alias} has ended, or was closed"
        raise ChannelError(msg)
