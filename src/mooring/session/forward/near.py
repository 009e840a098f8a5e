"""Forwards that listen on this side, for one destination or for whatever each connection asks of SOCKS."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ...model.errors import ForwardError, InvalidInput, NotAllowed, PortTaken, SessionError
from ...model.forward import ForwardKind, Origin, Place
from ...transport.taken import who_has
from ...transport.tunnel import channels, open_tunnel
from ...wire.socks import SocksServer
from ..attachment import OPEN_TIMEOUT
from .forward import BACKLOG, MOST, Forward, give_up_after
from .relay import Relay

if TYPE_CHECKING:
    from ..attachment import Attachment
    from .forward import Ground, Policy

__all__ = ["LocalForward", "SocksForward"]

_NOT_HERE: Final = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}
"""An address that a host's name has, and this machine does not."""
_RESOLVED: Final = 20.0
"""Seconds for a name to become addresses; one that stands for this machine takes none."""
_TAKEN: Final = {errno.EADDRINUSE, errno.EACCES, errno.EPERM}


class LocalForward(Forward):
    """We listen; the far side connects on.

    It listens whether its session is up or not: who comes meanwhile waits half a minute for it.
    """

    kind = ForwardKind.LOCAL

    def __init__(
        self, ground: Ground, name: str, listen: Place, destination: Place | None, policy: Policy | None
    ) -> None:
        super().__init__(ground, name, listen, destination, policy)
        self._servers: list[asyncio.Server] = []
        self._waiting: dict[Relay, Place] = {}
        self._file: tuple[int, int] | None = None

    async def _begin_now(self) -> None:
        await self._open()
        self._on = self._ground.attached

    async def _begin_later(self) -> None:
        try:
            await self._open()
        except ForwardError as error:  # it is tried again when the session is up
            self._error = error.message

    async def _stand(self, attachment: Attachment) -> None:
        if not self._servers:
            await self._open()
        self._on = attachment
        waiting, self._waiting = self._waiting, {}
        for relay, place in waiting.items():
            self._lead(relay, place)

    async def _open(self) -> None:
        place = self._listen
        try:
            sockets = [_listening_path(place.path)] if place.path else await self._listening_port(place)
        except UnicodeError:
            raise ForwardError(f"we cannot listen on {place}: that is no name of a host") from None
        except OSError as error:
            raise await _not_ours(place, error) from error
        if place.path:
            self._file = _identity(place.path)
        else:
            self._listen = Place(place.host, sockets[0].getsockname()[1])
        create: Any = self._loop.create_unix_server if place.path else self._loop.create_server
        for sock in sockets:
            self._servers.append(await create(lambda: Relay(self), sock=sock, backlog=BACKLOG))

    async def _listening_port(self, place: Place) -> list[socket.socket]:
        """One for each address that the host has, as ssh has it; all with one port."""
        if not place.host:
            family = socket.AF_INET6 if socket.has_dualstack_ipv6() else socket.AF_INET
            dual = family is socket.AF_INET6
            return [socket.create_server(("", place.port), family=family, backlog=BACKLOG, dualstack_ipv6=dual)]
        try:
            async with asyncio.timeout(_RESOLVED):
                found = await self._loop.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM)
        except TimeoutError:
            words = f"the name was not resolved within {_RESOLVED:g} s"
            raise ForwardError(f"we cannot listen on {place}: {words}") from None
        sockets: list[socket.socket] = []
        wrong: OSError | None = None
        for family, address in dict.fromkeys((family, address[0]) for family, _, _, _, address in found):
            port = sockets[0].getsockname()[1] if sockets else place.port
            try:
                sockets.append(socket.create_server((address, port), family=family, backlog=BACKLOG))
            except OSError as error:
                wrong = error
                if error.errno not in _NOT_HERE:
                    break
        if wrong is not None and (not sockets or wrong.errno not in _NOT_HERE):
            for sock in sockets:
                sock.close()
            raise wrong
        return sockets

    def _stop_listening(self) -> None:
        for server in self._servers:
            server.close()
        if self._file is not None:
            with contextlib.suppress(OSError):
                if _identity(self._listen.path) == self._file:
                    Path(self._listen.path).unlink()

    def arrived(self, relay: Relay) -> None:
        """Somebody came: lead them on."""
        super().arrived(relay)
        if self._closed or len(self._relays) > MOST:
            self._refuse(relay, f"{MOST} connections are open")
            return
        give_up_after(self, relay)
        self._receive(relay)

    def _receive(self, relay: Relay) -> None:
        self._send(relay, self._destination)

    def _send(self, relay: Relay, wanted: Place | None) -> None:
        if self._policy is None and wanted is not None:
            self._lead(relay, wanted)
        else:
            host, port = relay.origin
            self._start(self._ask(relay, Origin(forward=self.name, host=host, port=port, wanted=wanted)))

    async def _ask(self, relay: Relay, origin: Origin) -> None:
        limit = asyncio.timeout(OPEN_TIMEOUT)  # a client that has gone does not end the policy
        try:
            async with limit:
                place = await self._decide(origin)
        except NotAllowed as error:
            self.refused(relay, error.message)
            return
        except TimeoutError:
            if not limit.expired():
                raise
            return  # whoever came was refused then, too
        if relay in self._relays:
            self._lead(relay, place)

    def _lead(self, relay: Relay, place: Place) -> None:
        attachment = self._ground.attached
        try:
            if attachment is None:
                if self._ground.hopeless:
                    raise self._ground.not_up()
                self._waiting[relay] = place
                return
            connection = attachment.link.connection
            if channels(connection) >= MOST:
                self._refuse(relay, f"{MOST} connections are open over {self.alias}")
                return
            relay.tunnel = open_tunnel(connection, place, relay.origin, relay.far)
        except SessionError as error:
            self._refuse(relay, error.message)

    def over(self, relay: Relay) -> None:
        """It is no more."""
        super().over(relay)
        self._waiting.pop(relay, None)


