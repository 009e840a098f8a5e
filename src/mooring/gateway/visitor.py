"""One connection to the gateway: who it is, which session they mean, and what they may do there."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Any, Final

from asyncssh import DISC_BY_APPLICATION, DISC_TOO_MANY_CONNECTIONS

from ..model.errors import MooringError, NotAllowed, SessionNotUp, WaitTimeout
from ..model.selector import ALIAS
from ..service.audit import CutOff
from ..transport.attendant import Attendant
from ..transport.logins import judge_user_certificate
from ..transport.opening import Begin
from .channel import PROGRAMS, Near
from .forwards import Forwards
from .recorded import RecordedNear
from .share import Share

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    import asyncssh

    from ..model.access import Action, Actor
    from ..model.errors import SessionLost
    from ..service.audit import Deed
    from ..session import Session
    from ..store.recordings.tape import Tape
    from ..transport.attendant import Strangers
    from ..wire.frames import Terminal
    from .door import Gateway
    from .users import Badge

__all__ = ["Visitor"]

_log = logging.getLogger(__name__)
_LONGEST_ALIAS: Final = 255
_CONNECTIONS: Final = 512
"""Connections of one user at once."""


class Visitor(Attendant):
    """The owner of one connection.

    Args:
        gateway: Knows the users and the sessions.
        strangers: Who counts it while it is not logged in.
        badge: Who it is, where another door has said so; then the login is only form.
        alias: Which session, where that door was told; else the user name says it.

    Attributes:
        share: What all connections of this user have together.
    """

    def __init__(
        self, gateway: Gateway, strangers: Strangers | None, badge: Badge | None = None, alias: str | None = None
    ) -> None:
        super().__init__(strangers)
        self._gateway = gateway
        self._known = badge is not None
        self._badge = badge
        self._alias = alias
        self._address = ""
        self._tasks: set[asyncio.Task[None]] = set()
        self._holding = contextlib.ExitStack()
        self._visit: Deed | None = None
        self._lent: Deed | None = None
        self._cut: SessionLost | CutOff | None = None
        self.share = Share()
        self._forwards = Forwards(self)

    # The login.

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        """TCP stands."""
        super().connection_made(conn)
        peer = conn.get_extra_info("peername")
        self._address = str(peer[0]) if isinstance(peer, tuple) else ""
        judge_user_certificate(conn, self._judge_certificate)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        super().connection_lost(exc)
        why = self.why_cut(exc)
        self._gateway.visitors.discard(self)
        if self._badge is not None:
            self._gateway.shares.leave(self._badge.name, self.connection)
        if self._visit is not None:
            self._visit.end(why)
        elif self.attempts and not self.logged_in:
            error = NotAllowed("nobody has logged in")
            self._gateway.fleet.visits.turn_away(self.alias, self._address, error, attempts=self.attempts)
        self._holding.close()
        for task in self._tasks:
            task.cancel()
        self._forwards.leave_agents()
        if self._lent is not None:
            self._lent.end(why)
        if self.logged_in and self._badge is not None:
            _log.info("%s left %s", self._badge.name, self.alias)

    def begin_auth(self, username: str) -> bool:
        """The user name is an alias; whether there is one, only who has logged in is told."""
        if not self._known:
            self._badge = None
        if not self._known or self._alias is None:
            self._alias = username if len(username) <= _LONGEST_ALIAS else ""
        return not self._known

    def public_key_auth_supported(self) -> bool:
        """Always."""
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        """Whose a key is; they are let in when AsyncSSH has seen it proven, which it looks at next."""
        del username
        return self._show(self._gateway.users.of_key(key, self._address))

    def _judge_certificate(self, certificate: Any) -> bool:  # noqa: ANN401 - AsyncSSH's
        return self._show(self._gateway.users.of_certificate(certificate, self._address))

    def password_auth_supported(self) -> bool:
        """Where somebody has a token."""
        return self._gateway.users.by_token

    def kbdint_auth_supported(self) -> bool:
        """Never: a token is no conversation."""
        return False

    def validate_password(self, username: str, password: str) -> bool:
        """Whose a token is."""
        del username
        return self._show(self._gateway.users.of_token(password), password=True)

    def _show(self, badge: Badge | None, *, password: bool = False) -> bool:
        """Note who would be let in by what is looked at now: it and nothing before counts, should it be proven."""
        self._badge = badge
        return badge is not None or self.refused(password=password)

    def auth_completed(self) -> None:
        """Somebody is in."""
        super().auth_completed()
        try:
            if not self._known and self._too_many():
                self._gateway.fleet.visits.turn_back(self.actor, self.alias, self._address)
                self.connection.disconnect(DISC_TOO_MANY_CONNECTIONS, f"{self.badge.name} has too many connections")
                return
            self._visit = self._gateway.fleet.visits.arrive(self.actor, self.alias, self._address)
        except MooringError as error:
            _log.warning("nobody is let in: %s", error)
            self.connection.disconnect(DISC_BY_APPLICATION, error.message)
            return
        self._gateway.visitors.add(self)
        self.share = self._gateway.shares.join(self.badge.name, self.connection)
        if self._badge is not None and self._badge.shown is not None:
            ended = CutOff("the token has ended")
            self._holding.enter_context(self._gateway.fleet.tokens.holding(self._badge.shown, lambda: self.cut(ended)))
        if self._badge is not None:
            _log.info("%s came to %s from %s", self._badge.name, self.alias, self._address or "this machine")

    def cut(self, why: SessionLost | CutOff, code: int | None = None) -> None:
        """Hang up on them, for a reason that is recorded.

        Args:
            why: What it is.
            code: With which they are told (RFC 4253, section 11.1); None for without a word, and at once.
        """
        self._cut = self._cut or why
        if code is None:
            self.connection.abort()
        else:
            self.connection.disconnect(code, why.reason if isinstance(why, CutOff) else why.message)

    def why_cut(self, fault: Exception | None = None) -> SessionLost | CutOff | None:
        """Why they were hung up on; None where they have left, or are here.

        Args:
            fault: Of the connection, where that has one: AsyncSSH ends it too, of somebody who does not answer say.
        """
        if self._cut is None and (why := self.cut_off(fault)):
            self._cut = CutOff(why)
        return self._cut

    def _too_many(self) -> bool:
        """Whether this user has come as often as one may; who is known at another door is not counted."""
        others = (other for other in self._gateway.visitors if not other._known)  # noqa: SLF001 - of this class
        return sum(other.badge.name == self.badge.name for other in others) >= _CONNECTIONS

    # What it may do.

    @property
    def alias(self) -> str:
        """The session that is meant; what cannot be one is not repeated."""
        return self._alias if self._alias is not None and ALIAS.fullmatch(self._alias) else "an alias that is none"

    @property
    def badge(self) -> Badge:
        """Who it is."""
        if self._badge is None:
            raise NotAllowed("nobody has logged in")
        return self._badge

    @property
    def actor(self) -> Actor:
        """Who it is, with what they may do now.

        Raises:
            NotAllowed: There is no such user any more.
        """
        actor = self._gateway.users.actor(self.badge)
        if actor is None:
            raise NotAllowed(f"{self.badge.name} is no user of this gateway any more")
        return actor

    def begin(self, actions: tuple[Action, ...], name: str, what: bytes) -> tuple[Deed, Action]:
        """Have it recorded that something is started, by which of these that they may do now: the last of them.

        Raises:
            UnknownAlias, NotAllowed: There is no session of this alias for them; or they may not.
            StateError: It cannot be recorded, and must not be done.
        """
        return self._gateway.fleet.visits.begin(self.actor, self._alias or "", actions, name, what)

    async def record(
        self, action: Action, name: str, term: Terminal, failed: Callable[[MooringError], None]
    ) -> Tape | None:
        """Record the terminal of what is about to be started; None where that is not to be.

        Raises:
            StateError: It cannot be, and must not be started therefore.
        """
        recordings, what = self._gateway.fleet.recordings, f"{action.value}.{name}"
        return await recordings.begin(self.actor, what, self.check((action,)), term, failed)

    def begin_forward(self, what: str, place: str) -> Deed:
        """The same of a connection or listener."""
        return self._gateway.fleet.visits.begin_forward(self.actor, self.alias, what, place=place)

    def refuse_forward(self, what: str, code: str = NotAllowed.code, **detail: str) -> None:
        """Have it recorded that their key, who they are, or what the code says keeps them from it."""
        with contextlib.suppress(NotAllowed):  # who is no user any more is hung up on
            self._gateway.fleet.visits.refuse_forward(self.actor, self.alias, what, code, **detail)

    def has(self, permission: str) -> bool:
        """Whether the key that was proven grants it."""
        badge = self._gateway.users.present(self.badge)
        return badge is not None and permission not in badge.without

    def agent(self) -> bool:
        """Whether the ssh-agent may be forwarded; it is from then on."""
        if not self._gateway.users.may_forward_agent(self.badge):
            self.refuse_forward("agent")
            return False
        try:
            connection = self.check(PROGRAMS, tell=False).attachment.link.connection
            if self._lent is None:
                self._lent = self._gateway.fleet.visits.begin_forward(self.actor, self.alias, "agent")
        except NotAllowed:
            self.refuse_forward("agent")
            return False
        except MooringError:
            return False
        self._forwards.take_agent(connection)
        return True

    def check(self, actions: tuple[Action, ...], *, tell: bool = True) -> Session:
        """The session, whatever its state, if they may do one of these things on it; a refusal is recorded, if told.

        Raises:
            UnknownAlias, NotAllowed: There is none of this alias for them; or they may not.
        """
        return self._gateway.fleet.visits.reach(self.actor, self._alias or "", actions, tell=tell)

    async def reach(self, actions: tuple[Action, ...], *, tell: bool = True) -> Session:
        """The same, up.

        Raises:
            UnknownAlias, NotAllowed: Likewise.
            SessionNotUp: It is not up, and was not within the time that is configured.
        """
        session = self.check(actions, tell=tell)
        try:
            session.attachment  # noqa: B018 - it is up if it has one
        except SessionNotUp:
            if not self._gateway.wait:
                raise
            try:
                await session.wait_up(self._gateway.wait)
            except WaitTimeout as error:
                raise SessionNotUp(error.message) from error
        return session

    def spawn(self, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        """Run something for as long as the connection lasts."""
        task = asyncio.get_running_loop().create_task(work, name=f"gateway {self.alias}")
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def look_after(self, work: Coroutine[object, object, None]) -> None:
        """The same, for work of which nobody wants to know."""
        self.spawn(work)  # type: ignore[unused-awaitable] # it is kept

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("a visit to %s failed unexpectedly", self.alias, exc_info=error)
            self.cut(CutOff("a bug in the daemon; its log says more"))

    # What it asks for.

    def session_requested(self) -> Any:  # noqa: ANN401 - AsyncSSH's
        """A channel for a command, shell or subsystem.

        Raises:
            asyncssh.ChannelOpenError: There are too many.
        """
        self._forwards.check_room()
        kind = RecordedNear if self._gateway.fleet.recordings.enabled else Near
        near = kind(self.connection, self, self._gateway.patience, self._gateway.begins)
        return near, Begin(near.start)

    def connection_requested(self, dest_host: str, dest_port: int, orig_host: str, orig_port: int) -> Any:  # noqa: ANN401
        """A connection from the device on."""
        self._forwards.check_room()
        return self._forwards.to_port(dest_host, dest_port, orig_host, orig_port)

    def unix_connection_requested(self, dest_path: str) -> Any:  # noqa: ANN401
        """The same, to a Unix socket there."""
        self._forwards.check_room()
        return self._forwards.to_path(dest_path)

    def server_requested(self, listen_host: str, listen_port: int) -> Any:  # noqa: ANN401
        """Listen at the device."""
        return self._forwards.listen(listen_host, listen_port)

    def unix_server_requested(self, listen_path: str) -> Any:  # noqa: ANN401
        """The same, on a Unix socket there."""
        return self._forwards.listen_path(listen_path)
