"""``mooring.serve``: an SSH server in a few lines, on the hardened ground of ``transport.serve``."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import asyncssh

from ...model.errors import CredentialError, InvalidInput
from ..keyfiles import KeyFiles
from ..mapping import connect_error
from ..serve import Listener, keywords
from .household import Household
from .keys import Keys
from .owner import Owner
from .terms import Terms

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable
    from types import TracebackType

    from ...model.device import DoorLimits
    from .terms import CheckPassword, Files, Handler, LeadPolicy, ListenPolicy, SessionFactory

    HostKey = str | os.PathLike[str] | asyncssh.SSHKey

__all__ = ["Server", "serve"]

_PORT: Final = 8022
_DIAL_TIMEOUT: Final = 20.0


def serve(
    host: str | None = "127.0.0.1",
    port: int = _PORT,
    *,
    host_keys: HostKey | Iterable[HostKey],
    check_password: CheckPassword | None = None,
    authorized_keys: str | os.PathLike[str] | None = None,
    guests: Collection[str] = (),
    process: Handler | None = None,
    session: SessionFactory | None = None,
    encoding: str | None = "utf-8",
    errors: str = "backslashreplace",
    line_editor: bool = True,
    line_echo: bool = True,
    line_history: int = 1000,
    max_line_length: int = 1024,
    sftp: Files | None = None,
    allow_scp: bool = False,
    forward_local: LeadPolicy | None = None,
    forward_remote: ListenPolicy | None = None,
    server_factory: Callable[[], asyncssh.SSHServer] | None = None,
    limits: DoorLimits | None = None,
    max_connections: int = 1000,
) -> Server:
    r"""An SSH server, from entering to leaving.

    ::

        async def greet(process):
            process.stdout.write(f"hello, {process.get_extra_info('username')}\n")


        async with mooring.serve(host_keys="ssh_host_key", authorized_keys="keys/%u", process=greet) as server:
            await server.wait_closed()

    Whatever is not allowed here is refused. What a callback of yours raises ends what it belongs to, a channel at most,
    and goes to the loop's exception handler; a login check that raises refuses.

    Args:
        host: The address to listen on; None listens nowhere, for a server that only dials.
        port: The port; 0 is any free one.
        host_keys: The server's private keys, by which clients know it: files that nobody else may read, or AsyncSSH's
            objects. A certificate ``FILE-cert.pub`` beside a file is shown as well.
        check_password: Asked whether a user's password is right, ``(user, password)``. A coroutine function is awaited;
            any other runs on a thread, since a good check takes long.
        authorized_keys: The file of the keys that may log in. With ``%u`` in it, which stands for the user's name,
            each user has one of their own. Without, one file is for all, and a plain key in it logs in under any name,
            a certificate of its ``cert-authority`` lines under those that are in it. It is read again when it has
            changed. All options of sshd(8) hold, or the file is refused.
        guests: Names that are let in without any proof.
        process: What a session does: a coroutine function that is given the ``asyncssh.SSHServerProcess``. The session
            ends with it: with the status that it has passed to ``exit``, 0 when it returns, 1 when it raises. It is
            cancelled when the client has been gone for ten seconds.
        session: In its place, what makes an ``asyncssh.SSHServerSession`` for each.
        encoding: Of a session's text; None for bytes.
        errors: What becomes of bytes that are no text, as ``bytes.decode`` has it.
        line_editor: Whether a session with a terminal gets its input line by line, edited and with a history.
        line_echo: Whether what is typed there is shown.
        line_history: How many lines are remembered.
        max_line_length: Characters that a line may have.
        sftp: The folder that clients see by SFTP, as ``/``, and outside of which nothing is reached, links or not.
            With ``%u`` in it each user has one of their own, which is made when it is first wanted. Or what makes an
            ``asyncssh.SFTPServer`` for a channel: a subclass, say.
        allow_scp: Whether the same files are served by ``scp -O`` too.
        forward_local: Asked what becomes of a connection that a client wants made from here (``ssh -L``, ``-D``,
            ``-W``). It gets a ``ForwardRequest``, and returns True to connect it where it wants, a place to connect it
            elsewhere, a coroutine function ``(reader, writer)`` or an ``asyncssh.SSHTCPSession`` to serve it itself,
            None or False to refuse. It may be a coroutine function.
        forward_remote: Asked whether a client may have us listen (``ssh -R``). It gets a ``ForwardRequest``, and may be
            a coroutine function.
        server_factory: Makes an ``asyncssh.SSHServer`` for each connection, which is told of its beginning and end, and
            asked what is not answered by the arguments above.
        limits: What strangers may cost before they are logged in.
        max_connections: Clients that are logged in at once; one more is turned away.

    Raises:
        InvalidInput: Arguments contradict one another, nobody could log in, or there is nothing to do.
    """
    terms = Terms(
        check_password=check_password,
        authorized_keys=authorized_keys,
        guests=guests,
        process=process,
        session=session,
        sftp=sftp,
        allow_scp=allow_scp,
        forward_local=forward_local,
        forward_remote=forward_remote,
        server_factory=server_factory,
    )
    more = {
        "encoding": encoding,
        "errors": errors,
        "line_editor": line_editor,
        "line_echo": line_echo,
        "line_history": line_history,
        "max_line_length": max_line_length,
    }
    keys: list[HostKey] = [host_keys] if isinstance(host_keys, (str, os.PathLike, asyncssh.SSHKey)) else [*host_keys]
    if not keys:
        raise InvalidInput("a server has a host key", hint="ssh-keygen -t ed25519 -N '' -f ssh_host_key")
    if max_connections < 1:
        raise InvalidInput("max_connections must be at least 1")
    where = None if host is None else (host, port)
    return Server(Household(terms, max_connections), where, keys, limits, more)


class Server:
    """What ``serve`` returns: an async context manager."""

    def __init__(
        self,
        household: Household,
        where: tuple[str, int] | None,
        host_keys: list[HostKey],
        limits: DoorLimits | None,
        more: dict[str, Any],
    ) -> None:
        self._household = household
        self._where = where
        self._host_keys = host_keys
        self._limits = limits
        self._more = more
        self._loaded: list[Any] = []
        self._listener: Listener | None = None
        self._closed = asyncio.Event()
        self._closed.set()

    def __repr__(self) -> str:
        places = ", ".join(f"{host}:{port}" for host, port in self.addresses) or "nowhere"
        return f"<Server {places}, {len(self.connections)} connections>"

    async def __aenter__(self) -> Self:
        """Listen.

        Raises:
            CredentialError: A host key cannot be used.
            ConfigError: The authorized_keys file, or their folder, cannot be.
            ConnectFailed: The address cannot be listened on; the port may be taken.
        """
        household = self._household
        template = household.terms.authorized_keys
        household.keys = None if template is None else await asyncio.to_thread(Keys, os.fspath(template))
        self._loaded = await asyncio.to_thread(_load, self._host_keys)
        self._listener = Listener(
            self._loaded, lambda strangers: Owner(household, strangers), limits=self._limits, **self._more
        )
        self._closed.clear()
        try:
            if self._where is not None:
                await self._listener.listen(*self._where)
        except BaseException:
            await self.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it (see ``aclose``)."""
        await self.aclose()

    async def aclose(self) -> None:
        """Listen no more, cancel the handlers, and hang up on everybody. Safe to call twice."""
        listener, self._listener = self._listener, None
        if listener is None:
            return
        household = self._household
        try:
            await household.dismiss()
            household.hang_up()
            await listener.aclose()
            await household.dismiss(cancel=False)  # what handlers have left is put in order
        finally:
            await household.dismiss()
            household.terms.close()
            self._closed.set()

    async def wait_closed(self) -> None:
        """Wait until somebody closes it; at once if it does not run. Cancelling is safe."""
        await self._closed.wait()

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Where it listens."""
        return [] if self._listener is None else self._listener.addresses

    @property
    def port(self) -> int:
        """The port of the first address.

        Raises:
            InvalidInput: It listens nowhere.
        """
        if not self.addresses:
            raise InvalidInput("the server listens nowhere")
        return self.addresses[0][1]

    @property
    def connections(self) -> list[asyncssh.SSHServerConnection]:
        """Who is logged in: ``get_extra_info("username")`` tells the name, ``close()`` hangs up."""
        return self._household.logged_in()

    async def dial(self, host: str, port: int, *, timeout: float = _DIAL_TIMEOUT) -> asyncssh.SSHServerConnection:
        """Be the server on a connection that we make, to somebody who waits for it and is the client there.

        The roles of SSH are as ever: it must know our host key, and log in as anybody who comes to us.

        Args:
            host: Whom to dial.
            port: Its port.
            timeout: Seconds until it is logged in.

        Returns:
            The connection, once it is logged in: ``wait_closed`` waits for its end.

        Raises:
            InvalidInput: The server is not entered.
            ConnectFailed, HandshakeFailed, AuthenticationFailed: It was not made, or the peer did not log in.
        """
        if self._listener is None:
            raise InvalidInput("the server is not running", hint="async with mooring.serve(...) as server")
        options = keywords(self._loaded, lambda: Owner(self._household), login_timeout=timeout, **self._more)
        try:
            async with asyncio.timeout(timeout):
                return await asyncssh.connect_reverse(host, port, **options)
        except (asyncssh.Error, OSError) as error:
            raise connect_error(error, f"{host}:{port}") from error


def _load(host_keys: list[HostKey]) -> list[Any]:
    """The keys as AsyncSSH takes them, each with its certificate where it has one."""
    loaded: list[Any] = []
    for key in host_keys:
        if isinstance(key, asyncssh.SSHKey):
            loaded.append(key)
            continue
        path = Path(key)
        if not path.exists():
            raise CredentialError(f"the host key {path} does not exist", hint=f"ssh-keygen -t ed25519 -N '' -f {path}")
        [identity] = KeyFiles().identities([path], [], None, (), defaults=False)
        # AsyncSSH shows the key alone as well.
        loaded.append((identity.key, identity.certificates[0]) if identity.certificates else identity.key)
    return loaded
