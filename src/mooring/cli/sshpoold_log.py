"""What ``sshpoold`` logs: sshpool's lines in sshpool's form, local time first, with the password masked."""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ..model.access import ADMIN, Actor
from ..model.errors import AuthenticationFailed, InvalidTarget, UnknownAlias
from ..model.event import EventKind
from ..model.login import login
from ..model.status import SessionState
from ..model.target import Target

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Iterator, Sequence

    from ..model.event import Event
    from ..model.status import SessionStatus
    from ..service import Fleet

__all__ = ["channels_in", "start", "telling"]

_log = logging.getLogger(__name__)
_OURSELVES: Final = Actor(name="sshpoold", door="config", grants=(ADMIN,))


def start() -> None:
    """Log in sshpool's form from now on."""
    logging.basicConfig(format="[%(asctime)s] %(message)s", level=logging.INFO)


def channels_in(file: str | None) -> Iterator[str]:
    """The DSNs in a file, as far as they can be meant; what cannot is logged, and the daemon goes on without it."""
    if file is None:
        return
    try:
        words = Path(file).read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8"
        _log.error("Unable to read %s: %s", file, reason)
        return
    aliases: set[str] = set()
    for number, word in enumerate(words, 1):
        try:
            alias = Target.parse(word).alias
            if "://" not in word:
                raise InvalidTarget("a DSN begins with alias://")
            if alias in aliases:
                raise InvalidTarget(f"{alias} is there twice")
        except InvalidTarget as error:
            _log.error("Unable to start SSH channel %d of %s: %s", number, file, error)
        else:
            aliases.add(alias)
            yield word


@contextlib.asynccontextmanager
async def telling(fleet: Fleet, urls: Sequence[str]) -> AsyncIterator[None]:
    """Log what sshpool logs, for as long as the daemon runs."""
    for url in urls:
        if not url.startswith("unix:"):
            _log.info(" * Running on %s/", url)
    async with fleet.watch(_OURSELVES) as events:
        dsns: dict[str, str] = {}
        task = asyncio.create_task(_tell(fleet, events, dsns), name="sshpoold log")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])
            for dsn in dsns.values():
                _log.info("closing connection to %s", dsn)


async def _tell(fleet: Fleet, events: AsyncIterable[Event], dsns: dict[str, str]) -> None:
    """Log each event; ``dsns`` is kept to the sessions that are held."""
    async for event in events:
        with contextlib.suppress(UnknownAlias):  # it has ended since
            dsns[event.alias] = _dsn(fleet.show(_OURSELVES, event.alias))
        if event.kind is EventKind.STATE:
            level = logging.WARNING if event.state in {SessionState.BACKOFF, SessionState.PARKED} else logging.INFO
            _log.log(level, "%s", _words(event, dsns.get(event.alias, event.alias)))
        if event.state is SessionState.CLOSED:
            dsns.pop(event.alias, None)


def _words(event: Event, dsn: str) -> str:
    if event.state is SessionState.CONNECTING:
        return f"connecting to {dsn}"
    if event.state is SessionState.UP:
        return f"connected to {dsn}"
    if event.state is SessionState.CLOSED:
        return f"closing connection to {dsn}"
    if event.previous is SessionState.UP:
        return f"connection to {dsn} dropped with exception {event.reason!r}"
    if event.error == AuthenticationFailed.code:
        return f"connection to {dsn} failed due to authentication failure"
    return f"connection to {dsn} failed with reason {event.reason!r}"


def _dsn(status: SessionStatus) -> str:
    user, password, host, port = login(status.target, getpass.getuser())
    return f"{status.alias}://{status.username or user}:{password}@{host}:{status.port or port}"
