"""A link: one authenticated SSH connection and what is known of it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Final

import asyncssh

from ..model.errors import SessionLost
from .algorithms import agreed, old
from .flow import flow_of
from .mapping import words
from .outbox import write_together
from .packets import seal_together, take_apart
from .private import bears_ahead, let_keepalive_run, round_trip, spare_ignores
from .roundtrips import RoundTrips

if TYPE_CHECKING:
    from .client import Check, Client
    from .proxycommand import ProxyCommand
    from .route import Route

__all__ = ["Connection", "Link"]

Connection = asyncssh.SSHClientConnection
"""What ``Session.connection`` hands out."""

_CLOSE_TIMEOUT: Final = 5.0
_BEAR_AHEAD: Final = ("SSH-2.0-OpenSSH_", "SSH-2.0-AsyncSSH_")


class Link:
    """One authenticated connection.

    Attributes:
        connection: AsyncSSH's connection, for all that it offers.
        route: How it was reached.
        peer: ``address:port`` of the TCP peer; None behind a proxy command.
        server: The peer's version line.
        host_key: ``SHA256:...`` of the key it proved.
        host_key_policy: ``verify``, ``accept-new``, ``off`` or ``pinned``.
        algorithms: What was agreed on.
        legacy: The old ones among it.
        bears_ahead: Whether a channel may be opened before there is a command for it. Small devices have crashed,
            or thrown us out, over a channel more than they need; so only servers known to do well are asked.
        trips: The last round trips: keepalives, and pings that somebody asked for.
    """

    __slots__ = (
        "_client",
        "_cutter",
        "_outbox",
        "_proxy",
        "algorithms",
        "bears_ahead",
        "connection",
        "host_key",
        "host_key_policy",
        "legacy",
        "peer",
        "route",
        "server",
        "trips",
    )

    def __init__(
        self,
        connection: Connection,
        route: Route,
        client: Client,
        check: Check,
        proxy: ProxyCommand | None,
    ) -> None:
        self.connection = connection
        self.route = route
        self._client = client
        self._proxy = proxy
        self.peer = _address(connection.get_extra_info("peername"))
        self.server = str(connection.get_extra_info("server_version", ""))
        self.algorithms = agreed(connection.get_hash_prefix())
        self.legacy = old(self.algorithms)
        spare_ignores(connection, self.algorithms.get("cipher", ""))
        self._outbox = write_together(connection)
        seal_together(connection)
        self._cutter = take_apart(connection)
        flow_of(connection).bound()
        self.trips = RoundTrips()
        let_keepalive_run(connection, self.trips)
        self.bears_ahead = self.server.startswith(_BEAR_AHEAD) and bears_ahead(connection)
        key = connection.get_server_host_key()
        self.host_key = key.get_fingerprint() if key is not None else None
        self.host_key_policy = check.policy_name

    @property
    def closed(self) -> bool:
        """Whether the connection is gone."""
        return self._client.lost.done()

    @property
    def sent(self) -> int:
        """Bytes of SSH sent since the login."""
        return self._outbox.sent

    @property
    def received(self) -> int:
        """Bytes of SSH received since the login."""
        return self._cutter.received

    @property
    def ended(self) -> str:
        """What ended it, in one word for statistics: ``closed`` by the peer, ``silent`` or ``broken``."""
        error = self._client.lost.result() if self.closed else None
        if error is None or self._client.left:
            return "closed"
        return "silent" if "keepalive" in str(error) else "broken"

    async def wait_lost(self) -> SessionLost:
        """Wait for the end of the connection and return what ended it. Cancelling is safe.

        Keepalives bound it: a silent peer is lost after ``keepalive * keepalive_count`` seconds.
        """
        error = await asyncio.shield(self._client.lost)
        return self._why(error)

    def _why(self, error: Exception | None) -> SessionLost:
        if error is None:
            return SessionLost(f"{self.route.where} closed the connection")
        if self._client.left:
            return SessionLost(f"{self.route.where} ended the connection: {words(error)}")
        return SessionLost(f"the connection to {self.route.where} was lost: {words(error)}")

    async def ping(self, timeout: float) -> float:
        """Seconds of one round trip. Cancelling is safe.

        Raises:
            SessionLost: There was no answer within ``timeout`` seconds, or the connection is gone.
        """
        # Not the loop's clock: uvloop's stands still between two turns.
        start = time.perf_counter()
        try:
            async with asyncio.timeout(timeout):
                await round_trip(self.connection)
        except TimeoutError:
            msg = f"{self.route.where} did not answer a ping within {timeout:g} s"
            raise SessionLost(msg) from None
        if self.closed:
            raise self._why(self._client.lost.result())
        return time.perf_counter() - start

    async def aclose(self) -> None:
        """Say goodbye and close, within five seconds whatever the peer does. Safe to call twice."""
        self.connection.close()
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_CLOSE_TIMEOUT):
                    await self.connection.wait_closed()
        finally:
            if self._proxy is not None:
                await self._proxy.stop()


def _address(peername: object) -> str | None:
    if not isinstance(peername, tuple) or len(peername) < 2:
        return None
    host, port = peername[:2]
    return f"[{host}]:{port}" if ":" in str(host) else f"{host}:{port}"
