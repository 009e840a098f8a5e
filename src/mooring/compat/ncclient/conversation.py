"""One NETCONF channel as ncclient's sessions see it: whole messages in, whole messages out. It lives on the loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from ...model.errors import NetconfEnded, SessionLost
from ...session.slots import Kind
from ...transport.subsystem import Subsystem, open_subsystem
from ...wire.netconf.messages import Messages

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ...model.errors import MooringError
    from ...session.attachment import Attachment

__all__ = ["Conversation", "Hearer"]


class Hearer(Protocol):
    """Who is told, on the loop."""

    def heard(self, message: bytes) -> None:
        """A whole message came."""

    def ended(self, error: MooringError) -> None:
        """Nothing more comes. Called once, and not after ``close``."""


class Conversation:
    """A channel and what is framed on it. ``open`` it once.

    Args:
        alias: The session's name.
        hearer: Told of what comes.
    """

    def __init__(self, alias: str, hearer: Hearer) -> None:
        self.alias = alias
        self._hearer: Hearer | None = hearer
        self._messages = Messages()
        self._subsystem: Subsystem | None = None

    async def open(
        self,
        attachment: Attachment,
        subsystem: str | None,
        command: str | None,
        env: Mapping[str, str] | None,
        deadline: float,
    ) -> None:
        """Open the channel. Cancelling is safe.

        Raises:
            ChannelLimit: No channel slot became free in time.
            ChannelRefused: The server refuses the subsystem or command.
            SessionLost: The connection was lost meanwhile.
        """

        def make(on_close: Callable[[], None]) -> Subsystem:
            self._subsystem = Subsystem(on_close, self)
            return self._subsystem

        connection = attachment.link.connection
        await attachment.open(
            Kind.HELD,
            subsystem or command or "",
            deadline,
            make,
            lambda session: open_subsystem(connection, session, subsystem, command, env),
        )

    def send(self, message: bytes) -> None:
        """Send a message; one that can go nowhere is told of by ``ended``."""
        if self._subsystem is not None:
            self._subsystem.write(self._messages.framed(message))

    def chunk(self) -> None:
        """Go on in base:1.1."""
        self._messages.chunk()

    def pause(self, wanted: bool) -> None:  # noqa: FBT001 - as Callbacks calls it
        """Let the server wait, or go on."""
        if self._subsystem is not None:
            (self._subsystem.pause_reading if wanted else self._subsystem.resume_reading)()

    def close(self) -> None:
        """Close the channel, without a word and without being told of it."""
        self._hearer = None
        if self._subsystem is not None:
            self._subsystem.abandon()

    # What the channel tells.

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        try:
            for message in self._messages.receive_data(data):
                if self._hearer is None:
                    return
                self._hearer.heard(message)
        except NetconfEnded as error:
            self._end(error)

    def eof_received(self, *, lost: bool) -> None:
        """Nothing more comes."""
        if lost:
            self._end(SessionLost(f"{self.alias} was lost, and its NETCONF session with it"))
        elif self._messages.whole:
            self._end(NetconfEnded(f"{self.alias} ended the NETCONF session"))
        else:
            self._end(NetconfEnded(f"{self.alias} ended the NETCONF session inside a message"))

    def _end(self, error: MooringError) -> None:
        hearer = self._hearer
        self.close()
        if hearer is not None:
            hearer.ended(error)
