"""One channel with one NETCONF session on it: who waits for which reply."""

from __future__ import annotations

import asyncio
import contextlib
import copy
from typing import TYPE_CHECKING, Final, Protocol

from ...model.errors import (
    ChannelRefused,
    HelloError,
    MooringError,
    NetconfEnded,
    RpcTimeout,
    SessionLost,
    SlowReader,
)
from ...transport.subsystem import Subsystem, open_subsystem
from ...wire.netconf import events
from ...wire.netconf import protocol as wire
from ...wire.netconf.quirks import SETTLES
from ..slots import Kind
from .patience import Patience
from .stream import ReplyStream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ...wire.netconf.operations import Operation
    from ...wire.netconf.quirks import Quirks
    from ...wire.netconf.reply import Notification, RpcReply
    from ...wire.netconf.xml import Element
    from ..attachment import Attachment

__all__ = ["NetconfChannel", "Watcher"]

_GOODBYE: Final = 5.0
"""Seconds for the answer to close-session."""


class Watcher(Protocol):
    """Who is told of what comes unasked."""

    def message_received(self, element: Element | None, raw: bytes) -> None:
        """A whole message came, of any kind."""

    def notification_received(self, notification: Notification) -> None:
        """A notification came."""

    def ignored(self, error: MooringError) -> None:
        """A message came that answers nothing."""

    def late(self) -> None:
        """A reply came that nobody waits for any more."""

    @property
    def watches(self) -> bool:
        """Whether ``message_received`` is to be called at all."""


