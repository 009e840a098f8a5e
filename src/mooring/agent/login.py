"""One connection of the agent's: who may log in on it, and what they may do then."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import asyncssh

from ..model.forward import Place
from ..transport.attendant import Attendant
from ..transport.server.carried import share_windows
from ..transport.server.forwards import connected, lead, listen, listen_on, no_listener
from ..transport.server.private import (
    bound_environment,
    hold_back,
    prepare_sessions,
    take_another_start,
    take_any_command,
    take_any_terminal,
)
from ..transport.tunnel import channels
from .session import Session

if TYPE_CHECKING:
    from collections.abc import Callable

    from .account import Account

__all__ = ["Login"]

_SESSIONS: Final = 64
"""Channels at once; sshd has 10. Each may be a program of this host."""
_HELD: Final = 6 << 20
"""Bytes of input that programs which do not read may have this process hold, and little more."""
_CARRIED: Final = 4 << 20
"""The same for carried connections."""
_CHANNELS: Final = 192
"""Channels at once, carried connections included; each of those may hold some 100 KB for readers who do not read."""
_FORWARDS_NOTHING: Final = "this agent forwards nothing: --allow-forwarding"
_MOST_WINDOW: Final = 2 << 20
_LEAST_WINDOW: Final = 64 << 10


class Login(Attendant):
    """The owner of one connection.

    Args:
        account: Who the agent runs as, and whom the server logs in as.
        trusted: Whose keys will do; None for nobody's.
        expected: The fingerprint of a key that will do too, as a token has it; None without a token.
        forwarding: Whether connections may be carried.
        over: Called with the session of each channel that is closed.

    Attributes:
        error: Why the connection is gone; None while it is not, or where nobody said.
        refused_keys: Fingerprints of keys that were shown and will not do.
        refused_name: A name that is not the account's.
        by_token: The key that the token is for, once it was shown.
        begun: Whether there is a connection.
    """

    def __init__(
        self,
        account: Account,
        trusted: asyncssh.SSHAuthorizedKeys | None,
        expected: str | None,
        over: Callable[[Session], None],
        *,
        forwarding: bool,
    ) -> None:
        super().__init__()
        self._account = account
        self._trusted = trusted
        self._expected = expected
        self._forwarding = forwarding
        self._over = over
        self.sessions: set[Session] = set()
        self.error: Exception | None = None
        self.refused_keys: list[str] = []
        self.refused_name: str | None = None
        self.by_token: asyncssh.SSHKey | None = None
        self.begun = False

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        """The connection is AsyncSSH's."""
        self.begun = True
        super().connection_made(conn)
        hold_back(conn)
        share_windows(conn, _CARRIED)
        prepare_sessions(conn, bound_environment, take_another_start, take_any_command, take_any_terminal)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        super().connection_lost(exc)
        self.error = exc

    # The login: by a key alone, and as nobody else than who we are.

    def begin_auth(self, username: str) -> bool:
        """Somebody wants to log in. Nobody may without a key."""
        self._right = username == self._account.name
        if not self._right:
            self.refused_name = username
        # Set for nobody too: a client may go on under another name, and AsyncSSH leaves the keys as they were.
        self.connection.set_authorized_keys(self._trusted if self._right else None)
        return True

    def public_key_auth_supported(self) -> bool:
        """By key, always."""
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        """Whether a key will do that is not in the file."""
        del username
        fingerprint = key.get_fingerprint()
        if self._right and self._expected is not None and fingerprint == self._expected:
            self.by_token = key
            return True
        if fingerprint not in self.refused_keys:
            self.refused_keys.append(fingerprint)
        return self.refused()

    # What may be done.

    def session_requested(self) -> Any:  # noqa: ANN401 - AsyncSSH's
        """A channel for a command, a shell or files: with a quarter of the room that others leave.

        Raises:
            asyncssh.ChannelOpenError: There are too many.
        """
        if len(self.sessions) >= _SESSIONS:
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_RESOURCE_SHORTAGE, f"{_SESSIONS} channels are open")
        left = _HELD - sum(session.window for session in self.sessions)
        session = Session(self._account, self._left, min(max(left // 4, _LEAST_WINDOW), _MOST_WINDOW))
        self.sessions.add(session)
        return self.connection.create_server_channel(None, "strict", session.window), session

    def _left(self, session: Session) -> None:
        self.sessions.discard(session)
        self._over(session)

    def connection_requested(self, dest_host: str, dest_port: int, orig_host: str, orig_port: int) -> Any:  # noqa: ANN401 - AsyncSSH\'s
        """A connection that the server wants made from here."""
        self._forward()
        return lead(self.connection, lambda _: True, (dest_host, dest_port), (orig_host, orig_port))

    def unix_connection_requested(self, dest_path: str) -> Any:  # noqa: ANN401 - AsyncSSH\'s
        """The same to a Unix socket."""
        self._forward()
        if not dest_path:  # a place without a path is one of TCP
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_CONNECT_FAILED, "no such place")
        return connected(self.connection, Place(path=dest_path))

    def _forward(self) -> None:
        if not self._forwarding:
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED, _FORWARDS_NOTHING)
        if channels(self.connection) >= _CHANNELS:
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_RESOURCE_SHORTAGE, f"{_CHANNELS} channels are open")

    def server_requested(self, listen_host: str, listen_port: int) -> Any:  # noqa: ANN401 - AsyncSSH\'s
        """Whether we listen for the server."""
        if not self._forwarding:
            return no_listener(self.connection, Place(listen_host, listen_port), _FORWARDS_NOTHING)
        return listen(self.connection, lambda _: True, listen_host, listen_port, _CHANNELS)

    def unix_server_requested(self, listen_path: str) -> Any:  # noqa: ANN401 - AsyncSSH\'s
        """The same on a Unix socket."""
        if not self._forwarding:
            return no_listener(self.connection, Place(path=listen_path), _FORWARDS_NOTHING)
        return listen_on(self.connection, listen_path, _CHANNELS)
