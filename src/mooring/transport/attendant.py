"""Who attends to one connection of a server: counts it while it is a stranger's, and has it go fast afterwards."""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING, Any, Final

import asyncssh

from .algorithms import FAST, LOGIN_RSA_BITS, agreed, rsa_bits
from .callbacks import report
from .flow import flow_of
from .guarded import guarded_connection, guarded_session
from .halfopen import FailedLogins, HalfOpen, source_of
from .logins import bear_few_riddles, judge_shown_keys, prefer, spare_reload, when_login_is_tried
from .mapping import words
from .outbox import write_together
from .packets import seal_together, take_apart
from .private import let_keepalive_run, spare_ignores, when_peer_leaves

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ..model.device import DoorLimits

__all__ = ["Attendant", "Guarded", "Strangers"]

_TRIES: Final = 20
"""Keys and passwords that one connection may show: as many as an ssh-agent that is full offers, and more."""
_LEFT: Final = "Connection lost"
"""AsyncSSH's words for a connection that its peer has ended."""
_CIPHERS: Final = tuple(name.encode() for name in FAST)


class Strangers:
    """The connections of a server, those first that are not logged in."""

    def __init__(self, limits: DoorLimits) -> None:
        self._half_open: HalfOpen[Attendant] = HalfOpen(limits)
        self._failed = FailedLogins()
        self._all: set[Attendant] = set()
        self._now = asyncio.get_running_loop().time

    def connections(self) -> list[asyncssh.SSHServerConnection]:
        """All of them."""
        return [attendant.connection for attendant in self._all]

    def __len__(self) -> int:
        """How many are not logged in."""
        return len(self._half_open)

    def arrive(self, attendant: Attendant) -> bool:
        """Whether a connection may stay that was just made; another stranger may go for it."""
        now = self._now()
        if self._failed.wait(attendant.source, now) > 0.0:
            return False
        stays, victim = self._half_open.admit(attendant, attendant.source, now)
        if victim is not None:
            victim.connection.abort()
        if stays:
            self._all.add(attendant)
        return stays

    def failed(self, attendant: Attendant) -> None:
        """Something that it showed to log in is worth nothing."""
        self._failed.failed(attendant.source, self._now())

    def logged_in(self, attendant: Attendant) -> None:
        """It is a stranger no more."""
        self._half_open.leave(attendant)

    def gone(self, attendant: Attendant) -> None:
        """It is over."""
        self._half_open.leave(attendant)
        self._all.discard(attendant)


class Attendant(asyncssh.SSHServer):
    """The owner of one connection. Who overrides a method here calls it as well.

    Args:
        strangers: Who counts it; None for a connection that we have opened ourselves.

    Attributes:
        connection: AsyncSSH's, once there is one.
        source: By which address strangers are counted.
        attempts: How often it has shown a key or a password, answered a question, or proven a key; and asked what there
            is, but for the first time.
        left: Whether the peer itself ended it, by a message: its words and its code say what it likes.
    """

    connection: asyncssh.SSHServerConnection

    def __init__(self, strangers: Strangers | None = None) -> None:
        self._strangers = strangers
        self.source = ""
        self.attempts = 0
        self.logged_in = False
        self.left = False

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        """TCP stands.

        Raises:
            asyncssh.ConnectionLost: It may not stay; AsyncSSH closes it then, and says nothing.
        """
        self.connection = conn
        peer = conn.get_extra_info("peername")
        self.source = source_of(str(peer[0])) if isinstance(peer, tuple) else ""
        if self._strangers is not None and not self._strangers.arrive(self):
            conn.abort()  # at once: what has come already would be answered before AsyncSSH heeds the error
            raise asyncssh.ConnectionLost("Too many connections")
        when_peer_leaves(conn, self._leave)
        bear_few_riddles(conn)
        spare_reload(conn)
        prefer(conn, _CIPHERS)
        judge_shown_keys(conn, _is_large)
        when_login_is_tried(conn, self._tries)

    def _leave(self) -> None:
        self.left = True

    def _tries(self) -> None:
        self.attempts += 1
        if self.attempts > _TRIES + 1 and not self.logged_in:  # the last key is shown, and then proven
            raise asyncssh.DisconnectError(
                asyncssh.DISC_NO_MORE_AUTH_METHODS_AVAILABLE, "Too many authentication failures"
            )

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        del exc
        if self._strangers is not None:
            self._strangers.gone(self)
            if self.attempts and not self.logged_in:
                self._strangers.failed(self)

    def refused(self, *, password: bool = False) -> bool:
        """Note that a key or password was refused.

        Args:
            password: Whether it was one: each counts against its source, but a key that is offered is only a question.

        Returns:
            False, which is what refuses it.
        """
        if password and self._strangers is not None:
            self._strangers.failed(self)
        return False

    def auth_completed(self) -> Any:
        """It is logged in."""
        self.logged_in = True
        if self._strangers is not None:
            self._strangers.logged_in(self)
        connection = self.connection
        spare_ignores(connection, agreed(connection.get_hash_prefix()).get("cipher", ""))
        write_together(connection)
        seal_together(connection)
        take_apart(connection)
        flow_of(connection).bound()
        let_keepalive_run(connection)
        return None

    def host_based_auth_supported(self) -> bool:
        """Never: it would believe what a client says of itself."""
        return False

    def cut_off(self, fault: Exception | None) -> str:
        """What AsyncSSH ended the connection for, in its words; empty where the peer has left, or we asked.

        Args:
            fault: As the end is told to the attendant, and to all that is open.
        """
        if self.left or fault is None or isinstance(fault, OSError):
            return ""
        return "" if isinstance(fault, asyncssh.ConnectionLost) and fault.reason == _LEFT else words(fault)


