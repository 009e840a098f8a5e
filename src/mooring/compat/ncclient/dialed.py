"""The connection of one ``SSHSession``: what ``connect`` asks for becomes a link, and errors become ncclient's."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import hashlib
import logging
import os
import socket
import weakref
from base64 import b64decode
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from ...blocking.loop import loop_thread
from ...model.errors import (
    AuthenticationFailed,
    ConnectFailed,
    CredentialError,
    HandshakeFailed,
    HostKeyError,
    MooringError,
    WrongThread,
)
from ...model.target import Target
from ...session.attachment import Attachment
from ...session.slots import CHANNELS
from ...transport.dial import Dialer
from ...transport.keywords import Keywords
from ...transport.route import Router
from .origin import AuthenticationError, SSHError, SSHUnknownHostError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from ...blocking.loop import LoopThread
    from ...model.secret import Secret
    from ...transport.link import Link
    from ...transport.route import Route

    _Ask = Callable[[str, HostKeyError], bool]

__all__ = ["Connection", "Order", "connect", "pinned", "translated"]

_TIMEOUT: Final = 60.0
_log: Final = logging.getLogger("mooring.ncclient")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Order:
    """What ``SSHSession.connect`` was asked for, under its names; ``pin`` is the one host key to accept."""

    host: str | None
    port: int
    timeout: float | None
    username: str | None
    password: Secret | None
    key_files: tuple[str, ...]
    allow_agent: bool
    look_for_keys: bool
    verify: bool
    pin: str | None
    known_hosts: tuple[str, ...]
    ssh_config: str | None
    bind_addr: str | None
    keepalive: float | None


class _Dialers(AbstractAsyncContextManager["Dialer"]):
    """The dialer of one loop: keys are read once for all its connections."""

    async def __aenter__(self) -> Dialer:
        self._dialer = Dialer()
        return self._dialer

    async def __aexit__(self, *_: object) -> None:
        await self._dialer.aclose()


_dialers: Final[weakref.WeakKeyDictionary[LoopThread, Dialer]] = weakref.WeakKeyDictionary()


def _dialer(thread: LoopThread) -> Dialer:
    found = _dialers.get(thread)
    if found is None:
        found = _dialers[thread] = thread.enter(_Dialers(), "SSHSession.connect")
    return found


class Connection(AbstractAsyncContextManager["Connection"]):
    """One connection and its hops, from entering to leaving, on the blocking face's loop.

    Args:
        order: What is asked for.
        dialer: Makes links.
        ask: Asked about a host key that would be refused.
        stream: A connection that stands already.
        thread: Where it lives.
    """

    attachment: Attachment

    def __init__(
        self, order: Order, dialer: Dialer, ask: _Ask, stream: socket.socket | None, thread: LoopThread
    ) -> None:
        self._order = order
        self._dialer = dialer
        self._ask = ask
        self._stream = stream
        self.thread = thread
        self._links: list[Link] = []
        self._watch: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        try:
            route = await self._route()
            link = await self._dial(route)
        except BaseException:
            if self._stream is not None and not self._links:
                with contextlib.suppress(OSError):
                    self._stream.close()
            await self._close()
            raise
        self.attachment = Attachment(route.target.alias, link, CHANNELS)
        self._watch = asyncio.create_task(self._wait_lost(link), name="connection of an SSHSession")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._close()
        if self._watch is not None:
            await self._watch

    def end(self) -> None:
        """Close it, and return when that is done. Safe to call twice."""
        self.thread.leave(self, "SSHSession.close")

    async def _close(self) -> None:
        links, self._links = self._links, []
        for link in reversed(links):
            await link.aclose()

    async def _wait_lost(self, link: Link) -> None:
        self.attachment.detach(await link.wait_lost())
        await self.attachment.wait_settled()

    async def _route(self) -> Route:
        order = self._order
        host = order.host or _peer(self._stream)
        target = Target(
            alias="".join(char if char.isalnum() and char.isascii() else "-" for char in host) or "device",
            host=host,
            username=order.username,
            password=order.password,
            port=order.port,
            host_key=order.pin or ("verify" if order.verify else "off"),
            keepalive=order.keepalive,
            connect_timeout=order.timeout,
            jump=() if self._stream is not None else None,
        )
        agent = None if order.allow_agent else "none"
        options = {"local_addr": (order.bind_addr, 0)} if order.bind_addr else {}
        keywords = Keywords(
            agent=agent,
            passphrase=order.password or None,
            options=options,
            files_first=bool(order.key_files),
        )
        files = [] if order.ssh_config is None else [Path(os.path.expanduser(order.ssh_config))]  # noqa: ASYNC240, PTH111 - no file is touched
        router = await asyncio.to_thread(Router, files)
        route = await router.route(target, keywords)
        named = order.key_files or route.config.identity_files
        return dataclasses.replace(
            route,
            identity=await self._usable(named, agent or route.config.identity_agent),
            known_hosts=(*map(Path, order.known_hosts), *route.known_hosts),
            # Nothing is written to the user's file of known hosts.
            config=dataclasses.replace(route.config, update_host_keys="no", default_identities=order.look_for_keys),
            connect_timeout=order.timeout or route.config.connect_timeout or _TIMEOUT,
        )

    async def _usable(self, files: tuple[str, ...], agent: str | None) -> tuple[str, ...]:
        """The key files that can be used: another one, or the password, may do."""
        order = self._order
        usable: list[str] = []
        failures: list[CredentialError] = []
        for file in files:
            error = await self._dialer.unusable(file, passphrase=order.password or None, agent=agent)
            if error is None:
                usable.append(file)
            else:
                _log.warning("a key file is passed over: %s", error)
                failures.append(error)
        if failures and not (usable or order.password or order.allow_agent or order.look_for_keys):
            raise failures[-1]
        return tuple(usable)

    async def _dial(self, route: Route) -> Link:
        over = await self._hop(route.via) if route.via is not None else None
        link = await self._dialer.dial(route, over, stream=self._stream, ask=self._ask)
        self._links.append(link)
        return link

    async def _hop(self, route: Route) -> Link:
        over = await self._hop(route.via) if route.via is not None else None
        link = await self._dialer.dial(route, over)
        self._links.append(link)
        return link


def connect(
    order: Order, unknown_host_cb: Callable[[str | None, str], bool], stream: socket.socket | None
) -> Connection:
    """Connect, and let the callback decide about a host key that would be refused.

    A callback may ask a person: the loop does not wait for it, and the host is dialed again with the key accepted.

    Raises:
        SSHError, SSHUnknownHostError, AuthenticationError, socket.gaierror: As ``SSHSession.connect`` has them.
    """
    thread = loop_thread()
    shown: list[str] = []

    def note(key: str, error: HostKeyError) -> bool:
        del error
        shown[:] = [key]
        return order.verify and stream is not None and bool(unknown_host_cb(order.host, fingerprint(key)))

    connection = _enter(thread, order, note, stream)
    if isinstance(connection, Connection):
        return connection
    error = connection
    key = shown[0] if shown else None
    if key is not None and stream is None and order.verify and unknown_host_cb(order.host, fingerprint(key)):
        again = _enter(thread, dataclasses.replace(order, pin=key), note, None)
        if isinstance(again, Connection):
            return again
        error = again
    raise translated(error, order.host, key, order.port) from error


def _enter(thread: LoopThread, order: Order, ask: _Ask, stream: socket.socket | None) -> Connection | MooringError:
    connection = Connection(order, _dialer(thread), ask, stream, thread)
    try:
        return thread.enter(connection, "SSHSession.connect")
    except MooringError as error:
        return error


def fingerprint(key: str) -> str:
    """A key's MD5 fingerprint as ncclient writes it."""
    return hashlib.md5(b64decode(key.split()[1]), usedforsecurity=False).digest().hex(":")


