"""Who attends to one connection of a public server: lets its user in, and answers for what it asks."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Final

import asyncssh

from ..attendant import Guarded
from ..tunnel import channels
from .forwards import CHANNELS, lead, listen
from .private import bound_environment, hold_back, prepare_sessions, take_any_terminal, tasks_apart
from .session import ServedSession

if TYPE_CHECKING:
    from ..attendant import Strangers
    from .household import Household

__all__ = ["Owner"]

_SESSIONS: Final = 100


class Owner(Guarded):
    """What is not answered here is the caller's ``server_factory`` to say, and refused without one.

    Args:
        household: What all connections share.
        strangers: As Attendant has it.

    Attributes:
        dialed: Whether we have made the connection.
    """

    def __init__(self, household: Household, strangers: Strangers | None = None) -> None:
        super().__init__(household.make_server(), strangers)
        self._household = household
        self._terms = household.terms
        self.dialed = strangers is None
        self._sessions: set[ServedSession] = set()

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        """TCP stands."""
        super().connection_made(conn)
        tasks_apart(conn)
        hold_back(conn)
        prepare_sessions(conn, bound_environment, take_any_terminal)
        self._household.owners.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        self._household.owners.discard(self)
        super().connection_lost(exc)

    # The login.

    def begin_auth(self, username: str) -> Any:
        """Whether a login is asked for; the keys are those of the user who is named now."""
        return self._begin(username) if self._household.keys is not None else self._asked(username)

    async def _begin(self, username: str) -> bool:
        keys = self._household.keys
        self.connection.set_authorized_keys(None if keys is None else await keys.of(username))
        asked = self._asked(username)
        return bool(await asked if inspect.isawaitable(asked) else asked)

    def _asked(self, username: str) -> Any:
        return False if username in self._terms.guests else super().begin_auth(username)

    def auth_completed(self) -> Any:
        """It is logged in."""
        if not self._household.has_room():
            self.connection.disconnect(asyncssh.DISC_TOO_MANY_CONNECTIONS, "Too many connections")
        return super().auth_completed()

    def public_key_auth_supported(self) -> bool:
        """Whether keys are asked for: also where this user has none, which is nobody's business."""
        return self._household.keys is not None or super().public_key_auth_supported()

    def password_auth_supported(self) -> bool:
        """Whether passwords are asked for."""
        return self._terms.check_password is not None or super().password_auth_supported()

    def validate_password(self, username: str, password: str) -> Any:
        """Whether a password will do."""
        if self._terms.check_password is None:
            return super().validate_password(username, password)
        return self._judge(self._ask(self._terms.check, username, password, instead=False), password=True)

    # What it asks for.

    def session_requested(self) -> Any:
        """What becomes of a channel for a command, shell or subsystem."""
        terms = self._terms
        if terms.process is None and terms.session is None and terms.sftp is None:
            return super().session_requested()
        self._bound()
        if len(self._sessions) >= _SESSIONS:
            raise _shortage()
        made = None if terms.session is None else self._ask(terms.session)
        if terms.session is not None and made is None:
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_CONNECT_FAILED, "Refused")
        session = ServedSession(terms, made, self._household.run, self._sessions.discard)
        self._sessions.add(session)
        return session

    def connection_requested(self, dest_host: str, dest_port: int, orig_host: str, orig_port: int) -> Any:
        """What becomes of a connection that the client wants made from here."""
        self._bound()
        policy = self._terms.forward_local
        if policy is None:
            return super().connection_requested(dest_host, dest_port, orig_host, orig_port)
        return lead(self.connection, policy, (dest_host, dest_port), (orig_host, orig_port))

    def server_requested(self, listen_host: str, listen_port: int) -> Any:
        """Whether we listen for the client."""
        policy = self._terms.forward_remote
        if policy is None:
            return super().server_requested(listen_host, listen_port)
        return listen(self.connection, policy, listen_host, listen_port)

    def unix_connection_requested(self, dest_path: str) -> Any:
        """As ``connection_requested``, to a Unix socket."""
        self._bound()
        return super().unix_connection_requested(dest_path)

    def _bound(self) -> None:
        if channels(self.connection) >= CHANNELS:
            raise _shortage()


def _shortage() -> asyncssh.ChannelOpenError:
    return asyncssh.ChannelOpenError(asyncssh.OPEN_RESOURCE_SHORTAGE, "Too many channels")
