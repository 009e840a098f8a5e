"""``run`` with redirection: the command's streams go to files, pipes, sockets or other processes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from ..model.errors import CommandTimeout, SessionLost
from ..model.result import CommandResult
from ..transport.channel import HeldProcess, open_process
from .attachment import OPEN_TIMEOUT
from .slots import Kind

if TYPE_CHECKING:
    from .attachment import Attachment
    from .execute import Command

__all__ = ["run_redirected"]


async def run_redirected(command: Command, attachment: Attachment) -> CommandResult[Any]:
    """Run a command whose options redirect its streams; what is not redirected is in the result.

    Cancelling sends TERM, closes the channel and passes through.

    Raises:
        ChannelLimit, ChannelRefused, SessionLost, CommandTimeout: As ``Command.run``.
    """
    start = attachment.now()
    options = {"stdin": None, **command.options} if command.input is None else dict(command.options)
    process = await attachment.open(
        Kind.RUN,
        command.line,
        start + min(OPEN_TIMEOUT, command.timeout or OPEN_TIMEOUT),
        HeldProcess,
        lambda held: open_process(
            attachment.link.connection, held, (command.line,), input=command.input, encoding=None, **options
        ),
    )
    try:
        async with asyncio.timeout_at(None if command.timeout is None else start + command.timeout):
            await process.wait()
    except TimeoutError:
        process.send("TERM")
        process.abandon()
        raise CommandTimeout(
            f"the command on {attachment.alias} took longer than {command.timeout:g} s",
            result=_result(command, attachment, process, start),
            remote_may_still_run=process.exit_status is None,
        ) from None
    except asyncio.CancelledError:
        process.send("TERM")
        process.abandon()
        raise
    result = _result(command, attachment, process, start)
    if attachment.link.closed and result.exit_status is None:
        msg = f"{attachment.alias} was lost while the command ran"
        raise SessionLost(msg, stdout=result.stdout, stderr=result.stderr)
    return result


def _result(command: Command, attachment: Attachment, process: HeldProcess, start: float) -> CommandResult[Any]:
    stdout, stderr = (command.text(stream or b"") for stream in process.collect_output())
    signal = process.exit_signal
    return CommandResult(
        alias=attachment.alias,
        command=command.line,
        stdout=stdout,
        stderr=stderr,
        exit_status=process.exit_status,
        exit_signal=signal[0] if signal else None,
        duration=attachment.now() - start,
    )
