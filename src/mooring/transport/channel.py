"""Commands and processes on a link: one ``session`` channel each (RFC 4254 section 6)."""

from __future__ import annotations

import asyncio
import codecs
import inspect
import io
from typing import TYPE_CHECKING, Any, Final

import asyncssh

from .private import ChannelAhead, peer_closed, we_closed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = [
    "NO_DESCRIPTORS",
    "PROCESS_KEYWORDS",
    "REDIRECTIONS",
    "ChannelAhead",
    "ExecChannel",
    "HeldProcess",
    "RedirectedExec",
    "SlotHolder",
    "ahead_of",
    "open_exec",
    "open_process",
    "open_redirected",
    "refused",
]

REDIRECTIONS: Final = frozenset({"stdin", "stdout", "stderr", "bufsize", "send_eof", "recv_eof"})
"""The keywords of ``create_process`` that only AsyncSSH's process object knows."""

PROCESS_KEYWORDS: Final = (
    frozenset(inspect.signature(asyncssh.SSHClientConnection.create_session).parameters) | REDIRECTIONS | {"input"}
) - {"self", "session_factory"}
"""The keywords of ``create_process``."""

NO_DESCRIPTORS: Final[Mapping[str, tuple[int, ...]]] = {
    "stdin": (asyncssh.PIPE, asyncssh.DEVNULL),
    "stdout": (asyncssh.PIPE, asyncssh.DEVNULL),
    "stderr": (asyncssh.PIPE, asyncssh.DEVNULL, asyncssh.STDOUT),
}
"""Numbers that stand for something else than a descriptor, for each stream."""

_ASKED_FOR_LATER: Final = frozenset(
    {asyncssh.OPEN_CONNECT_FAILED, asyncssh.OPEN_RESOURCE_SHORTAGE, asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED}
)


def refused(error: BaseException) -> bool:
    """Whether an error means that the peer refused the channel itself, so that nothing ran.

    OpenSSH answers ``connect failed`` beyond MaxSessions, others a shortage or a prohibition; a refused
    command or subsystem on an open channel has codes of AsyncSSH's own and is another matter.
    """
    return isinstance(error, asyncssh.ChannelOpenError) and error.code in _ASKED_FOR_LATER


