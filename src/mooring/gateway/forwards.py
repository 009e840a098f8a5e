"""Connections that a visitor carries through the gateway, from the device on and to the visitor.

A listener lasts as long as the visitor's connection. Where its session is lost, so is that connection, as it would be
without a gateway between: whoever needs the listener connects again.
"""

from __future__ import annotations

import asyncio
import logging
import weakref
from typing import TYPE_CHECKING, Final, Protocol

from asyncssh import (
    DISC_CONNECTION_LOST,
    OPEN_ADMINISTRATIVELY_PROHIBITED,
    OPEN_CONNECT_FAILED,
    OPEN_RESOURCE_SHORTAGE,
    ChannelOpenError,
)
from asyncssh.packet import String, UInt32

from ..model.access import Action
from ..model.errors import ForwardError, ForwardRefused, MooringError, NotAllowed, SessionLost, UnknownAlias
from ..model.forward import Place
from ..service.audit import CutOff
from ..transport.opening import Begin
from ..transport.remote import listen, take_agents
from ..transport.splice import PathSide, PortSide, Side, join
from ..transport.tunnel import channels
from .channel import PARTED, line

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    import asyncssh
    from asyncssh.connection import SSHConnection

    from ..service.audit import Deed
    from ..session import Session
    from ..transport.link import Link
    from ..transport.remote import RemoteListener
    from .share import Share

__all__ = ["Forwards"]

_log = logging.getLogger(__name__)
_FORWARD: Final = (Action.FORWARD,)
_NOT_ALLOWED: Final = "forwarding is not allowed"
_CHANNELS: Final = 256
"""Channels of one connection at once, of either kind."""
_LISTENERS: Final = 64
_ANSWER: Final = 150.0
"""Seconds for a peer to open a channel: it may have to connect first, for which TCP takes 127."""
_agents: Final[weakref.WeakKeyDictionary[asyncssh.SSHClientConnection, dict[Forwards, Callable[[Side], None]]]] = (
    weakref.WeakKeyDictionary()
)
"""Who takes the questions of a device to an ssh-agent, the latest last."""


