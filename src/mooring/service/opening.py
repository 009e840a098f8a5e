"""Channels that a door opens on a session: which action each takes, and how it comes to be."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, cast

from ..model.access import Action
from ..model.errors import InvalidInput, SessionLost
from ..wire.frames import check_fitting
from .recorded import RecordedProcess
from .recordings import NO_TERMINAL
from .tcp import TcpChannel, open_tcp

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..model.access import Actor
    from ..model.errors import StateError
    from ..session import Session
    from ..transport.channel import HeldProcess
    from ..wire.channel import Opening
    from .audit import Audit, Deed
    from .recordings import Recordings

    Channel = HeldProcess | TcpChannel

__all__ = ["Channel", "Openings"]

_closing: Final[set[asyncio.Task[None]]] = set()
"""Channels whose end is waited for."""
_ACTIONS: Final[Mapping[str, Action]] = {
    "exec": Action.RUN,
    "pipe": Action.PIPE,
    "shell": Action.SHELL,
    "subsystem": Action.RUN,
    "direct-tcpip": Action.FORWARD,
}
_SUBSYSTEMS: Final[Mapping[str, Action]] = {"netconf": Action.NETCONF, "sftp": Action.FILES}


def _action_of(opening: Opening) -> Action:
    """What an actor must be granted to open this.

    Raises:
        InvalidInput: It is of no known kind, or lacks what its kind needs: without that, it would be another kind.
    """
    check_fitting(opening)
    if opening.kind not in _ACTIONS:
        raise InvalidInput(f"a {opening.kind} is not opened so")
    if opening.subsystem is not None:
        if not opening.subsystem.strip():
            raise InvalidInput("the subsystem has no name")
        return _SUBSYSTEMS.get(opening.subsystem, _ACTIONS["subsystem"])
    return _ACTIONS[opening.kind]


def _told_of(action: Action, opening: Opening, audit: Audit) -> tuple[str, dict[str, Any]]:
    """What is recorded of an opening: what it is, and more of it."""
    if opening.host is not None:
        return f"{action.value}.connection", {"host": opening.host, "port": opening.port}
    if opening.subsystem is not None:
        unseen = {"files": "unseen"} if action is Action.FILES else {}
        return f"{action.value}.subsystem", {"subsystem": opening.subsystem, **unseen}
    if opening.command is None:
        return action.value, {}
    what = action.value if action.value == opening.kind else f"{action.value}.{opening.kind}"
    return what, audit.command(opening.command)


def _when_closed(channel: Channel, deed: Deed) -> None:
    """End a deed when its channel has closed, which it has at the latest when its link is gone."""
    task = asyncio.create_task(channel.stdin.channel.wait_closed())
    _closing.add(task)
    task.add_done_callback(_closing.discard)

    def end(_: asyncio.Task[None]) -> None:
        error = _why_ended(channel)
        if not isinstance(channel, TcpChannel):
            deed.tell(**({"exit_signal": channel.signal} if channel.signal else {"exit_status": channel.status}))
        elif error is None:
            deed.tell(exit_status=channel.exit_status)
        deed.end(error)

    task.add_done_callback(end)


def _why_ended(channel: Channel) -> BaseException | None:
    """What kept it from its end; None where it came to that."""
    if not isinstance(channel, TcpChannel) and channel.terminated:
        return asyncio.CancelledError()  # whoever had opened it left, or was cut off
    if channel.lost if isinstance(channel, TcpChannel) else channel.status is None and not channel.complete:
        return SessionLost("the session was lost while the channel was open")
    return None


class Openings:
    """The channels of a daemon that end with who opened them.

    Args:
        session: Gives a session to an actor who may do something on it.
        audit: Records what is done.
        recordings: Records what terminals show.
    """

    def __init__(self, session: Callable[[Actor, Action, str], Session], audit: Audit, recordings: Recordings) -> None:
        self._session = session
        self._audit = audit
        self._recordings = recordings

    async def open(self, actor: Actor, alias: str, opening: Opening) -> Channel:
        """As ``Fleet.open``."""
        action = _action_of(opening)
        session = self._session(actor, action, alias)
        what, detail = _told_of(action, opening, self._audit)
        deed = self._audit.begin(actor, what, alias, **detail)
        try:
            channel = await self._recorded(actor, what, session, opening, deed)
        except BaseException as error:
            deed.end(error)
            raise
        _when_closed(channel, deed)
        try:
            await deed.kept()
        except BaseException as error:
            deed.end(error)  # the far side may be deaf to the signal, and then its end comes with the link's alone
            channel.terminate()
            channel.close()
            raise
        return channel

    async def _recorded(self, actor: Actor, what: str, session: Session, opening: Opening, deed: Deed) -> Channel:
        """Open it; what has a terminal is recorded where it is to be, and every shell, which needs none to be one."""
        term = opening.term or (NO_TERMINAL if opening.kind == "shell" else None)
        if term is None:
            return await _open_on(session, opening)
        fault: list[StateError] = []
        process: RecordedProcess | None = None

        def failed(error: StateError) -> None:
            fault.append(error)
            if process is not None:
                process.fail(error)

        tape = await self._recordings.begin(actor, what, session, term, failed)
        if tape is None:
            return await _open_on(session, opening)
        try:
            process = RecordedProcess(cast("HeldProcess", await _open_on(session, opening)), tape)
        except BaseException:
            tape.discard()
            raise
        deed.tell(recording=tape.id)
        for error in fault:
            process.fail(error)
        return cast("Channel", process)  # as far as a door is concerned


async def _open_on(session: Session, opening: Opening) -> HeldProcess | TcpChannel:
    """Open it; bytes in and out. Cancelling is safe.

    Raises:
        MooringError: As ``Session.process`` has them.
    """
    if opening.host is not None and opening.port is not None:
        return await open_tcp(session, opening.host, opening.port)
    keywords: dict[str, Any] = {"encoding": None}
    if opening.env:
        keywords["env"] = dict(opening.env)
    if opening.term is not None:
        keywords |= {"term_type": opening.term.type, "term_size": (opening.term.columns, opening.term.rows)}
    if opening.subsystem is not None:
        keywords["subsystem"] = opening.subsystem
    return await session.process(*([opening.command] if opening.command is not None else []), **keywords)
