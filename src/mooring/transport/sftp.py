"""SFTP on a channel of a link: AsyncSSH's client over a stream of ours, which knows its slot and copies less."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any, Final

import asyncssh
from asyncssh.sftp import start_sftp_client

from ..model.errors import (
    DiskFull,
    FileError,
    FileMissing,
    FileRefused,
    FilesUnsupported,
    MooringError,
    SessionLost,
)
from .channel import SlotHolder
from .mapping import words

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..model.files import Kind
    from .link import Link

__all__ = [
    "CREATE",
    "EXCLUSIVE",
    "FAILURES",
    "KINDS",
    "READ",
    "UNSUPPORTED",
    "WRITE",
    "Attributes",
    "Client",
    "ClientFile",
    "NotThere",
    "SftpChannel",
    "attributes",
    "file_error",
    "open_sftp",
    "refused_by_sftp",
]

Attributes = asyncssh.SFTPAttrs
Client = asyncssh.SFTPClient
ClientFile = asyncssh.SFTPClientFile

READ: Final = asyncssh.FXF_READ
WRITE: Final = asyncssh.FXF_WRITE
CREATE: Final = asyncssh.FXF_CREAT
EXCLUSIVE: Final = asyncssh.FXF_EXCL

FAILURES: Final = (asyncssh.Error, OSError, ValueError)
"""What AsyncSSH's SFTP client raises; ValueError is a packet that cannot be read."""
UNSUPPORTED: Final = asyncssh.SFTPOpUnsupported
KINDS: Final[Mapping[int, Kind]] = {
    asyncssh.FILEXFER_TYPE_REGULAR: "file",
    asyncssh.FILEXFER_TYPE_DIRECTORY: "folder",
    asyncssh.FILEXFER_TYPE_SYMLINK: "link",
}
"""What a file is, by its type in SFTP."""

_WINDOW: Final = 16 * 1024 * 1024
"""Bytes that the server may send ahead, so that a path of 100 ms still carries more than a gigabit a second. What is
held here is bounded by what was asked for."""

_MISSING: Final = (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath)
_FULL: Final = (asyncssh.SFTPNoSpaceOnFilesystem, asyncssh.SFTPQuotaExceeded)
_REFUSED: Final = (asyncssh.SFTPPermissionDenied, asyncssh.SFTPWriteProtect)
_GONE: Final = (asyncssh.SFTPConnectionLost, asyncssh.SFTPNoConnection)
_MEANING: Final[tuple[tuple[tuple[type[Exception], ...], type[FileError], str], ...]] = (
    ((*_MISSING, FileNotFoundError), FileMissing, "there is no such file"),
    ((*_REFUSED, PermissionError), FileRefused, "permission denied"),
    (_FULL, DiskFull, "there is no space left"),
)

_LAST: Final = 0xFFFF_FFFF
"""The last second that version 3 of SFTP can tell."""

_SAID: Final[tuple[tuple[str, type[FileError], str], ...]] = (
    ("No such file or directory", FileMissing, "there is no such file"),
    ("Permission denied", FileRefused, "permission denied"),
    ("No space left on device", DiskFull, "there is no space left"),
    ("quota exceeded", DiskFull, "there is no space left"),
)
"""What the system says, and SCP after it, which has no codes."""

NotThere: Final = (*_MISSING, FileNotFoundError)
"""What says that a path does not exist."""


