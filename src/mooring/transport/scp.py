"""SCP, for peers without SFTP: AsyncSSH's ``scp`` over a channel of ours, which knows its slot and keeps a pace."""

from __future__ import annotations

import asyncio
import contextlib
import glob
from typing import TYPE_CHECKING, Any, Final

import asyncssh

from ..model.errors import FilesUnsupported

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from .channel import HeldProcess

__all__ = ["SCP_FAILURES", "Scp"]

SCP_FAILURES: Final = (asyncssh.Error, OSError, ValueError)
"""What ``receive`` and ``send`` raise."""

_SILENCE: Final = 120.0
"""Seconds in which nothing comes or goes, after which the peer is taken for stuck."""
_CLOSING: Final = 10.0
"""Seconds for the peer to close its side when all is done; by then its exit status is here, too."""
_NO_SUCH_COMMAND: Final = 127


class Scp:
    """One file or tree over SCP.

    Args:
        connection: Over which.
        opened: Opens a channel and starts a command on it.
        pause: Waited for with the number of bytes that have just moved.
        moved: Told of the source's name, the bytes that have moved and those that it has.
        asked: Told of each line of the protocol that the peer sends: ``C`` begins a file, ``D`` a folder, ``E`` ends
            one. What it raises ends the transfer.
    """

    def __init__(
        self,
        connection: asyncssh.SSHClientConnection,
        opened: Callable[[str], Awaitable[HeldProcess]],
        pause: Callable[[int], Awaitable[None]],
        moved: Callable[[str, int, int], None],
        asked: Callable[[bytes], None],
    ) -> None:
        self.logger = connection.logger
        self._opened = opened
        self._pause = pause
        self._moved = moved
        self._asked = asked
        self._process: HeldProcess | None = None

    async def receive(self, remote: str, local: str, *, preserve: bool, recurse: bool) -> None:
        """Get a file or a tree; ``remote`` is quoted for the peer's shell. Cancelling is safe."""
        await self._copy((self, _encoded(remote)), _encoded(local), preserve, recurse)

    async def send(self, local: str, remote: str, *, preserve: bool, recurse: bool) -> None:
        """Put a file or a tree; ``remote`` is quoted for the peer's shell. Cancelling is safe."""
        pattern = glob.escape(local)  # AsyncSSH takes it for one
        await self._copy(_encoded(pattern), (self, _encoded(remote)), preserve, recurse)

    async def _copy(self, source: Any, target: Any, preserve: bool, recurse: bool) -> None:  # noqa: FBT001
        try:
            await asyncssh.scp(source, target, preserve=preserve, recurse=recurse, progress_handler=self._progress)
        finally:
            if self._process is not None:
                self._process.abandon()
                if self._process.status == _NO_SUCH_COMMAND:
                    raise FilesUnsupported("it has neither SFTP nor SCP")

    def _progress(self, source: bytes, target: bytes, done: int, size: int) -> None:  # noqa: ARG002 - AsyncSSH's
        self._moved(source.decode("utf-8", "surrogateescape"), done, size)

    async def open_session(self, command: bytes, **_: Any) -> tuple[_PacedWriter, _PacedReader, None]:
        """What ``asyncssh.scp`` asks a connection for."""
        process = self._process = await self._opened(command.decode("utf-8", "surrogateescape"))
        return _PacedWriter(process, self._pause), _PacedReader(process, self._pause, self._asked), None


class _PacedReader:
    """What ``asyncssh.scp`` needs of a reader, waiting after what was read as long as the pace wants."""

    def __init__(
        self, process: HeldProcess, pause: Callable[[int], Awaitable[None]], asked: Callable[[bytes], None]
    ) -> None:
        self._stdout = process.stdout
        self._pause = pause
        self._asked = asked
        self._answer = False
        self.logger = process.stdout.logger

    async def read(self, size: int) -> bytes:
        async with _impatiently():
            data: bytes = await self._stdout.read(size)
        self._answer = data != b"\0"  # the rest of which is a line of words
        await self._pause(len(data))
        return data

    async def readline(self) -> bytes:
        async with _impatiently():
            line: bytes = await self._stdout.readline()
        if not self._answer:
            self._asked(line)
        self._answer = False
        return line


class _PacedWriter:
    """What ``asyncssh.scp`` needs of a writer, waiting after what was written as long as the pace wants."""

    def __init__(self, process: HeldProcess, pause: Callable[[int], Awaitable[None]]) -> None:
        self._stdin = process.stdin
        self._pause = pause
        self._written = 0
        self.channel = process.stdin.channel

    def write(self, data: bytes) -> None:
        self._written += len(data)
        self._stdin.write(data)

    async def drain(self) -> None:
        written, self._written = self._written, 0
        await self._pause(written)
        async with _impatiently():
            await self._stdin.drain()

    def close(self) -> None:
        self._stdin.close()

    async def wait_closed(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSING):
                await self._stdin.wait_closed()


@contextlib.asynccontextmanager
async def _impatiently() -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(_SILENCE):
            yield
    except TimeoutError:
        raise asyncssh.SFTPConnectionLost(f"the peer did nothing for {_SILENCE:g} s") from None


def _encoded(path: str) -> bytes:
    return path.encode("utf-8", "surrogateescape")
