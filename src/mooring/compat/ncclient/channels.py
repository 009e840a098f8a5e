"""What answers as paramiko's Transport and Channel do, over a connection of ours: for SCP, shells and SFTP."""

from __future__ import annotations

import contextlib
import importlib
import itertools
import selectors
import socket
from typing import TYPE_CHECKING, Any, Self

from ...model.errors import MooringError
from ...session.attachment import OPEN_TIMEOUT
from ...session.slots import Kind
from ...transport.bridge import Bridge, open_bridge
from .files import ChannelFile
from .origin import SSHError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from ...session.attachment import Attachment
    from .caller import Caller
    from .dialed import Connection

__all__ = ["Channel", "Transport"]


class Transport:
    """A connection, as users of paramiko ask for it.

    Args:
        caller: The way to its loop.
        attachment: Gives what it stands on, or raises that it does not.
        own: The connection, where it is the session's own; a held one is left as it is.
    """

    def __init__(self, caller: Caller, attachment: Callable[[], Attachment], own: Connection | None) -> None:
        self._caller = caller
        self._attachment = attachment
        self._own = own
        self._ids = itertools.count()

    def next_id(self) -> int:
        """A number for a channel."""
        return next(self._ids)

    @property
    def active(self) -> bool:
        """Whether the connection stands."""
        try:
            return not self._attachment().link.closed
        except MooringError:
            return False

    def is_active(self) -> bool:
        """Whether the connection stands."""
        return self.active

    is_alive = is_authenticated = is_active

    def set_keepalive(self, interval: float) -> None:
        """Have keepalives sent.

        Args:
            interval: Seconds between two; 0 for none. A held session has its own, and keeps them.
        """
        if self._own is not None:
            link = self._attachment().link
            self._caller.post(lambda: link.connection.set_keepalive(interval))

    def getpeername(self) -> Any:  # noqa: ANN401 - as a socket's
        """The address of the peer."""
        return self._attachment().link.connection.get_extra_info("peername") or ("", 0)

    def get_username(self) -> str:
        """Who is logged in."""
        return self._attachment().link.route.username

    @property
    def remote_version(self) -> str:
        """The server's version line."""
        return self._attachment().link.server

    def open_session(self, *_: object, timeout: float | None = None, **__: object) -> Channel:
        """A channel; it is opened when something is started on it. Sizes of windows and packets are not needed.

        Args:
            timeout: Seconds to wait for that.
        """
        return Channel(self, self._caller, self._attachment, OPEN_TIMEOUT if timeout is None else timeout)

    def open_channel(self, kind: str = "session", *_: object, timeout: float | None = None, **__: object) -> Channel:
        """A channel.

        Raises:
            SSHError: It is of another kind than ``session``.
        """
        if kind != "session":
            raise SSHError(f"no channel of kind {kind} is opened here")
        return self.open_session(timeout=timeout)

    def open_sftp_client(self) -> Any:  # noqa: ANN401 - paramiko's
        """paramiko's SFTPClient."""
        return importlib.import_module("paramiko").SFTPClient.from_transport(self)

    def close(self) -> None:
        """Close the connection, if it is the session's own."""
        if self._own is not None:
            self._own.end()


