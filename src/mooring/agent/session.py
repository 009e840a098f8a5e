"""One session channel at the agent: a command, a shell or files, as the user that the agent runs as."""

from __future__ import annotations

import logging
import shutil
import termios
from contextlib import suppress
from signal import Signals
from typing import TYPE_CHECKING, Final, cast

import asyncssh

from ..transport.server.gate import Gate
from ..transport.server.private import when_closed_unread, when_output_is_not_wanted
from .child import Child
from .files import Files

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .account import Account
    from .terminal import Size

__all__ = ["Session"]

_log: Final = logging.getLogger(__name__)
_SIGNALS: Final = frozenset(
    {"ABRT", "ALRM", "FPE", "HUP", "ILL", "INT", "KILL", "PIPE", "QUIT", "SEGV", "TERM", "USR1", "USR2"}
)
"""Those of RFC 4254 section 6.10."""
_NOT_STARTED: Final = 127
"""As a shell reports what it cannot run."""
_READ: Final = 1 << 20
"""Bytes that one request reads at most; more than most clients ask for, and the agent stays small."""
_SFTP: Final = 3
"""The version that everybody speaks."""


class Session(asyncssh.SSHServerSession[bytes]):
    """One channel.

    What it raises would end the connection, so a program that cannot be started is told of on the channel.

    Args:
        account: Who runs it.
        over: Called with it when the channel is closed.
        window: Bytes that the client may send ahead, and that it reads of a file at once.
    """

    _channel: asyncssh.SSHServerChannel[bytes]

    def __init__(self, account: Account, over: Callable[[Session], None], window: int) -> None:
        self.window = window
        self._account = account
        self._over = over
        self._command: list[bytes] | None = None
        self._terminal: tuple[Size, dict[int, int]] | None = None
        self._files: asyncssh.SSHServerProcess[bytes] | None = None
        self._served: Files | None = None
        self._gate: Gate | None = None
        self._muted = False
        self.child = Child(self)

    # What the client asks for.

    def connection_made(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        """The channel is open."""
        when_output_is_not_wanted(chan, self._mute)
        when_closed_unread(chan, self._abandon)
        self._channel = chan

    def pty_requested(self, term_type: str, term_size: Size, term_modes: Mapping[int, int]) -> bool:
        """A terminal: it is made with what runs on it."""
        del term_type
        self._terminal = term_size, dict(term_modes)
        return True

    def shell_requested(self) -> bool:
        """A login shell."""
        self._command = self._account.login()
        return True

    def exec_requested(self, command: str) -> bool:
        """A command line, for the user's shell; ``scp`` is done here where this host has none."""
        if command.startswith("scp ") and shutil.which("scp") is None:
            return self._serve_files().exec_requested(command)
        self._command = self._account.command(command)
        return "\0" not in command

    def subsystem_requested(self, subsystem: str) -> bool:
        """SFTP, and no other."""
        return subsystem == "sftp" and self._serve_files().subsystem_requested(subsystem)

    def _serve_files(self) -> asyncssh.SSHServerProcess[bytes]:
        self._served = Files(self._channel, self._account.home)
        self._gate = Gate(self._channel, min(self.window, _READ))
        served = self._gate.stand_before(self._served)
        self._files = asyncssh.SSHServerProcess(_nothing, lambda _: served, _SFTP, allow_scp=True)
        self._files.connection_made(self._channel)
        return self._files

    def session_started(self) -> None:
        """The client knows that it was granted: begin."""
        if self._files is not None:
            self._files.session_started()
            return
        channel = self._channel
        connection = channel.get_connection()
        environment = self._account.environment(
            self._asked(),
            tuple(connection.get_extra_info("peername") or ("", 0))[:2],
            tuple(connection.get_extra_info("sockname") or ("", 0))[:2],
            channel.get_terminal_type(),
        )
        assert self._command is not None  # noqa: S101 - granted above
        try:
            if self._terminal is not None:
                self._terminal = channel.get_terminal_size(), self._terminal[1]
            self.child.start(self._command, environment, self._account.home, self._terminal)
        except (OSError, ValueError, termios.error) as error:
            what = getattr(error, "strerror", None) or error
            _log.warning("%s cannot be started: %s", self._account.shell, what)
            channel.write_stderr(f"{self._account.shell} cannot be started: {what}\n".encode())
            channel.exit(_NOT_STARTED)

    def _asked(self) -> dict[bytes, bytes]:
        """What the client asked for; nothing where its key may run one command only, which that would change."""
        connection = cast("asyncssh.SSHServerConnection", self._channel.get_connection())
        held = connection.get_key_option("command") or connection.get_certificate_option("force-command")
        asked = self._channel.get_environment_bytes()
        if held:
            return {}
        return {name: value for name, value in asked.items() if name and b"=" not in name and b"\0" not in name + value}

    # What it sends.

    def data_received(self, data: bytes, datatype: asyncssh.DataType) -> None:
        """Standard input."""
        if self._files is not None:
            self._files.data_received(data, datatype)
            if self._gate is not None:
                self._gate.received()
        else:
            self.child.write(data)

    def eof_received(self) -> bool:
        """The end of standard input; what the program says is still sent."""
        if self._gate is not None:
            self._gate.ending = True
        if self._files is not None:
            return bool(self._files.eof_received())
        self.child.end_input()
        return True

    def break_received(self, msec: int) -> bool:
        """A break, for the terminal."""
        del msec
        return self.child.send_break()

    def signal_received(self, signal: str) -> None:
        """A signal, by its name without SIG; what is no name of one is passed over, as sshd does."""
        if signal in _SIGNALS:
            self.child.signal(Signals[f"SIG{signal}"])

    def terminal_size_changed(self, width: int, height: int, pixwidth: int, pixheight: int) -> None:
        """The client's window has another size."""
        self.child.resize((width, height, pixwidth, pixheight))

    def _abandon(self) -> None:
        """The client has closed the channel, and the program reads nothing of what was sent before."""
        if self._gate is not None:
            self._gate.leave()
        self.child.hang_up()
        self._channel.resume_reading()

    def _mute(self) -> None:
        """The client takes no more of standard output: who says more there is told so, but on a terminal."""
        self._muted = True
        self.child.mute()

    def pause_writing(self) -> None:
        """The client takes no more for now: nor do we."""
        if self._files is not None and self._gate is not None:
            self._files.pause_writing()
            self._gate.full()
        self.child.pause()

    def resume_writing(self) -> None:
        """Go on."""
        if self._files is not None and self._gate is not None:
            self._files.resume_writing()
            self._gate.free()
        self.child.resume()

    def connection_lost(self, exc: Exception | None) -> None:
        """The channel is closed, or the connection is gone: what still runs is told so, as below sshd."""
        if self._gate is not None and self._served is not None and self._files is not None:
            self._gate.leave()
            self._served.leave()
            self._files.connection_lost(exc)
        self.child.hang_up()
        self._over(self)

    # What the program does.

    def said(self, data: bytes) -> None:
        """Standard output, or the terminal's."""
        if not self._muted:
            with suppress(OSError):  # it is being closed
                self._channel.write(data)

    def complained(self, data: bytes) -> None:
        """Standard error."""
        with suppress(OSError):  # as above
            self._channel.write_stderr(data)

    def full(self, *, full: bool) -> None:
        """It does not take its input as fast as it comes, or does again."""
        if full:
            self._channel.pause_reading()
        else:
            self._channel.resume_reading()

    def ended(self, status: int) -> None:
        """It has ended."""
        if status >= 0:
            self._channel.exit(status)
            return
        try:
            name = Signals(-status).name[3:]
        except ValueError:  # a real-time one
            name = ""
        self._channel.exit_with_signal(name if name in _SIGNALS else f"{name or -status}@openssh.com")


def _nothing(process: asyncssh.SSHServerProcess[bytes]) -> None:
    """There is no other program."""
    process.exit(_NOT_STARTED)
