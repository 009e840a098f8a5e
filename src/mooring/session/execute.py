"""``run``: one command on one channel, from the queue for a slot to the result."""

from __future__ import annotations

import asyncio
import contextlib
import re
import secrets
import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from ..model.errors import ChannelRefused, CommandTimeout, MooringError, SessionLost
from ..model.result import CommandResult
from ..transport.channel import ExecChannel, open_exec
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
        options: Further keywords of AsyncSSH's ``create_session``.
    """

    line: str
    input: bytes | None = None
    timeout: float | None = None
    encoding: str | None = "utf-8"
    errors: str = "backslashreplace"
    max_output: int | None = None
    wrap: bool = False
    kind: Kind = Kind.RUN
    options: Mapping[str, Any] = field(default_factory=dict)
    _marker: str = field(default="", init=False)

    async def run(self, attachment: Attachment) -> CommandResult[Any]:
        """Run it. Cancelling sends TERM, closes the channel and passes through.

        Raises:
            ChannelLimit: No slot became free in time; nothing was sent.
            ChannelRefused: The server will not open the channel or start the command.
            SessionLost: The connection was lost; the command may have run. It carries what had arrived.
            CommandTimeout: The command took longer than ``timeout``.
        """
        start = attachment.now()
        channel = await self._open(attachment, start)
        try:
            async with asyncio.timeout_at(None if self.timeout is None else start + self.timeout):
                await asyncio.shield(channel.ended)
        except TimeoutError:
            try:
                await self._stop(attachment, channel)
            finally:
                channel.abandon()
            raise self._timeout_error(attachment, channel, start) from None
        except asyncio.CancelledError:
            channel.send("TERM")
            channel.abandon()
            raise
        if attachment.link.closed and not (channel.complete and channel.exit_status is not None):
            raise self._lost_error(attachment, channel)
        return self._result(attachment, channel, start)

    async def _open(self, attachment: Attachment, start: float) -> ExecChannel:
        room = self.max_output
        line = self.line
        if self.wrap:
            self._marker = f"mooring-{secrets.token_hex(8)}"
            line = shlex.join(["exec", "/bin/sh", "-c", _WRAPPER, self._marker, self.line])
            room = None if room is None else room + _WRAPPER_ROOM
        timeout = OPEN_TIMEOUT if self.timeout is None else min(self.timeout, OPEN_TIMEOUT)
        made: list[ExecChannel] = []

        def make(on_close: Callable[[], None]) -> ExecChannel:
            made[:] = [ExecChannel(on_close, self.input, room)]
            return made[0]

        try:
            return await attachment.open(
                self.kind,
                self.line,
                start + timeout,
                make,
                lambda channel: open_exec(attachment.link.connection, channel, line, self.options),
            )
        except ChannelRefused:
            if self.timeout is None or attachment.now() < start + self.timeout:
                raise
            raise self._timeout_error(attachment, made[0], start) from None

    async def _stop(self, attachment: Attachment, channel: ExecChannel) -> None:
        """TERM, then KILL if that did not help within its grace."""
        for signal in ("TERM", "KILL"):
            channel.send(signal)
            if group := self._group(channel):
                killer = Command(line=f"kill -s {signal} -- -{group}", timeout=_GRACE, kind=Kind.KILL)
                with contextlib.suppress(MooringError):
                    await killer.run(attachment)
            await asyncio.wait((channel.ended,), timeout=_GRACE)
            if channel.ended.done():
                return

    def _group(self, channel: ExecChannel) -> int | None:
        """The process group that the wrapper told of."""
        found = self._told(channel.output()[1])
        return int(found[1]) if found else None

    def _told(self, stderr: bytes) -> re.Match[bytes] | None:
        """The wrapper's line. The shell's start-up files may have printed something before it."""
        return re.search(rb"%s (\d+)\n" % self._marker.encode(), stderr) if self._marker else None

    def _result(self, attachment: Attachment, channel: ExecChannel, start: float) -> CommandResult[Any]:
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
            exit_status=channel.exit_status,
            exit_signal=channel.exit_signal,
            duration=attachment.now() - start,
            dropped=dropped,
        )

    def text(self, data: bytes) -> str | bytes:
        """Output as it was asked for."""
        return data if self.encoding is None else data.decode(self.encoding, self.errors)

    def _timeout_error(self, attachment: Attachment, channel: ExecChannel, start: float) -> CommandTimeout:
        started = channel.channel_opened is not None
        unconfirmed = started and channel.exit_status is None and (attachment.link.closed or not channel.ended.done())
        return CommandTimeout(
            f"the command on {attachment.alias} took longer than {self.timeout:g} s",
            result=self._result(attachment, channel, start),
            remote_may_still_run=unconfirmed,
            hint='it may still run there; kill="wrap" can end it' if unconfirmed and not self.wrap else None,
        )

    def _lost_error(self, attachment: Attachment, channel: ExecChannel) -> SessionLost:
        stdout, stderr = channel.output()
        return SessionLost(
            f"{attachment.alias} was lost while the command ran",
            stdout=self.text(stdout),
            stderr=self.text(stderr),
            hint="it may have run; it is not run again by itself",
        )
