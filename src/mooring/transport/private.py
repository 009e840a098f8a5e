"""AsyncSSH's private names, where nothing public will do; all in one place, and tested on every upgrade."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any, Final

from asyncssh import OPEN_REQUEST_SESSION_FAILED, ChannelOpenError, SSHClientChannel, SSHClientSession
from asyncssh.constants import MSG_CHANNEL_OPEN, MSG_DISCONNECT, MSG_IGNORE
from asyncssh.encryption import get_default_encryption_algs, get_encryption_algs
from asyncssh.kex import get_default_kex_algs, get_kex_algs
from asyncssh.mac import get_default_mac_algs, get_mac_algs
from asyncssh.misc import encode_env
from asyncssh.packet import String, UInt32
from asyncssh.public_key import (
    KeyImportError,
    decode_ssh_certificate,
    get_certificate_algs,
    get_default_public_key_algs,
    get_public_key_algs,
)

from . import window  # noqa: F401 - mends every channel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    import asyncssh
    from asyncssh.channel import SSHChannel
    from asyncssh.connection import SSHConnection
    from asyncssh.packet import SSHPacket

    from .roundtrips import RoundTrips

__all__ = [
    "DEFAULTS",
    "KNOWN",
    "ChannelAhead",
    "bears_ahead",
    "certificate_times",
    "judge_certificate",
    "let_keepalive_run",
    "log_in_as",
    "name_lists",
    "peer_closed",
    "round_trip",
    "spare_ignores",
    "we_closed",
    "when_peer_leaves",
]


def _names(algorithms: Iterable[bytes]) -> tuple[str, ...]:
    """Without the GSSAPI ones, which need a ticket that we never ask for."""
    return tuple(name.decode("ascii") for name in algorithms if not name.startswith(b"gss-"))


DEFAULTS: Final[Mapping[str, tuple[str, ...]]] = {
    "kex_algs": _names(get_default_kex_algs()),
    "encryption_algs": _names(get_default_encryption_algs()),
    "mac_algs": _names(get_default_mac_algs()),
    "signature_algs": _names(get_default_public_key_algs()),
}
"""What AsyncSSH offers, under its keywords."""

KNOWN: Final[Mapping[str, tuple[str, ...]]] = {
    "kex_algs": _names(get_kex_algs()),
    "encryption_algs": _names(get_encryption_algs()),
    "mac_algs": _names(get_mac_algs()),
    "signature_algs": _names(get_public_key_algs()),
    "server_host_key_algs": _names(get_certificate_algs() + get_public_key_algs()),
}
"""What AsyncSSH can do, under its keywords: it refuses a list that holds one name more."""


async def round_trip(connection: asyncssh.SSHClientConnection) -> None:
    """Ask the peer something that it must answer (RFC 4254 section 4) and wait for the answer.

    A peer that does not know ``keepalive@openssh.com`` answers that it does not. Returns at once when the
    connection is closed. Cancelling is safe: the late answer is dropped.
    """
    await connection._make_global_request(b"keepalive@openssh.com")  # noqa: SLF001


def log_in_as(connection: asyncssh.SSHClientConnection, username: str) -> None:
    """Set the user name of a login that has not begun. AsyncSSH fixes it before it knows who the peer is."""
    connection._username = username  # noqa: SLF001


def judge_certificate(
    connection: asyncssh.SSHClientConnection, choose: Callable[[tuple[str, ...]], str | None]
) -> None:
    """Have a host certificate checked for one of its own names: AsyncSSH looks for a name known beforehand.

    Args:
        connection: One whose handshake has not begun.
        choose: Told the names in the certificate, gives one of them; None for one that names nobody, which passes.
    """
    validate = connection.validate_server_host_key

    def validating(key_data: bytes) -> asyncssh.SSHKey:
        with contextlib.suppress(KeyImportError):
            certificate = decode_ssh_certificate(key_data)
            connection._host_key_alias = choose(tuple(getattr(certificate, "principals", ())))  # noqa: SLF001
        return validate(key_data)

    connection.validate_server_host_key = validating  # type: ignore[method-assign]


def spare_ignores(connection: SSHConnection, cipher: str) -> None:
    """Send no empty MSG_IGNORE before every packet, where it does nothing but double them.

    AsyncSSH does so with every cipher. RFC 4251 section 9.3.1 asks for it with those in CBC mode, whose
    initialization vector a listener knows; there it stays.

    Args:
        connection: One on which no other cipher will be agreed on.
        cipher: The one that was.
    """
    if not cipher or cipher.endswith("-cbc"):
        return
    send = connection.send_packet

    def send_packet(pkttype: int, *args: bytes, handler: Any = None) -> None:
        if pkttype != MSG_IGNORE:
            send(pkttype, *args, handler=handler)

    connection.send_packet = send_packet  # type: ignore[method-assign]


def peer_closed(channel: asyncssh.SSHClientChannel[Any]) -> bool:
    """Whether the peer itself closed a channel, and all it had sent before was received.

    What the session is told looks the same when the connection is lost.
    """
    return channel._recv_state == "closed"  # noqa: SLF001


def we_closed(channel: SSHChannel[Any]) -> bool:
    """Whether our side of a channel is closed, or is as soon as what was written before has left."""
    return channel._send_state in {"close_pending", "closed"}  # noqa: SLF001


def when_peer_leaves(connection: SSHConnection, call: Callable[[], None]) -> None:
    """Be told that the peer has ended a connection by a message (RFC 4253 section 11.1), before anybody hears of it.

    AsyncSSH reports that like a fault which it has found itself, in the peer's words.

    Args:
        connection: One that has just been made.
        call: Called once; not where we had ended it before.
    """
    handlers: Any = connection._packet_handlers  # noqa: SLF001
    process = handlers[MSG_DISCONNECT]

    def process_disconnect(connection: SSHConnection, kind: int, number: int, packet: SSHPacket) -> None:
        stood = connection._transport is not None  # noqa: SLF001
        process(connection, kind, number, packet)  # what cannot be read is our fault to find
        if stood:
            call()

    connection._packet_handlers = {**handlers, MSG_DISCONNECT: process_disconnect}  # noqa: SLF001


def let_keepalive_run(connection: SSHConnection, trips: RoundTrips | None = None) -> None:
    """Leave the keepalive timer alone while something arrives; AsyncSSH starts it anew each time.

    When it is due, it looks how long ago that was.

    Args:
        connection: Whose.
        trips: Takes how long each keepalive's answer took; None for nobody.
    """
    keepalive = _Keepalive(connection)
    if trips is not None:
        keepalive.trips = trips
        connection._make_keepalive_request = keepalive.ask  # type: ignore[method-assign] # noqa: SLF001


class _Keepalive:
    """AsyncSSH's keepalive timer, which is left to run while something arrives."""

    __slots__ = ("_connection", "_heard", "_now", "trips")

    trips: RoundTrips

    def __init__(self, connection: SSHConnection) -> None:
        self._connection = connection
        self._now = asyncio.get_running_loop().time
        self.heard()
        connection._keepalive_timer_callback = self.due  # type: ignore[method-assign] # noqa: SLF001
        connection._reset_keepalive_timer()  # noqa: SLF001
        connection._reset_keepalive_timer = self.heard  # type: ignore[method-assign] # noqa: SLF001

    async def ask(self) -> None:
        began = time.perf_counter()
        await type(self._connection)._make_keepalive_request(self._connection)  # noqa: SLF001
        if not self._connection.is_closed():
            self.trips.took(time.perf_counter() - began)

    def heard(self) -> None:
        self._heard = self._now()

    def due(self) -> None:
        connection = self._connection
        rest = self._heard + connection._keepalive_interval - self._now()  # noqa: SLF001
        if rest > 0:
            timer = asyncio.get_running_loop().call_later(rest, self.due)
            connection._keepalive_timer = timer  # noqa: SLF001
        else:
            type(connection)._keepalive_timer_callback(connection)  # noqa: SLF001


