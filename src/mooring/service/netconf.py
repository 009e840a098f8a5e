"""NETCONF for the callers of a daemon: one channel of each session that all share, and own ones for who needs it."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from ..model.access import Action
from ..model.errors import InvalidInput, LockLost
from ..session.programs import NETCONF_TIMEOUT

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable

    from ..model.access import Actor
    from ..session import Session
    from ..session.netconf import NetconfSession
    from ..session.netconf.notifications import Notifications
    from ..wire.netconf.operation import Operation
    from .audit import Audit

__all__ = ["Netconf", "NetconfStatus", "OwnChannel"]

IDLE: Final = 300.0
"""Seconds that a shared channel stays open when nobody uses it: a device has few of them to give."""
PATIENCE: Final = 20.0
"""Seconds, in all, for which a slow reader of a large reply may hold back those who asked behind it: a third of the
time that they wait by default."""
_MOST: Final = 64 * 1024 * 1024
"""Bytes of a message that is held whole here: errors, notifications, answers to locks. Replies are given on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NetconfStatus:
    """NETCONF on a session, as the hellos agreed on it.

    Attributes:
        alias: The session.
        session_id: The number that the server gave to the channel that all share.
        framing: ``chunked`` (base:1.1) or ``end-of-message`` (base:1.0).
        client_capabilities: What our hello tells.
        server_capabilities: What the server's tells.
    """

    alias: str
    session_id: int
    framing: str
    client_capabilities: tuple[str, ...]
    server_capabilities: tuple[str, ...]


@dataclass(eq=False)
class _Shared:
    """A channel that callers share, and how many use it now."""

    nc: NetconfSession
    users: int = 0
    timer: asyncio.TimerHandle | None = None


@dataclass(frozen=True, slots=True, eq=False)
class OwnChannel:
    """A channel of one caller: locks and what else belongs to it end with it.

    Attributes:
        id: By which requests name it; nobody can guess it.
        alias: The session.
        nc: NETCONF on it. It is never opened again.
    """

    id: str = field(repr=False)
    alias: str
    nc: NetconfSession


