"""AsyncSSH's private names on the server's side: what a client could make grow without end, or break for others."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from typing import TYPE_CHECKING, Any, Final

import asyncssh
from asyncssh.constants import MSG_CHANNEL_CLOSE
from asyncssh.listener import create_unix_forward_listener
from asyncssh.packet import SSHPacket, String

from ..callbacks import report
from ..flow import flow_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection

__all__ = [
    "bound_environment",
    "drop_cleanups",
    "has_read_all",
    "hold_back",
    "listen_at_path",
    "listeners",
    "prepare_sessions",
    "take_another_start",
    "take_any_command",
    "take_any_terminal",
    "tasks_apart",
    "when_closed_unread",
    "when_output_is_not_wanted",
]

_VARIABLES: Final = 128
"""As many as OpenSSH's server takes; each may have the size of a packet."""
_REDIRECTING: Final = ("_StreamWriter.", "_StreamReader.", "_AsyncFileWriter.", "_AsyncFileReader.")
"""Tasks that carry a redirection, by the names of their coroutines."""
_SERVING: Final = ("_sftp_handler", "_scp_handler")
"""Tasks that serve files, likewise."""


def prepare_sessions(connection: asyncssh.SSHServerConnection, *prepare: Callable[[Any], None]) -> None:
    """Have this done to the channel of each session, whoever makes the session on it, before anything is asked of it.

    Args:
        connection: One without channels.
        prepare: Of the functions below that take a channel.
    """
    add = connection.add_channel

    def add_channel(chan: Any) -> int:
        if isinstance(chan, asyncssh.SSHServerChannel):
            for change in prepare:
                change(chan)
        return add(chan)

    connection.add_channel = add_channel  # type: ignore[method-assign]


def bound_environment(channel: Any) -> None:
    """Have a session refuse more variables than anybody needs, before it is asked for a command."""
    process = channel._process_env_request  # noqa: SLF001

    def process_env_request(packet: Any) -> bool:
        return len(channel._env) < _VARIABLES and process(packet)  # noqa: SLF001

    channel._process_env_request = process_env_request  # noqa: SLF001


def take_another_start(channel: Any) -> None:
    """Have a session asked again where it has refused to start something: one may succeed (RFC 4254 section 6.5)."""
    start = channel._start_session  # noqa: SLF001

    def start_session(command: str | None = None, subsystem: str | None = None) -> bool:
        if channel._session_started:  # noqa: SLF001
            return False
        channel._session_started = granted = bool(start(command, subsystem))  # noqa: SLF001
        if not granted:
            channel._command = channel._subsystem = None  # noqa: SLF001
        return granted

    channel._start_session = start_session  # noqa: SLF001


def take_any_command(channel: Any) -> None:
    """Have a session asked for commands that are no UTF-8, too: their other bytes are surrogates, as in file names."""

    def process_exec_request(packet: Any) -> bool:
        command = packet.get_string()
        packet.check_end()
        return bool(channel._start_session(command=command.decode("utf-8", "surrogateescape")))  # noqa: SLF001

    channel._process_exec_request = process_exec_request  # noqa: SLF001


def take_any_terminal(channel: Any) -> None:
    """Have a session asked for terminals whose type is no ASCII, too, over which AsyncSSH would end the connection.

    The session is told of none; ``get_terminal_type`` has surrogates for its other bytes.
    """
    process = channel._process_pty_req_request  # noqa: SLF001

    def process_pty_req_request(packet: Any) -> bool:
        kind = packet.get_string()
        known = kind if kind.isascii() else b""
        granted = bool(process(SSHPacket(String(known) + packet.get_remaining_payload())))
        if granted:
            channel._term_type = kind.decode("ascii", "surrogateescape")  # noqa: SLF001
        return granted

    channel._process_pty_req_request = process_pty_req_request  # noqa: SLF001


def when_closed_unread(channel: Any, call: Callable[[], None]) -> None:
    """Be told when a client closes a channel whose input is not read: AsyncSSH tells nobody before that is."""
    channel = getattr(channel, "_orig_chan", channel)  # past the line editor
    handlers = channel._packet_handlers  # noqa: SLF001
    process = handlers[MSG_CHANNEL_CLOSE]

    def process_close(channel: Any, *packet: Any) -> None:
        process(channel, *packet)
        if channel._recv_paused:  # noqa: SLF001
            call()

    channel._packet_handlers = {**handlers, MSG_CHANNEL_CLOSE: process_close}  # noqa: SLF001


