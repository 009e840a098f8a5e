"""``session.pipe``: messages to and from a handler at the far end of a session."""

from __future__ import annotations

import asyncio
import copy
from typing import TYPE_CHECKING, Any, Final, Self

from ...model.errors import MooringError, PipeClosed, PipeTimeout
from ...transport.pipe import PipeChannel, open_pipe
from ...wire.handler import how
from ...wire.pipe import FrameError
from ..arguments import check_seconds
from ..slots import Kind
from .near import Near

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from ...model.result import PipeEnd
    from ...model.status import PipeStatus
    from ..attachment import Attachment

__all__ = ["CLOSE_TIMEOUT", "Pipe"]

CLOSE_TIMEOUT: Final = 30.0
"""Seconds that a handler has to deal with what it was sent and to end: longer than most need."""
_GRACE: Final = 0.5
"""Seconds that a handler has to end after TERM, and again after KILL, before its channel is closed."""


class Pipe:
    """Messages to and from a handler, a program at the far end; ``Session.pipe`` makes it.

    ::

        async with session.pipe("python3 /opt/handler.py") as pipe:
            await pipe.send({"job": 7})
            print(await pipe.request("how far?"))
            async for message in pipe:
                ...

    A pipe lives on one connection and is not restored on another: when the connection is lost or the handler ends,
    every call raises, and says what was in flight.
    """

    def __init__(
        self,
        attach: Callable[[], Attachment],
        line: str,
        program: bytes,
        *,
        codec: str,
        logger: logging.Logger,
        timeout: float,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self._attach = attach
        self._line = line
        self._program = program
        self._codec = codec
        self._logger = logger
        self._timeout = timeout
        self._env = env
        self._channel: PipeChannel | None = None
        self._attachment: Attachment | None = None
        self._near: Near | None = None

    async def start(self) -> Self:
        """Start the handler, and return when it has acknowledged the pipe. ``async with`` does it.

        Cancelling is safe: a handler that was started is sent TERM.

        Raises:
            HandlerNotStarted: No interpreter, script or module, or the handler gave up at its start.
            PipeTimeout: It did not acknowledge the pipe in time.
            PipeClosed: It was started before.
            SessionNotUp, SessionParked, SessionClosed, ChannelLimit, ChannelRefused, SessionLost: As
                ``Session.process``.
        """
        if self._near is not None:
            raise PipeClosed("the pipe was started before", hint="make another one with session.pipe()")
        attachment = self._attachment = self._attach()
        near = self._near = Near(attachment.alias, self._codec, self._logger, self._write)
        deadline = attachment.now() + self._timeout
        first = self._program + near.hello()
        options = {"env": {**attachment.link.route.env, **self._env}} if self._env else {}
        try:
            self._channel = await attachment.open(
                Kind.HELD,
                self._line,
                deadline,
                lambda on_close: self._made(PipeChannel(on_close, self, first)),
                lambda channel: open_pipe(attachment.link.connection, channel, self._line, options),
                command=True,
            )
            async with asyncio.timeout_at(deadline):
                await asyncio.shield(near.acknowledged)
        except TimeoutError:
            msg = f"the handler on {attachment.alias} did not acknowledge the pipe within {self._timeout:g} s"
            raise await self._overdue(PipeTimeout(msg, hint="is it a handler?")) from None
        except MooringError as error:
            raise self._failed(error) from error.__cause__
        except BaseException:
            self._failed(PipeClosed(f"the start of the pipe on {attachment.alias} was cancelled"))
            self._give_up()
            raise
        return self

    def _made(self, channel: PipeChannel) -> PipeChannel:
        self._channel = channel
        return channel

    def _failed(self, error: MooringError) -> MooringError:
        self._opened().fail(error)
        return error

    @property
    def alias(self) -> str | None:
        """The session's name; None before the start."""
        return self._near.alias if self._near else None

    @property
    def ended(self) -> bool:
        """Whether nothing more can be sent: the handler or the connection has ended, or the pipe was never started."""
        return self._near is None or self._near.failure is not None

    def status(self) -> PipeStatus:
        """How it stands.

        Raises:
            PipeClosed: It was not started.
        """
        return self._opened().status()

    async def send(self, message: object, *, timeout: float | None = None) -> None:
        """Send a message: text, bytes, or what JSON can write (tuples arrive as lists).

        Returns when it is on its way, which is at once while the handler keeps up: up to 2 MiB, and one message
        more, are under way at any time. Messages sent in one turn of the loop leave in one write. Cancelling is
        safe: it was not sent then.

        Args:
            message: At most 64 MiB.
            timeout: Seconds to wait for the handler to deal with earlier ones; None as long as it lives.

        Raises:
            PipeTimeout: It did not in time; nothing was sent.
            InvalidInput: The message cannot be sent.
            HandlerEnded, HandlerFailed, PipeBroken, PipeClosed, SessionLost: The pipe has ended.
        """
        near = self._usable()
        codec, payload = near.state.packed(message)
        if not near.has_room:
            await self._wait_room(near, timeout)
        near.send(codec, payload)

    async def request(self, message: object, *, timeout: float | None = None) -> Any:  # noqa: ANN401 - the answer
        """Send a message and wait for the handler's answer to it. Any number may wait at once.

        Cancelling is safe: the answer is dropped when it comes.

        Args:
            message: As ``send`` has it.
            timeout: Seconds for everything; None as long as the handler lives.

        Returns:
            What the handler returned.

        Raises:
            HandlerFailed: It raised an exception over it; the pipe goes on, as after PipeTimeout and InvalidInput.
            PipeTimeout: There was no answer in time; the handler may still deal with it.
            InvalidInput: The message cannot be sent.
            HandlerEnded, PipeBroken, PipeClosed, SessionLost: The pipe has ended; it may have been dealt with.
        """
        near = self._usable()
        codec, payload = near.state.packed(message)
        if timeout is None:
            if not near.has_room:
                await self._wait_room(near, None)
            return await near.ask(codec, payload)
        check_seconds(timeout)
        try:
            async with asyncio.timeout(timeout):
                if not near.has_room:
                    await self._wait_room(near, None)
                return await near.ask(codec, payload)
        except TimeoutError:
            msg = f"the handler on {near.alias} did not answer within {timeout:g} s"
            raise PipeTimeout(msg, hint="it may still deal with the request") from None

    async def _wait_room(self, near: Near, timeout: float | None) -> None:
        check_seconds(timeout)
        try:
            async with asyncio.timeout(timeout):
                await near.wait_room()
        except TimeoutError:
            msg = f"the handler on {near.alias} took nothing more within {timeout:g} s; {near.state.in_flight()}"
            raise PipeTimeout(msg, hint="it is slow, or stuck") from None
        self._usable()

    def __aiter__(self) -> Self:
        """The handler's messages, until the pipe is closed."""
        return self

    async def __anext__(self) -> Any:  # noqa: ANN401 - whatever was sent
        """The next message. Cancelling is safe: it stays for the next call."""
        near = self._opened()
        while not near.waiting:
            if near.failure is not None:
                if isinstance(near.failure, PipeClosed):
                    raise StopAsyncIteration
                raise copy.copy(near.failure)
            await near.wait_message()
        return near.take()

    async def close(self, timeout: float | None = CLOSE_TIMEOUT) -> PipeEnd:
        """Let the handler deal with all that was sent and end, and return how it ended. Safe to call twice.

        Messages that it still sends can be read meanwhile by who has read before; others are counted in the status.
        Cancelling is safe: the handler is sent TERM.

        Args:
            timeout: Seconds for that; then it is sent TERM and half a second later KILL. None as long as it takes.

        Returns:
            Exit status, standard output and standard error, whatever the status is.

        Raises:
            PipeTimeout: It did not end in time. The error's ``end`` has what it printed.
            HandlerEnded: It had ended before, with messages or requests that it had not dealt with, or by a signal.
            HandlerFailed: It had ended by an exception.
            PipeBroken, SessionLost: The pipe had ended that way.
            PipeClosed: It was never started.
        """
        check_seconds(timeout)
        near = self._opened()
        if near.failure is None and not near.state.closing:
            near.terminate()
        return await self._wait(timeout)

    async def wait(self) -> PipeEnd:
        """Wait until the handler has ended by itself, however long that takes, and return how.

        Cancelling is safe: the pipe goes on.

        Raises:
            HandlerEnded, HandlerFailed, PipeBroken, SessionLost, PipeClosed: As ``close``.
        """
        channel = self._opened_channel()
        await asyncio.shield(channel.ended)
        return self._ended()

    async def _wait(self, timeout: float | None) -> PipeEnd:
        near, channel = self._opened(), self._opened_channel()
        try:
            async with asyncio.timeout(timeout):
                await asyncio.shield(channel.ended)
        except TimeoutError:
            msg = f"the handler on {near.alias} did not end within {timeout:g} s; {near.state.in_flight()}"
            raise await self._overdue(PipeTimeout(msg, hint="it was sent TERM and KILL")) from None
        except BaseException:
            self._give_up()
            raise
        return self._ended()

    def _ended(self) -> PipeEnd:
        failure = self._opened().failure
        if isinstance(failure, PipeClosed):
            return self._end()
        raise copy.copy(failure or PipeClosed("the pipe has ended"))

    def _opened_channel(self) -> PipeChannel:
        if self._channel is None:
            raise copy.copy(self._opened().failure or PipeClosed("the pipe is starting"))
        return self._channel

    async def __aenter__(self) -> Self:
        """Start it."""
        return await self.start()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it; after an error in the block, without waiting for what was sent."""
        if error is None:
            if not isinstance(self._opened().failure, PipeClosed):
                await self.close()
            return
        self._opened().fail(PipeClosed("the pipe was closed"))
        self._give_up()

    # What the channel tells.

    def stdout_received(self, data: bytes) -> None:
        """Frames came."""
        near = self._opened()
        if near.failure is not None:
            return
        try:
            near.receive(data)
        except FrameError as error:
            self._break(error)

    def stderr_received(self, data: bytes) -> None:
        """The handler wrote to standard error."""
        self._opened().state.errors.add(data)

    def channel_ended(self) -> None:
        """The channel is closed: the handler has ended, or the connection is gone."""
        near = self._opened()
        try:
            if near.failure is None:
                near.state.finish()
        except FrameError as error:
            if not self._lost():
                self._break(error)
        near.fail(self._ending(near))

    def _break(self, why: FrameError) -> None:
        near = self._opened()
        near.fail(near.state.broken(why, self._status()))
        self._give_up()

    def _lost(self) -> bool:
        return self._channel is None or self._channel.lost

    def _ending(self, near: Near) -> MooringError:
        """What the end of the channel means to who uses the pipe."""
        if self._lost():
            return near.state.lost()
        end, signal = self._end(), self._channel.signal if self._channel else None
        said = f"the handler on {near.alias} has ended {how(end, signal)}"
        return near.state.ending(end, signal) or PipeClosed(said, end=end)

    def _status(self) -> int | None:
        return self._channel.status if self._channel else None

    def _end(self) -> PipeEnd:
        return self._opened().state.end(self._status())

    def _opened(self) -> Near:
        if self._near is None:
            raise PipeClosed("the pipe has not been started", hint="async with session.pipe(...) as pipe:")
        return self._near

    def _usable(self) -> Near:
        near = self._opened()
        if near.failure is not None:
            raise copy.copy(near.failure)
        if near.state.closing:
            raise PipeClosed(f"the pipe to {near.alias} is being closed")
        return near

    def _write(self, data: bytes) -> None:
        if self._channel is not None:
            self._channel.write(data)

    async def _overdue(self, error: PipeTimeout) -> PipeTimeout:
        """A deadline of the whole pipe passed: TERM, then KILL, then the channel is closed."""
        near, channel = self._opened(), self._channel
        near.fail(error)
        if channel is not None:
            await self._stop(channel)
        error.end = self._end()
        return error

    async def _stop(self, channel: PipeChannel) -> None:
        try:
            for signal in ("TERM", "KILL"):
                channel.send(signal)
                await asyncio.wait((channel.ended,), timeout=_GRACE)
                if channel.ended.done():
                    return
        finally:
            channel.abandon()

    def _give_up(self) -> None:
        if self._channel is not None:
            self._channel.send("TERM")
            self._channel.abandon()
