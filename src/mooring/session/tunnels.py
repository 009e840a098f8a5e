"""What a session offers to carry other connections: forwards, and AsyncSSH's own connections and listeners."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from ..model.errors import ChannelLimit, ChannelRefused, InvalidInput, SessionClosed
from ..model.forward import ForwardKind, Place
from ..model.status import ChannelStatus, Measured, SessionState
from ..transport.callbacks import guarded_handlers, guarded_sessions
from ..transport.mapping import session_error
from ..transport.tunnel import at_most, channels, count
from .attachment import OPEN_TIMEOUT
from .files import WithFiles
from .forward import Forward, Forwards
from .forward.forward import MOST

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from ..model.errors import MooringError, SessionNotUp
    from ..model.status import SessionStatus
    from .attachment import Attachment
    from .forward.forward import Policy, Where

__all__ = ["Tunnels"]

AsyncSSH = Any
"""Objects of AsyncSSH's, which is not imported here."""

_late: Final[set[asyncio.Future[Any]]] = set()
"""Openings that nobody waits for any more; each ends with its connection at the latest."""


class Tunnels(WithFiles):
    """A session that carries connections."""

    def __init__(self, *args: Any, **keywords: Any) -> None:
        super().__init__(*args, **keywords)
        self.forwards = Forwards(self)
        """Its forwards, by their names."""

    async def forward_local(
        self, listen: Where, destination: Where | None = None, *, name: str | None = None, policy: Policy | None = None
    ) -> Forward:
        """Listen here, and have the far side connect on, as ``ssh -L``.

        It listens until it or the session is closed, whether the session is up or not: who comes meanwhile waits for
        it, half a minute at most. Cancelling is safe: nothing listens then.

        Args:
            listen: A port of 127.0.0.1, ``"host:port"`` (``"*:port"`` for all addresses), a Unix socket's path, or
                ``(host, port)``; port 0 is any free one, which ``get_port`` tells.
            destination: Where the far side connects: ``"host:port"``, as it knows the host, or a Unix socket's path
                there. None where the policy says so.
            name: Its name; by default one made of where it listens.
            policy: Called with each connection's Origin; returns where it leads, or None to refuse it. It may be a
                coroutine function.

        Raises:
            PortTaken: Somebody else listens there; the message says who, as far as the system tells.
            ForwardError: We cannot listen there for another reason.
            ForwardInUse: Another forward of this session has this name.
            SessionClosed: It was closed.
            InvalidInput: A place or the name cannot be meant.
        """
        return await self._forward(ForwardKind.LOCAL, listen, destination, name, policy)

    async def forward_remote(
        self, listen: Where, destination: Where | None = None, *, name: str | None = None, policy: Policy | None = None
    ) -> Forward:
        """Have the far side listen, and connect on from here, as ``ssh -R``.

        It is asked for again each time the session comes up, until the far side grants it: after a lost connection a
        server may hold on to the port for a while. Cancelling is safe: nobody listens then.

        Args:
            listen: A port of ``localhost`` there, ``"host:port"``, ``(host, port)`` or a Unix socket's path there;
                for port 0 the server chooses, which ``get_port`` tells. The server decides about hosts: OpenSSH
                takes others than loopback with ``GatewayPorts`` only.
            destination: Where we connect. None where the policy says so.
            name: Its name; by default one made of where it listens.
            policy: As ``forward_local`` has it.

        Raises:
            ForwardRefused: The far side will not listen there; it gives no reason.
            SessionNotUp, SessionParked, SessionClosed: It is not up; nothing was sent.
            SessionLost: The session was lost meanwhile.
            ForwardInUse, InvalidInput: As ``forward_local`` has them.
        """
        return await self._forward(ForwardKind.REMOTE, listen, destination, name, policy)

    async def forward_socks(self, listen: Where, *, name: str | None = None, policy: Policy | None = None) -> Forward:
        """Listen here for SOCKS 4, 4a and 5; the far side connects to where each connection wants. As ``ssh -D``.

        Arguments and errors are those of ``forward_local``; a policy finds what was asked for in ``Origin.wanted``.
        """
        return await self._forward(ForwardKind.SOCKS, listen, None, name, policy)

    async def _forward(
        self, kind: ForwardKind, listen: Where, destination: Where | None, name: str | None, policy: Policy | None
    ) -> Forward:
        host = {"host": "localhost"} if kind is ForwardKind.REMOTE else {}
        return await self.forwards.add(
            kind,
            Place.parse(listen, **host),
            None if destination is None else Place.parse(destination),
            name=name,
            policy=policy,
        )

    async def open_connection(
        self, host: str, port: int, *args: Any, timeout: float = OPEN_TIMEOUT, **keywords: Any
    ) -> AsyncSSH:
        """Have the far side connect to ``host:port``, and return AsyncSSH's reader and writer for it.

        What the objects raise is AsyncSSH's. Cancelling is safe: what was opened is closed again.

        Args:
            host: A name or address, as the far side knows it.
            port: The port.
            args: As ``SSHClientConnection.open_connection`` has them.
            timeout: Seconds for the far side to connect.
            keywords: Likewise; bytes unless ``encoding`` is given.

        Raises:
            ChannelRefused: The far side cannot or may not connect, or does not answer in time.
            ChannelLimit: A thousand connections are open over this session; nothing was sent.
            SessionNotUp, SessionParked, SessionClosed: It is not up; nothing was sent.
            SessionLost: It was lost meanwhile.
            InvalidInput: A host or path holds a NUL, for which OpenSSH's server would end the connection.
        """
        return await self._opened(
            "open_connection", (host, port, *args), keywords, timeout, lambda made: made[1].close()
        )

    async def create_connection(
        self,
        session_factory: Callable[[], Any],
        host: str,
        port: int,
        *args: Any,
        timeout: float = OPEN_TIMEOUT,
        **keywords: Any,
    ) -> AsyncSSH:
        """Have the far side connect to ``host:port``, and return AsyncSSH's channel and the session made for it.

        Arguments and errors are those of ``open_connection``; ``session_factory`` makes AsyncSSH's ``SSHTCPSession``.
        What a callback of it raises ends its connection alone, and goes to the loop's exception handler.
        """
        wanted = guarded_sessions(session_factory), host, port, *args
        channel, session = await self._opened(
            "create_connection", wanted, keywords, timeout, lambda made: made[0].close()
        )
        return channel, session.inner

    async def start_server(
        self, handler_factory: Callable[..., Any], *args: Any, timeout: float = OPEN_TIMEOUT, **keywords: Any
    ) -> AsyncSSH:
        """Have the far side listen, and hand each connection to a handler; returns AsyncSSH's listener.

        It ends with its connection: ``forward_remote`` is what comes back. Who comes while a thousand connections are
        open over this session is refused. What a handler raises ends its connection alone, and goes to the loop's
        exception handler, unless it says that the connection has gone. Cancelling is safe: nobody listens then.

        Args:
            handler_factory: As ``SSHClientConnection.start_server`` has it.
            args: Likewise: host and port.
            timeout: Seconds for the far side's answer.
            keywords: Likewise.

        Raises:
            ForwardRefused: The far side will not listen there.
            ChannelLimit, SessionNotUp, SessionParked, SessionClosed, SessionLost: As ``open_connection`` has them.
        """
        return await self._listening("start_server", (guarded_handlers(handler_factory), *args), keywords, timeout)

    async def create_server(
        self, session_factory: Callable[..., Any], *args: Any, timeout: float = OPEN_TIMEOUT, **keywords: Any
    ) -> AsyncSSH:
        """As ``start_server``, with a factory of AsyncSSH's ``SSHTCPSession`` in the place of handlers."""
        return await self._listening("create_server", (guarded_sessions(session_factory), *args), keywords, timeout)

    async def _listening(self, what: str, args: tuple[Any, ...], keywords: dict[str, Any], timeout: float) -> AsyncSSH:
        connection = self._up().link.connection
        listener = await self._opened(what, args, keywords, timeout, lambda made: made.close())
        at_most(MOST, connection, listener)
        return listener

    async def _opened(
        self, what: str, args: tuple[Any, ...], keywords: dict[str, Any], timeout: float, undo: Callable[[Any], None]
    ) -> AsyncSSH:
        """What AsyncSSH makes; it would forget an opening that is cancelled, so it goes on by itself and is undone."""
        if any(isinstance(given, str) and "\0" in given for given in (*args, *keywords.values())):
            raise InvalidInput("a host or path holds no NUL")
        link = self._up().link
        if channels(link.connection) >= MOST:
            raise ChannelLimit(f"{self.alias}: {MOST} connections are open over it", hint="close some")
        # As Session.process has it; AsyncSSH's own default ends the connection over one byte that is no text.
        options = {"errors": "backslashreplace", **keywords}
        making: Coroutine[Any, Any, Any] = getattr(link.connection, what)(*args, **options)
        opening = asyncio.ensure_future(making)

        def give_up() -> None:
            _late.add(opening)
            opening.add_done_callback(finish)

        def finish(opening: asyncio.Future[Any]) -> None:
            _late.discard(opening)
            if not opening.cancelled() and opening.exception() is None:
                undo(opening.result())

        try:
            await asyncio.wait((opening,), timeout=timeout)
        except BaseException:
            give_up()
            raise
        if not opening.done():
            give_up()
            raise ChannelRefused(f"{self.alias} did not answer within {timeout:g} s")
        try:
            return opening.result()
        except Exception as error:
            raise session_error(error, self.alias, lost=link.closed) from error

    def status(self) -> SessionStatus:
        """Everything about it, as one value."""
        status = super().status()
        if (attached := self.attached) is None:
            return status
        channels = replace(status.channels, forwarded=count(attached.link.connection))
        return replace(status, channels=channels)

    def measured(self) -> Measured:
        """Its numbers, as the status has them: less work where thousands are asked for them again and again."""
        if (attached := self.attached) is None:
            return Measured(alias=self.alias, ping=None, channels=ChannelStatus(), commands=self._commands)
        link = attached.link
        channels = replace(attached.gate.status(), forwarded=count(link.connection))
        return Measured(alias=self.alias, ping=link.trips.last, channels=channels, commands=self._commands)

    # What its forwards stand on.

    @property
    def attached(self) -> Attachment | None:
        """The connection that it is up on; None while it is not."""
        return self._attachment if self._stands else None

    @property
    def hopeless(self) -> bool:
        """Whether it will not come up by itself."""
        return self._state in {SessionState.PARKED, SessionState.CLOSED}

    async def wait_attached(self) -> Attachment:
        """Wait until it is up, however long that takes. Cancelling is safe.

        Raises:
            SessionClosed: It never will be.
        """
        while (attached := self.attached) is None:
            if self._state is SessionState.CLOSED:
                raise SessionClosed(f"{self.alias} was closed")
            await self.wait_change()
        return attached

    def not_up(self) -> SessionNotUp:
        """Why it is not up."""
        return self._not_up()

    async def detach(self, state: SessionState, error: MooringError | None, reason: str) -> None:
        """There is no connection any more; with the session its forwards end."""
        await super().detach(state, error, reason)
        if state is SessionState.CLOSED:
            await self.forwards.aclose()