class NetconfChannel:
    """One NETCONF session, from its hello to its end. ``open`` it; it is never opened again.

    Args:
        alias: The session's name.
        protocol: The protocol, new.
        watcher: Told of what comes unasked.
    """

    def __init__(self, alias: str, protocol: wire.Protocol, watcher: Watcher) -> None:
        self.alias = alias
        self.protocol = protocol
        self._watcher = watcher
        self._subsystem: Subsystem | None = None
        self._replies: dict[str, asyncio.Future[RpcReply]] = {}
        self._streams: dict[str, ReplyStream] = {}
        loop = asyncio.get_running_loop()
        self._established: asyncio.Future[None] = loop.create_future()
        self.ended: asyncio.Future[MooringError] = loop.create_future()
        """Done with the reason when it is over."""
        self.parted = False
        """Whether the server knows that it is over."""

    @property
    def usable(self) -> bool:
        """Whether requests may be sent."""
        return self.protocol.state is wire.State.OPEN

    async def open(self, attachment: Attachment, quirks: Quirks, timeout: float) -> None:
        """Open the channel and exchange hellos. Cancelling is safe: what was opened is closed again.

        Raises:
            ChannelLimit: No channel slot became free in time.
            ChannelRefused: The server offers no NETCONF to this user.
            HelloError: There was no hello in time, or none to go on with.
            RpcError: The server sent errors before its hello.
            SessionLost: The connection was lost meanwhile.
        """
        deadline = attachment.now() + timeout
        try:
            subsystem = await self._open(attachment, deadline, "netconf", None)
        except ChannelRefused as refusal:
            if quirks.fallback is None:
                refusal.hint = refusal.hint or "is NETCONF on at this port, for this user? RFC 6242 gives it port 830"
                raise
            subsystem = await self._open(attachment, deadline, None, quirks.fallback)
        self._flush()
        try:
            async with asyncio.timeout_at(deadline):
                await asyncio.shield(self._established)
            theirs = self.protocol.server_capabilities
            if rest := max((pause for uri, pause in SETTLES.items() if uri in theirs), default=0.0):
                await asyncio.sleep(rest)
        except BaseException as failure:  # noqa: BLE001 - raised again, as what it is
            error = failure
            if isinstance(failure, TimeoutError):
                error = HelloError(f"{self.alias} sent no NETCONF hello within {timeout:g} s", hint=self._said())
            self._over(error if isinstance(error, MooringError) else self._given_up())
            subsystem.abandon()
            raise error from None

    async def _open(
        self, attachment: Attachment, deadline: float, subsystem: str | None, command: str | None
    ) -> Subsystem:
        connection = attachment.link.connection

        def make(on_close: Callable[[], None]) -> Subsystem:
            self._subsystem = Subsystem(on_close, self)
            return self._subsystem

        return await attachment.open(
            Kind.HELD,
            subsystem or command or "",
            deadline,
            make,
            lambda session: open_subsystem(connection, session, subsystem, command),
        )

    async def request(self, operation: Operation, timeout: float | None, *, closes: bool = False) -> RpcReply:
        """Send a request and wait for its reply, whatever it says.

        Cancelling is safe: the reply is dropped when it comes; the server may do what was asked.

        Raises:
            RpcTimeout: There was none in time.
            MalformedMessage: It was no reply.
            NetconfEnded, SessionLost: The session ended before it came.
        """
        protocol = self.protocol
        message_id = protocol.send_rpc(operation.xml, attributes=operation.attributes, closes=closes)
        future: asyncio.Future[RpcReply] = asyncio.get_running_loop().create_future()
        self._replies[message_id] = future
        self._flush()
        try:
            async with asyncio.timeout(timeout):
                await self._drained()
                return await future
        except TimeoutError:
            msg = f"{self.alias} did not answer {operation.name} within {timeout:g} s"
            raise RpcTimeout(msg, hint="it may still do it; a late reply is dropped") from None
        finally:
            if self._replies.pop(message_id, None) is not None:
                protocol.give_up(message_id)
            if future.done() and not future.cancelled():
                future.exception()  # seen, even where the call was given up in the same moment

    @contextlib.contextmanager
    def _streaming(self, operation: Operation, patience: float | None) -> Iterator[ReplyStream]:
        message_id = self.protocol.send_rpc(operation.xml, attributes=operation.attributes, streams=True)
        clock = None
        if patience is not None:
            clock = Patience(patience, lambda: self._awaited(message_id), lambda: self._cut(message_id))

        def pause(wanted: bool) -> None:  # noqa: FBT001 - as ReplyStream calls it
            self._pause(wanted)
            if clock is not None:
                clock.run(wanted)

        stream = self._streams[message_id] = ReplyStream(self.alias, pause)
        self._flush()
        try:
            yield stream
        finally:
            if self._streams.pop(message_id, None) is not None:
                self.protocol.give_up(message_id)
            stream.resume()

    def stream(
        self, operation: Operation, patience: float | None = None
    ) -> contextlib.AbstractContextManager[ReplyStream]:
        """Send a request whose reply is taken in parts, inside the block.

        Args:
            operation: What is asked for.
            patience: Seconds for which its taker may hold back others in all; None for as long as they like. Then the
                rest is dropped, and it ends with ``SlowReader``.
        """
        return self._streaming(operation, patience)

    def _awaited(self, message_id: str) -> bool:
        """Whether anybody waits for another reply than this."""
        return bool(self._replies) or any(other != message_id for other in self._streams)

    def _cut(self, message_id: str) -> None:
        if (stream := self._streams.pop(message_id, None)) is not None:
            self.protocol.give_up(message_id)
            msg = f"a reply of {self.alias} was taken too slowly, and others waited behind it"
            stream.cut(SlowReader(msg, hint="take it faster, or on a NETCONF channel of your own"))

    async def close(self, operation: Operation) -> None:
        """Say goodbye and close the channel, within five seconds whatever the server does. Safe to call twice."""
        try:
            if self.usable:
                with contextlib.suppress(MooringError):
                    await self.request(operation, _GOODBYE, closes=True)
                    self.parted = True
        finally:
            self._over(NetconfEnded(f"the NETCONF session of {self.alias} was closed"))

    def leave(self, operation: Operation) -> None:
        """Say goodbye and close the channel, without waiting for an answer."""
        if self.usable:
            self.protocol.send_rpc(operation.xml, closes=True)
            self._flush()
            self.parted = True
        self.abandon()

    def abandon(self) -> None:
        """Close it without a word."""
        self._over(self._given_up())

    def _given_up(self) -> NetconfEnded:
        return NetconfEnded(f"the NETCONF session of {self.alias} was given up")

    # What the channel tells.

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        self.protocol.receive_data(data)
        for event in self.protocol.events_received():
            self._handle(event)

    def eof_received(self, *, lost: bool) -> None:
        """Nothing more comes."""
        if lost:
            self._over(SessionLost(f"{self.alias} was lost, and its NETCONF session with it"))
            return
        self.protocol.receive_eof()
        for event in self.protocol.events_received():
            self._handle(event)

    def _handle(self, event: events.Event) -> None:
        match event:
            case events.Replied(message_id, reply):
                self._replied(message_id, reply)
            case events.ReplyPart(message_id, data):
                if message_id in self._streams:
                    self._streams[message_id].put(data)
            case events.ReplyEnded(message_id):
                if message_id in self._streams:
                    self._streams.pop(message_id).end()
            case _:
                self._handle_unasked(event)

    def _handle_unasked(self, event: events.Event) -> None:
        match event:
            case events.Notified(notification):
                self._seen(notification.element, notification.xml)
                self._watcher.notification_received(notification)
            case events.Failed(message_id, error):
                self._failed(message_id, error)
            case events.Late():
                self._watcher.late()
            case events.Ignored(error, element, raw):
                self._seen(element, raw)
                self._watcher.ignored(error)
            case events.Established(element, raw):
                self._seen(element, raw)
                self._established.set_result(None)
            case events.Ended(error):
                error.hint = error.hint or self._said()
                self._over(error)

    def _seen(self, element: Element | None, raw: bytes) -> None:
        if self._watcher.watches:
            self._watcher.message_received(element, raw)

    def _replied(self, message_id: str, reply: RpcReply) -> None:
        if self._watcher.watches:
            self._watcher.message_received(reply.element, reply.xml)
        if (future := self._replies.pop(message_id, None)) is not None:
            if not future.done():
                future.set_result(reply)
        elif (stream := self._streams.pop(message_id, None)) is not None:
            try:
                reply.check(self.alias)
            except MooringError as error:
                stream.end(error)

    def _failed(self, message_id: str, error: MooringError) -> None:
        future = self._replies.pop(message_id, None)
        if future is not None and not future.done():
            future.set_exception(error)
        elif (stream := self._streams.pop(message_id, None)) is not None:
            stream.end(error)

    def _over(self, error: MooringError) -> None:
        """It is over: everybody who waits is told why."""
        if self.ended.done():
            return
        self.ended.set_result(error)
        self.protocol.receive_eof()
        replies, self._replies = self._replies, {}
        for future in replies.values():
            if not future.done():
                future.set_exception(copy.copy(error))
        streams, self._streams = self._streams, {}
        for stream in streams.values():
            stream.end(copy.copy(error))
        if not self._established.done():
            self._established.set_exception(error)
            self._established.exception()
        if self._subsystem is not None:
            self._subsystem.abandon()

    def _said(self) -> str | None:
        """What came on standard error, on one line."""
        said = self._subsystem.errors.decode("utf-8", "backslashreplace") if self._subsystem else ""
        line = "".join(char if char.isprintable() else "?" for char in " ".join(said.split()))
        return f"on standard error it said: {line}" if line else None

    def _flush(self) -> None:
        if self._subsystem is not None:
            self._subsystem.write(self.protocol.data_to_send())

    async def _drained(self) -> None:
        if self._subsystem is not None:
            await self._subsystem.drained()

    def _pause(self, wanted: bool) -> None:  # noqa: FBT001 - as ReplyStream calls it
        if self._subsystem is None:
            return
        if wanted:
            self._subsystem.pause_reading()
        else:
            self._subsystem.resume_reading()
