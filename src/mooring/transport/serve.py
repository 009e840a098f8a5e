"""The server's side of SSH, as Mooring shows it to strangers: modern, bounded, and not ended by a caller's mistake.

``Listener`` accepts on TCP. ``keywords`` is all that it hands AsyncSSH, for a server that begins otherwise: ``await
asyncssh.connect_reverse(host, port, **keywords([key], make))`` serves on a connection that it dials.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
from typing import TYPE_CHECKING, Any, Final

import asyncssh

from ..model.device import DoorLimits
from ..model.errors import ConnectFailed, StateError
from ..store.faults import faults
from ..store.private import read_private, write_private
from .algorithms import MODERN
from .attendant import Attendant, Strangers
from .guarded import guarded_process, guarded_sftp, guarded_streams
from .logs import keep_quiet
from .mapping import words
from .taken import who_has

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterable
    from pathlib import Path

__all__ = ["KEEPALIVE", "Listener", "keywords", "load_host_key"]

KEEPALIVE: Final = 15.0
"""Seconds of silence after which a peer is asked whether it is there."""
LOGIN_TIMEOUT: Final = 20.0
_MISSED: Final = 2
"""AsyncSSH counts one more."""
_GUARDS: Final = {
    "process_factory": guarded_process,
    "session_factory": guarded_streams,
    "sftp_factory": guarded_sftp,
}
_CLOSE_TIMEOUT: Final = 2.0
_MOST: Final = 16_384
keep_quiet()


def load_host_key(path: Path) -> asyncssh.SSHKey:
    """The Ed25519 host key in a file, which is made, for this user alone, if there is none.

    Raises:
        StateError: It cannot be read or made, others may read it, or it holds no key.
    """
    with faults(path):
        try:
            data = read_private(path, "host key", _MOST)
        except FileNotFoundError:
            data = asyncssh.generate_private_key("ssh-ed25519", comment="mooring").export_private_key()
            write_private(path, data)
    try:
        return asyncssh.import_private_key(data)
    except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError) as error:
        raise StateError(
            f"{path} holds no host key: {words(error)}", hint="move it away, and a new one is made; clients will ask"
        ) from error


def keywords(
    host_keys: Iterable[asyncssh.SSHKey],
    make: Callable[[], Attendant],
    *,
    login_timeout: float = LOGIN_TIMEOUT,
    keepalive: float = KEEPALIVE,
    **more: Any,
) -> dict[str, Any]:
    """AsyncSSH's keywords of a hardened server.

    Args:
        host_keys: Its keys.
        make: Makes the owner of each connection. ``lambda: Guarded(MyServer())`` keeps what a caller's own
            ``asyncssh.SSHServer`` raises from ending more than it belongs to.
        login_timeout: Seconds from the connection to the end of the login.
        keepalive: Seconds of silence after which the peer is asked whether it is there; it is gone when it misses
            three.
        more: Further keywords of ``asyncssh.listen``, which win. What a ``process_factory``, ``session_factory`` or
            ``sftp_factory`` raises ends its own channel.
    """
    for name, guard in _GUARDS.items():
        if callable(more.get(name)):
            more[name] = guard(more[name])
    return {
        "config": None,
        "server_factory": make,
        "server_host_keys": list(host_keys),
        "gss_host": None,
        "host_based_auth": False,
        "x509_trusted_certs": None,
        "agent_forwarding": False,
        "compression_algs": ["none"],
        "login_timeout": login_timeout,
        "keepalive_interval": keepalive,
        "keepalive_count_max": _MISSED,
        **MODERN,
        **more,
    }


class Listener:
    """Accepts SSH clients, each with an owner of its own. Strangers are counted before any cryptography.

    Call ``listen`` or ``serve_on``, then ``aclose``.

    Args:
        host_keys: The server's keys.
        make: Makes the owner of a connection, given who counts strangers: ``Guarded`` around a caller's server, or an
            ``Attendant``.
        limits: What strangers may cost. The numbers of handshakes and ``preamble_timeout`` are not used here.
        more: As ``keywords`` has them.
    """

    def __init__(
        self,
        host_keys: Iterable[asyncssh.SSHKey],
        make: Callable[[Strangers], Attendant],
        *,
        limits: DoorLimits | None = None,
        **more: Any,
    ) -> None:
        limits = limits or DoorLimits()
        self.strangers = Strangers(limits)
        self._keywords = keywords(
            host_keys, lambda: make(self.strangers), **{"login_timeout": limits.login_timeout, **more}
        )
        self._acceptors: list[asyncssh.SSHAcceptor] = []

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Where it listens."""
        return [address[:2] for acceptor in self._acceptors for address in acceptor.get_addresses()]

    async def listen(self, host: str, port: int) -> None:
        """Listen on an address; port 0 is any free one.

        Raises:
            ConnectFailed: It is none of this machine, is taken, or not for us.
        """
        try:
            self._acceptors.append(await asyncssh.listen(host, port, reuse_address=True, **self._keywords))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise ConnectFailed(
                    f"cannot listen on {host} port {port}: it is taken by {await who_has(port)}",
                    hint="end that, or listen elsewhere: port 0 is any free one",
                ) from error
            why = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror or str(error)
            raise ConnectFailed(f"cannot listen on {host} port {port}: {why}") from error

    async def serve_on(self, sock: socket.socket) -> None:
        """Listen on a socket that is bound. It is closed in the end."""
        self._acceptors.append(await asyncssh.listen(sock=sock, **self._keywords))

    async def aclose(self, timeout: float = _CLOSE_TIMEOUT) -> None:
        """Listen no more and hang up on everybody, within some seconds whatever they do. Safe to call twice."""
        for acceptor in self._acceptors:
            acceptor.close()
        connections = self.strangers.connections()
        for connection in connections:
            connection.close()
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout):
                    for connection in connections:
                        await connection.wait_closed()
        finally:
            for connection in connections:
                connection.abort()
        for acceptor in self._acceptors:
            await acceptor.wait_closed()
        self._acceptors.clear()
