"""A visitor's channel for a command, shell or subsystem, which goes on as a channel of the session.

The channel to the session is opened while the client still says what it wants; what it asks meanwhile is kept, in
order. What starts a program passes only when the rules allow it. Variables are held back until it is known for what:
who may only carry files sets no others than those of the language.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from typing import TYPE_CHECKING, Final

from asyncssh import EXTENDED_DATA_STDERR
from asyncssh.constants import MSG_CHANNEL_FAILURE, MSG_CHANNEL_REQUEST, MSG_CHANNEL_SUCCESS
from asyncssh.packet import Boolean, PacketDecodeError, SSHPacket, String, UInt32

from ..model.access import Action
from ..model.errors import ChannelRefused, MooringError, NotAllowed, SessionLost, UnknownAlias, WaitTimeout
from ..service.audit import CutOff
from ..service.recordings import status_of
from ..service.transfers import is_transfer
from ..session.slots import Kind
from ..transport.passage import Passage
from ..transport.splice import OWED, Side
from ..wire.requests import is_sound
from ..wire.sftp import SftpWatch
from .kept import Kept

if TYPE_CHECKING:
    from collections.abc import Callable

    from asyncssh.connection import SSHConnection

    from ..service.audit import Deed
    from ..session import Session
    from .host import Host

__all__ = ["PARTED", "PROGRAMS", "Near", "actions_of", "line"]

PROGRAMS: Final = (Action.RUN, Action.SHELL, Action.NETCONF, Action.FILES)
"""What a channel of this kind may be for."""
PARTED: Final = "too much was asked on its channel, or what cannot be read"
_NO_SESSION: Final = 255
"""The exit status of ssh where there is no session."""
_PASSED: Final = frozenset({b"window-change", b"signal", b"break", b"eow@openssh.com", b"xon-xoff"})
_STARTS: Final = frozenset({b"exec", b"shell", b"subsystem"})


def actions_of(name: bytes, what: bytes) -> tuple[Action, ...]:
    """What it takes to start something: one of these.

    Args:
        name: ``exec``, ``shell`` or ``subsystem``.
        what: The command or the subsystem.
    """
    if name == b"shell":
        return (Action.SHELL,)
    if name == b"exec":
        return (Action.FILES, Action.RUN) if is_transfer(what) else (Action.RUN,)
    return {b"netconf": (Action.NETCONF,), b"sftp": (Action.FILES,)}.get(what, (Action.RUN,))


class Near(Side):
    """The visitor's side.

    Args:
        connection: The visitor's.
        host: Whose it is.
        timeout: Seconds in which the session must give a channel.
        begins: Seconds in which the visitor must say what it is for.
    """

    def __init__(self, connection: SSHConnection, host: Host, timeout: float, begins: float) -> None:
        super().__init__(connection, ended=self._over)
        self._host = host
        self._timeout = timeout
        self._begins = begins
        self._serving: asyncio.Task[None] | None = None
        self._passage: Passage | None = None
        self._counted: Callable[[], Callable[[], None]] = lambda: lambda: None
        self._kept = Kept(host.share)
        self._replies: deque[bool | bytes] = deque()
        """Whether it went well; of what was passed on and is not answered, its name."""
        self._asked_to_start = self._asked_for_terminal = False
        self._start_asked: asyncio.Future[tuple[Action, ...]] = self._loop.create_future()
        self._idle: asyncio.TimerHandle | None = None
        self._failure: str | None = None
        self._status: int | None = None
        self._deed: Deed | None = None
        self._is_program = False
        """Whether a command or shell was started, which ends by itself; a subsystem ends when it is left."""
        self._files: SftpWatch | None = None
        self._unrecorded: MooringError | None = None
        self._ends_line = b"\n"
        self._held_up = False
        """Whether what is asked is kept although there is a channel."""

    def start(self, _side: Side) -> None:
        """The visitor has asked for it."""
        self.window = self._host.share.window
        self.admit()
        self._await_start()
        self._serving = self._host.spawn(self._serve())

    def _await_start(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
        self._idle = self._loop.call_later(self._begins, self._no_start)

    def _no_start(self) -> None:
        """A channel of the session is not held for who starts nothing on it."""
        if not self._asked_to_start:
            self.fail(WaitTimeout(f"nothing was started within {self._begins:g} seconds"))
            self.shut()

    async def _serve(self) -> None:
        """Open the channel of the session."""
        try:
            session = await self._reach()
            attachment = session.attachment
            self._counted = attachment.counted
            passage = await attachment.open(
                Kind.HELD,
                "gateway",
                attachment.now() + self._timeout,
                lambda on_close: Passage(on_close, self),
                lambda passage: passage.open(attachment.link.connection),
            )
        except MooringError as error:
            self.fail(error)
        else:
            self._joined(passage)

    async def _reach(self) -> Session:
        """The session; who may do nothing here is refused what they ask for, once they have."""
        try:
            return await self._host.reach(PROGRAMS, tell=False)
        except (NotAllowed, UnknownAlias):
            return await self._host.reach(await self._start_asked)

    def _joined(self, passage: Passage) -> None:
        self._passage = passage
        if self.is_gone or not self.is_open or self._failure is not None:
            passage.far.shut()
            return
        self.grant()
        self._pass_on()

    def _pass_on(self) -> None:
        """Pass on what was kept."""
        while self._kept and not self._held_up and self._failure is None:
            self._forward(*self._kept.pop())

    def grant(self) -> None:
        """Tell the visitor what they may send, once what they asked for before has been passed on."""
        if self._passage is not None:
            super().grant()

    # What the visitor asks.

    def _asked(self, packet: SSHPacket) -> None:
        text = packet.get_remaining_payload()
        if not is_sound(text):
            self.part()
            return
        name, want_reply = packet.get_string(), packet.get_boolean()
        if name == b"env":
            well = not self._asked_to_start and self._kept.put_variable(
                packet.get_string(), packet.get_remaining_payload()
            )
            self._reply_ourselves(want_reply=want_reply, well=well)
        elif not self._may_ask(name):
            self._reply_ourselves(want_reply=want_reply, well=False)
        else:
            if name == b"pty-req":
                self._ends_line = b"\r\n"
            if name in _STARTS:
                self._asked_to_start = True
                if not self._start_asked.done():
                    self._start_asked.set_result(actions_of(name, _what(text)))
            if want_reply:
                self._replies.append(name)
            if self._passage is not None and not self._held_up and self._failure is None:
                self._forward(name, text, want_reply)
            else:
                self._kept.put(name, text, want_reply)
        self._keep_within()
        if self._failure is not None:
            self._settle()

    def _may_ask(self, name: bytes) -> bool:
        if name in _STARTS:
            return not self._asked_to_start
        if name == b"pty-req":
            first, self._asked_for_terminal = not self._asked_for_terminal, True
            return first and self._host.has("pty")  # sshd ends the connection of who asks for another
        if name == b"auth-agent-req@openssh.com":
            return self._host.agent()
        return name in _PASSED

    def _keep_within(self) -> None:
        """Refuse to keep more than anybody needs."""
        if self._kept.too_much or len(self._replies) > OWED:
            self._kept.clear()
            self._replies.clear()
            self.part()

    def _forward(self, name: bytes, text: bytes, want_reply: bool) -> None:  # noqa: FBT001 - as it was kept
        """Ask the device the same, if it may be asked."""
        far = self.other
        if far is None:
            return
        if name not in _STARTS:
            far.request(text, want_reply)
            return
        what = _what(text)
        try:
            self._deed, allowed = self._host.begin(actions_of(name, what), name.decode(), what)
        except MooringError as error:
            self.fail(error)
            return
        self._is_program = name != b"subsystem"
        if what == b"sftp" and name == b"subsystem" and self._deed.records:
            self._watch_files(self._deed)
        self._start(name, allowed, text, want_reply)

    def _start(self, name: bytes, allowed: Action, text: bytes, want_reply: bool) -> None:  # noqa: FBT001 - as it was kept
        """Have it started, for who is allowed to do this."""
        far = self.other
        if far is None or self._passage is None or not far.is_open:
            return
        self._tell_variables(far, allowed)
        self._passage.far.started = True
        if name == b"exec":
            self._passage.when_exited(self._counted())
        far.request(text, want_reply)
        self._started(far)

    def _started(self, far: Side) -> None:
        """It was asked for: go on with what came before."""
        if self._recv_state == "eof":
            far.end()

    def _watch_files(self, deed: Deed) -> None:
        """Have what passes looked at: on this channel alone, so that others pay nothing for it."""
        self._files = files = SftpWatch(deed.also)
        put, take = self.put, self._pass

        def put_seen(data: bytes | memoryview, datatype: int | None = None) -> None:
            if datatype is None:
                files.answered(data)
            if datatype is not None or self._goes_on_record(deed):
                put(data, datatype)

        def take_seen(data: bytes | memoryview, datatype: int | None) -> None:
            if not self._goes_on_record(deed):
                return
            if datatype is None:
                files.asked(data)
            take(data, datatype)

        self.put, self._pass = put_seen, take_seen  # type: ignore[method-assign] # as said

    def _goes_on_record(self, deed: Deed) -> bool:
        """Whether files are recorded still; where they are not, nothing more is done."""
        if self._unrecorded is None:
            try:
                deed.check()
            except MooringError as error:
                self._unrecorded = error
                self.fail(error)
        return self._unrecorded is None

    def _tell_variables(self, far: Side, allowed: Action) -> None:
        for name, value in self._kept.pop_variables():
            if allowed in {Action.RUN, Action.SHELL} or name == b"LANG" or name.startswith(b"LC_"):
                text = String(b"env") + Boolean(value=False) + String(name) + value
                far.request(text, False)  # noqa: FBT003 - they were answered for already

    # What it is answered.

    def request(self, text: bytes, want_reply: bool) -> None:  # noqa: FBT001 - as the packet has it
        """What the device tells: how it ended, most of all."""
        with contextlib.suppress(PacketDecodeError, UnicodeDecodeError):  # the visitor says what they make of that
            self._note_end(SSHPacket(text))
        super().request(text, want_reply)

    def _note_end(self, packet: SSHPacket) -> None:
        name = packet.get_string()
        packet.get_boolean()
        if name == b"exit-status":
            self._status = packet.get_uint32()
        elif name == b"exit-signal":
            self._status = status_of(None, packet.get_string().decode("ascii"))

    def answer(self, kind: int) -> None:
        """The device has answered the oldest question that was passed on, unless all was answered already."""
        for place, name in enumerate(self._replies):
            if isinstance(name, bytes):
                self._replies[place] = kind == MSG_CHANNEL_SUCCESS
                if name in _STARTS and kind == MSG_CHANNEL_FAILURE:
                    self._not_started()
                self._tell_replies()
                return

    def _not_started(self) -> None:
        """The device has refused to start it: something else may be tried, since one may succeed (RFC 4254, 6.5)."""
        if self._passage is not None:
            self._passage.far.started = False
        self._end_deed(ChannelRefused("the device refused to start it"))
        self._asked_to_start = False
        self._await_start()

    def _reply_ourselves(self, *, want_reply: bool, well: bool) -> None:
        if want_reply:
            self._replies.append(well)
            self._tell_replies()

    def _tell_replies(self) -> None:
        """Answers go out in the order of the questions (RFC 4254 section 5.4)."""
        while self._replies and isinstance(self._replies[0], bool):
            self.tell_uncalled(MSG_CHANNEL_SUCCESS if self._replies.popleft() else MSG_CHANNEL_FAILURE)

    # How it ends.

    def fail(self, error: MooringError) -> None:
        """Tell the visitor why nothing comes of it, as soon as they have asked for something."""
        if self._failure is None:
            self._failure = line(error)
            if self._passage is not None:
                self._passage.far.shut()
            self._settle()

    def _settle(self) -> None:
        """Say so: only who has asked for a program listens."""
        if not self.is_open or self._failure is None:
            return
        self._replies = deque(True if isinstance(reply, bytes) else reply for reply in self._replies)
        self._tell_replies()
        if not self._asked_to_start:
            return
        line = f"mooring: {self._failure}".encode() + self._ends_line
        if len(line) <= self._send_window:
            self.put(line, EXTENDED_DATA_STDERR)
        status = String(b"exit-status") + Boolean(value=False) + UInt32(_NO_SESSION)
        self.tell(MSG_CHANNEL_REQUEST, status)
        self.end()
        self.shut()

    def _goes_on(self) -> bool:
        """OpenSSH closes when all input and output has ended, and waits for how the command did."""
        return self.other is not None and self.other.is_open

    def left(self) -> None:
        """The device's side is over; if ours is not, the session is lost."""
        if self.is_open and self._passage is not None and not self._passage.far.exited:
            self.bereft = True
            self._failure = self._failure or "the session was lost; the command may have run"
            self._settle()
        self.shut()

    def _over(self, fault: Exception | None) -> None:
        """The visitor has gone, or all is done."""
        self._kept.clear()
        self._end_deed(self._unrecorded or self._why_ended(fault))
        if self._idle is not None:
            self._idle.cancel()
        if self._serving is not None:
            self._serving.cancel()

    def _why_ended(self, fault: Exception | None) -> BaseException | None:
        """What kept it from its end; None where it came to that.

        Args:
            fault: What ended the visitor's connection, as AsyncSSH tells it.
        """
        if self.bereft:
            return SessionLost("the session was lost; the command may have run")
        if self.parted:
            return CutOff(PARTED)
        far = None if self._passage is None else self._passage.far
        if far is None or not (far.hung_up or (far.is_open and not far.exited)):
            return None
        return self._host.why_cut(fault) or (asyncio.CancelledError() if self._is_program else None)

    def _end_deed(self, error: BaseException | None) -> None:
        """What was started is over."""
        deed, self._deed = self._deed, None
        if deed is None:
            return
        if self._files is not None:
            self._files.end()
            if self._files.blind:
                deed.tell(files="unseen")
            self._files = None
            del self.put, self._pass
        if self._status is not None:
            deed.tell(exit_status=self._status)
        deed.end(error)


def _what(text: bytes) -> bytes:
    """The command or the subsystem of a request that starts something."""
    packet = SSHPacket(text)
    packet.get_string()
    packet.get_boolean()
    return packet.get_string() if packet else b""


def line(error: MooringError) -> str:
    """An error on one line; what a device or file said in it may be anything."""
    return "".join(letter if letter.isprintable() else "?" for letter in error.message)