class Netconf:
    """NETCONF on the sessions of a daemon: each verb takes the actor first, and asks for ``netconf``.

    Args:
        find: The session of an alias, if the actor may do this on it.
        audit: Records what is done.
    """

    def __init__(self, find: Callable[[Actor, Action, str], Session], audit: Audit) -> None:
        self._find = find
        self._audit = audit
        self._shared: dict[Session, _Shared] = {}
        self._own: dict[str, OwnChannel] = {}

    async def status(self, actor: Actor, alias: str) -> NetconfStatus:
        """What the hellos agreed on, over the shared channel, which is opened for it. Cancelling is safe.

        Raises:
            UnknownAlias, NotAllowed: There is no session of this alias; the actor has no ``netconf`` on it.
            MooringError: As opening a NETCONF session has them.
        """
        async with self._sharing(self._session(actor, alias)) as nc:
            await nc.open()
            return _status(nc)

    def rpc(
        self, actor: Actor, alias: str, operation: Operation, *, channel: str = "", timeout: float = NETCONF_TIMEOUT
    ) -> AsyncGenerator[bytes]:
        """Make a request, and give its reply as bytes, as they come. Closing the generator gives it up.

        While a large reply is being taken, others get another shared channel. Those who asked on the same one before it
        began wait behind it; where it is taken so slowly that they wait for 20 seconds because of that, it ends.

        Args:
            actor: Who asks.
            alias: On which session.
            operation: What is asked for.
            channel: The id of a channel of their own; empty for the one that all share. What would bind that one to a
                caller (a lock, a subscription, a confirmed commit that only its session can confirm) is refused there.
            timeout: Seconds without anything of the reply: longer than all but large commits take.

        Raises:
            UnknownAlias, NotAllowed: There is no session of this alias; the actor has no ``netconf`` on it.
            InvalidInput: It would bind the shared channel.
            LockLost: The own channel is no more.
            SlowReader: The reply was taken too slowly, while others waited behind it.
            MooringError: Taking from it, as ``NetconfSession.rpc_stream`` has them.
        """
        session = self._session(actor, alias)
        if channel:
            own = self._own.get(channel)
            if own is None or own.alias != alias:
                hint = "what it had locked is not locked by it any more; open another, and begin anew"
                raise LockLost(f"{alias} has no such NETCONF channel any more", hint=hint)
            return self._recorded(actor, alias, operation, own.nc.stream(operation, timeout))
        if operation.binds:
            msg = f"{operation.name} would bind the NETCONF channel that all callers of {alias} share"
            raise InvalidInput(msg, hint="open a channel of your own, and name it")
        return self._recorded(actor, alias, operation, self._over_shared(session, operation, timeout))

    async def _recorded(
        self, actor: Actor, alias: str, operation: Operation, reply: AsyncGenerator[bytes]
    ) -> AsyncGenerator[bytes]:
        size = 0
        digest = hashlib.sha256(operation.xml).hexdigest()
        deed = self._audit.begin(actor, "netconf.rpc", alias, rpc=operation.name, sha256=digest)
        async with deed, contextlib.aclosing(reply):
            async for part in reply:
                if not size:
                    await deed.kept()
                size += len(part)
                deed.tell(bytes=size)
                yield part

    @contextlib.asynccontextmanager
    async def channel(self, actor: Actor, alias: str) -> AsyncIterator[OwnChannel]:
        """A channel for one caller, for the length of a block. It is closed with it, and what it locked is free.

        Raises:
            UnknownAlias, NotAllowed: There is no session of this alias; the actor has no ``netconf`` on it.
            MooringError: As opening a NETCONF session has them.
        """
        session = self._session(actor, alias)
        async with self._audit.begin(actor, "netconf.channel", alias) as deed, _opened(session, reopen=False) as nc:
            await deed.kept()
            own = OwnChannel(secrets.token_urlsafe(16), alias, nc)
            self._own[own.id] = own
            try:
                yield own
            finally:
                del self._own[own.id]

    @contextlib.asynccontextmanager
    async def notifications(self, actor: Actor, alias: str, **options: Any) -> AsyncIterator[Notifications]:
        """A subscription for the length of a block, on a channel of its own: a server sends one on each.

        Args:
            actor: Who asks.
            alias: On which session.
            options: As ``NetconfSession.notifications`` has them.

        Raises:
            UnknownAlias, NotAllowed: There is no session of this alias; the actor has no ``netconf`` on it.
            MooringError: As opening a NETCONF session and subscribing have them.
        """
        session = self._session(actor, alias)
        told = {"stream": options.get("stream")}
        async with (
            self._audit.begin(actor, "netconf.subscribe", alias, **told) as deed,
            _opened(session) as nc,
            nc.notifications(**options) as notifications,
        ):
            await deed.kept()
            yield notifications

    def _session(self, actor: Actor, alias: str) -> Session:
        return self._find(actor, Action.NETCONF, alias)

    async def _over_shared(self, session: Session, operation: Operation, timeout: float) -> AsyncGenerator[bytes]:
        async with self._sharing(session) as nc, contextlib.aclosing(nc.stream(operation, timeout, PATIENCE)) as parts:
            async for part in parts:
                yield part

    @contextlib.asynccontextmanager
    async def _sharing(self, session: Session) -> AsyncIterator[NetconfSession]:
        """The shared channel, used for the length of a block."""
        shared = self._shared.get(session)
        if shared is None or shared.nc.streaming:
            shared = self._shared[session] = _Shared(_netconf(session))
        shared.users += 1
        if shared.timer is not None:
            shared.timer.cancel()
            shared.timer = None
        try:
            yield shared.nc
        finally:
            shared.users -= 1
            if not shared.users:
                self._rest(session, shared)

    def _rest(self, session: Session, shared: _Shared) -> None:
        """Nobody uses it now: keep it for a while, if it is worth it."""
        current = self._shared.get(session) is shared
        if current and shared.nc.connected and not shared.nc.streaming:
            shared.timer = asyncio.get_running_loop().call_later(IDLE, self._expire, session, shared)
        else:
            self._expire(session, shared)

    def _expire(self, session: Session, shared: _Shared) -> None:
        if self._shared.get(session) is shared:
            del self._shared[session]
        shared.nc.leave()


def _netconf(session: Session, *, reopen: bool = True) -> NetconfSession:
    """NETCONF as callers of a daemon get it."""
    device = "junos" if "device_sn" in session.facts else "default"
    return session.netconf(device=device, timeout=NETCONF_TIMEOUT, max_message_size=_MOST, reopen=reopen)


@contextlib.asynccontextmanager
async def _opened(session: Session, *, reopen: bool = True) -> AsyncIterator[NetconfSession]:
    """A channel for one caller. Who leaves need not wait for the server's goodbye."""
    nc = _netconf(session, reopen=reopen)
    try:
        await nc.open()
        yield nc
    finally:
        nc.leave()


def _status(nc: NetconfSession) -> NetconfStatus:
    return NetconfStatus(
        alias=nc.alias,
        session_id=nc.session_id or 0,
        framing=nc.framing,
        client_capabilities=nc.client_capabilities.uris,
        server_capabilities=nc.server_capabilities.uris,
    )
