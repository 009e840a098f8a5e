"""What a server was told: who may log in, what a session does, what may be forwarded. Checked before it listens."""

from __future__ import annotations

import asyncio
import inspect
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ...model.errors import InvalidInput
from .files import RootedFiles

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Coroutine

    import asyncssh

    from ...model.forward import ForwardRequest, Place

    CheckPassword = Callable[[str, str], bool | Awaitable[bool]]
    Handler = Callable[[asyncssh.SSHServerProcess[Any]], Awaitable[None] | None]
    SessionFactory = Callable[[], asyncssh.SSHServerSession[Any]]
    Files = str | os.PathLike[str] | Callable[[asyncssh.SSHServerChannel[bytes]], asyncssh.SFTPServer]
    Streams = Callable[[asyncssh.SSHReader[Any], asyncssh.SSHWriter[Any]], Coroutine[Any, Any, None]]
    Lead = bool | str | int | tuple[str, int] | Place | asyncssh.SSHTCPSession[Any] | Streams | None
    LeadPolicy = Callable[[ForwardRequest], Lead | Awaitable[Lead]]
    ListenPolicy = Callable[[ForwardRequest], bool | Awaitable[bool]]

__all__ = ["Terms", "for_user"]

_USER: Final = "%u"
_NAME: Final = 255
_WORKERS: Final = 8
"""Password checks at once; each connection has one at a time."""


@dataclass(kw_only=True)
class Terms:
    """What ``serve`` takes, under its names."""

    check_password: CheckPassword | None
    authorized_keys: str | os.PathLike[str] | None
    guests: Collection[str]
    process: Handler | None
    session: SessionFactory | None
    sftp: Files | None
    allow_scp: bool
    forward_local: LeadPolicy | None
    forward_remote: ListenPolicy | None
    server_factory: Callable[[], asyncssh.SSHServer] | None
    _threads: ThreadPoolExecutor | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        """Refuse what cannot be meant."""
        self._check_kinds()
        if isinstance(self.guests, str):
            raise InvalidInput(f"guests are a collection of names: {{{self.guests!r}}}")
        if self.process is not None and self.session is not None:
            raise InvalidInput("a session does one thing: give process or session, not both")
        if self.allow_scp and self.sftp is None:
            raise InvalidInput("allow_scp serves the files of sftp, and there are none", hint="give sftp")
        if sys.platform == "win32" and isinstance(self.sftp, (str, os.PathLike)):
            raise InvalidInput("a folder cannot be held to on Windows", hint="make an asyncssh.SFTPServer for sftp")
        if self.server_factory is not None:
            return
        if self.check_password is None and self.authorized_keys is None and not self.guests:
            raise InvalidInput("nobody could log in", hint="give check_password, authorized_keys or guests")
        if not any((self.process, self.session, self.sftp, self.forward_local, self.forward_remote)):
            raise InvalidInput("there is nothing to do", hint="give process, session, sftp or a forwarding policy")

    def _check_kinds(self) -> None:
        for name in ("check_password", "process", "session", "forward_local", "forward_remote", "server_factory"):
            if getattr(self, name) is not None and not callable(getattr(self, name)):
                raise InvalidInput(f"{name} is something to call, and not {getattr(self, name)!r}")
        if self.sftp is not None and not callable(self.sftp) and not isinstance(self.sftp, (str, os.PathLike)):
            raise InvalidInput(f"sftp is a folder, or what makes an asyncssh.SFTPServer, and not {self.sftp!r}")

    def files(self, chan: asyncssh.SSHServerChannel[bytes]) -> asyncssh.SFTPServer | None:
        """What the client of a channel sees by SFTP and SCP; None where its user's name is none of a folder."""
        if callable(self.sftp):
            return self.sftp(chan)
        template = os.fspath(self.sftp or "")
        folder = for_user(template, str(chan.get_extra_info("username")))
        return None if folder is None else RootedFiles(chan, folder, make=_USER in template)

    def check(self, user: str, password: str) -> Any:
        """Whether a password will do: on a thread, where the check is no coroutine function."""
        check = self.check_password
        if check is None or inspect.iscoroutinefunction(check) or inspect.iscoroutinefunction(type(check).__call__):
            return check is not None and check(user, password)
        return self._check_on_thread(check, user, password)

    async def _check_on_thread(self, check: CheckPassword, user: str, password: str) -> bool:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(_WORKERS, thread_name_prefix="mooring-password")
        verdict = await asyncio.get_running_loop().run_in_executor(self._threads, check, user, password)
        return bool(await verdict if inspect.isawaitable(verdict) else verdict)

    def close(self) -> None:
        """Check no more passwords; one that is being checked is checked to its end."""
        threads, self._threads = self._threads, None
        if threads is not None:
            threads.shutdown(wait=False, cancel_futures=True)


def for_user(template: str, user: str) -> Path | None:
    """The path of a user, or of all of them.

    Args:
        template: A path, in which ``%u`` stands for the user's name, as in sshd_config(5), and ``%%`` for ``%``.
        user: The name, of which anybody may have written anything.

    Returns:
        The path; None where the name is none of a single file: ``..``, with a ``/`` or a control character in it.
    """
    parts = template.split("%%")
    if not any(_USER in part for part in parts):
        return Path("%".join(parts))
    if not 0 < len(user.encode("utf-8", "surrogateescape")) <= _NAME or user.startswith("."):
        return None
    if not user.isprintable() or any(char in user for char in "/\\:"):
        return None
    return Path("%".join(part.replace(_USER, user) for part in parts))
