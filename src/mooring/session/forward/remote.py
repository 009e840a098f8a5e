"""Forwards that have the far side listen, and connect on from here."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final

from ...model.errors import ForwardRefused, MooringError, NotAllowed, SessionLost
from ...model.forward import ForwardKind, Origin, Place
from ...transport.remote import listen
from ...transport.tunnel import TUNNELS, Tunnel, answers
from ..attachment import OPEN_TIMEOUT
from .forward import MOST, Forward
from .relay import Relay

if TYPE_CHECKING:
    from ...transport.remote import RemoteListener
    from ..attachment import Attachment

__all__ = ["RemoteForward"]

_GOODBYE: Final = 1.0
"""Seconds for the far side to confirm that it listens no more, and again to remove a socket."""
_LOOPBACK: Final = "127.0.0.1"


class RemoteForward(Forward):
    """The far side listens; we connect on.

    After a lost connection the server may hold on to the place until it has noticed the loss itself: we ask again
    until we get it. A port that the server chose is asked for by its number from then on.

    A Unix socket outlives who listened on it, and OpenSSH does not remove its own: one that we had made, and nobody
    listens on any more, is removed by SFTP.
    """

    kind = ForwardKind.REMOTE
    _listener: RemoteListener | None = None
    _made = False
    """Whether it has stood before, now or for a daemon that remembered it."""

    async def _begin_later(self) -> None:
        self._made = True

    async def _begin_now(self) -> None:
        attachment = self._ground.attached
        if attachment is None:
            raise self._ground.not_up()
        await self._stand(attachment)
        self._on = attachment

    async def _stand(self, attachment: Attachment) -> None:
        self._listener = None
        try:
            await self._listen_there(attachment)
        except ForwardRefused:
            if attachment.link.closed:
                raise SessionLost(f"{self.alias} was lost before the far side listened") from None
            if not (self._made and self._listen.path and await self._cleared(attachment)):
                raise
            await self._listen_there(attachment)
        self._made = True

    async def _listen_there(self, attachment: Attachment) -> None:
        asking = asyncio.create_task(listen(attachment.link.connection, self._listen, self._offer, TUNNELS))
        try:
            await asyncio.wait((asking,), timeout=OPEN_TIMEOUT)
        except BaseException:
            asking.add_done_callback(_let_go)
            raise
        if not asking.done():
            asking.add_done_callback(_let_go)
            raise ForwardRefused(f"the far side did not say within {OPEN_TIMEOUT:g} s whether it listens")
        self._listener = asking.result()
        self._listen = self._listener.place

    async def _cleared(self, attachment: Attachment) -> bool:
        """Whether the socket, with nobody behind it any more, was removed."""
        try:
            async with asyncio.timeout(OPEN_TIMEOUT):
                return not await answers(attachment.link.connection, self._listen) and await self._removed()
        except (MooringError, TimeoutError):
            return False

    async def _removed(self) -> bool:
        async with self._ground.files() as there:
            found = await there.info(self._listen.path, follow=False)
            if found is None or found.kind != "other":
                return False
            await there.remove(self._listen.path)
            return True

    async def _leave(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None and self._on is not None and not self._on.link.closed:
            await listener.aclose(_GOODBYE)
            if self._listen.path:
                with contextlib.suppress(MooringError, TimeoutError):
                    async with asyncio.timeout(_GOODBYE):
                        await self._removed()

    def _offer(self, tunnel: Tunnel) -> None:
        if self._closed or len(self._relays) + len(self._tasks) >= MOST:
            self._note(f"{MOST} connections are open")
            tunnel.refuse("too many connections", allowed=False)
            return
        self._start(self._connect(tunnel), lambda: tunnel.refuse("the forward was closed"))

    async def _connect(self, tunnel: Tunnel) -> None:
        host, port = tunnel.origin
        relay = Relay(self)
        relay.tunnel = tunnel
        try:
            async with asyncio.timeout(OPEN_TIMEOUT):
                place = await self._decide(Origin(forward=self.name, host=host, port=port, wanted=self._destination))
                await self._dial(place, relay)
        except NotAllowed as error:
            self._note(error.message)
            tunnel.refuse("not allowed", allowed=False)
        except (OSError, UnicodeError) as error:
            self._note(f"cannot reach {self._destination or 'there'}: {_words(error)}")
            tunnel.refuse("cannot connect")
        except BaseException:
            tunnel.refuse("the forward was closed")  # a second refusal is none
            raise
        else:
            tunnel.admit(relay.far)

    async def _dial(self, place: Place, relay: Relay) -> None:
        if place.path:
            await self._loop.create_unix_connection(lambda: relay, place.path)
        else:
            await self._loop.create_connection(lambda: relay, place.host or _LOOPBACK, place.port)


def _let_go(asking: asyncio.Task[RemoteListener]) -> None:
    """Nobody waits for it any more."""
    if not asking.cancelled() and asking.exception() is None:
        with contextlib.suppress(OSError):
            asking.result().close()


def _words(error: OSError | UnicodeError) -> str:
    if isinstance(error, TimeoutError):
        return "nothing answered in time"
    return "that is no name of a host" if isinstance(error, UnicodeError) else error.strerror or str(error)
