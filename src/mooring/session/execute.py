"""``run``: one command on one channel, from the queue for a slot to the result."""

from __future__ import annotations

import asyncio
import contextlib
import re
import secrets
import shlex
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from ..model.errors import ChannelRefused, CommandTimeout, MooringError, SessionError, SessionLost
from ..model.result import CommandResult
from ..transport.channel import ChannelAhead, ExecChannel, RedirectedExec, open_exec, open_redirected
from ..transport.mapping import session_error
from .attachment import OPEN_TIMEOUT
from .slots import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .attachment import Attachment

__all__ = ["Command"]

_GRACE: Final = 0.5
"""Seconds that a command has to end after TERM, and again after KILL, before its channel is closed."""

_WRAPPER: Final = 'printf "%s %d\\n" "$0" "$$" >&2; exec "${SHELL:-/bin/sh}" -c "$1"'
"""Tells the process group on standard error, then becomes the command."""
_WRAPPER_ROOM: Final = 1024
"""Bytes for that, and for what start-up files print before it."""


@dataclass(slots=True, kw_only=True)
class Command:
    """One call of ``run``.

    Attributes:
        line: The command line.
        input: Standard input, which is ended after it.
        timeout: Seconds for everything, from the call to the end; None leaves it to the command.
        encoding: How output becomes text; None leaves bytes.
        errors: What becomes of bytes that are no text.
        max_output: Bytes to keep of each stream; None keeps all.
        wrap: Whether a shell wrapper tells us the process group, so that a timeout can kill it.
        kind: What its slot is for.
        redirected: Whether its streams go to files, pipes, sockets or other processes; what does not is kept.
        options: Further keywords of AsyncSSH's ``create_process``.
    """

    line: str
    input: bytes | None = None
    timeout: float | None = None
    encoding: str | None = "utf-8"
    errors: str = "backslashreplace"
    max_output: int | None = None
    wrap: bool = False
    kind: Kind = Kind.RUN
    redirected: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)
    _marker: str = field(default="", init=False)
    _began: float = field(default=0.0, init=False)

    async def run(self, attachment: Attachment) -> CommandResult[Any]:
        """Run it. Cancelling sends TERM, closes the channel and passes through.

        Raises:
            ChannelLimit: No slot became free in time; nothing was sent.
            ChannelRefused: The server will not open the channel or start the command.
            SessionLost: The connection was lost; the command may have run. It carries what had arrived.
            CommandTimeout: The command took longer than ``timeout``.
        """
        start = attachment.now()
        self._began = time.perf_counter()  # uvloop's clock counts whole milliseconds
        channel = await self._open(attachment, start)
        try:
            async with asyncio.timeout_at(None if self.timeout is None else start + self.timeout):
                await channel.finished()
        except TimeoutError:
            try:
                await self._stop(attachment, channel)
            finally:
                channel.abandon()
            raise self._timeout_error(attachment, channel) from None
        except BaseException as error:
            channel.send("TERM")
            channel.abandon()
            if isinstance(error, Exception):  # a redirection failed
                failure = session_error(error, attachment.alias, lost=attachment.link.closed)
                if type(failure) is SessionError:
                    failure.hint = "the command was started; it was sent TERM if it still ran"
                raise failure from error
            raise
        if attachment.link.closed and not (channel.complete and channel.status is not None):
            raise self._lost_error(attachment, channel)
        return self._result(attachment, channel)

    async def _open(self, attachment: Attachment, start: float) -> ExecChannel | RedirectedExec:
        room = self.max_output
        line = self.line
        if self.wrap:
            self._marker = f"mooring-{secrets.token_hex(8)}"
            line = shlex.join(["exec", "/bin/sh", "-c", _WRAPPER, self._marker, self.line])
            room = None if room is None else room + _WRAPPER_ROOM
        timeout = OPEN_TIMEOUT if self.timeout is None else self.timeout
        made: list[ExecChannel | RedirectedExec] = []

        def make(on_close: Callable[[], None]) -> ExecChannel | RedirectedExec:
            made[:] = [RedirectedExec(on_close) if self.redirected else ExecChannel(on_close, self.input, room)]
            return made[0]

        async def start_ahead(channel: ExecChannel | RedirectedExec, ahead: ChannelAhead) -> None:
            ahead.start(channel, line, self.options.get("env"))
            attachment.ahead.follow()
            await ahead.started()

        async def start_it(channel: ExecChannel | RedirectedExec) -> None:
            if isinstance(channel, ExecChannel):
                await open_exec(attachment.link.connection, channel, line, self.options)
            else:
                await open_redirected(attachment.link.connection, channel, line, self.input, self.options)

        try:
            if self.kind is not Kind.RUN or self.redirected or self.options.keys() - {"env"}:
                return await attachment.open(self.kind, self.line, start + timeout, make, start_it)
            if channel := await attachment.start_ahead(self.line, start + timeout, make, start_ahead):
                return channel
            channel = await attachment.open(self.kind, self.line, start + timeout, make, start_it)
        except ChannelRefused:
            if self.timeout is None or attachment.now() < start + self.timeout:
                raise
            raise self._timeout_error(attachment, made[0]) from None
        attachment.ahead.follow()
        return channel

    async def _stop(self, attachment: Attachment, channel: ExecChannel | RedirectedExec) -> None:
        """TERM, then KILL if that did not help within its grace."""
        for signal in ("TERM", "KILL"):
            channel.send(signal)
            if group := self._group(channel):
                killer = Command(line=f"kill -s {signal} -- -{group}", timeout=_GRACE, kind=Kind.KILL)
                with contextlib.suppress(MooringError):
                    await killer.run(attachment)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_GRACE):
                    await channel.finished()
                return

    def _group(self, channel: ExecChannel | RedirectedExec) -> int | None:
        """The process group that the wrapper told of; never 0 or 1, which kill(1) takes for its own and for all."""
        found = self._told(channel.output()[1])
        group = int(found[1]) if found else 0
        return group if group > 1 else None

    def _told(self, stderr: bytes) -> re.Match[bytes] | None:
        """The wrapper's line. The shell's start-up files may have printed something before it."""
        return re.search(rb"%s (\d+)\n" % self._marker.encode(), stderr) if self._marker else None

    def _result(self, attachment: Attachment, channel: ExecChannel | RedirectedExec) -> CommandResult[Any]:
        stdout, stderr = channel.output()
        if told := self._told(stderr):
            stderr = stderr[: told.start()] + stderr[told.end() :]
        dropped = channel.dropped
        if self.max_output is not None:
            dropped += sum(max(0, len(stream) - self.max_output) for stream in (stdout, stderr))
            stdout, stderr = stdout[: self.max_output], stderr[: self.max_output]
        return CommandResult(
            alias=attachment.alias,
            command=self.line,
            stdout=self.text(stdout),
            stderr=self.text(stderr),
            exit_status=channel.status,
            exit_signal=channel.signal,
            duration=time.perf_counter() - self._began,
            dropped=dropped,
        )

    def text(self, data: bytes) -> str | bytes:
        """Output as it was asked for."""
        return data if self.encoding is None else data.decode(self.encoding, self.errors)

    def _timeout_error(self, attachment: Attachment, channel: ExecChannel | RedirectedExec) -> CommandTimeout:
        started = channel.channel_opened is not None
        unconfirmed = started and channel.status is None and (attachment.link.closed or not channel.ended.done())
        return CommandTimeout(
            f"the command on {attachment.alias} took longer than {self.timeout:g} s",
            result=self._result(attachment, channel),
            remote_may_still_run=unconfirmed,
            hint='it may still run there; kill="wrap" can end it' if unconfirmed and not self.wrap else None,
        )

    def _lost_error(self, attachment: Attachment, channel: ExecChannel | RedirectedExec) -> SessionLost:
        stdout, stderr = channel.output()
        return SessionLost(
            f"{attachment.alias} was lost while the command ran",
            stdout=self.text(stdout),
            stderr=self.text(stderr),
            hint="it may have run; it is not run again by itself",
        )