class SftpChannel(SlotHolder):
    """One channel that carries SFTP; to AsyncSSH's SFTP client both its reader and its writer.

    AsyncSSH's own stream would copy each byte twice more, and its process object costs a lock and a task beside.

    Args:
        on_close: As SlotHolder has it.
    """

    def __init__(self, on_close: Callable[[], None]) -> None:
        super().__init__(on_close)
        self.client: asyncssh.SFTPClient
        self._parts: deque[bytes] = deque()
        self._held = 0
        self._start = 0
        self._wanted = 0
        self._waiter: asyncio.Future[None] | None = None
        self._over = False
        self._now = asyncio.get_running_loop().time
        self.heard = self._now()
        """When something came last, by the loop's clock."""

    @property
    def channel(self) -> asyncssh.SSHClientChannel[Any]:
        """The channel, which is open whenever AsyncSSH's SFTP client asks."""
        if self.channel_opened is None:
            raise asyncssh.SFTPNoConnection("the channel is not open")
        return self.channel_opened

    @property
    def logger(self) -> Any:
        """A logger that drops everything: AsyncSSH tells it of each request, which takes a tenth of a small file."""
        return _Quiet()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """What the channel knows of the connection."""
        return self.channel.get_extra_info(name, default)

    def data_received(self, data: bytes, datatype: int | None) -> None:
        """Keep it for ``readexactly``; standard error says nothing that is asked for."""
        if datatype is not None:
            return
        self.heard = self._now()
        self._parts.append(data)
        self._held += len(data)
        if self._held >= self._wanted:
            self._wake()

    def eof_received(self) -> bool:
        """The server sends nothing more."""
        self.complete = True
        self._end()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The channel is closed, or the connection is lost."""
        super().connection_lost(exc)
        self._end()

    def _end(self) -> None:
        self._over = True
        self._wake()

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    async def readexactly(self, count: int) -> bytes:
        """So many bytes. One caller at a time.

        Raises:
            asyncio.IncompleteReadError: The end came first.
        """
        while self._held < count:
            if self._over:
                raise asyncio.IncompleteReadError(b"", count)
            self._wanted = count
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        return self._take(count)

    def _take(self, count: int) -> bytes:
        self._held -= count
        found: list[bytes] = []
        while count:
            part, start = self._parts[0], self._start
            end = start + count
            if end < len(part):
                found.append(part[start:end])
                self._start, count = end, 0
            else:
                found.append(part[start:] if start else part)
                count = end - len(part)
                self._start = 0
                self._parts.popleft()
        return found[0] if len(found) == 1 else b"".join(found)

    def write(self, data: bytes) -> None:
        """Send it. How much may wait here is bounded by how many requests are asked at once."""
        if not self.channel.is_closing():
            self.channel.write(data)

    def write_eof(self) -> None:
        """Nothing more is asked for."""
        if self.channel_opened is not None and not self.channel_opened.is_closing():
            self.channel_opened.write_eof()

    def close(self) -> None:
        """Close our side."""
        self.abandon()

    def give_up(self) -> None:
        """Take SFTP for ended, and close our side: whoever waits for an answer is told so."""
        self._end()
        self.abandon()

    async def wait_closed(self) -> None:
        """Wait until the server has closed its side too. Cancelling is safe."""
        await asyncio.shield(self.ended)


class _Quiet:
    """What AsyncSSH's SFTP client needs of a logger."""

    def get_child(self, *_: object) -> _Quiet:
        return self

    def info(self, *_: object, **__: object) -> None:
        pass

    debug1 = debug2 = packet = warning = info


async def open_sftp(connection: asyncssh.SSHClientConnection, holder: SftpChannel) -> None:
    """Open a channel, start the ``sftp`` subsystem on it and agree on a version; ``holder.client`` is the outcome.

    Do not cancel it (see ``open_exec``). Paths that are no UTF-8 come and go as surrogates, as Python's own do.

    Raises:
        asyncssh.ChannelOpenError: The peer refused the channel (see ``refused``).
        FilesUnsupported: There is no SFTP.
    """
    try:
        await connection.create_session(
            lambda: holder, subsystem="sftp", request_pty=False, encoding=None, window=_WINDOW
        )
        holder.client = await start_sftp_client(
            connection,
            asyncio.get_running_loop(),
            "replace",
            holder,  # type: ignore[arg-type] # what it needs of a reader
            holder,  # type: ignore[arg-type] # and of a writer
            "utf-8",
            "surrogateescape",
            3,
        )
    except (asyncssh.SFTPError, EOFError) as error:
        raise FilesUnsupported(f"it starts no SFTP: {words(error)}") from error
    except asyncssh.ChannelOpenError as error:
        if holder.channel_opened is None:
            raise
        raise FilesUnsupported(f"it has no SFTP: {words(error)}") from error


def attributes(
    mode: int | None = None, accessed: float | None = None, modified: float | None = None, size: int | None = None
) -> Attributes:
    """Permission bits, times in seconds and a size as SFTP sends them; None leaves one out."""
    if modified is None:
        return asyncssh.SFTPAttrs(permissions=mode, size=size)
    times = [min(max(int(time), 0), _LAST) for time in (modified if accessed is None else accessed, modified)]
    return asyncssh.SFTPAttrs(permissions=mode, atime=times[0], mtime=times[1], size=size)


def refused_by_sftp(error: BaseException) -> bool:
    """Whether the server refused without saying why: OpenSSH says "Failure" of a full disk too."""
    return type(error) is asyncssh.SFTPFailure


def file_error(error: Exception, path: str, where: str, link: Link | None = None) -> MooringError:
    """What a failure with one file means to the caller.

    Args:
        error: What AsyncSSH or the system raised; one of ours is returned as it is.
        path: The file's.
        where: The session's alias; empty for this machine.
        link: Over which it was reached.
    """
    if isinstance(error, MooringError):
        return error
    if link is not None and (link.closed or isinstance(error, asyncssh.DisconnectError)):
        return SessionLost(f"{where} was lost while {FileError.shown(path)} was under way")
    if isinstance(error, _GONE):
        return FileError("the peer ended the transfer", path=path, where=where)
    for classes, kind, reason in _MEANING:
        if isinstance(error, classes):
            return kind(reason, path=path, where=where)
    said = words(error).rstrip(".")
    for ending, kind, reason in _SAID:
        if said.endswith(ending):
            return kind(reason, path=path, where=where)
    if isinstance(error, OSError) and error.strerror:
        said = error.strerror  # without the name, which stands before it
    return FileError(said, path=path, where=where)