class Channel:
    """One channel: a command, shell or subsystem, with a descriptor to select.

    Args:
        transport: Whose.
        caller: The way to its loop.
        attachment: Gives what it stands on.
        timeout: Seconds to wait for its opening.
    """

    def __init__(
        self, transport: Transport, caller: Caller, attachment: Callable[[], Attachment], timeout: float
    ) -> None:
        self._transport = transport
        self._caller = caller
        self._attachment = attachment
        self._opening = timeout
        self._bridge: Bridge | None = None
        self._output: socket.socket | None = None
        self._errors: socket.socket | None = None
        self._timeout: float | None = None
        self._options: dict[str, Any] = {}
        self._env: dict[str, str] = {}
        self._id = transport.next_id()
        self._name = str(self._id)
        self._combined = False
        self.closed = False
        self.eof_received = False

    # Before it is started.

    def get_pty(
        self, term: str = "vt100", width: int = 80, height: int = 24, width_pixels: int = 0, height_pixels: int = 0
    ) -> None:
        """Have a terminal."""
        self._options |= {
            "request_pty": "force",
            "term_type": term,
            "term_size": (width, height, width_pixels, height_pixels),
        }

    def set_environment_variable(self, name: str | bytes, value: str | bytes) -> None:
        """Have a variable set; servers drop those that they were not told to accept."""
        self._env[_text(name)] = _text(value)

    def update_environment(self, environment: Mapping[str, str]) -> None:
        """Have variables set."""
        for name, value in environment.items():
            self.set_environment_variable(name, value)

    def exec_command(self, command: str | bytes) -> None:
        """Run a command.

        Raises:
            SSHError: It was not started.
        """
        self._start(_text(command), {"command": _text(command)})

    def invoke_shell(self) -> None:
        """Start a shell."""
        self._start("shell", {})

    def invoke_subsystem(self, subsystem: str) -> None:
        """Start a subsystem."""
        self._start(subsystem, {"subsystem": subsystem})

    def _start(self, what: str, options: dict[str, Any]) -> None:
        if self._bridge is not None:
            raise SSHError("the channel is in use")
        options = {"request_pty": False, **self._options, **options} | ({"env": self._env} if self._env else {})

        async def start() -> Bridge:
            attachment = self._attachment()
            return await attachment.open(
                Kind.HELD,
                what,
                attachment.now() + self._opening,
                Bridge,
                lambda bridge: open_bridge(attachment.link.connection, bridge, options),
            )

        start.__qualname__ = "Channel.start"
        try:
            self._bridge = self._caller.call(start)
        except MooringError as error:
            raise SSHError(str(error)) from error
        self._output, self._errors = self._bridge.take()
        self._output.settimeout(self._timeout)
        self._errors.settimeout(self._timeout)

    # While it runs.

    def settimeout(self, timeout: float | None) -> None:
        """Let reads and writes wait so many seconds; None for ever."""
        self._timeout = timeout
        for sock in (self._output, self._errors):
            if sock is not None:
                sock.settimeout(timeout)

    def gettimeout(self) -> float | None:
        """How long reads and writes wait."""
        return self._timeout

    def setblocking(self, blocking: bool) -> None:  # noqa: FBT001 - socket's own
        """Let them wait for ever, or not at all."""
        self.settimeout(None if blocking else 0.0)

    def fileno(self) -> int:
        """A descriptor that is readable when ``recv`` would not wait."""
        return self._socket().fileno()

    def recv(self, nbytes: int) -> bytes:
        """What came on standard output; empty at its end.

        Raises:
            TimeoutError: Nothing came in time.
        """
        return self._received(self._socket(), nbytes)

    def recv_stderr(self, nbytes: int) -> bytes:
        """What came on standard error; empty at its end."""
        return self._received(self._socket(errors=True), nbytes)

    def _received(self, sock: socket.socket, nbytes: int) -> bytes:
        try:
            data = sock.recv(nbytes)
        except ConnectionError:
            data = b""
        except OSError:
            if not self.closed:
                raise
            data = b""
        if not data and sock is self._output:
            self.eof_received = True
        return data

    def recv_ready(self) -> bool:
        """Whether something came."""
        return _ready(self._output, selectors.EVENT_READ)

    def recv_stderr_ready(self) -> bool:
        """Whether something came on standard error."""
        return _ready(self._errors, selectors.EVENT_READ)

    def send_ready(self) -> bool:
        """Whether ``send`` would not wait."""
        return _ready(self._output, selectors.EVENT_WRITE)

    def send(self, data: str | bytes) -> int:
        """Write to its standard input, and say how much was taken; 0 where it is closed."""
        try:
            return self._socket().send(_bytes(data))
        except (BrokenPipeError, ConnectionError):
            return 0

    def sendall(self, data: str | bytes) -> None:
        """Write all of it.

        Raises:
            OSError: It is closed.
        """
        self._socket().sendall(_bytes(data))

    def shutdown_write(self) -> None:
        """End its standard input."""
        with contextlib.suppress(OSError):
            self._socket().shutdown(socket.SHUT_WR)

    def shutdown(self, how: int) -> None:
        """End one way, or both."""
        with contextlib.suppress(OSError):
            self._socket().shutdown(how)

    def resize_pty(self, width: int = 80, height: int = 24, width_pixels: int = 0, height_pixels: int = 0) -> None:
        """Tell the terminal's new size."""
        channel = self._bridge.channel_opened if self._bridge is not None else None
        if channel is not None:
            self._caller.post(lambda: channel.change_terminal_size(width, height, width_pixels, height_pixels))

    def makefile(self, mode: str = "r", bufsize: int = -1) -> ChannelFile:
        """Its standard input and output as a file."""
        return ChannelFile(self, self._socket(), mode, bufsize)

    def makefile_stdin(self, mode: str = "w", bufsize: int = -1) -> ChannelFile:
        """Its standard input as a file; closing that ends it."""
        return ChannelFile(self, self._socket(), mode, bufsize, ends=True)

    def makefile_stderr(self, mode: str = "r", bufsize: int = -1) -> ChannelFile:
        """Its standard error as a file."""
        return ChannelFile(self, self._socket(errors=True), mode, bufsize)

    def exit_status_ready(self) -> bool:
        """Whether it has ended."""
        return self._bridge is not None and self._bridge.exited.done()

    def recv_exit_status(self) -> int:
        """Wait for its end, and return its status; -1 where the server told none."""
        bridge = self._bridge
        if bridge is None:
            return -1

        async def wait() -> None:
            await bridge.exited

        wait.__qualname__ = "Channel.recv_exit_status"
        self._caller.call(wait)
        return -1 if bridge.status is None else bridge.status

    def close(self) -> None:
        """Close it. Safe to call twice."""
        self.closed = True
        bridge = self._bridge
        if bridge is not None:
            self._caller.post(bridge.abandon)
        for sock in (self._output, self._errors):
            if sock is not None:
                sock.close()

    # About it.

    def get_id(self) -> int:
        """Its number."""
        return self._id

    def get_transport(self) -> Transport:
        """Whose it is."""
        return self._transport

    def set_name(self, name: str) -> None:
        """Name it."""
        self._name = name

    def get_name(self) -> str:
        """Its name."""
        return self._name

    def getpeername(self) -> Any:  # noqa: ANN401 - as a socket's
        """The address of the peer."""
        return self._transport.getpeername()

    def _socket(self, *, errors: bool = False) -> socket.socket:
        sock = self._errors if errors else self._output
        if sock is None:
            raise SSHError("nothing was started on the channel")
        return sock

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    def __repr__(self) -> str:
        """Which."""
        return f"<{type(self).__name__} {self._id}{', closed' if self.closed else ''}>"


def _ready(sock: socket.socket | None, event: int) -> bool:
    if sock is None or sock.fileno() < 0:
        return False
    with selectors.DefaultSelector() as selector:  # select itself knows no descriptor above 1023
        selector.register(sock, event)
        return bool(selector.select(0))


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _bytes(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else value
