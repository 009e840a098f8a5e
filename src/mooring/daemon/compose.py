"""The daemon put together: read this first.

Top to bottom is the order in which things come up, and they go in the reverse: the lock on the state directory, the
token, what is remembered, what is recorded, the pool, the fleet over it, the application, the doors. What cannot have
one of them has touched nothing that comes after it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import ssl
from dataclasses import fields
from functools import partial
from typing import TYPE_CHECKING, Final

from .. import __version__
from ..client import paths
from ..gateway import Gateway
from ..model.access import ADMIN, Actor
from ..model.errors import ConfigError, MooringError
from ..model.gateway import GatewaySettings
from ..pool import Pool
from ..pool.callhome import CallHomeServer
from ..rest import Access, Door, Place, make_app
from ..service import Agents, Audit, Fleet, Homecoming, Pulse, Recordings, Tokens
from ..service.recordings import let_go
from ..store import Store, timekeeping
from ..store.audit.trail import Trail
from ..store.recordings.archive import FOLDER, Archive
from ..transport.serve import load_host_key
from ..web import page
from . import token
from .config import Settings, load
from .lifecycle import run_until_told
from .lock import own
from .server import Server
from .sockets import listen, names, url

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from contextlib import AbstractAsyncContextManager
    from typing import Literal

    from .config import Options, Tls
    from .sockets import Doors

    Kind = Literal["http", "call-home", "gateway"]
    Beside = Callable[[Fleet, Sequence[str]], AbstractAsyncContextManager[None]]

__all__ = ["serve"]

_log = logging.getLogger(__name__)

_REQUESTS_END: Final = 1.0
"""Seconds in which requests may end by themselves once the daemon ends, and again in which cancelled ones may."""
_VISITS_END: Final = 0.5
"""Seconds for the gateway's visitors to be told."""
_SESSIONS_END: Final = 1.5
"""Seconds for all sessions to say goodbye at once."""


