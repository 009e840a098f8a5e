"""What the far side opens to us: connections to where it listens (RFC 4254 section 7.1), and to an ssh-agent."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

import asyncssh
from asyncssh import OPEN_CONNECT_FAILED, ChannelOpenError
from asyncssh.packet import SSHPacket

from ..model.errors import ForwardRefused
from .opening import Begin
from .splice import PathSide, Side

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..model.forward import Place

__all__ = ["RemoteListener", "listen", "take_agents"]

_AGENT_OPEN: Final = "_process_auth_agent_at_openssh_dot_com_open"

_HELD: Final = 64
"""Connections that may wait for an answer."""
_WHO_LISTENS: Final = "there, `ss -ltnp sport = :{}` tells by whom; AllowTcpForwarding and PermitListen may forbid it"


class _Channel(Protocol):
    """What carries a connection that the far side has taken."""

    origin: tuple[str, int]


_ChannelT = TypeVar("_ChannelT", bound=_Channel)


class RemoteListener:
    """A listener at the far side.

    Attributes:
        place: Where, with the port that it was given.
    """

    def __init__(self, listener: asyncssh.SSHListener, place: Place) -> None:
        self._listener = listener
        self.place = place

    def close(self) -> None:
        """Have the far side listen no more, and do not wait."""
        self._listener.close()

    async def aclose(self, timeout: float) -> None:
        """Have the far side listen no more; what is open goes on. Within ``timeout`` seconds, whatever it does."""
        self._listener.close()
        try:
            async with asyncio.timeout(timeout):
                await self._listener.wait_closed()
        except (TimeoutError, asyncssh.Error, OSError):
            return


async def listen(
    connection: asyncssh.SSHClientConnection,
    place: Place,
    offer: Callable[[_ChannelT], None],
    make: tuple[Callable[..., _ChannelT], Callable[..., _ChannelT]],
) -> RemoteListener:
    """Have the far side listen.

    Do not cancel it: a listener would stay that nobody knows.

    Args:
        connection: What it goes over.
        place: Where.
        offer: Called for each connection; it calls ``admit`` or ``refuse`` of its channel, then or later.
        make: Make the channel of a connection to a port, and to a Unix socket: ``TUNNELS``, or others.

    Raises:
        ForwardRefused: The far side will not.
    """
    listener: Any
    early = _early_of(connection)
    early.pending += 1
    try:
        if place.path:
            listener = await connection.create_unix_server(_never, place.path)
        else:
            listener = await connection.create_server(_never, place.host, place.port)
    except (asyncssh.ChannelListenError, asyncssh.Error, ValueError):  # the last where the answer is malformed
        raise ForwardRefused(
            f"the far side will not listen on {place}: it is taken there, or not allowed",
            hint=_WHO_LISTENS.format(place.port) if place.port else "look at AllowTcpForwarding in its sshd_config",
        ) from None
    finally:
        early.pending -= 1
        asyncio.get_running_loop().call_soon(early.release)  # when it is known here who listens
    if place.path:

        def unix_connection() -> tuple[_ChannelT, Callable[[_ChannelT], None]]:
            return make[1](connection), offer

        listener.process_connection = unix_connection
        return RemoteListener(listener, place)

    def connection_from(host: str, port: int) -> tuple[_ChannelT, Callable[[_ChannelT], None]]:
        tunnel = make[0](connection)
        tunnel.origin = (host, port)
        return tunnel, offer

    listener.process_connection = connection_from
    return RemoteListener(listener, type(place)(place.host, listener.get_port()))


class _Early:
    """Connections to ports of which the answer has not told yet that the far side listens there.

    AsyncSSH gives them to whoever else listens on that address, or refuses them.
    """

    def __init__(self, connection: Any) -> None:
        self.pending = 0
        self._connection = connection
        self._process = connection._process_forwarded_tcpip_open  # noqa: SLF001
        self._held: list[tuple[SSHPacket, tuple[int, int, int]]] = []
        connection._process_forwarded_tcpip_open = self.process  # noqa: SLF001

    def process(self, packet: SSHPacket) -> tuple[Any, Any]:
        """The far side opens one."""
        fields = SSHPacket(packet.get_remaining_payload())
        place = fields.get_string().decode("utf-8", "replace"), fields.get_uint32()
        # Some servers always say 0.
        if not place[1] or place in self._connection._remote_listeners:  # noqa: SLF001
            return self._process(packet)  # type: ignore[no-any-return]
        if not self.pending or len(self._held) >= _HELD:
            raise ChannelOpenError(OPEN_CONNECT_FAILED, "No such listener")
        return _Held(lambda *numbers: self._held.append((packet, numbers))), None

    def release(self) -> None:
        """An answer has come."""
        held, self._held = self._held, []
        for packet, numbers in held:
            if self._connection.is_closed():
                return
            try:
                channel, session = self.process(packet)
                channel.process_open(*numbers, session)
            except ChannelOpenError as error:
                self._connection.send_channel_open_failure(numbers[0], error.code, error.reason, error.lang)


class _Held:
    """What stands for the channel of one meanwhile."""

    def __init__(self, hold: Callable[[int, int, int], None]) -> None:
        self._hold = hold

    def process_open(self, send_chan: int, send_window: int, send_pktsize: int, session: None) -> None:
        """Keep what is known of it."""
        del session
        self._hold(send_chan, send_window, send_pktsize)


def _early_of(connection: asyncssh.SSHClientConnection) -> _Early:
    early = getattr(connection._process_forwarded_tcpip_open, "__self__", None)  # noqa: SLF001
    return early if isinstance(early, _Early) else _Early(connection)


def _never(*_: object) -> Any:
    """AsyncSSH asks ``process_connection``, which is ours."""
    raise ChannelOpenError(OPEN_CONNECT_FAILED, "not ready")


def take_agents(connection: asyncssh.SSHClientConnection, begin: Callable[[Side], None] | None) -> None:
    """Say what becomes of the channels on which a peer asks for an ssh-agent (OpenSSH's PROTOCOL, section 5).

    Args:
        connection: The peer's.
        begin: Called with each, to ``admit`` or ``refuse`` it; None for what AsyncSSH does with them.
    """
    if begin is None:
        connection.__dict__.pop(_AGENT_OPEN, None)
    else:
        asked = Begin(begin)
        setattr(connection, _AGENT_OPEN, lambda _packet: (PathSide(connection), asked))
