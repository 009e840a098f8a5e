"""What a session starts that has a life of its own: NETCONF, pipes to handlers, terminals."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final, Literal

from ..model.errors import InvalidInput
from .arguments import check_command, check_env, check_seconds
from .attachment import OPEN_TIMEOUT
from .pipe import Pipe
from .pipe.deploy import command_line
from .terminal.terminal import LEAST_SCROLLBACK, SCROLLBACK, Terminal, check_size
from .tunnels import Tunnels

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from os import PathLike

    from .netconf import Former, NetconfSession

__all__ = ["NETCONF_TIMEOUT", "WithPrograms"]

NETCONF_TIMEOUT: Final = 60.0
"""Seconds for the opening of NETCONF and for a reply: longer than all but large commits take."""


class WithPrograms(Tunnels):
    """A session, as far as such programs go. Nothing of these happens before they are entered."""

    _former: Former | None = None

    def netconf(
        self,
        *,
        device: str = "default",
        strip_namespaces: bool = False,
        timeout: float = NETCONF_TIMEOUT,
        capabilities: Iterable[str] | None = None,
        max_message_size: int | None = None,
        reopen: bool = True,
    ) -> NetconfSession:
        """NETCONF on a channel of this session: ``async with session.netconf() as nc: ...``.

        Args:
            device: Whose quirks to expect: ``default`` or ``junos``.
            strip_namespaces: Whether replies and notifications lose their namespaces.
            timeout: Seconds for the opening and for each reply, where a call does not say otherwise: longer than
                all but large commits take.
            capabilities: What our hello tells; None for base:1.0 and base:1.1, which is all that servers look at.
            max_message_size: Bytes of a message that is held whole; None for 256 MiB. One that is larger ends the
                NETCONF session; ``rpc_to_file``, ``rpc_iter`` and ``rpc_stream`` take any.
            reopen: Whether the next call opens another channel when this one is gone. With False it is over then, for
                who relies on what belongs to it: a confirmed commit, a private candidate.

        Raises:
            InvalidInput: An argument cannot be meant. Entering raises what opening a channel does, and HelloError.
        """
        from . import netconf  # noqa: PLC0415 - lxml is loaded by who needs it

        check_seconds(timeout)
        if self._former is None:
            self._former = netconf.Former()
        return netconf.NetconfSession(
            self.alias,
            self._up,
            self.wait_up,
            quirks=netconf.quirks_of(device, strip_namespaces=strip_namespaces),
            timeout=timeout,
            capabilities=capabilities,
            max_message_size=max_message_size,
            reopen=reopen,
            former=self._former,
            measured=None if self._measures is None else self._measures.requests,
        )

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
        """A pipe to a handler: a program at the far end that is spoken to in messages (see ``mooring.far``).

        Nothing happens before ``async with`` or ``start()``, which return when the handler has acknowledged the
        pipe. It takes a channel slot as long as it is open, and is not restored on another connection.

        Args:
            command: The command line, for the peer's shell; a sequence of words is quoted for it. With ``deploy``,
                the interpreter.
            deploy: A local handler file that is shipped over the pipe itself and run by a bare ``python3`` at the
                far end; nothing is installed there, and nothing left.
            args: Further words for the command, or for the deployed handler's ``sys.argv``, quoted.
            codec: ``"pickle"`` sends Python's objects where the handler was started with it as well; either end can
                then run code in the other.
            logger: Gets the handler's log records; by default ``mooring.pipe``.
            env: As ``run`` has it.
            timeout: Seconds to wait for a slot, for the server to start it and for the handler's acknowledgement.

        Raises:
            InvalidInput: An argument cannot be meant.
        """
        line, program = command_line(command, deploy, args)
        check_seconds(timeout)
        check_env(env or {})
        if codec not in {"json", "pickle"}:
            raise InvalidInput(f"codec is {codec!r}, and may be 'json' or 'pickle'")
        return Pipe(
            self._up,
            line,
            program,
            codec=codec,
            logger=logger or logging.getLogger("mooring.pipe"),
            timeout=timeout,
            env=env,
        )

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
        """A terminal at the far end: the user's shell on it, or a command.

        Nothing happens before ``async with`` or ``start()``. It takes a channel slot as long as it is open, and is not
        restored on another connection.

        Args:
            command: The command line, for the peer's shell; None for that shell itself.
            term: What kind of terminal it is, as ``TERM`` says it.
            size: Columns and rows.
            env: As ``run`` has it.
            scrollback: Bytes of output to remember, for who looks at it later.
            timeout: Seconds to wait for a slot and for the server to start it.

        Raises:
            InvalidInput: An argument cannot be meant.
        """
        if command is not None:
            check_command(command)
        check_seconds(timeout)
        check_env({"TERM": term, **(env or {})})
        if type(scrollback) is not int or not LEAST_SCROLLBACK <= scrollback <= 1 << 30:
            raise InvalidInput(f"scrollback must be bytes, {LEAST_SCROLLBACK} at least")
        return Terminal(
            self._up,
            command,
            alias=self.alias,
            term=term,
            size=check_size(size),
            env=env or {},
            scrollback=scrollback,
            timeout=timeout,
        )