async def serve(options: Options, settings: Settings, beside: Beside | None = None) -> None:
    """Run a daemon until it is told to end.

    Args:
        options: What the command line said; read again together with the file for a reload.
        settings: What both came to.
        beside: Entered once the doors are open.

    Raises:
        StateError, ConfigError: It cannot start; nothing was changed, and nothing is left behind.
    """
    async with contextlib.AsyncExitStack() as stack:
        stack.enter_context(own(settings.state_dir))
        admin = token.load(settings.state_dir / paths.TOKEN), Actor(name="token", door="tcp", grants=(ADMIN,))
        store, audit, recordings = await stack.enter_async_context(_memory(settings))
        pool, calls = await stack.enter_async_context(_sessions(settings, store))
        home = Homecoming(calls, None if store is None else store.devices)
        await stack.enter_async_context(home.keeping())
        fleet = await _fleet(pool, calls, home, store, audit=audit, recordings=recordings)
        fleet.pulse = stack.enter_context(Pulse())
        doors = stack.enter_context(listen(settings))
        access = Access(
            [admin],
            named=fleet.tokens,
            hosts=names(doors, settings),
            no_auth=not settings.authenticate,
            audit=audit,
        )
        key = load_host_key(settings.state_dir / paths.GATEWAY_KEY)
        gateway = Gateway(fleet, key, settings.gateway, token.bearer(*admin, named=fleet.tokens))
        stack.push_async_callback(gateway.aclose, _VISITS_END)
        server = Server(
            make_app(fleet, access, version=__version__, place=_place(settings, doors), visits=gateway, page=page())
        )
        tls = None if settings.tls is None else _certificate(settings.tls)
        stack.push_async_callback(server.stop, _REQUESTS_END, _REQUESTS_END)
        for door in doors.clients:
            await server.start(door, tls)
            _log.info("listening on %s", _told(door, settings, tls))
        if beside is not None:
            await stack.enter_async_context(beside(fleet, [url(door, tls=tls is not None) for door in doors.clients]))
        daemon = _Daemon(options, settings, fleet, home, gateway, store=store, tls=tls)

        async def begin() -> str:
            told = await daemon.begin()
            await calls.listen(doors.devices)  # those that called meanwhile stand in the kernel's queue
            for host, port in calls.addresses:
                _log.info("devices may call home at %s", f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
            await gateway.serve_on(doors.visitors)
            for host, port in gateway.addresses:
                _log.info("SSH clients may come to %s", f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
            return told

        await run_until_told(begin, daemon.reload)


def _place(settings: Settings, doors: Doors) -> Place:
    listening: tuple[tuple[Kind, list[socket.socket]], ...]
    listening = ("http", doors.clients), ("call-home", doors.devices), ("gateway", doors.visitors)
    return Place(
        pid=os.getpid(),
        state_dir=str(settings.state_dir),
        config=None if settings.config is None else str(settings.config),
        socket=str(settings.socket),
        doors=tuple(_door(kind, one, settings, doors) for kind, sockets in listening for one in sockets),
    )


def _door(kind: Kind, one: socket.socket, settings: Settings, doors: Doors) -> Door:
    unix, http = one.family == socket.AF_UNIX, kind == "http"
    address, port = (one.getsockname(), None) if unix else one.getsockname()[:2]
    return Door(
        kind=kind,
        address=address,
        port=port,
        tls=http and not unix and settings.tls is not None,
        open=http and not unix and not settings.authenticate,
        inherited=one in doors.inherited,
    )


class _Daemon:
    """What a running daemon does when it begins, and when it is told to read its configuration again."""

    def __init__(
        self,
        options: Options,
        settings: Settings,
        fleet: Fleet,
        home: Homecoming,
        gateway: Gateway,
        *,
        store: Store | None,
        tls: ssl.SSLContext | None,
    ) -> None:
        self._options = options
        self._settings = settings
        self._fleet = fleet
        self._home = home
        self._gateway = gateway
        self._store = store
        self._tls = tls

    async def begin(self) -> str:
        """Start the sessions and devices of the configuration, then what is remembered; returns how things stand.

        Raises:
            StateError: What is remembered cannot be read.
        """
        remembered = [] if self._store is None else await self._store.sessions()
        done = await self._fleet.reload(self._settings.targets) + await self._home.reload(self._settings.devices)
        self._tell_ignored()
        for error in done.errors:
            _log.warning("configured, and not started: %s", error)
        await self._home.restore()
        await self._fleet.agents.restore()
        await self._fleet.restore(remembered)
        return self._standing()

    async def reload(self) -> str:
        """Read the configuration again and touch what changed; one that is wrong changes nothing."""
        try:
            settings = await asyncio.to_thread(load, self._options)
            welcome = self._gateway.prepare(settings.gateway)
            if self._tls is not None and settings.tls is not None:
                _certificate(settings.tls)  # tried on another first: one that does not fit its key would stay
                self._tls.load_cert_chain(settings.tls.cert, settings.tls.key)  # for connections to come
            welcome()  # first: who is let in no more must not wait for devices
            done = await self._home.drop(settings.devices)
            done += await self._fleet.reload(settings.targets)
            done += await self._home.reload(settings.devices)
        except (MooringError, OSError) as error:
            _log.error("not reloaded: %s", error)
            return f"not reloaded: {error}"
        for trouble in done.errors:
            _log.warning("not changed: %s", trouble)
        if later := [name for name in _FIXED if _fixed(settings, name) != _fixed(self._settings, name)]:
            _log.warning("only a restart changes %s", ", ".join(later))
        self._settings = settings
        self._tell_ignored()
        _log.info(
            "reloaded: %d started, %d replaced, %d stopped, %d unchanged",
            len(done.started),
            len(done.replaced),
            len(done.stopped),
            done.unchanged,
        )
        return self._standing()

    def _tell_ignored(self) -> None:
        for line in self._settings.ignored:
            _log.warning("%s", line)

    def _standing(self) -> str:
        return f"{self._fleet.statistics(_OURSELVES).sessions} sessions"


@contextlib.asynccontextmanager
async def _memory(settings: Settings) -> AsyncIterator[tuple[Store | None, Audit, Recordings]]:
    """What is remembered and recorded, from before the first door opens until the last session is closed."""
    async with contextlib.AsyncExitStack() as stack:
        store = clock = trail = archive = None
        if settings.remember:
            store = await Store.open(settings.state_dir)
            stack.push_async_callback(store.aclose)
            file = settings.state_dir / timekeeping.FILE
            clock = timekeeping.load(file)
            await stack.enter_async_context(timekeeping.keeping(clock, file))
        if settings.audit.enabled and settings.remember:  # sshpoold keeps nothing
            trail = await Trail.open(settings.state_dir, settings.audit, clock)
            stack.push_async_callback(trail.aclose)
        audit = Audit(trail, settings.audit.commands)
        stack.callback(audit.close)
        kept = settings.recordings
        if settings.remember and (kept.enabled or (settings.state_dir / FOLDER).exists()):  # those of before are shown
            archive = await Archive.open(settings.state_dir, kept, clock, partial(let_go, audit))
            stack.push_async_callback(archive.aclose)
        yield store, audit, Recordings(archive, kept)


@contextlib.asynccontextmanager
async def _sessions(settings: Settings, store: Store | None) -> AsyncIterator[tuple[Pool, CallHomeServer]]:
    """The pool and who takes devices in, with one end for both: a peer that answers no goodbye must not hold us."""
    pool = Pool(config=settings.ssh_config)
    calls = CallHomeServer(
        (),
        pool=pool,
        learned=None if store is None else store.devices.pin,
        agent_key=settings.state_dir / paths.AGENT_KEY,
        enrolled=None if store is None else store.devices.enrol,
        facts=settings.call_home.facts,
        limits=settings.call_home.limits,
    )
    await pool.__aenter__()
    await calls.__aenter__()
    try:
        yield pool, calls
    finally:
        try:
            async with asyncio.timeout(_SESSIONS_END):
                await asyncio.gather(calls.aclose(), pool.aclose())
        except TimeoutError:
            _log.warning("some sessions did not say goodbye in time")


async def _fleet(
    pool: Pool, calls: CallHomeServer, home: Homecoming, store: Store | None, *, audit: Audit, recordings: Recordings
) -> Fleet:
    """All that there is, and what was remembered of who may come to it: no door is open yet."""
    if store is None:
        return Fleet(pool, None, home, agents=Agents(calls, None), audit=audit, recordings=recordings)
    agents, tokens = Agents(calls, store.enrolments), Tokens(store.tokens)
    fleet = Fleet(pool, store, home, store.forwards, agents=agents, tokens=tokens, audit=audit, recordings=recordings)
    await fleet.tokens.restore()
    return fleet


def _certificate(tls: Tls) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(tls.cert, tls.key)
    except OSError as error:  # ssl.SSLError is one
        raise ConfigError(f"[tls] {tls.cert} and {tls.key} cannot be used: {error.strerror or error}") from error
    return context


def _told(door: socket.socket, settings: Settings, tls: ssl.SSLContext | None) -> str:
    """Where a door is and what opens it, for the log."""
    where = url(door, tls=tls is not None)
    if where.startswith("unix:"):
        return where
    if not settings.authenticate:
        return f"{where}, open to everybody on this machine"
    return f"{where}, the token is in {settings.state_dir / paths.TOKEN}"


def _fixed(settings: Settings, name: str) -> object:
    """What a reload does not change of a setting."""
    found: object = getattr(settings, name)
    return (found.listen, found.limits) if isinstance(found, GatewaySettings) else found


_FIXED: Final = [field.name for field in fields(Settings) if field.name not in {"targets", "ignored", "devices"}]
_OURSELVES: Final = Actor(name="mooringd", door="config", grants=(ADMIN,))
