"""The session: one supervised SSH connection to one peer, known by its alias."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, overload

from ..model.errors import (
    CommandFailed,
    MooringError,
    SessionClosed,
    SessionNotUp,
    SessionParked,
    WaitTimeout,
)
from ..model.event import Event, EventKind
from ..model.status import ChannelStatus, Direction, SessionState, SessionStatus
from ..transport.channel import REDIRECTIONS, HeldProcess, open_process
from .arguments import (
    check_command,
    check_env,
    check_keywords,
    check_process,
    check_redirection,
    check_seconds,
    encoded,
)
from .attachment import OPEN_TIMEOUT, Attachment
from .execute import Command
from .slots import CHANNELS, Kind
from .state import may_follow

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..model.result import CommandResult
    from ..model.target import Target
    from ..transport.link import Connection, Link

__all__ = ["Session", "Supervisor"]

_PING_TIMEOUT: Final = 10.0


class Supervisor(Protocol):
    """Who keeps a session alive; the pool's keeper is one."""

    def retry(self) -> None:
        """Attempt to connect now, whatever the back-off says."""

    async def stop(self) -> None:
        """Close the session for good and return when nothing of it is left."""

    @property
    def retry_in(self) -> float | None:
        """Seconds until the next attempt; None where none is planned."""


class Session:
    """One supervised SSH connection.

    A pool makes it (``Pool.start``, ``mooring.connect``); its keeper attaches and detaches connections, and
    everybody else uses it. What needs the connection fails at once with ``SessionNotUp`` while there is none:
    wait with ``wait_up`` where that is wanted. ``repr`` is a status line.

    Args:
        target: Whom it is to.
        direction: Who opens the TCP connection.
        emit: Told of every event.
    """

    def __init__(self, target: Target, emit: Callable[[Event], None], direction: Direction = Direction.DIALED) -> None:
        self._target = target
        self._direction = direction
        self._emit = emit
        self._state = SessionState.CONNECTING
        self._reason = "started"
        self._since = time.time()
        self._error: MooringError | None = None
        self._attachment: Attachment | None = None
        self._supervisor: Supervisor | None = None
        self._waiters: set[asyncio.Future[None]] = set()
        self._ping: tuple[float, float] | None = None
        self._commands = 0
        self._connects = 0
        self._attempts = 0
        self.facts: dict[str, object] = {}
        """What is known of the peer."""

    @property
    def alias(self) -> str:
        """Its name."""
        return self._target.alias

    @property
    def target(self) -> Target:
        """Whom it is to."""
        return self._target

    @property
    def direction(self) -> Direction:
        """Who opens the TCP connection."""
        return self._direction

    @property
    def labels(self) -> tuple[str, ...]:
        """The target's labels."""
        return self._target.label

    @property
    def state(self) -> SessionState:
        """Where it stands."""
        return self._state

    @property
    def error(self) -> MooringError | None:
        """Why it is not up, where an error is the reason."""
        return self._error

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
    def commands(self) -> int:
        """Commands run on it since it was started."""
        return self._commands

    def status(self) -> SessionStatus:
        """Everything about it, as one value."""
        link = self._attachment.link if self._attachment else None
        error = self._error
        supervisor = self._supervisor
        return SessionStatus(
            alias=self.alias,
            target=str(self._target),
            direction=self._direction,
            state=self._state,
            reason=self._reason,
            since=self._since,
            labels=self.labels,
            facts=dict(self.facts),
            error=error.code if error else None,
            hint=error.hint if error else None,
            attempts=self._attempts,
            connects=self._connects,
            retry_in=supervisor.retry_in if supervisor else None,
            peer=link.peer if link else None,
            via=link.route.hops if link else (),
            server=link.server if link else None,
            host_key=link.host_key if link else None,
            host_key_policy=link.host_key_policy if link else _policy(self._target),
            algorithms=link.algorithms if link else {},
            legacy=link.legacy if link else (),
            channels=self._attachment.gate.status() if self._attachment else ChannelStatus(),
            commands=self._commands,
            ping=self._ping[0] if self._ping else None,
            ping_age=time.monotonic() - self._ping[1] if self._ping else None,
        )

    async def wait_up(self, timeout: float | None = 60.0) -> None:
        """Wait until it is up. Cancelling is safe.

        Args:
            timeout: Seconds; the default covers a few attempts, None waits as long as it may still come up.

        Raises:
            WaitTimeout: It was not up in time; it goes on trying. The last error is the cause.
            SessionParked: A person must act first. The error that parked it is the cause.
            SessionClosed: It was closed.
        """
        try:
            async with asyncio.timeout(timeout):
                while self._state is not SessionState.UP:
                    if self._state in {SessionState.PARKED, SessionState.CLOSED}:
                        raise self._not_up() from self._error
                    await self.wait_change()
        except TimeoutError:
            msg = f"{self.alias} was not up within {timeout:g} s: {self._state.value}, {self._reason}"
            raise WaitTimeout(msg, hint="it goes on trying; status() tells when") from self._error

    async def wait_change(self) -> None:
        """Wait for the next change of state, however long that takes. Cancelling is safe."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.add(waiter)
        try:
            await waiter
        finally:
            self._waiters.discard(waiter)

    async def ping(self, timeout: float = _PING_TIMEOUT) -> float:
        """Seconds of one round trip to the peer's SSH server; the status shows it and its age.

        Cancelling is safe.

        Args:
            timeout: Seconds to wait for the answer.

        Raises:
            SessionLost: There was no answer in time, or the connection went meanwhile.
            SessionNotUp, SessionParked, SessionClosed: It is not up.
        """
        seconds = await self._up().link.ping(timeout)
        self._ping = seconds, time.monotonic()
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
                its process group even where the server ignores signals.
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
        check_command(command)
        check_seconds(timeout)
        check_redirection(input, max_output, kill, keywords)
        check_keywords(keywords, less=("command", "subsystem"))
        check_env(env or {})
        options = {**keywords, "env": {**attachment.link.route.env, **env}} if env else keywords
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
        self._commands += 1
        result = await call.run(attachment)
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
            keywords: As ``SSHClientConnection.create_process`` has them.

        Raises:
            SessionNotUp, SessionParked, SessionClosed: It is not up; nothing was sent.
            ChannelLimit: No channel slot became free in time; nothing was sent.
            ChannelRefused: The server will not open the channel or start the command.
            SessionLost: The connection was lost meanwhile.
            InvalidInput: An argument cannot be meant.
        """
        attachment = self._up()
        check_process(args, keywords, timeout)
        return await attachment.open(
            Kind.HELD,
            str(args[0] if args else keywords.get("command") or keywords.get("subsystem") or "shell"),
            attachment.now() + timeout,
            HeldProcess,
            lambda process: open_process(attachment.link.connection, process, args, **keywords),
        )

    def retry(self) -> None:
        """Connect now: leaves ``parked`` and cuts ``backoff`` short. Nothing happens while up or connecting.

        Raises:
            SessionClosed: It was closed.
        """
        if self._state is SessionState.CLOSED:
            raise self._not_up()
        if self._supervisor is not None:
            self._supervisor.retry()

    async def close(self) -> None:
        """End it for good; calls under way fail with SessionLost. Safe to call twice."""
        if self._supervisor is not None:
            await self._supervisor.stop()

    # What its supervisor calls.

    def supervise(self, supervisor: Supervisor) -> None:
        """Name who keeps it alive."""
        self._supervisor = supervisor

    def connecting(self, reason: str) -> None:
        """An attempt begins."""
        self._attempts += 1
        if self._state is not SessionState.CONNECTING:
            self._come_to(SessionState.CONNECTING, reason)

    def attach(self, link: Link, reason: str) -> None:
        """A connection stands: the session is up."""
        self._attachment = Attachment(self.alias, link, self._target.channels or CHANNELS)
        self._error = None
        self._attempts = 0
        self._connects += 1
        self._come_to(SessionState.UP, reason)

    async def detach(self, state: SessionState, error: MooringError | None, reason: str) -> None:
        """There is no connection any more, or no attempt that got one: fail what waits, come to ``state``."""
        attachment, self._attachment = self._attachment, None
        self._error = error
        self._ping = None
        self._come_to(state, reason)
        if attachment is not None:
            attachment.detach(self._not_up())
            await attachment.wait_settled()

    def trusted(self, reason: str) -> None:
        """A host key was learned, added or dropped."""
        self._emit(Event(kind=EventKind.HOST_KEY, alias=self.alias, at=time.time(), reason=reason))

    def _come_to(self, state: SessionState, reason: str) -> None:
        previous = self._state
        if not may_follow(previous, state):
            msg = f"{self.alias}: {state.value} may not follow {previous.value}"
            raise RuntimeError(msg)
        self._state = state
        self._reason = reason
        self._since = time.time()
        self._emit(
            Event(
                kind=EventKind.STATE,
                alias=self.alias,
                at=self._since,
                reason=reason,
                state=state,
                previous=previous,
                error=self._error.code if self._error else None,
            )
        )
        waiters, self._waiters = self._waiters, set()
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    def _up(self) -> Attachment:
        if self._attachment is None or self._attachment.link.closed:
            raise self._not_up()
        return self._attachment

    def _not_up(self) -> SessionNotUp:
        if self._state is SessionState.CLOSED:
            return SessionClosed(f"{self.alias} was closed")
        if self._state is SessionState.PARKED:
            hint = self._error.hint if self._error else None
            return SessionParked(f"{self.alias} is parked: {self._reason}", hint=hint or "mend it, then retry()")
        return SessionNotUp(f"{self.alias} is {self._state.value}: {self._reason}", hint="wait_up() waits for it")

    def __repr__(self) -> str:
        """A status line."""
        return f"<Session {self.alias} {self._state.value}: {self._reason}>"


def _policy(target: Target) -> str:
    policy = target.host_key or "verify"
    return policy if policy in {"verify", "accept-new", "off"} else "pinned"


def _how(result: CommandResult[Any]) -> str:
    if result.exit_signal:
        return f"with signal {result.exit_signal}"
    return "without a status" if result.exit_status is None else f"with status {result.exit_status}"