class Visitor(Protocol):
    """Whose they are."""

    connection: asyncssh.SSHServerConnection
    share: Share

    def has(self, permission: str) -> bool:
        """Whether the key that was proven grants it."""

    def begin_forward(self, what: str, place: str) -> Deed:
        """Have it recorded that a connection or listener is asked for."""

    def refuse_forward(self, what: str, code: str = NotAllowed.code, **detail: str) -> None:
        """Have it recorded that their key, who they are, or what the code says keeps them from it."""

    def check(self, actions: tuple[Action, ...]) -> Session:
        """The session, for somebody who may do one of these things on it."""

    async def reach(self, actions: tuple[Action, ...]) -> Session:
        """The same, up."""

    def cut(self, why: SessionLost | CutOff, code: int | None = None) -> None:
        """Hang up on them."""

    def why_cut(self, fault: Exception | None = None) -> BaseException | None:
        """Why they were hung up on; None where they were not."""

    def spawn(self, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        """Run something for as long as the connection lasts, or until it is cancelled."""

    def look_after(self, work: Coroutine[object, object, None]) -> None:
        """Run something for as long as the connection lasts."""


class Forwards:
    """The connections of one visitor.

    Args:
        visitor: Who.
    """

    def __init__(self, visitor: Visitor) -> None:
        self._visitor = visitor
        self._listeners = 0

    def check_room(self) -> None:
        """Refuse one channel too many, whichever side asks for it.

        Raises:
            ChannelOpenError: It is.
        """
        if channels(self._visitor.connection) >= _CHANNELS or self._visitor.share.full:
            raise ChannelOpenError(OPEN_RESOURCE_SHORTAGE, "too many channels")

    def to_port(self, host: str, port: int, origin: str, origin_port: int) -> tuple[Side, Begin]:
        """A connection that the device makes to a port."""
        _check(host + origin)
        asked = String(host), UInt32(port), String(origin), UInt32(origin_port)
        return self._onwards(Place(host, port), PortSide, b"direct-tcpip", *asked)

    def to_path(self, path: str) -> tuple[Side, Begin]:
        """One to a Unix socket there."""
        _check(path)
        asked = String(path), String(""), UInt32(0)
        return self._onwards(Place(path=path), PathSide, b"direct-streamlocal@openssh.com", *asked)

    def _onwards(self, place: Place, kind: type[Side], name: bytes, *asked: bytes) -> tuple[Side, Begin]:
        """A channel that the visitor asks for, which the device is asked for in turn.

        Raises:
            ChannelOpenError: They may not, or there is no session.
        """
        if not self._allowed("connection", place):
            raise ChannelOpenError(OPEN_ADMINISTRATIVELY_PROHIBITED, _NOT_ALLOWED)
        try:
            deed = self._visitor.begin_forward("connection", str(place))
        except MooringError as error:
            raise ChannelOpenError(OPEN_CONNECT_FAILED, error.message) from error
        try:
            near: Side = kind(
                self._visitor.connection,
                ended=lambda fault: deed.end(self._why_ended(near, fault)),
                dropped=lambda: deed.end(self._why_left()),  # before it was open
            )
        except ChannelOpenError:
            deed.end(self._why_left())
            raise

        def refuse(side: Side, reason: str) -> None:
            deed.end(ForwardRefused(reason))
            side.refuse(OPEN_CONNECT_FAILED, reason)

        async def open_far(side: Side) -> None:
            try:
                session = await self._visitor.reach(_FORWARD)
                self._open(side, session.attachment.link.connection, kind, name, *asked, deed=deed)
            except (NotAllowed, UnknownAlias):
                refuse(side, _NOT_ALLOWED)
            except MooringError as error:
                refuse(side, line(error))
            except ChannelOpenError:
                refuse(side, "the session was lost")

        def begin(side: Side) -> None:
            self._visitor.look_after(open_far(side))

        return near, Begin(begin)

    def _why_ended(self, near: Side, fault: Exception | None) -> BaseException | None:
        """What ended a connection that was open; None where one of the two did."""
        if near.bereft:
            return SessionLost("the session was lost while the connection was open")
        return CutOff(PARTED) if near.parted else self._visitor.why_cut(fault)

    def _why_left(self) -> BaseException:
        """The visitor is gone: by us, or by themselves."""
        return self._visitor.why_cut() or asyncio.CancelledError()

    def _allowed(self, what: str, place: Place) -> bool:
        if not self._visitor.has("port-forwarding"):
            self._visitor.refuse_forward(what, place=str(place))
            return False
        try:
            self._visitor.check(_FORWARD)
        except MooringError:
            return False
        return True

    def _may_listen(self, place: Place) -> bool:
        """Whether a listener may be asked for; what it was not for is on record, since no answer has a place for it."""
        if "\0" in place.host + place.path or not self._allowed("listen", place):
            return False
        if self._listeners >= _LISTENERS:
            self._visitor.refuse_forward("listen", ForwardError.code, place=str(place))
            return False
        return True

    async def listen(self, host: str, port: int) -> _Listening | bool:
        """Have the device listen on a port for the visitor."""

        def back(far: Side, origin: tuple[str, int], bound: int) -> None:
            asked = String(host), UInt32(bound), String(origin[0]), UInt32(origin[1])
            self._open(far, self._visitor.connection, PortSide, b"forwarded-tcpip", *asked)

        return await self._listen(host, port, "", back)

    async def listen_path(self, path: str) -> _Listening | bool:
        """The same on a Unix socket there."""

        def back(far: Side, _origin: tuple[str, int], _bound: int) -> None:
            asked = String(path), String("")
            self._open(far, self._visitor.connection, PathSide, b"forwarded-streamlocal@openssh.com", *asked)

        return await self._listen("", 0, path, back)

    async def _listen(
        self, host: str, port: int, path: str, back: Callable[[Side, tuple[str, int], int], None]
    ) -> _Listening | bool:
        place = Place(host, port, path)
        if not self._may_listen(place):
            return False
        bound = port
        try:
            deed = self._visitor.begin_forward("listen", str(place))
        except MooringError as error:
            _log.debug("no listener: %s", error)
            return False

        def offer(side: Side) -> None:
            self._offer(side, lambda: back(side, side.origin, bound))

        self._listeners += 1
        try:
            session = await self._visitor.reach(_FORWARD)
            link = session.attachment.link
            listening = await listen(link.connection, place, offer, (PortSide, PathSide))
        except BaseException as error:
            self._listeners -= 1
            deed.end(error)
            if isinstance(error, MooringError):
                _log.debug("no listener: %s", error)
                return False
            raise
        bound = listening.place.port
        if self._visitor.connection.is_closed():
            listening.close()
            deed.end(self._why_left())
            return False
        watch = self._visitor.spawn(self._end_with(link))

        def closed() -> None:
            self._listeners -= 1
            watch.cancel()
            # AsyncSSH closes it before it says why the connection ends, where that is why.
            asyncio.get_running_loop().call_soon(lambda: deed.end(self._visitor.why_cut()))

        return _Listening(listening, closed)

    def _offer(self, side: Side, onwards: Callable[[], None]) -> None:
        """Take a channel that the device opens on to the visitor, if there are not too many of those already."""
        try:
            self.check_room()
            onwards()
        except ChannelOpenError as error:
            side.refuse(error.code, error.reason)

    def take_agent(self, connection: asyncssh.SSHClientConnection) -> None:
        """Have the device's questions to an ssh-agent come to this visitor: the latest who asked for it gets them.

        The device does not say on whose behalf it asks; one connection has one agent there.
        """

        def begin(side: Side) -> None:
            self._offer(side, lambda: self._open(side, self._visitor.connection, Side, b"auth-agent@openssh.com"))

        takers = _agents.setdefault(connection, {})
        takers.pop(self, None)
        takers[self] = begin
        take_agents(connection, begin)

    def leave_agents(self) -> None:
        """The visitor has gone: who asked before gets them, if anybody."""
        for connection, takers in tuple(_agents.items()):
            if takers.pop(self, None) is not None:
                take_agents(connection, next(reversed(takers.values()), None))

    async def _end_with(self, link: Link) -> None:
        """Hang up on the visitor when the session is lost: nobody would tell them that nobody listens any more."""
        await link.wait_lost()
        self._visitor.cut(SessionLost("the session was lost"), DISC_CONNECTION_LOST)

    def _open(
        self,
        side: Side,
        connection: SSHConnection,
        kind: Callable[..., Side],
        name: bytes,
        *asked: bytes,
        deed: Deed | None = None,
    ) -> None:
        """Have a channel that was asked for on one connection go on as one of another.

        Raises:
            ChannelOpenError: That connection is gone.
        """

        def opened() -> None:
            late.cancel()
            if side.is_gone:
                there.shut()
            else:
                side.admit(there)

        def refused(code: int, reason: str) -> None:
            late.cancel()
            if deed is not None:
                deed.end(ForwardRefused(reason))
            side.refuse(code, reason)

        there = kind(connection, opened, refused)
        side.window = there.window = self._visitor.share.window
        join(side, there)
        late = asyncio.get_running_loop().call_later(_ANSWER, refused, OPEN_CONNECT_FAILED, "no answer")
        there.ask(name, side, *asked)


def _check(names: str) -> None:
    """Refuse what is no name: OpenSSH's server would end the connection over it, and so the session.

    Raises:
        ChannelOpenError: It is none.
    """
    if "\0" in names:
        raise ChannelOpenError(OPEN_CONNECT_FAILED, "no such place")


class _Listening:
    """A listener as AsyncSSH's server keeps it."""

    def __init__(self, listener: RemoteListener, closed: Callable[[], None]) -> None:
        self._listener = listener
        self._on_closed = closed

    def get_port(self) -> int:
        """Which port the device gave."""
        return self._listener.place.port

    def close(self) -> None:
        """Have the device listen no more."""
        self._listener.close()
        self._on_closed()
