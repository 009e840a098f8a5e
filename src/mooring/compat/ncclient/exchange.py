"""The loop's half of an ``SSHSession``: its channel, the hellos, and what comes after."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from ...model.errors import ChannelRefused, FramingError, MooringError, NetconfEnded
from ...wire.netconf.capabilities import BASE_11
from ...wire.netconf.quirks import SETTLES
from ...wire.netconf.xml import first_tags, local_name
from . import hello
from .conversation import Conversation
from .dispatch import Dispatch, root_of
from .origin import NetconfFramingError, SessionCloseError, SessionError, SSHError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...session.attachment import Attachment
    from .ssh import SSHSession

__all__ = ["NOTIFICATIONS", "Exchange"]

NOTIFICATIONS: Final = 10_000
"""How many are kept until ``take_notification`` asks for them; then the oldest go, and are counted."""
GOODBYE: Final = 60.0
"""Seconds after a close-session in which the server may end the session; ncclient's own timeout is half of it."""


class Exchange:
    """One NETCONF session. ``open`` it once.

    Args:
        session: Whose half it is.
        alias: Its name, for messages.
    """

    def __init__(self, session: SSHSession, alias: str) -> None:
        self._session = session
        self._handler: Any = session._device_handler  # noqa: SLF001 - as ncclient names it
        self._conversation = Conversation(alias, self)
        self._dispatch = Dispatch(session, self._pause, self._notified)
        self._hello: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._leaving: asyncio.TimerHandle | None = None
        self.lost = 0

    async def open(self, attachment: Attachment, timeout: float, env: Mapping[str, str] | None) -> None:
        """Open the channel and exchange hellos. Cancelling is safe: what was opened is closed again.

        Raises:
            SSHError: The server starts no NETCONF.
            SessionError: There was no hello in time, or none to go on with.
            SessionCloseError: The session ended before its hello.
            MooringError: The channel was not opened.
        """
        deadline = attachment.now() + timeout
        try:
            await self._open(attachment, deadline, env)
            self._session.stands(up=True)
            self.send(hello.build(self._session.client_capabilities, self._handler))
            async with asyncio.timeout_at(deadline):
                await self._hello
        except TimeoutError:
            self.close()
            raise SessionError("Capability exchange timed out") from None
        except BaseException:
            self.close()
            raise
        theirs = self._session.server_capabilities
        if rest := max((pause for uri, pause in SETTLES.items() if uri in theirs), default=0.0):
            await asyncio.sleep(rest)

    async def _open(self, attachment: Attachment, deadline: float, env: Mapping[str, str] | None) -> None:
        """Start the first of the handler's subsystems that the server has, or what the handler knows in its place."""
        for subsystem in self._handler.get_ssh_subsystem_names():
            try:
                await self._conversation.open(attachment, subsystem, None, env, deadline)
            except ChannelRefused:
                command = hello.Fallback().ask(self._handler.handle_connection_exceptions)
                if command is None:
                    continue
                await self._conversation.open(attachment, None, command, env, deadline)
            return
        raise SSHError("Could not open connection, possibly due to unacceptable SSH subsystem name.")

    def send(self, message: bytes) -> None:
        """Send a message."""
        if self._hello.done():
            self._dispatch.sent()
            if self._leaving is None and b"close-session" in message and _closes(message):
                self._leaving = asyncio.get_running_loop().call_later(GOODBYE, self._unanswered)
        self._conversation.send(message)

    def _unanswered(self) -> None:
        """There was no goodbye. Who asked for it may have gone, and nobody else would ever close this."""
        self._conversation.close()
        self.ended(NetconfEnded(f"{self._conversation.alias} did not answer close-session within {GOODBYE:g} s"))

    def close(self) -> None:
        """Close the channel."""
        self._conversation.close()
        if self._leaving is not None:
            self._leaving.cancel()
        if not self._hello.done():
            self._hello.cancel()
        self._session.stands(up=False)

    def _pause(self, wanted: bool) -> None:  # noqa: FBT001 - as Callbacks calls it
        self._conversation.pause(wanted)

    def _notified(self, text: str) -> None:
        self.lost += self._session.notify(text)

    # What the channel tells.

    def heard(self, message: bytes) -> None:
        """A whole message came."""
        if not self._hello.done():
            self._greeted(message)
        self._dispatch.message(message)

    def _greeted(self, message: bytes) -> None:
        try:
            found = hello.read(message)
        except MooringError as error:
            failure = root_of(message, message.decode(errors="replace"), self._handler)
            if not isinstance(failure, Exception) or isinstance(failure, MooringError):
                failure = SessionError(str(error))
                failure.__cause__ = error
            self._hello.set_exception(failure)
            return
        if found is not None:
            self._session.greeted(*found)
            if all(BASE_11 in side for side in (self._session.server_capabilities, self._session.client_capabilities)):
                self._conversation.chunk()
            self._hello.set_result(None)

    def ended(self, error: MooringError) -> None:
        """Nothing more comes."""
        broken = isinstance(error, FramingError)
        failure = NetconfFramingError(str(error)) if broken else SessionCloseError(None)
        failure.__cause__ = error
        self._session.stands(up=False)
        if not self._hello.done():
            self._hello.set_exception(failure)
            return  # who connects is told
        self._dispatch.error(failure)
        self._dispatch.after(self._session.close)


def _closes(message: bytes) -> bool:
    """Whether a request is a close-session."""
    return [local_name(tag) for tag in first_tags(message)] == ["rpc", "close-session"]
