"""``/v1/sessions/{alias}/channel``: a remote process or a terminal over one WebSocket.

``wire/channel.py`` has its frames.

One task listens to the client for as long as it is there, so that a signal is never held up; another opens the
process, passes its output on, and says how it ended. Whichever ends first ends the other.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
from collections import deque
from typing import TYPE_CHECKING, Any, Final, Literal

from litestar import Request, WebSocket, get, websocket

from ..model.access import Actor  # noqa: TC001 - Litestar reads annotations
from ..model.errors import InvalidInput, MooringError, SessionLost, UnknownAlias, WaitTimeout
from ..model.terminal import Notice
from ..service.tcp import TcpChannel
from ..transport.mapping import mapped
from ..wire.channel import (
    WINDOW_SIZE,
    Frame,
    Kind,
    Opening,
    ServerSide,
    read_opening,
    read_signal,
    read_size,
)
from .answers import Answer  # noqa: TC001 - Litestar reads annotations
from .openapi import described
from .problems import deny, plain_refusal, problem, refusal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine
    from contextlib import AbstractContextManager

    from litestar.types import Message

    from ..service.fleet import Fleet
    from ..service.opening import Channel
    from ..service.viewer import Viewer
    from ..transport.link import Connection

__all__ = ["HANDLERS", "OPEN_TIMEOUT", "ended_with_us"]

OPEN_TIMEOUT: Final = 10.0
"""Seconds in which the client must say what it wants opened."""

_CHUNK: Final = 64 * 1024
_log = logging.getLogger(__name__)


@websocket("/v1/sessions/{alias:str}/channel")
async def hold_channel(socket: WebSocket[Actor, Any, Any]) -> None:
    """Hold one remote process."""
    alias: str = socket.path_params["alias"]
    fleet: Fleet = socket.app.state.fleet
    try:
        fleet.check_open(socket.user, alias)
    except MooringError as error:
        await deny(socket.scope, socket.send, refusal(error))
        return
    await socket.accept()
    with contextlib.suppress(OSError):  # the client has gone: uvicorn's ClientDisconnected is one
        await _Conversation(socket, fleet, alias).hold()


@get(
    "/v1/sessions/{alias:str}/channel",
    status_code=426,
    opt=described(answer=None, status=101, problems=(UnknownAlias,), plain=(426,)),
)
async def explain_channel(request: Request[Actor, Any, Any]) -> Answer:
    """Open a command, handler, shell, subsystem, TCP connection or terminal on one session, over a WebSocket.

    Each binary message (RFC 6455) is a byte that says its kind, then its payload. The client sends 00 OPEN, JSON with
    `kind` (`exec`, `pipe`, `shell`, `subsystem`, `direct-tcpip`, `terminal`), `command`, `subsystem`, `host`, `port`,
    `env`, `term` (`type`, `columns`, `rows`), `name` and `view`; then 01 STDIN, 02 STDIN_EOF, 03 RESIZE (JSON:
    `columns`, `rows`), 04 SIGNAL (`INT`, ...). The server sends 10 OPENED, 11 STDOUT, 12 STDERR, 15 WINDOW (uint32: so
    many more bytes of STDIN may come), and at last 13 EXIT (JSON: `exit_status`, `exit_signal`) or 14 ERROR (problem
    details). A message has at most 1 MiB.
    A client that goes away ends what it opened, but for a `terminal`: that goes on, and is listed under
    `/v1/terminals`. With `view` (`attach`, `watch`) one that there is begins with what it remembers; 16 NOTICE tells
    who types (`drives`, `driver`) and how many bytes went by unread (`missed`), and 05 TAKE takes over.
    """
    alias: str = request.path_params["alias"]
    fleet: Fleet = request.app.state.fleet
    fleet.check_open(request.user, alias)
    return plain_refusal(426, {"upgrade": "websocket", "connection": "upgrade"})


class _Into:
    """The input of a channel.

    Args:
        channel: Whose.
    """

    def __init__(self, channel: Channel) -> None:
        self._stdin = channel.stdin

    async def write(self, data: bytes) -> None:
        """Pass on, and wait until it is taken."""
        self._stdin.write(data)
        await self._stdin.drain()

    def write_eof(self) -> None:
        """Nothing more comes."""
        self._stdin.write_eof()


class _Conversation:
    """One channel, from the accepted WebSocket to its end.

    Args:
        socket: The WebSocket.
        fleet: Has the session.
        alias: Which one.
    """

    def __init__(self, socket: WebSocket[Actor, Any, Any], fleet: Fleet, alias: str) -> None:
        self._socket = socket
        self._fleet = fleet
        self._alias = alias
        self._side = ServerSide()
        self._channel: Channel | None = None
        self._viewer: Viewer | None = None
        self._connection: Connection | None = None
        self._input: deque[bytes] = deque()
        self._input_ended = False
        self._more_input = asyncio.Event()

    async def hold(self) -> None:
        """Open what the client wants, and hold it until either side ends it."""
        fault: MooringError | None = None
        try:
            opening = await self._opening()
            if opening is None:
                return
            async with ended_with_us(self._serve(opening)):
                await self._listen()
        except MooringError as error:
            fault = error
        if fault is not None and not self._side.ended:
            await self._end(self._side.error(problem(fault)))

    async def _opening(self) -> Opening | None:
        """What to open; None where the client leaves."""
        try:
            async with asyncio.timeout(OPEN_TIMEOUT):
                frame = await self._frame()
        except TimeoutError:
            raise WaitTimeout(f"no OPEN came within {OPEN_TIMEOUT:g} s") from None
        return read_opening(frame.payload) if frame else None

    async def _frame(self) -> Frame | None:
        """The client's next frame; None where it leaves, or we have closed."""
        message: Any = await self._socket.receive()
        if message["type"] != "websocket.receive":
            return None
        data = message.get("bytes")
        if data is None:
            raise InvalidInput("a message must be binary")
        return self._side.receive(data)

    async def _listen(self) -> None:
        """Take what the client sends, at once, until it leaves or we close."""
        while (frame := await self._frame()) is not None:
            match frame.kind:
                case Kind.STDIN:
                    self._input.append(frame.payload)
                    self._more_input.set()
                case Kind.STDIN_EOF:
                    self._input_ended = True
                    self._more_input.set()
                case Kind.RESIZE:
                    self._resize(*read_size(frame.payload))
                case Kind.TAKE if self._viewer is not None:
                    await self._viewer.take()
                case Kind.SIGNAL:
                    self._tell("send_signal", read_signal(frame.payload))

    def _resize(self, columns: int, rows: int) -> None:
        if self._viewer is not None:
            self._viewer.resize(columns, rows)
        else:
            self._tell("change_terminal_size", columns, rows)

    def _tell(
        self, what: Literal["send_signal", "change_terminal_size", "terminate", "close"], *arguments: Any
    ) -> None:
        """Tell the far side something, if it has not ended meanwhile."""
        if self._channel is not None:
            with contextlib.suppress(MooringError), self._mapped():
                getattr(self._channel, what)(*arguments)

    async def _serve(self, opening: Opening) -> None:
        """Open it, pass on what it says, and tell of its end."""
        try:
            last = await (self._view(opening) if opening.kind == "terminal" else self._converse(opening))
        except MooringError as error:
            last = self._side.error(problem(error))
        except OSError:
            raise  # the client has gone
        except Exception:  # noqa: BLE001 - the client must not wait for ever for an end
            _log.exception("a bug: a channel of %s failed", self._alias)
            last = self._side.error(problem(MooringError("a bug in the daemon; its log says more")))
        await self._end(last)

    async def _converse(self, opening: Opening) -> bytes:
        """The far side from its begin to its end; the last message."""
        self._channel = channel = await self._fleet.open(self._socket.user, self._alias, opening)
        self._connection = channel.stdin.get_extra_info("connection")
        feeder = asyncio.create_task(self._feed(_Into(channel)))
        try:
            await self._send(self._side.opened(self._alias))
            await self._send(self._side.grant(WINDOW_SIZE))
            errors = asyncio.create_task(self._pump(channel.stderr, self._side.stderr))
            try:
                await self._pump(channel.stdout, self._side.stdout)
                await errors
            finally:
                await _end(errors)
            with self._mapped():
                await channel.wait_closed()
        finally:
            await _end(feeder)
            self._tell("terminate")
            self._tell("close")
        if not isinstance(channel, TcpChannel) and channel.status is None and not channel.complete:
            raise SessionLost(f"{self._alias} was lost while the channel was open", hint="what ran may run on")
        signal = None if isinstance(channel, TcpChannel) else channel.signal
        return self._side.exit(channel.exit_status, signal)

    async def _pump(self, reader: Any, frame: Callable[[bytes], bytes]) -> None:  # noqa: ANN401 - AsyncSSH's SSHReader
        """Pass output on, as fast as the client takes it."""
        while True:
            with self._mapped():
                data: bytes = await reader.read(_CHUNK)
            if not data:
                return
            await self._send(frame(data))

    async def _view(self, opening: Opening) -> bytes:
        """A terminal from the viewer's coming to its end; the last message. Who leaves leaves it running."""
        self._viewer = viewer = await self._fleet.terminals.view(self._socket.user, self._alias, opening)
        feeder = asyncio.create_task(self._feed(viewer))
        try:
            await self._send(self._side.opened(self._alias, viewer.name))
            await self._send(self._side.grant(WINDOW_SIZE))
            while shown := await viewer.read():
                if isinstance(shown, Notice):
                    await self._send(self._side.notice(dataclasses.asdict(shown)))
                else:
                    await self._send(self._side.stdout(shown))
        finally:
            await _end(feeder)
            viewer.leave()
        return self._side.exit(*viewer.end())

    async def _feed(self, into: _Into | Viewer) -> None:
        """Pass input on, as fast as the far side takes it, and let more come then."""
        with contextlib.suppress(MooringError):  # who reads no input has not failed
            while True:
                while self._input:
                    data = self._input.popleft()
                    with self._mapped():
                        await into.write(data)
                    await self._send(self._side.grant(len(data)))
                if self._input_ended:
                    with self._mapped():
                        into.write_eof()
                    return
                self._more_input.clear()
                await self._more_input.wait()

    def _mapped(self) -> AbstractContextManager[None]:
        """Around what AsyncSSH does: its errors leave as ours."""
        return mapped(self._alias, self._connection)

    async def _send(self, message: bytes) -> None:
        sent: Message = {"type": "websocket.send", "bytes": message, "text": None}
        await self._socket.send(sent)

    async def _end(self, message: bytes) -> None:
        await self._send(message)
        await self._socket.close()


@contextlib.asynccontextmanager
async def ended_with_us(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """A task that does not outlive the block."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        await _end(task)
    if not task.cancelled() and (error := task.exception()) is not None:
        raise error


async def _end(task: asyncio.Task[None]) -> None:
    """End a task of ours, and wait until it has."""
    task.cancel()
    await asyncio.wait((task,))


HANDLERS: Final = [hold_channel, explain_channel]