class SlotHolder(asyncssh.SSHClientSession[Any]):
    """A channel's session that tells when its slot is free again, and can be given up at any moment.

    Args:
        on_close: Called once, when the peer has confirmed the close or the connection is gone.
    """

    def __init__(self, on_close: Callable[[], None]) -> None:
        super().__init__()
        self._on_close = on_close
        self._abandoned = False
        self.channel_opened: asyncssh.SSHClientChannel[Any] | None = None
        """The channel once the peer has opened it; the command is asked for after that."""
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done when the channel is closed, whether by the peer or with the connection."""
        self.complete = False
        """Whether the peer said that all output was sent, or closed the channel, which says the same."""
        self.status: int | None = None
        """The exit status; -1 where a signal ended the command; None until it is known."""
        self.signal: str | None = None
        """The signal that ended the command."""

    def connection_made(self, chan: asyncssh.SSHClientChannel[Any]) -> None:
        """The channel is open; the command has not been asked for yet, and is not if we were given up."""
        super().connection_made(chan)
        self.channel_opened = chan
        if self._abandoned:
            chan.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """The channel is closed on both sides, or the connection is gone."""
        if self.channel_opened is not None and peer_closed(self.channel_opened):
            self.complete = True
        super().connection_lost(exc)
        if not self.ended.done():
            self.ended.set_result(None)
        self._on_close()

    def exit_status_received(self, status: int) -> None:
        """The command ended by itself."""
        self.status = status

    def exit_signal_received(self, signal: str, core_dumped: bool, msg: str, lang: str) -> None:  # noqa: ARG002, FBT001 - AsyncSSH's
        """A signal ended the command."""
        self.status = -1
        self.signal = signal

    def when_exited(self, told: Callable[[], None]) -> None:
        """Have ``told`` called when the channel has closed, if the peer has said how the command ended."""
        self.ended.add_done_callback(lambda _: told() if self.status is not None else None)

    @property
    def abandoned(self) -> bool:
        """Whether our side is closed, and the peer's is not: OpenSSH's closes it when the program has ended."""
        return self.channel_opened is not None and not self.ended.done() and we_closed(self.channel_opened)

    def send(self, signal: str) -> None:
        """Ask the peer to send the command a signal, as far as there is a channel to ask on."""
        if self.channel_opened is not None:
            self.channel_opened.send_signal(signal)

    def abandon(self) -> None:
        """Close our side, now or as soon as there is one. The slot stays taken until the peer closes its own."""
        self._abandoned = True
        if self.channel_opened is not None:
            self.channel_opened.close()


class ExecChannel(SlotHolder):
    """One command's channel, collecting bytes.

    AsyncSSH's own process object does far more than ``run`` needs and costs 15 % of the CPU of a command.

    Args:
        on_close: As SlotHolder has it.
        input: Its standard input, whole.
        max_output: Bytes to keep of each stream; None keeps all.
    """

    def __init__(
        self,
        on_close: Callable[[], None],
        input: bytes | None = None,  # noqa: A002 - as subprocess has it
        max_output: int | None = None,
    ) -> None:
        super().__init__(on_close)
        self._input = input
        self._kept: dict[int | None, list[bytes]] = {None: [], asyncssh.EXTENDED_DATA_STDERR: []}
        self._room: dict[int | None, int] | None = None if max_output is None else dict.fromkeys(self._kept, max_output)
        self.dropped = 0

    async def finished(self) -> None:
        """Wait for the end of the channel. Cancelling is safe."""
        await asyncio.shield(self.ended)

    def output(self) -> tuple[bytes, bytes]:
        """What was kept of standard output and standard error."""
        return b"".join(self._kept[None]), b"".join(self._kept[asyncssh.EXTENDED_DATA_STDERR])

    def data_received(self, data: bytes, datatype: int | None) -> None:
        """Keep output, as far as it is wanted."""
        if self._room is not None:
            room = self._room[datatype]
            if len(data) > room:
                self.dropped += len(data) - room
                data = data[:room]
            self._room[datatype] = room - len(data)
        self._kept[datatype].append(data)

    def session_started(self) -> None:
        """The command was started: give it its input and end that; without an end ``cat`` would wait for ever."""
        channel = self.channel_opened
        if channel is not None and not channel.is_closing():
            if self._input:
                channel.write(self._input)
            channel.write_eof()

    def eof_received(self) -> bool:
        """All output was sent. Our side was ended at the start."""
        self.complete = True
        return True


async def open_exec(
    connection: asyncssh.SSHClientConnection, session: ExecChannel, command: str, options: Mapping[str, Any]
) -> None:
    """Open a channel and start a command on it.

    Do not cancel it: an open that nobody waits for any more would be confirmed and stay open for ever. Shield
    it, and ``abandon`` the session.

    Raises:
        asyncssh.ChannelOpenError: The peer refused the channel (see ``refused``) or the command.
    """
    await connection.create_session(lambda: session, command, encoding=None, **options)


def ahead_of(connection: asyncssh.SSHClientConnection, on_lost: Callable[[], None]) -> ChannelAhead | None:
    """Ask for a channel before there is a command for it; None where the connection is gone.

    Args:
        connection: One whose link ``bears_ahead``.
        on_lost: Called when the peer refuses or closes it, or the connection goes, before it was started.
    """
    try:
        return ChannelAhead(connection, on_lost)
    except asyncssh.ChannelOpenError:
        return None


class HeldProcess(SlotHolder, asyncssh.SSHClientProcess[Any]):  # type: ignore[misc] # the two name one channel type
    """AsyncSSH's process object, its slot known.

    What another process prints may be led into it, whichever of the two has text and which bytes. AsyncSSH would put
    the one for the other, and so end the connection.
    """

    terminated = False
    """Whether we had it end, before it had ended by itself."""
    _source: tuple[str | None, str] = "utf-8", "surrogateescape"
    _decoder: codecs.IncrementalDecoder | None = None

    def terminate(self) -> None:
        """Have it end: send it TERM."""
        self.terminated = self.terminated or not self.ended.done()
        super().terminate()

    async def redirect(self, stdin: Any = None, *args: Any, **keywords: Any) -> None:
        """Lead its streams elsewhere; text from another process becomes the bytes again that it was."""
        if isinstance(stdin, asyncssh.SSHReader):
            self._source = stdin.channel.get_encoding()
        await super().redirect(stdin, *args, **keywords)

    def feed_data(self, data: Any, datatype: asyncssh.DataType) -> None:
        r"""Take what another process printed. Where it takes text, bytes that are none become ``\xff``."""
        encoding, _ = self.channel.get_encoding()
        if isinstance(data, str) and not encoding:
            data = data.encode(self._source[0] or "utf-8", self._source[1])
        elif isinstance(data, bytes) and encoding:
            if self._decoder is None:
                self._decoder = codecs.getincrementaldecoder(encoding)("backslashreplace")
            data = self._decoder.decode(data)
        super().feed_data(data, datatype)

    def feed_eof(self, datatype: asyncssh.DataType) -> None:
        """Take its end."""
        if self._decoder is not None and (rest := self._decoder.decode(b"", final=True)):
            super().feed_data(rest, datatype)
        super().feed_eof(datatype)


class RedirectedExec(HeldProcess):
    """One command's channel whose streams go to files, pipes, sockets or other processes, collecting the rest."""

    dropped = 0

    def __init__(self, on_close: Callable[[], None]) -> None:
        super().__init__(on_close)
        self._collected = b"", b""

    async def finished(self) -> None:
        """Wait for the end of the channel, and until all was written where it goes. Cancelling is safe.

        Raises:
            OSError: What it goes to fails.
        """
        self._collect(await self.communicate())

    def output(self) -> tuple[bytes, bytes]:
        """What came on standard output and standard error and was not redirected."""
        if self.channel_opened is not None:
            self._collect(self.collect_output())
        return self._collected

    def _collect(self, more: tuple[bytes, bytes]) -> None:
        self._collected = self._collected[0] + more[0], self._collected[1] + more[1]