class SocksForward(LocalForward):
    """We listen; each connection says where the far side is to connect. Names are resolved there."""

    kind = ForwardKind.SOCKS

    def __init__(self, ground: Ground, name: str, listen: Place, policy: Policy | None) -> None:
        super().__init__(ground, name, listen, None, policy)
        self._asking: dict[Relay, SocksServer] = {}

    def _receive(self, relay: Relay) -> None:
        self._asking[relay] = SocksServer()

    def early(self, relay: Relay, data: bytes) -> bytes:
        """What it asks for, as long as it does."""
        server = self._asking.get(relay)
        if server is None or server.wanted is not None:
            return data
        try:
            server.receive_data(data)
        except InvalidInput as error:
            relay.transport.write(server.data_to_send())
            self._note(error.message)
            relay.finish()
            return b""
        relay.transport.write(server.data_to_send())
        if server.wanted is not None:
            self._send(relay, server.wanted)
        return server.rest

    def opened(self, relay: Relay) -> None:
        """Tell it so."""
        super().opened(relay)
        server = self._asking.pop(relay, None)
        if server is not None:
            relay.transport.write(server.answer(ok=True))

    def refused(self, relay: Relay, reason: str) -> None:
        """Tell it so."""
        server = self._asking.pop(relay, None)
        if server is None or server.wanted is None:
            super().refused(relay, reason)
            return
        self._note(reason)
        relay.transport.write(server.answer(ok=False))
        relay.finish()

    def over(self, relay: Relay) -> None:
        """It is no more."""
        super().over(relay)
        self._asking.pop(relay, None)


def _listening_path(path: str) -> socket.socket:
    """A listening Unix socket for this user alone; one that nobody listens on any more gives way."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if _is_stale(path):
            Path(path).unlink()
        before = os.umask(0o177)
        try:
            sock.bind(path)
        finally:
            os.umask(before)
        sock.listen(BACKLOG)
    except BaseException:
        sock.close()
        raise
    return sock


def _identity(path: str) -> tuple[int, int]:
    status = Path(path).stat()
    return status.st_dev, status.st_ino


def _is_stale(path: str) -> bool:
    try:
        if not stat.S_ISSOCK(Path(path).lstat().st_mode):
            return False
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.setblocking(False)  # noqa: FBT003 - the standard library's
            probe.connect(path)
    except ConnectionRefusedError:
        return True
    except OSError:
        return False
    return False


async def _not_ours(place: Place, error: OSError) -> ForwardError:
    """Why we may not listen there, and who does."""
    if error.errno == errno.EADDRINUSE:
        who = await who_has(place.port, place.path)
        return PortTaken(f"{place} is taken by {who}", hint="end that, or listen elsewhere: port 0 is any free one")
    kind = PortTaken if error.errno in _TAKEN else ForwardError
    return kind(f"we cannot listen on {place}: {error.strerror or error}")