def when_output_is_not_wanted(channel: Any, call: Callable[[], None]) -> None:
    """Be told when a client wants no more of a program's output: ``eow@openssh.com`` of OpenSSH's PROTOCOL, 2.1.

    What of it was not sent is dropped: the end of the program would wait for it, and the client takes no more.
    """

    def process_eow_request(packet: Any) -> bool:
        packet.check_end()
        call()
        kept = [part for part in channel._send_buf if part[1] is not None]  # noqa: SLF001
        channel._send_buf[:] = kept  # noqa: SLF001
        channel._send_buf_len = sum(len(part[0]) for part in kept)  # noqa: SLF001
        channel._flush_send_buf()  # noqa: SLF001
        return True

    channel._process_eow_at_openssh_dot_com_request = process_eow_request  # noqa: SLF001


def hold_back(connection: asyncssh.SSHServerConnection) -> None:
    """Send on a channel only while what its connection has to send leaves, so that who writes on it is paused.

    AsyncSSH looks at the window alone, which may be without end, and there are many channels.

    Args:
        connection: One without channels.
    """
    add = connection.add_channel

    def add_channel(chan: Any) -> int:
        _HeldBack(chan, connection)
        return add(chan)

    connection.add_channel = add_channel  # type: ignore[method-assign]


class _HeldBack:
    """The sending of one channel."""

    __slots__ = ("__weakref__", "_channel", "_flow", "_flush")

    def __init__(self, channel: Any, connection: asyncssh.SSHServerConnection) -> None:
        self._channel = channel
        self._flow = flow_of(connection)
        self._flush = channel._flush_send_buf  # noqa: SLF001
        channel._flush_send_buf = self.grant  # noqa: SLF001

    def grant(self) -> None:
        """Send what the peer takes, if it leaves."""
        channel = self._channel
        if channel._conn is None:  # noqa: SLF001 - it is over
            return
        if self._flow.full and channel._send_buf:  # noqa: SLF001
            self._flow.waiting.add(self)
            channel._pause_resume_writing()  # noqa: SLF001
        else:
            self._flush()


def listeners(connection: asyncssh.SSHServerConnection) -> Collection[Any]:
    """The places at which a connection has its own side listen."""
    return connection._local_listeners  # noqa: SLF001


async def listen_at_path(
    connection: asyncssh.SSHServerConnection, path: str, may: Callable[[], bool]
) -> asyncssh.SSHListener:
    """Listen on a Unix socket for a client: ``forward_local_path``, whose callers nobody counts.

    Args:
        connection: The client's.
        path: Of the socket.
        may: Whether one more caller is let in.

    Raises:
        OSError, ValueError: Nobody can listen there.
    """

    async def carry(make: Any) -> Any:
        if not may():
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_RESOURCE_SHORTAGE, "Too many channels")
        return await connection.create_unix_connection(make, path)

    return await create_unix_forward_listener(connection, asyncio.get_running_loop(), carry, path)


def has_read_all(process: asyncssh.SSHServerProcess[Any]) -> bool:
    """Whether a process has read all of its input, signals and sizes of its terminal that came."""
    return not process._recv_buf[None]  # noqa: SLF001


def drop_cleanups(process: asyncssh.SSHServerProcess[Any]) -> None:
    """Close what the redirections of a process have left to be awaited, where nobody has: Python would complain."""
    _close(*process._cleanup_tasks)  # noqa: SLF001


def tasks_apart(connection: asyncssh.SSHServerConnection) -> None:
    """Let what serves one channel of this connection fail alone.

    AsyncSSH ends the connection when a program stops reading what is redirected to it, or when files cannot be closed.
    """
    create = connection.create_task

    def create_task(coro: Awaitable[None], task_logger: Any = None) -> asyncio.Task[None]:
        name = getattr(coro, "__qualname__", "")
        carried = coro
        if name.startswith(_REDIRECTING):
            coro = _redirected(coro)
        elif name.startswith(_SERVING):
            coro = _served(coro)
        task = create(coro, task_logger)
        task.add_done_callback(lambda _: _close(carried))  # one that is cancelled at once awaits nothing
        return task

    connection.create_task = create_task  # type: ignore[method-assign]


def _close(*left: Awaitable[None]) -> None:
    for one in left:
        if inspect.iscoroutine(one):
            one.close()


async def _redirected(carrying: Awaitable[None]) -> None:
    # Whoever it leads to has ended, and takes no more; or AsyncSSH looks for what went with the channel.
    with contextlib.suppress(OSError, KeyError):
        await carrying


async def _served(serving: Any) -> None:
    try:
        await serving
    except Exception as error:  # noqa: BLE001 - a caller's, whatever it is
        report(serving, error)