def pinned(text: str) -> str:
    """A host key as type and base64, from either form that ncclient's users have.

    Raises:
        SSHError: It is none.
    """
    parts = text.split()
    encoded = parts[0] if len(parts) == 1 else parts[1] if len(parts) > 1 else ""
    with contextlib.suppress(ValueError):
        blob = b64decode(encoded, validate=True)
        size = int.from_bytes(blob[:4])
        if 0 < size <= len(blob) - 4 and blob[4 : 4 + size].isascii():
            return f"{blob[4 : 4 + size].decode()} {encoded}"
    raise SSHError(f"Couldn't find suitable key class for host key {text}")


def _peer(stream: socket.socket | None) -> str:
    with contextlib.suppress(OSError):
        name = stream.getpeername() if stream is not None else None
        if isinstance(name, tuple):
            return str(name[0]).partition("%")[0]
    return "device"


def translated(error: MooringError, host: str | None, key: str | None, port: int | None = None) -> Exception:
    """What ncclient raises where Mooring raises ``error``.

    Args:
        error: Ours.
        host: Whom it was about.
        key: The host key that was shown.
        port: Where.
    """
    if isinstance(error, WrongThread):
        return error
    if isinstance(error, ConnectFailed):
        return _not_connected(error, f"{host}:{port}")
    if isinstance(error, HostKeyError):
        return SSHUnknownHostError(host, fingerprint(key) if key else error.fingerprint or "none")
    if isinstance(error, (AuthenticationFailed, CredentialError)):
        return AuthenticationError(str(error))
    what = "Negotiation failed" if isinstance(error, HandshakeFailed) else "Could not open connection"
    return SSHError(f"{what}: {error}")


def _not_connected(error: ConnectFailed, where: str) -> Exception:
    cause = error.__cause__
    if isinstance(cause, socket.gaierror):
        return cause
    if isinstance(cause, OSError) and ("connecting" in error.message or not isinstance(cause, TimeoutError)):
        return SSHError(f"Could not open socket to {where}: {error}")
    return SSHError(f"Negotiation failed: {error}")
