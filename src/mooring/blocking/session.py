"""The session for synchronous code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, cast, overload

from ..session.arguments import encoded
from ..session.attachment import OPEN_TIMEOUT
from ..session.session import PING_TIMEOUT
from ..session.terminal.terminal import SCROLLBACK
from .pipe import Pipe
from .process import Process
from .terminal import Terminal
from .tunnels import Tunnels

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Coroutine, Mapping, Sequence
    from os import PathLike
    from typing import Unpack

    from ..model.errors import MooringError
    from ..model.files import Transferred
    from ..model.result import CommandResult
    from ..model.status import Direction, SessionState, SessionStatus
    from ..model.target import Target
    from ..session import Session as AsyncSession
    from ..session.files.access import Path, Paths
    from ..session.files.how import CopyOptions
    from ..transport.channel import HeldProcess
    from .loop import LoopThread

__all__ = ["Session"]


class Session(Tunnels):
    """``mooring.Session`` for synchronous code; two are equal when they stand for the same session.

    A pool makes it (``Pool.start``, ``connect``). Its methods take what those of ``mooring.Session`` take and raise
    what they raise. In a forked child they raise SessionClosed, but for ``close``, which does nothing there.

    Args:
        session: Whom it stands for.
        thread: Where that lives.
    """

    def native(self) -> tuple[AsyncSession, LoopThread]:
        """The session it stands for, and the loop where that lives: for what is built on both."""
        return self._session, self._thread

    @property
    def alias(self) -> str:
        """Its name."""
        return self._session.alias

    @property
    def target(self) -> Target:
        """Whom it is to."""
        return self._session.target

    @property
    def direction(self) -> Direction:
        """Who opens the TCP connection."""
        return self._session.direction

    @property
    def labels(self) -> tuple[str, ...]:
        """The target's labels."""
        return self._session.labels

    @property
    def state(self) -> SessionState:
        """Where it stands."""
        self._thread.check_process()
        return self._session.state

    @property
    def error(self) -> MooringError | None:
        """Why it is not up, where an error is the reason."""
        self._thread.check_process()
        return self._session.error

    @property
    def facts(self) -> Mapping[str, object]:
        """What is known of the peer, at this moment."""
        self._thread.check_process()
        return dict(self._session.facts)

    def status(self) -> SessionStatus:
        """Everything about it, as one value."""
        return self._thread.read(self._session.status)

    def wait_up(self, timeout: float | None = 60.0) -> None:
        """Wait until it is up, as ``mooring.Session.wait_up``."""
        self._thread.call(self._session.wait_up, timeout)

    def ping(self, timeout: float = PING_TIMEOUT) -> float:
        """Seconds of one round trip, as ``mooring.Session.ping``."""
        return self._thread.call(self._session.ping, timeout)

    @overload
    def run(
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
    def run(
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

    def run(
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
        """Run a command and return what came of it, as ``mooring.Session.run``. Ctrl-C sends it TERM."""
        # Its overloads do not foresee an encoding that is either.
        run = cast("Callable[..., Coroutine[Any, Any, CommandResult[Any]]]", self._session.run)
        return self._thread.call(
            run,
            command,
            input=input,
            env=env,
            timeout=timeout,
            check=check,
            encoding=encoding,
            errors=errors,
            max_output=max_output,
            kill=kill,
            **keywords,
        )

    @overload
    def process(
        self, command: str | None = None, *, encoding: None, errors: str = ..., timeout: float = ..., **keywords: Any
    ) -> Process[bytes]: ...

    @overload
    def process(
        self,
        command: str | None = None,
        *,
        encoding: str = ...,
        errors: str = ...,
        timeout: float = ...,
        **keywords: Any,
    ) -> Process[str]: ...

    def process(
        self,
        command: str | None = None,
        *,
        encoding: str | None = "utf-8",
        errors: str = "backslashreplace",
        timeout: float = OPEN_TIMEOUT,
        **keywords: Any,
    ) -> Process[str] | Process[bytes]:
        r"""Start a command, shell or subsystem, to talk to while it runs.

        Unlike ``mooring.Session.process`` it returns an object of ours, which is like ``subprocess.Popen``. Use it
        as a context manager: it holds a channel slot.

        Args:
            command: The command line; None for a shell, or with ``subsystem=``.
            encoding: How its streams become text; None gives bytes.
            errors: What becomes of output that is no text; the default shows each as ``\xff``.
            timeout: Seconds to wait for a slot and for the server to start it.
            keywords: Further keywords of AsyncSSH's ``create_process``. Streams can be redirected to what belongs
                to this process (files, pipes, sockets), not to other sessions' processes.

        Raises:
            SessionNotUp, SessionParked, SessionClosed, ChannelLimit, ChannelRefused, SessionLost: As
                ``mooring.Session.process``.
            InvalidInput: An argument cannot be meant.
        """
        encoded(None, encoding, errors)
        args = () if command is None else (command,)
        held: list[HeldProcess] = []

        async def process() -> None:
            held.append(await self._session.process(*args, timeout=timeout, encoding=None, **keywords))

        try:
            self._thread.call(process)
            if encoding is None:
                return Process[bytes](held[0], self.alias, self._thread)
            return Process[str](held[0], self.alias, self._thread, encoding, errors)
        except BaseException:
            if held:  # and interrupted at that very moment
                self._thread.post(held[0].abandon)
            raise

    def pipe(
        self,
        command: str | Sequence[str] = "python3",
        *,
        deploy: str | PathLike[str] | None = None,
        args: Sequence[str] = (),
        codec: Literal["json", "pickle"] = "json",
        logger: logging.Logger | None = None,
        env: Mapping[str, str] | None = None,
        timeout: float = OPEN_TIMEOUT,
    ) -> Pipe:
        """A pipe to a handler, as ``mooring.Session.pipe``; ``with`` or ``start()`` starts it."""
        pipe = self._session.pipe(
            command, deploy=deploy, args=args, codec=codec, logger=logger, env=env, timeout=timeout
        )
        return Pipe(pipe, self._thread)

    def terminal(
        self,
        command: str | None = None,
        *,
        term: str = "xterm-256color",
        size: tuple[int, int] = (80, 24),
        env: Mapping[str, str] | None = None,
        scrollback: int = SCROLLBACK,
        timeout: float = OPEN_TIMEOUT,
    ) -> Terminal:
        """A terminal at the far end, as ``mooring.Session.terminal``; ``with`` or ``start()`` starts it."""
        terminal = self._session.terminal(
            command, term=term, size=size, env=env, scrollback=scrollback, timeout=timeout
        )
        return Terminal(terminal, self._thread)

    def get(
        self,
        remote: Paths,
        local: Path = ".",
        *,
        glob: bool = False,
        timeout: float | None = None,
        **options: Unpack[CopyOptions],
    ) -> Transferred:
        """Copy files from the peer, as ``mooring.Session.get``; what it calls is called in the loop's thread."""
        return self._thread.call(self._session.get, remote, local, glob=glob, timeout=timeout, **options)

    def put(
        self,
        local: Paths,
        remote: Path = ".",
        *,
        glob: bool = False,
        timeout: float | None = None,
        **options: Unpack[CopyOptions],
    ) -> Transferred:
        """Copy files to the peer, as ``mooring.Session.put``; what it calls is called in the loop's thread."""
        return self._thread.call(self._session.put, local, remote, glob=glob, timeout=timeout, **options)

    def retry(self) -> None:
        """Connect now, as ``mooring.Session.retry``."""
        self._thread.read(self._session.retry)

    def close(self) -> None:
        """End it for good, as ``mooring.Session.close``."""
        if not (self._thread.forked or self._thread.ending):
            self._thread.call(self._session.close)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Session) and self._session is other._session

    def __hash__(self) -> int:
        return hash(self._session)

    def __repr__(self) -> str:
        """A status line."""
        return f"<blocking session {self.alias} of process {self._thread.pid}: {self._session.state}>"
