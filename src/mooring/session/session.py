"""The session: one supervised SSH connection to one peer, known by its alias."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar, overload

from ..model.errors import CommandFailed
from ..transport.callbacks import CallersSession, open_callers
from ..transport.channel import REDIRECTIONS, HeldProcess, SlotHolder, open_process
from .arguments import (
    check_command,
    check_env,
    check_keywords,
    check_process,
    check_redirection,
    check_seconds,
    encoded,
)
from .attachment import OPEN_TIMEOUT
from .execute import Command
from .programs import WithPrograms
from .slots import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from ..model.result import CommandResult
    from ..transport.link import Connection, Link
    from .attachment import Attachment

__all__ = ["PING_TIMEOUT", "Session"]

PING_TIMEOUT: Final = 10.0
"""Seconds to wait for the answer to a ping: longer than any path takes, shorter than a person waits."""

Holder = TypeVar("Holder", bound=SlotHolder)


class Session(WithPrograms):
    """One supervised SSH connection.

    A pool makes it (``Pool.start``, ``mooring.connect``); its keeper attaches and detaches connections, and
    everybody else uses it. What needs the connection fails at once with ``SessionNotUp`` while there is none:
    wait with ``wait_up`` where that is wanted. ``repr`` is a status line.
    """

    @property
    def connection(self) -> Connection:
        """The live AsyncSSH connection. What it raises is AsyncSSH's; its channels are not counted.

        Raises:
            SessionNotUp, SessionParked, SessionClosed: There is none now.
        """
        return self._up().link.connection

    @property
    def link(self) -> Link:
        """The link it stands on, for sessions that go through it.

        Raises:
            SessionNotUp, SessionParked, SessionClosed: There is none now.
        """
        return self._up().link

    @property
    def attachment(self) -> Attachment:
        """That link with its channels, for what opens channels of a kind of its own.

        Raises:
            SessionNotUp, SessionParked, SessionClosed: There is none now.
        """
        return self._up()

    @property
    def commands(self) -> int:
        """Commands run on it since it was started."""
        return self._commands

    async def ping(self, timeout: float = PING_TIMEOUT) -> float:
        """Seconds of one round trip to the peer's SSH server; the status shows it and its age.

        Cancelling is safe.

        Args:
            timeout: Seconds to wait for the answer.

        Raises:
            SessionLost: There was no answer in time, or the connection went meanwhile.
            SessionNotUp, SessionParked, SessionClosed: It is not up.
        """
        link = self._up().link
        seconds = await link.ping(timeout)
        link.trips.took(seconds)
        return seconds

    @overload
    async def run(
        self,
        command: str,
        *,
        input: str | bytes | None = ...,
        env: Mapping[str, str] | None = ...,
        timeout: float | None = ...,
        check: bool = ...,
        encoding: str = ...,
        errors: str = ...,
        max_output: int | None = ...,
        kill: Literal["wrap"] | None = ...,
        **keywords: Any,
    ) -> CommandResult[str]: ...

    @overload
    async def run(
        self,
        command: str,
        *,
        input: str | bytes | None = ...,
        env: Mapping[str, str] | None = ...,
        timeout: float | None = ...,
        check: bool = ...,
        encoding: None,
        errors: str = ...,
        max_output: int | None = ...,
        kill: Literal["wrap"] | None = ...,
        **keywords: Any,
    ) -> CommandResult[bytes]: ...

    async def run(
        self,
        command: str,
        *,
        input: str | bytes | None = None,  # noqa: A002 - as subprocess has it
        env: Mapping[str, str] | None = None,
        timeout: float | None = None,
        check: bool = False,
        encoding: str | None = "utf-8",
        errors: str = "backslashreplace",
        max_output: int | None = None,
        kill: Literal["wrap"] | None = None,
        **keywords: Any,
    ) -> CommandResult[Any]:
        r"""Run a command and return what came of it.

        Cancelling sends the command TERM, closes its channel and passes through; the slot stays taken until
        the server confirms the close.

        Args:
            command: The command line, for the peer's shell.
            input: Its standard input, ended after it; None gives it an empty one.
            env: Environment variables, beside those that ssh_config or ``connect`` set; servers drop those that
                they were not told to accept.
            timeout: Seconds for everything, waiting for a channel slot included. Then TERM, half a second
                later KILL, and half a second later the channel is closed. None leaves it to the command:
                a lost connection still ends the call.
            check: Raise CommandFailed unless it ends with status 0.
            encoding: How output becomes text; None gives bytes.
            errors: What becomes of bytes that are no text; the default shows each as ``\xff``.
            max_output: Bytes to keep of each stream; the rest is read and counted in ``dropped``. None keeps
                all.
            kill: ``"wrap"`` runs the command inside a small POSIX shell wrapper, so that a timeout can kill
                its process group even where the server ignores signals. Each of the two steps of a timeout
                then runs a ``kill`` on a channel of its own first, so that a server that does not answer makes
                the call up to three seconds longer.
            keywords: Further keywords of AsyncSSH's ``create_process``: a terminal (``term_type``,
                ``term_size``), redirection (``stdin``, ``stdout``, ``stderr``: files, pipes, sockets, other
                sessions' processes) and so on.

        Raises:
            SessionNotUp, SessionParked, SessionClosed: It is not up; nothing was sent.
            ChannelLimit: No channel slot became free in time; nothing was sent.
            ChannelRefused: The server will not open the channel or start the command.
            SessionLost: The connection was lost; the command may have run. It carries what had arrived.
            CommandTimeout: It took too long. It carries what had arrived and whether it may still run.
            CommandFailed: ``check`` was asked, and it did not end with status 0.
            InvalidInput: An argument cannot be meant.
        """
        attachment = self._up()
        check_command(command, quoted=kill == "wrap")
        check_seconds(timeout)
        check_redirection(input, max_output, kill, keywords)
        if keywords:
            check_keywords(keywords, less=("command", "subsystem"))
        options = _with_env(attachment.link, env, keywords)
        call = Command(
            line=command,
            input=encoded(input, encoding, errors),
            timeout=timeout,
            encoding=encoding,
            errors=errors,
            max_output=max_output,
            wrap=kill == "wrap",
            redirected=not REDIRECTIONS.isdisjoint(keywords),
            options=options,
        )
        ended = self._counted()
        result = await call.run(attachment)
        ended()
        if check and not result.ok:
            raise CommandFailed(f"the command on {self.alias} ended {_how(result)}", result=result)
        return result

    async def process(self, *args: Any, timeout: float = OPEN_TIMEOUT, **keywords: Any) -> HeldProcess:
        """Start a command, shell or subsystem and hand out AsyncSSH's ``SSHClientProcess`` for it.

        For streaming, redirection and terminals. What the object itself raises is AsyncSSH's, it reports a
        lost connection as ``exit_status`` None, and it holds its channel slot until the server has closed the
        channel. Cancelling is safe: a channel that was opened is closed again.

        Args:
            args: As ``SSHClientConnection.create_process`` has them: the command, or nothing for a shell.
            timeout: Seconds to wait for a slot and for the server to start it.
            keywords: As ``SSHClientConnection.create_process`` has them, ``env`` and ``errors`` as ``run`` has them.

        Raises:
            SessionNotUp, SessionParked, SessionClosed: It is not up; nothing was sent.
            ChannelLimit: No channel slot became free in time; nothing was sent.
            ChannelRefused: The server will not open the channel or start the command.
            SessionLost: The connection was lost meanwhile.
            InvalidInput: An argument cannot be meant.
        """
        check_process(args, keywords, timeout)
        return await self._started(args, keywords, timeout, HeldProcess, open_process)

    async def create_session(
        self, session_factory: Callable[[], Any], *args: Any, timeout: float = OPEN_TIMEOUT, **keywords: Any
    ) -> tuple[Any, Any]:
        """Start a command, shell or subsystem whose output goes to callbacks, as AsyncSSH's method of this name.

        What a callback raises ends its command and channel, and goes to the loop's exception handler. The channel
        holds its slot until the server has closed it. Cancelling is safe: a channel that was opened is closed again.

        Args:
            session_factory: Makes an ``asyncssh.SSHClientSession``, when the channel is open.
            args: As ``SSHClientConnection.create_session`` has them: the command, or nothing for a shell.
            timeout: Seconds to wait for a slot and for the server to start it.
            keywords: As ``SSHClientConnection.create_session`` has them, ``env`` and ``errors`` as ``run`` has them.

        Returns:
            AsyncSSH's channel, and what the factory made.

        Raises:
            SessionError, InvalidInput: As ``process``.
        """
        check_keywords(keywords, less=(*REDIRECTIONS, "input"))
        check_process(args, keywords, timeout)
        held = await self._started(
            args, keywords, timeout, lambda on_close: CallersSession(on_close, session_factory), open_callers
        )
        return held.channel_opened, held.inner

    async def _started(
        self,
        args: tuple[Any, ...],
        keywords: dict[str, Any],
        timeout: float,
        make: Callable[[Callable[[], None]], Holder],
        start: Callable[..., Coroutine[Any, Any, None]],
    ) -> Holder:
        """A channel of the caller's, with something started on it."""
        attachment = self._up()
        options = _with_env(attachment.link, keywords.pop("env", None), keywords)
        # AsyncSSH's own default ends the connection over one byte that is no text.
        options = {"errors": "backslashreplace", **options}
        command = args[0] if args else keywords.get("command")
        return await attachment.open(
            Kind.HELD,
            str(command or keywords.get("subsystem") or "shell"),
            attachment.now() + timeout,
            make,
            lambda held: start(attachment.link.connection, held, args, **options),
            command=command is not None,
        )


def _with_env(link: Link, env: Mapping[str, str] | None, keywords: dict[str, Any]) -> dict[str, Any]:
    """The keywords with the call's environment, beside the connection's; AsyncSSH would put one for the other."""
    check_env(env or {})
    return {**keywords, "env": {**link.route.env, **env}} if env else keywords


def _how(result: CommandResult[Any]) -> str:
    if result.exit_signal:
        return f"with signal {result.exit_signal}"
    return "without a status" if result.exit_status is None else f"with status {result.exit_status}"
