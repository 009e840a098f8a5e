"""A visitor's channel that may be recorded: what passes is on the tape too. Others are spliced without a look."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from asyncssh.packet import PacketDecodeError, SSHPacket

from ..model.errors import MooringError
from ..service.recordings import NO_TERMINAL
from ..wire.frames import Terminal
from .channel import Near

if TYPE_CHECKING:
    from ..model.access import Action
    from ..store.recordings.tape import Tape
    from ..transport.splice import Side

__all__ = ["RecordedNear"]


class RecordedNear(Near):
    """The visitor's side, as ``Near`` has it."""

    _terminal: Terminal | None = None
    _tape: Tape | None = None

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._early: list[tuple[bytes, int | None]] = []

    def _forward(self, name: bytes, text: bytes, want_reply: bool) -> None:  # noqa: FBT001 - as it was kept
        with contextlib.suppress(PacketDecodeError):  # the device says what it makes of that
            if name == b"pty-req":
                self._terminal = _terminal(text)
            elif name == b"window-change" and self._terminal is not None:
                self._resized(*_size(_content(text)))
        super()._forward(name, text, want_reply)

    def _resized(self, columns: int, rows: int) -> None:
        if self._tape is not None:
            self._tape.resize(columns, rows)
        elif self._terminal is not None:
            self._terminal = Terminal(self._terminal.type, columns, rows)

    def _start(self, name: bytes, allowed: Action, text: bytes, want_reply: bool) -> None:  # noqa: FBT001 - as it was kept
        """Record it, if it has a terminal, or is a shell, which needs none to be one."""
        terminal = self._terminal or (NO_TERMINAL if name == b"shell" else None)
        if terminal is None or self.other is None:
            super()._start(name, allowed, text, want_reply)
            return
        self._held_up = True
        self.other.put = self._keep_early  # type: ignore[method-assign] # sshd would forget what comes before the command
        self._serving = self._host.spawn(self._record(name, allowed, text, want_reply, terminal))

    def _keep_early(self, data: bytes | memoryview, datatype: int | None = None) -> None:
        self._early.append((bytes(data), datatype))

    async def _record(self, name: bytes, allowed: Action, text: bytes, want_reply: bool, terminal: Terminal) -> None:  # noqa: FBT001 - likewise
        """Start it when its recording is on the disk."""
        deed = self._deed
        assert deed is not None  # noqa: S101 - it was begun
        try:
            self._tape = await self._host.record(allowed, name.decode(), terminal, self._ended_by)
        except MooringError as error:
            deed.end(error)
            self.fail(error)
            return
        if self._tape is not None:
            deed.tell(recording=self._tape.id)
        self._held_up = False
        super()._start(name, allowed, text, want_reply)
        self._pass_on()

    def _started(self, far: Side) -> None:
        """It was asked for: go on with what was said to it meanwhile."""
        vars(far).pop("put", None)
        for data, kind in self._early:
            far.put(data, kind)
        self._early.clear()
        super()._started(far)

    def _ended_by(self, error: MooringError) -> None:
        """It can be recorded no longer, and must not go on."""
        if self._deed is not None:
            self._deed.end(error)
        self.fail(error)

    # What passes.

    def put(self, data: bytes | memoryview, datatype: int | None = None) -> None:
        """What the device sends."""
        if self._tape is not None:
            self._tape.output(data)
        super().put(data, datatype)

    def _pass(self, data: bytes | memoryview, datatype: int | None) -> None:
        """What the visitor sends."""
        if self._tape is not None:
            self._tape.input(data)
        super()._pass(data, datatype)

    def _end_deed(self, error: BaseException | None) -> None:
        if self._tape is not None:
            self._tape.end(self._status)
            self._tape = None
        super()._end_deed(error)


def _content(text: bytes) -> SSHPacket:
    """What is in a request, behind its name and whether it wants a reply."""
    packet = SSHPacket(text)
    packet.get_string()
    packet.get_boolean()
    return packet


def _terminal(text: bytes) -> Terminal:
    """What kind of terminal is asked for, and its size (RFC 4254, section 6.2)."""
    packet = _content(text)
    return Terminal(packet.get_string().decode("ascii", "replace"), *_size(packet))


def _size(packet: SSHPacket) -> tuple[int, int]:
    return packet.get_uint32(), packet.get_uint32()
