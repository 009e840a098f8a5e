"""The NETCONF session as its users have it: operations, streams, notifications, and what outlives one channel."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from typing import TYPE_CHECKING, Self, TypeVar

from ...model.errors import InvalidInput, MissingCapability, MooringError, NetconfEnded
from ...wire.netconf import operations as wire
from ...wire.netconf.capabilities import CLIENT_CAPABILITIES, Capabilities
from ...wire.netconf.protocol import MAX_MESSAGE_SIZE, Protocol
from ...wire.netconf.quirks import QUIRKS
from ..arguments import check_seconds
from .beside import parser
from .channel import NetconfChannel
from .former import Former
from .listener import Listeners
from .locks import Locks
from .notifications import QUEUE, Notifications
from .parts import InParts

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping
    from types import TracebackType

    from ...model.measure import Histogram
    from ...wire.netconf.operations import Operation
    from ...wire.netconf.quirks import Quirks
    from ...wire.netconf.reply import Notification, RpcReply
    from ...wire.netconf.xml import Element, Source
    from ..attachment import Attachment
    from .listener import SessionListener

__all__ = ["NetconfSession", "NetconfStatistics", "quirks_of"]

_Listener = TypeVar("_Listener")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class NetconfStatistics:
    """What a NETCONF session has done and seen.

    Attributes:
        opened: Channels that were opened, one after the other.
        pending: Requests without a reply, those given up included.
        late: Replies that came after their request was given up, and were dropped.
        ignored: Messages that answered nothing, or were no NETCONF, and were dropped.
        lost: Notifications that nobody took: the queue was full, or there was none.
    """

    opened: int
    pending: int
    late: int
    ignored: int
    lost: int


class NetconfSession(InParts):
    """NETCONF on one SSH session; ``Session.netconf`` makes it.

    It opens its channel when it is entered, or first used, and another one when that is gone and it is used again:
    what was under way then fails, and nothing is sent twice. Requests may be made at once by many tasks; the replies
    find them. A reply that streams holds back all others while it is not taken. See ``Operations`` for what all
    operations take, return and raise.

    Args:
        alias: The session's name.
        attachment: Gives what the SSH session stands on now, or raises that it does not.
        wait_up: Waits until it stands.
        quirks: How the server differs from the RFCs.
        timeout: Seconds for the opening and for each reply.
        capabilities: What our hello tells.
        max_message_size: Bytes of a message that is held whole.
        reopen: Whether another channel is opened when the first is gone.
        former: The sessions of ours that broke.
    """

    def __init__(
        self,
        alias: str,
        attachment: Callable[[], Attachment],
        wait_up: Callable[[float | None], Awaitable[None]],
        *,
        quirks: Quirks,
        timeout: float,
        capabilities: Iterable[str] | None = None,
        max_message_size: int | None = None,
        reopen: bool = True,
        former: Former | None = None,
        measured: Histogram | None = None,
    ) -> None:
        self.alias = alias
        self._measured = measured
        self._attachment = attachment
        self._wait_up = wait_up
        self._quirks = quirks
        self._timeout = timeout
        self._ours = CLIENT_CAPABILITIES if capabilities is None else Capabilities(capabilities)
        self._most = MAX_MESSAGE_SIZE if max_message_size is None else max_message_size
        self._protocol = self._new_protocol()
        self._channel: NetconfChannel | None = None
        self._opening = asyncio.Lock()
        self._closed = False
        self._reopen = reopen
        self._former = Former() if former is None else former
        self._locks = Locks(alias, self._former, self._request)
        self._subscribed: NetconfChannel | None = None
        self._notifications: Notifications | None = None
        self._listeners = Listeners()
        self._opened = self._late = self._ignored = self._lost = 0

    async def __aenter__(self) -> Self:
        """Open the channel and exchange hellos."""
        await self._ready()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Say goodbye."""
        await self.close_session()

    @property
    def session_id(self) -> int | None:
        """The number that the server gave to the last channel; None before its hello."""
        return self._protocol.session_id

    @property
    def client_capabilities(self) -> Capabilities:
        """What our hello told."""
        return self._ours

    @property
    def server_capabilities(self) -> Capabilities:
        """What the server's last hello told; nothing before it."""
        return self._protocol.server_capabilities

    @property
    def framing(self) -> str:
        """``chunked`` (base:1.1) or ``end-of-message`` (base:1.0)."""
        return self._protocol.framing

    @property
    def connected(self) -> bool:
        """Whether the next request goes to an open channel."""
        return self._channel is not None and self._channel.usable

    def statistics(self) -> NetconfStatistics:
        """What it has done and seen."""
        return NetconfStatistics(
            opened=self._opened,
            pending=self._protocol.pending,
            late=self._late,
            ignored=self._ignored,
            lost=self._lost + (self._notifications.lost if self._notifications else 0),
        )

    @property
    def streaming(self) -> bool:
        """Whether a reply is being taken in parts, which holds back all others."""
        return self._protocol.streaming

    async def open(self) -> None:
        """Open the channel and exchange hellos, where that is not done; all that needs it does this by itself."""
        await self._ready()

    async def wait_ended(self) -> MooringError:
        """Wait until the channel that is open now is over, and return why. Cancelling is safe.

        Raises:
            NetconfEnded: None is open.
        """
        if self._channel is None:
            raise NetconfEnded(f"no NETCONF session of {self.alias} was opened")
        return await asyncio.shield(self._channel.ended)

    async def execute(self, operation: Operation, timeout: float | None) -> RpcReply:
        """Send one operation and return its reply. Who locks and unlocks, however it is written, is remembered."""
        check_seconds(timeout)
        if operation.locks:
            self._locks.taken_anew(operation.locks)
            return await self._locks.lock(await self._ready(), operation, timeout)
        if operation.unlocks:
            self._locks.given_back(operation.unlocks)
            return await self._locks.unlock(await self._ready(), operation, timeout)
        return await self._request(await self._ready(), operation, timeout)

    async def prepared(self, operation: Operation) -> NetconfChannel:
        """The open channel, once it is sure that the server can do this now."""
        channel = await self._ready()
        self._check(channel, operation)
        return channel

    async def _request(self, channel: NetconfChannel, operation: Operation, timeout: float | None) -> RpcReply:
        self._check(channel, operation)
        began = time.perf_counter()
        reply = await channel.request(operation, self._timeout if timeout is None else timeout)
        if self._measured is not None:
            self._measured.observe(time.perf_counter() - began)
        reply.check(self.alias)
        if operation.name == "create-subscription":
            self._subscribed = channel
        return reply

    def _check(self, channel: NetconfChannel, operation: Operation) -> None:
        """Make sure that the server can do it, and now."""
        theirs = channel.protocol.server_capabilities
        operation.check(theirs, self.alias)
        if channel is self._subscribed and ":interleave" not in theirs:
            msg = f"{self.alias} takes no requests while it sends notifications"
            hint = "make them on another session.netconf()"
            raise MissingCapability(msg, capability=":interleave", hint=hint)

    def notifications(
        self,
        stream: str | None = None,
        filter: Source | None = None,  # noqa: A002 - the RFC's word
        *,
        xpath: str | None = None,
        namespaces: Mapping[str, str] | None = None,
        start_time: str | None = None,
        stop_time: str | None = None,
        queue: int = QUEUE,
    ) -> Notifications:
        """A subscription: ``async with nc.notifications() as events: async for event in events: ...``.

        The arguments are as ``create_subscription`` has them. Where the server does not offer ``:interleave``, give
        it a NETCONF session of its own.

        Args:
            stream: Of which stream; None for ``NETCONF``.
            filter: Of what.
            xpath: Likewise.
            namespaces: Likewise.
            start_time: Those since then as well.
            stop_time: None after that.
            queue: How many may wait; beyond that the oldest are dropped, counted and told of.
        """
        selection = wire.Selection(filter, xpath, namespaces)
        return Notifications(self, stream, selection, (start_time, stop_time), queue)

    async def close_session(self) -> None:
        """Say goodbye and close the channel, within five seconds whatever the server does. Safe to call twice."""
        self._closed = True
        if self._notifications is not None:
            self._notifications.end(None)
        if self._channel is not None:
            await self._channel.close(wire.close_session())

    def leave(self) -> None:
        """Say goodbye and close the channel, without waiting for an answer."""
        self._closed = True
        if self._channel is not None:
            self._channel.leave(wire.close_session())

    def add_listener(self, listener: SessionListener) -> None:
        """Have every message and error told; see ``SessionListener``."""
        self._listeners.add(listener)

    def remove_listener(self, listener: SessionListener) -> None:
        """Have it told no more; nothing happens where it is not there."""
        self._listeners.remove(listener)

    def get_listener_instance(self, kind: type[_Listener]) -> _Listener | None:
        """The first listener of a class; None without one."""
        return self._listeners.instance(kind)

    # Its channel.

    async def _ready(self, *, unlocked: bool = False) -> NetconfChannel:
        """The open channel, which is opened where there is none.

        Args:
            unlocked: Whether what is to be sent relies on no lock.
        """
        if not unlocked:
            self._locks.check()
        if self._channel is not None and self._channel.usable:
            return self._channel
        async with self._opening:
            if self._closed:
                raise NetconfEnded(
                    f"the NETCONF session of {self.alias} was closed", hint="session.netconf() opens one"
                )
            if self._channel is not None and not self._channel.usable and not self._reopen:
                raise NetconfEnded(f"the NETCONF session of {self.alias} is over", hint="what it had locked is not")
            if self._channel is not None and self._channel.usable:
                return self._channel
            return await self._open()

    async def _open(self) -> NetconfChannel:
        attachment = self._attachment()
        self._protocol = self._new_protocol()
        before = self._channel
        channel = self._channel = NetconfChannel(self.alias, self._protocol, self)  # closing ends it from now on
        try:
            await channel.open(attachment, self._quirks, self._timeout)
        except BaseException:
            self._channel = before
            raise
        self._opened += 1
        session_id = self.session_id or 0
        self._former.opened(session_id)
        channel.ended.add_done_callback(lambda ended: self._ended(session_id, channel, ended.result()))
        return channel

    def _new_protocol(self) -> Protocol:
        return Protocol(self._ours, self._quirks, self._most, parser)

    def _ended(self, session_id: int, channel: NetconfChannel, error: MooringError) -> None:
        if not channel.parted:
            self._former.broke(session_id)
        if not self._closed:
            self._listeners.error(error)

    # What its channel tells.

    @property
    def watches(self) -> bool:
        """Whether anybody listens."""
        return bool(self._listeners)

    def message_received(self, element: Element | None, raw: bytes) -> None:
        """A whole message came."""
        if element is not None:
            self._listeners.message(element, raw)

    def notification_received(self, notification: Notification) -> None:
        """A notification came."""
        if self._notifications is not None:
            self._notifications.put(notification)
        elif not self._listeners:
            self._lost += 1

    def ignored(self, error: MooringError) -> None:
        """A message came that answers nothing."""
        self._ignored += 1
        self._listeners.error(error)

    def late(self) -> None:
        """A reply came that nobody waits for any more."""
        self._late += 1

    # What its subscription asks for.

    @property
    def reopens(self) -> bool:
        """Whether it opens another channel when one is gone."""
        return self._reopen and not self._closed

    async def subscribe(self, operation: Operation) -> NetconfChannel:
        """Send a create-subscription, on a new channel where the old one is gone."""
        channel = await self._ready(unlocked=True)
        await self._request(channel, operation, None)
        return channel

    async def wait_up(self, timeout: float | None) -> None:
        """Wait for the SSH session."""
        await self._wait_up(timeout)

    def attach(self, notifications: Notifications) -> None:
        """Put notifications here."""
        if self._notifications is not None:
            msg = f"{self.alias} has a subscription on this NETCONF session already"
            raise InvalidInput(msg, hint="RFC 5277 allows one; open another session.netconf()")
        self._notifications = notifications

    def detach(self, notifications: Notifications) -> None:
        """And no more."""
        if self._notifications is notifications:
            self._lost += notifications.lost
            self._notifications = None

    def __repr__(self) -> str:
        """A status line."""
        what = f"session-id {self.session_id}, {self.framing}" if self.connected else "not connected"
        return f"<NetconfSession {self.alias}: {what}>"


def quirks_of(device: str, *, strip_namespaces: bool) -> Quirks:
    """How to meet a family of devices.

    Raises:
        InvalidInput: None has this name.
    """
    if device not in QUIRKS:
        raise InvalidInput(f"device {device!r} is not known: {', '.join(QUIRKS)}")
    return dataclasses.replace(QUIRKS[device], strip_namespaces=strip_namespaces)
