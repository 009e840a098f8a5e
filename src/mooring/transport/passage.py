"""A ``session`` channel to a device that somebody else's channel goes on as, its slot counted."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from asyncssh import ChannelOpenError
from asyncssh.constants import MSG_CHANNEL_FAILURE
from asyncssh.packet import Boolean, String

from .channel import SlotHolder
from .splice import Side, join

if TYPE_CHECKING:
    from collections.abc import Callable

    from asyncssh.connection import SSHConnection
    from asyncssh.packet import SSHPacket

__all__ = ["Passage"]

_ENDS: Final = frozenset({b"exit-status", b"exit-signal"})
_GRACE: Final = 1.0
"""Seconds for a command to end that was hung up on."""


class Passage(SlotHolder):
    """One channel to a device; ``open`` it, then ``far`` is the side to speak to.

    Args:
        on_close: As SlotHolder has it.
        near: The side of who uses it.
    """

    far: Far

    def __init__(self, on_close: Callable[[], None], near: Side) -> None:
        super().__init__(on_close)
        self._near = near

    async def open(self, connection: SSHConnection) -> None:
        """Open it; nothing is started. Do not cancel it (see ``open_exec``).

        Raises:
            asyncssh.ChannelOpenError: The peer refused it (see ``refused``).
        """
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def opened() -> None:
            self.connection_made(self.far)  # type: ignore[arg-type] # as good as AsyncSSH's, for what is asked of it
            if self.far.other is not None:
                self._near.allow(self.far._send_window)  # noqa: SLF001 - before anything widens it, which is told as well
            answer.set_result(None)

        def refused(code: int, reason: str) -> None:
            answer.set_exception(ChannelOpenError(code, reason))

        self.far = Far(connection, opened, refused, self.connection_lost)
        self.far.window = self._near.window
        if not self._near.is_gone:
            join(self._near, self.far)
        self.far.ask(b"session", self._near)
        await answer

    @property
    def abandoned(self) -> bool:
        """Whether the command was hung up on, and has not ended."""
        return super().abandoned or (self.channel_opened is not None and self.far.hung_up and not self.ended.done())

    def when_exited(self, told: Callable[[], None]) -> None:
        """As SlotHolder has it."""
        self.ended.add_done_callback(lambda _: told() if self.far.exited else None)

    def send(self, signal: str) -> None:
        """Ask the peer to send the command a signal."""
        if self.channel_opened is not None:
            self.far.signal(signal)


class Far(Side):
    """The side of a Passage towards the device.

    Attributes:
        started: Whether a command was asked for.
        exited: Whether it has ended.
        hung_up: Whether whoever used it has gone before that.
    """

    started = exited = hung_up = False

    def end(self) -> None:
        """Tell the device that no more input comes. OpenSSH's server forgets it when it hears so before the command."""
        if self.started:
            super().end()

    def signal(self, name: str) -> None:
        """Ask for a signal."""
        self.request(String(b"signal") + Boolean(value=False) + String(name), False)  # noqa: FBT003 - as the packet has it

    def _asked(self, packet: SSHPacket) -> None:
        """The device tells something of the command: how it ended, most of all.

        What it asks is answered here: whether anybody is there, which must not depend on a visitor who may stand still.
        """
        text = packet.get_remaining_payload()
        name, want_reply = packet.get_string(), packet.get_boolean()
        self.exited = self.exited or name in _ENDS
        if want_reply and name not in _ENDS:
            self.tell_uncalled(MSG_CHANNEL_FAILURE)
        elif self.other is not None:
            self._have(self.other.request, text, want_reply)

    def _extended_data(self, packet: SSHPacket) -> None:
        """What the command says on its other outputs."""
        datatype = packet.get_uint32()
        self._pass(packet.get_string(), datatype)

    def shut(self) -> None:
        """Close our side. A command that goes on is hung up on: its slot is needed, and nobody hears it.

        It is closed a moment later, and hung up on once more before: OpenSSH's server finds nobody for a signal that
        comes as soon as the command was granted, and a command that then gets no terminal any more would stay.
        """
        if not self.started or self.exited or not self.is_open or self._recv_state != "open":
            super().shut()
        elif not self.hung_up:
            self.hung_up = True
            self.signal("HUP")
            self.end()
            self._loop.call_later(_GRACE, self._shut_at_last)

    def _shut_at_last(self) -> None:
        if self.is_open and not self.exited:
            self.signal("HUP")
        super().shut()

    def left(self) -> None:
        """Who used it has gone."""
        self.shut()