def _is_large(key: bytes) -> bool:
    """Whether a public key is large enough."""
    return (rsa_bits(key) or LOGIN_RSA_BITS) >= LOGIN_RSA_BITS


class Guarded(Attendant):
    """An attendant that asks a caller's ``SSHServer``: what a callback raises refuses what was asked, and no more.

    Args:
        inner: The caller's.
        strangers: As Attendant has it.
    """

    def __init__(self, inner: asyncssh.SSHServer, strangers: Strangers | None = None) -> None:
        super().__init__(strangers)
        self._inner = inner

    def _ask(self, callback: Callable[..., Any], *args: Any, instead: Any = None) -> Any:
        """What a callback says, now or later; ``instead`` where it fails."""
        try:
            answer = callback(*args)
        except (asyncssh.DisconnectError, asyncssh.ChannelOpenError, asyncssh.PasswordChangeRequired):
            raise  # said on purpose
        except Exception as error:  # noqa: BLE001 - a caller's, whatever it is
            report(callback, error, "what was asked is refused")
            return instead
        return self._awaited(callback, answer, instead) if inspect.isawaitable(answer) else answer

    async def _awaited(self, callback: Callable[..., Any], answer: Awaitable[Any], instead: Any) -> Any:
        try:
            return await answer
        except (asyncssh.DisconnectError, asyncssh.ChannelOpenError, asyncssh.PasswordChangeRequired):
            raise
        except Exception as error:  # noqa: BLE001 - as above
            report(callback, error, "what was asked is refused")
            return instead

    def _judge(self, verdict: Any, *, password: bool = False) -> Any:
        """A verdict on a key or password, counted."""
        if inspect.isawaitable(verdict):
            return self._judge_later(verdict, password=password)
        return bool(verdict) or self.refused(password=password)

    async def _judge_later(self, verdict: Awaitable[Any], *, password: bool) -> Any:
        """The same of one that is awaited; what a client calls off, by another guess or its end, counts too."""
        try:
            return await verdict or self.refused(password=password)
        except asyncio.CancelledError:
            self.refused(password=password)
            raise

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        """TCP stands."""
        super().connection_made(conn)
        self._ask(self._inner.connection_made, conn)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        super().connection_lost(exc)
        self._ask(self._inner.connection_lost, exc)

    def debug_msg_received(self, msg: str, lang: str, always_display: bool) -> None:  # noqa: FBT001 - AsyncSSH's
        """The client says something."""
        self._ask(self._inner.debug_msg_received, msg, lang, always_display)

    def begin_auth(self, username: str) -> Any:
        """Whether a login is asked for: always, where that cannot be found out."""
        return self._ask(self._inner.begin_auth, username, instead=True)

    def auth_completed(self) -> Any:
        """It is logged in."""
        super().auth_completed()
        return self._ask(self._inner.auth_completed)

    def public_key_auth_supported(self) -> bool:
        """Whether keys are asked for."""
        return bool(self._ask(self._inner.public_key_auth_supported))

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> Any:
        """Whether a key will do, once it is proven."""
        return self._judge(self._ask(self._inner.validate_public_key, username, key))

    def validate_ca_key(self, username: str, key: asyncssh.SSHKey) -> Any:
        """Whether certificates of an authority will do."""
        return self._ask(self._inner.validate_ca_key, username, key, instead=False)

    def password_auth_supported(self) -> bool:
        """Whether passwords are asked for."""
        return bool(self._ask(self._inner.password_auth_supported))

    def validate_password(self, username: str, password: str) -> Any:
        """Whether a password will do."""
        return self._judge(self._ask(self._inner.validate_password, username, password), password=True)

    def change_password(self, username: str, old_password: str, new_password: str) -> Any:
        """Whether a password was changed."""
        return self._ask(self._inner.change_password, username, old_password, new_password, instead=False)

    def kbdint_auth_supported(self) -> Any:
        """Whether questions are asked."""
        return self._ask(self._inner.kbdint_auth_supported, instead=False)

    def get_kbdint_challenge(self, username: str, lang: str, submethods: str) -> Any:
        """Which questions."""
        return self._ask(self._inner.get_kbdint_challenge, username, lang, submethods, instead=False)

    def validate_kbdint_response(self, username: str, responses: Any) -> Any:
        """Whether the answers will do."""
        return self._judge_answers(self._ask(self._inner.validate_kbdint_response, username, responses, instead=False))

    def _judge_answers(self, verdict: Any) -> Any:
        """More questions are no failure."""
        if inspect.isawaitable(verdict):
            return self._judge_later(verdict, password=True)
        return verdict or self.refused(password=True)

    def session_requested(self) -> Any:
        """What becomes of a channel for a command, shell or subsystem."""
        return guarded_session(self._ask(self._inner.session_requested, instead=False))

    def connection_requested(self, dest_host: str, dest_port: int, orig_host: str, orig_port: int) -> Any:
        """What becomes of a connection that the client wants made from here."""
        return guarded_connection(
            self._ask(self._inner.connection_requested, dest_host, dest_port, orig_host, orig_port, instead=False)
        )

    def server_requested(self, listen_host: str, listen_port: int) -> Any:
        """Whether we listen for the client."""
        return self._ask(self._inner.server_requested, listen_host, listen_port, instead=False)

    def unix_connection_requested(self, dest_path: str) -> Any:
        """As ``connection_requested``, to a Unix socket."""
        return guarded_connection(self._ask(self._inner.unix_connection_requested, dest_path, instead=False))

    def unix_server_requested(self, listen_path: str) -> Any:
        """As ``server_requested``, on a Unix socket."""
        return self._ask(self._inner.unix_server_requested, listen_path, instead=False)
