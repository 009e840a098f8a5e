"""What becomes of a client's forwards: nothing without a policy, and what that says with one."""

from __future__ import annotations

import asyncio
import fnmatch
import inspect
import logging
from typing import TYPE_CHECKING, Any, Final

import asyncssh
from asyncssh.stream import SSHTCPStreamSession

from ...model.forward import ForwardRequest, Place
from ..callbacks import report
from ..guarded import guarded_connection
from ..tunnel import channels
from . import carried  # noqa: F401 - mends every forwarder
from .private import listen_at_path, listeners

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from .terms import LeadPolicy, ListenPolicy

__all__ = ["CHANNELS", "connected", "lead", "listen", "listen_on", "no_listener"]

_log: Final = logging.getLogger(__name__)
CHANNELS: Final = 1000
"""Channels that one connection may have, of all kinds."""
_LISTENERS: Final = 100
_TOO_MANY: Final = "it has {} already"
_CONNECT_TIMEOUT: Final = 30.0
_LAST_PORT: Final = 65_535


def lead(
    connection: asyncssh.SSHServerConnection, policy: LeadPolicy, place: tuple[str, int], origin: tuple[str, int]
) -> Any:
    """What AsyncSSH is told of a connection that a client wants made.

    Args:
        connection: The client's.
        policy: Who decides.
        place: Where it wants to be connected to.
        origin: Where it says that its own connection comes from.

    Raises:
        asyncssh.ChannelOpenError: It is refused.
    """
    request = _request(connection, place, origin)
    try:
        answer = policy(request)
    except Exception as error:
        raise _refusal(policy, error) from error
    if inspect.isawaitable(answer):
        return _lead_later(connection, policy, request, answer)
    return _led(connection, policy, request, answer)


async def _lead_later(
    connection: asyncssh.SSHServerConnection, policy: LeadPolicy, request: ForwardRequest, coming: Awaitable[Any]
) -> Any:
    try:
        answer = await coming
    except Exception as error:
        raise _refusal(policy, error) from error
    led = _led(connection, policy, request, answer)
    if inspect.isawaitable(led):
        return await led
    return SSHTCPStreamSession[bytes](led) if callable(led) else led


def _led(connection: asyncssh.SSHServerConnection, policy: LeadPolicy, request: ForwardRequest, answer: Any) -> Any:
    if answer is None or answer is False:
        raise asyncssh.ChannelOpenError(asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED, "Not allowed")
    if callable(answer) or isinstance(answer, asyncssh.SSHTCPSession):
        return guarded_connection(answer)
    try:
        place = request.place if answer is True else Place.parse(answer)
    except Exception as error:
        raise _refusal(policy, error) from error
    return connected(connection, place)


async def connected(connection: asyncssh.SSHServerConnection, place: Place) -> Any:
    """What AsyncSSH is told of a channel that leads to a place.

    Raises:
        asyncssh.ChannelOpenError: Nobody is there.
    """
    try:
        async with asyncio.timeout(_CONNECT_TIMEOUT):
            if place.path:
                forwarder = await connection.forward_unix_connection(place.path)
            else:
                forwarder = await connection.forward_connection(place.host, place.port)
    except TimeoutError:
        raise asyncssh.ChannelOpenError(asyncssh.OPEN_CONNECT_FAILED, "No answer in time") from None
    except ValueError as error:  # no name that can be looked up
        raise asyncssh.ChannelOpenError(asyncssh.OPEN_CONNECT_FAILED, "No such host") from error
    if connection.is_closed():
        forwarder.close()
    _close_in_the_end(forwarder)
    return forwarder


def _close_in_the_end(forwarder: Any) -> None:
    """Close a channel, and what it leads to, when both sides have said all.

    AsyncSSH leaves that to the client where that said so last, and OpenSSH's waits for it too.
    """
    received = forwarder.eof_received

    def eof_received() -> bool:
        stays: bool = received()
        if not stays:
            forwarder.close()
        return stays

    forwarder.eof_received = eof_received


