"""Our side of AsyncSSH's client callbacks: trust, a caller's own client, and the end of the connection."""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING, Any, Protocol

import asyncssh

from .logins import bear_few_riddles
from .private import when_peer_leaves

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..model.secret import Secret

__all__ = ["Check", "Client"]


class Check(Protocol):
    """What decides on a peer's host key."""

    @property
    def policy_name(self) -> str:
        """How, for the status."""

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        """Whether a key will do."""

    def validate_host_ca_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        """Whether the authority of a certificate will do."""


class Client(asyncssh.SSHClient):
    """The owner of one connection.

    Host keys are decided by our check alone. All else is passed on to the caller's own client, if any.

    Attributes:
        lost: Done when the connection is gone, with AsyncSSH's reason or None.
        connection: Set once TCP stands.
        offered: Whether a password or an answer was given and the login is not done. Who is hung up on then was
            refused: some servers end a login so, and lock out who tries again.
        left: Whether the peer itself ended the connection, by a message: its words and its code say what it likes.
    """

    def __init__(self, check: Check, inner: asyncssh.SSHClient | None = None) -> None:
        self._check = check
        self._inner = inner or asyncssh.SSHClient()
        self.lost: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
        self.connection: asyncssh.SSHClientConnection | None = None
        self.offered = False
        self.left = False

    def offering(self, password: Secret) -> Callable[[], str]:
        """The password as AsyncSSH takes it: asked for when it is to be sent, and not kept with the connection."""

        def offer() -> str:
            self.offered = True
            return password.reveal()

        return offer

    @property
    def phase(self) -> str:
        """How far the connection has come, for a message."""
        if self.connection is None:
            return "connecting"
        return "in the handshake" if self.connection.get_server_host_key() is None else "in the login"

    @property
    def met(self) -> bool:
        """Whether the peer has shown itself as an SSH server, and no more than that."""
        connection = self.connection
        return (
            connection is not None
            and bool(connection.get_extra_info("server_version"))
            and connection.get_server_host_key() is None
        )

    def connection_made(self, conn: asyncssh.SSHClientConnection) -> None:
        """TCP stands."""
        self.connection = conn
        when_peer_leaves(conn, self._leave)
        bear_few_riddles(conn)
        self._inner.connection_made(conn)

    def _leave(self) -> None:
        self.left = True

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone, for whatever reason."""
        if not self.lost.done():
            self.lost.set_result(exc)
        self._inner.connection_lost(exc)

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        """Decide on a key that is in no file."""
        return self._check.validate_host_public_key(host, addr, port, key)

    def validate_host_ca_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        """Decide on an authority that is in no file."""
        return self._check.validate_host_ca_key(host, addr, port, key)

    def debug_msg_received(self, msg: str, lang: str, always_display: bool) -> None:  # noqa: FBT001 - AsyncSSH's
        """Pass on a debug message."""
        self._inner.debug_msg_received(msg, lang, always_display)

    def auth_banner_received(self, msg: str, lang: str) -> None:
        """Pass on the login banner."""
        self._inner.auth_banner_received(msg, lang)

    def auth_completed(self) -> None:
        """The login is done."""
        self.offered = False
        self._inner.auth_completed()

    def public_key_auth_requested(self) -> Any:
        """Ask the caller's client for a further key."""
        return self._inner.public_key_auth_requested()

    async def password_auth_requested(self) -> Any:
        """Ask the caller's client for a password, where none was configured."""
        return self._given(await _settled(self._inner.password_auth_requested()))

    def password_change_requested(self, prompt: str, lang: str) -> Any:
        """Ask the caller's client for another password."""
        return self._inner.password_change_requested(prompt, lang)

    def password_changed(self) -> None:
        """Pass on that the password was changed."""
        self._inner.password_changed()

    def password_change_failed(self) -> None:
        """Pass on that the password was not changed."""
        self._inner.password_change_failed()

    def kbdint_auth_requested(self) -> Any:
        """Ask the caller's client for its methods; AsyncSSH answers with the password where it has none."""
        return self._inner.kbdint_auth_requested()

    async def kbdint_challenge_received(self, name: str, instructions: str, lang: str, prompts: Any) -> Any:
        """Ask the caller's client for the answers."""
        return self._given(await _settled(self._inner.kbdint_challenge_received(name, instructions, lang, prompts)))

    def _given(self, answer: Any) -> Any:
        self.offered = self.offered or bool(answer)
        return answer


async def _settled(answer: Any) -> Any:
    return await answer if inspect.isawaitable(answer) else answer
