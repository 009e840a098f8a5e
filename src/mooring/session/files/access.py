"""``get``, ``put`` and ``sftp`` of a session."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from ...model.errors import FilesUnsupported, InvalidInput, SessionLost, WaitTimeout
from ...model.files import Transferred
from ...transport.sftp import SftpChannel, open_sftp
from ..arguments import check_seconds
from ..attachment import OPEN_TIMEOUT
from ..slots import Kind
from ..supervised import Supervised
from .how import How
from .local import LocalEnd
from .names import remote_path
from .remote import RemoteEnd
from .scp import ScpTransfer
from .tree import Tree, expand, is_pattern

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
    from os import PathLike
    from typing import Unpack

    from ...transport.sftp import Client
    from .how import CopyOptions

    Path = str | bytes | PathLike[str]
    Paths = Path | Sequence[Path]

__all__ = ["WithFiles"]


class WithFiles(Supervised):
    """A session, as far as files go."""

    async def get(
        self,
        remote: Paths,
        local: Path = ".",
        *,
        glob: bool = False,
        timeout: float | None = None,
        **options: Unpack[CopyOptions],
    ) -> Transferred:
        """Copy files from the peer, by SFTP, or by SCP where it has none.

        Each file is written under another name and renamed when it is whole and has the source's size; a file or
        link of its name is replaced then. Nothing is ever written outside of ``local``, whatever the peer tells.
        Cancelling is safe: what is not whole is taken away.

        Args:
            remote: Paths of files or folders, relative to the home; ``~/`` means it too.
            local: A folder that is there, or the copy's name; several sources, or a ``/`` at its end, make the folder.
            glob: ``*``, ``?`` and ``[...]`` in ``remote`` are patterns. They take SFTP.
            timeout: Seconds for everything. None leaves it to the peer, which is given up after two minutes without
                a byte.
            options: How, as CopyOptions has it: ``recurse``, ``preserve``, ``links``, ``resume``, ``checksum``,
                ``limit``, ``progress``, ``on_error``.

        Returns:
            What was copied.

        Raises:
            SessionNotUp, SessionParked, SessionClosed, ChannelLimit, ChannelRefused: As ``process``.
            FileMissing, FileRefused, DiskFull, FileMismatch, FileError: A file was not copied; it is named.
            UnsafePath: The peer wanted something written outside of ``local``.
            FilesUnsupported: The peer has neither SFTP nor SCP, or this takes SFTP.
            SessionLost: The connection was lost; the file under way is named.
            WaitTimeout: It took longer than ``timeout``.
            InvalidInput: An argument cannot be meant.
        """
        return await self.fetch(remote, local, How(**options), glob=glob, timeout=timeout)

    async def fetch(
        self, remote: Paths, local: Path, how: How, *, glob: bool = False, timeout: float | None = None
    ) -> Transferred:
        """``get`` as a part of a transfer that there is: no two of its sources get one place."""
        sources = [remote_path(path) for path in _paths(remote)]
        target = _text(local)

        async def by_sftp(here: LocalEnd, end: RemoteEnd) -> Tree:
            tree = Tree(end, here, how)
            found = [each for path in sources for each in await expand(end, path)] if glob else sources
            await tree.copy(found, target, into=glob and len(found) > 1)
            return tree

        async def by_scp(_: LocalEnd, scp: ScpTransfer) -> None:
            if glob and (patterns := [path for path in sources if is_pattern(path)]):
                message = "patterns take SFTP, which it has not"
                raise FilesUnsupported(message, path=patterns[0], where=self.alias, hint="name each file")
            await scp.get(sources, target, into=False)

        return await self._transfer(how, timeout, by_sftp, by_scp)

    async def put(
        self,
        local: Paths,
        remote: Path = ".",
        *,
        glob: bool = False,
        timeout: float | None = None,
        **options: Unpack[CopyOptions],
    ) -> Transferred:
        """Copy files to the peer, by SFTP, or by SCP where it has none.

        As ``get``, the other way round: each file is written under another name there and renamed when it is whole.
        A lost connection may leave one, which begins with ``.mooring-``. A device without a POSIX shell cannot
        rename what comes by SCP: there it is written under its own name.

        Args:
            local: Paths of files or folders.
            remote: A folder that is there, or the copy's name, relative to the home; made as by ``get``.
            glob: ``*``, ``?`` and ``[...]`` in ``local`` are patterns.
            timeout: As ``get`` has it.
            options: Likewise; links may lead anywhere.

        Returns:
            What was copied.

        Raises:
            MooringError: As ``get``.
        """
        return await self.send(local, remote, How(**options), glob=glob, timeout=timeout)

    async def send(
        self, local: Paths, remote: Path, how: How, *, glob: bool = False, timeout: float | None = None
    ) -> Transferred:
        """``put`` as a part of a transfer that there is: no two of its sources get one place."""
        sources, target = _paths(local), remote_path(_text(remote))

        async def meant(here: LocalEnd) -> list[str]:
            return [each for path in sources for each in await expand(here, path)] if glob else sources

        async def by_sftp(here: LocalEnd, end: RemoteEnd) -> Tree:
            tree = Tree(here, end, how)
            found = await meant(here)
            await tree.copy(found, target, into=glob and len(found) > 1)
            return tree

        async def by_scp(here: LocalEnd, scp: ScpTransfer) -> None:
            found = await meant(here)
            await scp.put(found, target, into=glob and len(found) > 1)

        return await self._transfer(how, timeout, by_sftp, by_scp)

    async def sftp(self, *, timeout: float = OPEN_TIMEOUT) -> Client:
        """AsyncSSH's ``SFTPClient`` on a channel of this session: ``async with await session.sftp() as sftp: ...``.

        What the object raises is AsyncSSH's. It holds its channel slot until it is closed. Cancelling is safe.

        Args:
            timeout: Seconds to wait for a slot and for the server to start it.

        Raises:
            SessionNotUp, SessionParked, SessionClosed, ChannelLimit, ChannelRefused, SessionLost: As ``process``.
            FilesUnsupported: The peer has no SFTP.
        """
        check_seconds(timeout)
        return (await self._channel(timeout)).client

    @contextlib.asynccontextmanager
    async def files(self, timeout: float = OPEN_TIMEOUT) -> AsyncIterator[RemoteEnd]:
        """The peer's files as an end of a transfer, for who copies between sessions or streams.

        Raises:
            MooringError: As ``sftp``.
        """
        channel = await self._channel(timeout)
        end = RemoteEnd(self._up(), channel)
        try:
            await end.measure()
            yield end
        finally:
            end.close()

    async def _channel(self, timeout: float) -> SftpChannel:
        attachment = self._up()
        try:
            return await attachment.open(
                Kind.HELD,
                "sftp",
                attachment.now() + timeout,
                SftpChannel,
                lambda channel: open_sftp(attachment.link.connection, channel),
            )
        except FilesUnsupported as error:
            if attachment.link.closed:
                raise SessionLost(f"{self.alias} was lost while SFTP was being started") from error
            raise FilesUnsupported(error.message, where=self.alias) from error

    async def _transfer(
        self,
        how: How,
        timeout: float | None,
        by_sftp: Callable[[LocalEnd, RemoteEnd], Awaitable[Tree]],
        by_scp: Callable[[LocalEnd, ScpTransfer], Awaitable[None]],
    ) -> Transferred:
        check_seconds(timeout)
        start = time.perf_counter()
        try:
            async with asyncio.timeout(timeout), LocalEnd() as here:
                try:
                    async with self.files() as end:
                        copying = (await by_sftp(here, end)).copying
                except FilesUnsupported:
                    scp = ScpTransfer(self._up(), here, how)
                    await by_scp(here, scp)
                    return Transferred(
                        files=scp.files,
                        size=scp.size,
                        failed=scp.failed,
                        duration=time.perf_counter() - start,
                        protocol="scp",
                    )
        except TimeoutError:
            raise WaitTimeout(f"the files of {self.alias} were not copied within {timeout:g} s") from None
        return replace(copying.told(), duration=time.perf_counter() - start)


def _paths(given: Paths) -> list[str]:
    """One path, or several."""
    several = [given] if isinstance(given, str | bytes | os.PathLike) else list(given)
    if not several:
        raise InvalidInput("no file was named")
    return [_text(path) for path in several]


def _text(path: Path) -> str:
    try:
        text = os.fsdecode(path)
    except TypeError:
        raise InvalidInput(f"a path is a {type(path).__name__}, and must be a text, bytes or a Path") from None
    if "\0" in text:
        raise InvalidInput("a path holds a NUL")
    return text or "."