async def listen(
    connection: asyncssh.SSHServerConnection, policy: ListenPolicy, host: str, port: int, most: int | None = None
) -> Any:
    """What AsyncSSH is told of a place where a client wants us to listen: a listener, or False.

    Args:
        connection: The client's.
        policy: Who decides.
        host: Where.
        port: Likewise.
        most: Channels that the connection may have; who comes beyond is hung up on. None for ``CHANNELS``.
    """
    try:
        request = _request(connection, (host, port), ("", 0))
    except asyncssh.ChannelOpenError:
        return False
    try:
        answer = policy(request)
        allowed = await answer if inspect.isawaitable(answer) else answer
    except Exception as error:  # noqa: BLE001 - a caller's, whatever it is
        report(policy, error, "the forward is refused")
        return False
    if not allowed:
        return no_listener(connection, request.place, "the policy does not allow it")
    if not _permitted(connection, host, port):
        return no_listener(connection, request.place, "its key permits it elsewhere alone")
    if len(listeners(connection)) >= _LISTENERS:
        return no_listener(connection, request.place, _TOO_MANY.format(_LISTENERS))
    coming = connection.forward_local_port(host, port, host, port, lambda *_: _has_room(connection, most))
    return await _listening(connection, request.place, coming)


async def listen_on(connection: asyncssh.SSHServerConnection, path: str, most: int | None = None) -> Any:
    """The same of a Unix socket; a client's own, at which it listens already, is not taken from it unseen."""
    ours, place = listeners(connection), Place(path=path)
    if path in ours:
        return no_listener(connection, place, "it listens there already")
    if len(ours) >= _LISTENERS:
        return no_listener(connection, place, _TOO_MANY.format(_LISTENERS))
    return await _listening(connection, place, listen_at_path(connection, path, lambda: _has_room(connection, most)))


def no_listener(connection: asyncssh.SSHServerConnection, place: Place, why: object) -> bool:
    """Tell in our own log alone why a client is refused: its answer has no place for it (RFC 4254 section 7.1)."""
    _log.info("no listener on %r for %s: %s", str(place), connection.get_extra_info("username"), why)
    return False


async def _listening(
    connection: asyncssh.SSHServerConnection, place: Place, coming: Awaitable[asyncssh.SSHListener]
) -> Any:
    """The listener, or False where nobody can listen there, or the client has gone meanwhile."""
    try:
        listener = await coming
    except (OSError, ValueError) as error:
        return no_listener(connection, place, error)
    if connection.is_closed():
        listener.close()
        return False
    return listener


def _has_room(connection: asyncssh.SSHServerConnection, most: int | None) -> bool:
    return channels(connection) < (most or CHANNELS)


def _request(
    connection: asyncssh.SSHServerConnection, place: tuple[str, int], origin: tuple[str, int]
) -> ForwardRequest:
    """The question as a value, where it is one."""
    if place[1] > _LAST_PORT or not (place[0] + origin[0]).isprintable():
        raise asyncssh.ChannelOpenError(asyncssh.OPEN_CONNECT_FAILED, "No such place")
    user = str(connection.get_extra_info("username"))
    return ForwardRequest(user=user, place=Place(*place), host=origin[0], port=origin[1])


def _permitted(connection: asyncssh.SSHServerConnection, host: str, port: int) -> bool:
    """What the ``permitlisten`` of the key that logged in allows: ``[host:]port``, as sshd(8) has it."""
    permits: Any = connection.get_key_option("permitlisten")
    if permits is None:
        return True
    for permit in permits:
        name, _, number = permit.rpartition(":")
        if number in {"*", str(port)} and fnmatch.fnmatchcase(host, name.strip("[]") or "*"):
            return True
    return False


def _refusal(policy: LeadPolicy, error: Exception) -> asyncssh.ChannelOpenError:
    if isinstance(error, asyncssh.ChannelOpenError):  # the caller's own
        return error
    report(policy, error, "the connection is refused")
    return asyncssh.ChannelOpenError(asyncssh.OPEN_CONNECT_FAILED, "Refused")