async def open_process(
    connection: asyncssh.SSHClientConnection,
    process: HeldProcess,
    args: tuple[Any, ...],
    *,
    input: str | bytes | None = None,  # noqa: A002 - AsyncSSH's name
    stdin: Any = asyncssh.PIPE,
    stdout: Any = asyncssh.PIPE,
    stderr: Any = asyncssh.PIPE,
    bufsize: int = io.DEFAULT_BUFFER_SIZE,
    send_eof: bool = True,
    recv_eof: bool = True,
    **keywords: Any,
) -> None:
    """What ``SSHClientConnection.create_process`` does, for a process object of ours, with its keywords.

    Do not cancel it (see ``open_exec``).
    """
    channel, _ = await connection.create_session(lambda: process, *args, **keywords)
    if input:
        channel.write(input)
        channel.write_eof()
    await process.redirect(None if input else stdin, stdout, stderr, bufsize, send_eof, recv_eof)


async def open_redirected(
    connection: asyncssh.SSHClientConnection,
    process: RedirectedExec,
    command: str,
    input: bytes | None,  # noqa: A002 - as subprocess has it
    options: Mapping[str, Any],
) -> None:
    """Open a channel, start a command on it and redirect its streams; its input ends where none is given.

    Do not cancel it (see ``open_exec``).
    """
    source = {"input": input} if input else {"stdin": asyncssh.DEVNULL}
    await open_process(connection, process, (command,), encoding=None, **{**source, **options})
