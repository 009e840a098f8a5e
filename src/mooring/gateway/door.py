"""The gateway: listens, knows its users, and lets go of those who are none any more."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Any, Final

import asyncssh

from ..service.audit import CutOff
from ..session.attachment import OPEN_TIMEOUT
from ..transport.serve import KEEPALIVE, Listener, keywords
from .share import Shares
from .users import Badge, Users
from .visitor import Visitor

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterable

    from ..model.access import Actor
    from ..model.gateway import GatewaySettings
    from ..service import Fleet

__all__ = ["Gateway"]

_log = logging.getLogger(__name__)
VERSION: Final = "OpenSSH_10.0 Mooring"
"""What we say we are: OpenSSH's client tells only its own server that nobody reads its output any more
(eow@openssh.com), and stands still with another; `ssh ... | head` would never end. What it says goes to the device."""
_PATIENCE: Final = 1.0
_BEGINS: Final = 10.0
_GONE: Final = "no user of this gateway any more"
_ENDS: Final = "the daemon ends"


class Gateway:
    """An SSH server whose user names are the aliases of a fleet. Call ``serve_on``, and ``aclose`` in the end.

    Args:
        fleet: The sessions.
        host_key: The gateway's own.
        settings: Who may come, and what they may do.
        bearer: What a token of the daemon makes of who gives it as the password; None for one that is none.
        keepalive: Seconds of silence after which a visitor is asked whether they are there.

    Attributes:
        users: Who may come, as of the last reload.
        wait: Seconds to wait for a session that is not up.
        patience: Seconds to wait for a channel of one that is.
        begins: Seconds in which a visitor who has a channel must say what it is for.
        visitors: Those who are logged in.
        shares: What the connections of one user have together.

    Raises:
        ConfigError: A key file cannot be used.
    """

    def __init__(
        self,
        fleet: Fleet,
        host_key: asyncssh.SSHKey,
        settings: GatewaySettings,
        bearer: Callable[[str], Actor | None],
        *,
        keepalive: float = KEEPALIVE,
    ) -> None:
        self.fleet = fleet
        self.host_key = host_key
        self._bearer = bearer
        self.users = Users(settings.users, bearer)
        self.wait = settings.wait
        self.patience = OPEN_TIMEOUT
        self.begins = _BEGINS
        self.visitors: set[Visitor] = set()
        self.shares = Shares()
        self._arriving: set[asyncio.Task[None]] = set()
        self._listener = Listener(
            [host_key],
            lambda strangers: Visitor(self, strangers),
            limits=settings.limits,
            server_version=VERSION,
            keepalive=keepalive,
        )

    async def serve_on(self, sockets: Iterable[socket.socket]) -> None:
        """Let people in who come there. The sockets are closed in the end."""
        for sock in sockets:
            await self._listener.serve_on(sock)

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Where it listens."""
        return self._listener.addresses

    @property
    def public_key(self) -> str:
        """Its host key, as type and base64."""
        return " ".join(self.host_key.export_public_key().decode("ascii").split()[:2])

    def receive(self, transport: asyncio.Transport, actor: Actor, alias: str) -> None:
        """Speak SSH on a connection, with somebody whom another door knows and who means one session.

        Args:
            transport: On which nothing of SSH was said, and nothing is read.
            actor: Who.
            alias: Which session.
        """
        visitor = Visitor(self, None, Badge(actor.name, itself=actor, shown=actor), alias)
        task = asyncio.get_running_loop().create_task(self._receive(transport, visitor), name=f"gateway {alias}")
        self._arriving.add(task)
        task.add_done_callback(self._arriving.discard)
        # One that is cancelled before its first step ends nothing by itself.
        task.add_done_callback(lambda ended: transport.abort() if ended.cancelled() else None)

    async def _receive(self, transport: asyncio.Transport, visitor: Visitor) -> None:
        options = keywords([self.host_key], lambda: visitor, server_version=VERSION)
        handed = _Handed(transport)
        try:
            await handed.listen()
            await asyncssh.connect_reverse("visitor", 1, tunnel=handed, **options)
        except (asyncssh.Error, OSError) as error:
            _log.debug("a visitor left before SSH began: %s", error)
        except BaseException:
            transport.abort()
            raise

    def prepare(self, settings: GatewaySettings) -> Callable[[], None]:
        """Other users and rules, which hold when what is returned is called: for what is asked from then on.

        What is open goes on, but for who is no user any more: they are hung up on.

        Raises:
            ConfigError: A key file cannot be used.
        """
        users = Users(settings.users, self._bearer)

        def apply() -> None:
            self.users, self.wait = users, settings.wait
            for visitor in tuple(self.visitors):
                if users.actor(visitor.badge) is None:
                    visitor.cut(CutOff(_GONE), _BY_APPLICATION)

        return apply

    async def aclose(self, timeout: float) -> None:
        """Let nobody in any more and hang up, within some seconds whatever they do."""
        arriving = tuple(self._arriving)
        for task in arriving:
            task.cancel()
        for visitor in tuple(self.visitors):
            visitor.cut(CutOff(_ENDS), _BY_APPLICATION)
        await self._listener.aclose(timeout)
        if arriving:
            await asyncio.wait(arriving, timeout=timeout)
        for visitor in tuple(self.visitors):
            visitor.connection.abort()


class _Handed(asyncio.Protocol):
    """A connection that stands, as AsyncSSH takes one over.

    The client speaks first: `mooring proxy` gives ssh the connection as it is, and must have read nothing of ours.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._early = b""
        self._spoke = asyncio.Event()

    async def listen(self) -> None:
        """Wait until the client speaks, or leaves; one that waits for us hears us after a second."""
        self._transport.set_protocol(self)
        self._transport.resume_reading()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE):
                await self._spoke.wait()

    def data_received(self, data: bytes) -> None:
        """It speaks."""
        self._early += data
        self._transport.pause_reading()
        self._spoke.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """It left."""
        del exc
        self._spoke.set()

    async def create_connection(self, factory: Callable[[], Any], host: str, port: int) -> tuple[Any, Any]:
        """Hand it over.

        Raises:
            ConnectionResetError: It is gone.
        """
        del host, port  # it is there already
        if self._transport.is_closing():
            raise ConnectionResetError("the visitor hung up")
        connection = factory()
        self._transport.set_protocol(connection)
        connection.connection_made(self._transport)
        if self._early:
            connection.data_received(self._early)
        self._transport.resume_reading()
        return self._transport, connection


_BY_APPLICATION: Final = 11
"""RFC 4253 section 11.1."""