_SHAPES: Final = ("command", "subsystem", "term_type", "x11_forwarding", "send_env", "agent_forward_path")
"""The options of a connection that add to what every command on it asks for, its environment aside."""


def bears_ahead(connection: asyncssh.SSHClientConnection) -> bool:
    """Whether a ChannelAhead can do on this connection what ``create_session`` would."""
    options = connection._options  # noqa: SLF001
    return not any(getattr(options, name, None) for name in _SHAPES)


class ChannelAhead(SSHClientChannel[bytes]):
    """A ``session`` channel that is asked for before there is a command for it (RFC 4254 section 6.1).

    ``start`` and ``started`` then do what ``create_session`` does after its channel is open.

    Args:
        connection: One that ``bears_ahead``.
        on_lost: Called when the peer refuses or closes it, or the connection goes, before it was started.

    Raises:
        asyncssh.ChannelOpenError: The connection is gone.
    """

    def __init__(self, connection: asyncssh.SSHClientConnection, on_lost: Callable[[], None]) -> None:
        options = connection._options  # noqa: SLF001
        loop = asyncio.get_running_loop()
        decoding = connection._utf8_decode_errors  # noqa: SLF001
        super().__init__(connection, loop, decoding, None, "strict", options.window, options.max_pktsize)
        connection._update_recv_pktlen(options.max_pktsize)  # noqa: SLF001
        self._usual_env = options.env or {}
        self._session: Any = _Unused(on_lost)
        self.opened: asyncio.Future[Any] = loop.create_future()
        """Done when the peer has answered: an exception where it refuses."""
        self.opened.add_done_callback(lambda opened: opened.cancelled() or opened.exception())
        self._open_waiter = self.opened
        numbers = (self._recv_chan or 0, self._recv_window, self._recv_pktsize)
        connection.send_packet(MSG_CHANNEL_OPEN, String(b"session"), *map(UInt32, numbers), handler=self)

    @property
    def refused(self) -> bool:
        """Whether the peer would not open it."""
        return self.opened.done() and not self.opened.cancelled() and self.opened.exception() is not None

    @property
    def ready(self) -> bool:
        """Whether it is open on both sides."""
        return self._send_state == self._recv_state == "open"

    def start(self, session: SSHClientSession[bytes], command: str, env: Mapping[str, str] | None) -> None:
        """Ask for a command. ``session_started`` is called without waiting for the answer, so that input follows.

        Args:
            session: Gets what comes.
            command: The command line.
            env: Its environment; None for the connection's.
        """
        self._session = session
        session.connection_made(self)
        environment: Any = self._usual_env if env is None else env
        for name, value in encode_env(environment):
            self._send_request(b"env", String(name), String(value))
        self._answer: asyncio.Future[bool] = self._loop.create_future()
        self._request_waiters.append(self._answer)
        self._send_request(b"exec", String(command), want_reply=True)
        self._recv_paused = False
        session.session_started()

    async def started(self) -> None:
        """Wait until the peer has started it. Cancelling is safe: the session knows its channel, and can close it.

        Raises:
            asyncssh.ChannelOpenError: The peer refuses the command.
        """
        if not await self._answer:
            self.close()
            raise ChannelOpenError(OPEN_REQUEST_SESSION_FAILED, "Session request failed")


class _Unused(SSHClientSession[bytes]):
    """The session of a channel without a command."""

    def __init__(self, on_lost: Callable[[], None]) -> None:
        self._on_lost = on_lost

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - why does not matter
        self._on_lost()


def certificate_times(certificate: asyncssh.SSHCertificate) -> tuple[int, int]:
    """From when to when a certificate of OpenSSH's counts, in seconds since 1970; the end excluded."""
    found: Any = certificate
    return found._valid_after, found._valid_before  # noqa: SLF001


def name_lists(kexinit: bytes) -> list[list[str]]:
    """The ten name-lists of a KEXINIT: a type byte, a 16-byte cookie, the lists, a flag and a reserved word.

    Raises:
        ValueError: It is not whole.
    """
    rest = kexinit[17:]
    lists = []
    for _ in range(10):
        end = 4 + int.from_bytes(rest[:4], "big")
        if len(rest) < end:
            msg = "a name-list is cut off"
            raise ValueError(msg)
        lists.append(rest[4:end].decode("ascii").split(","))
        rest = rest[end:]
    return lists
