"""The door that devices call at: it accepts, counts strangers before any crypto, and hangs up on who takes too long."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ..model.errors import ConfigError, ConnectFailed
from ..transport.arrival import Arrival
from ..transport.halfopen import HalfOpen, source_of

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Coroutine, Iterable, Sequence

    from ..model.device import DoorLimits
    from ..model.errors import MooringError
    from .watcher import CallWatcher

__all__ = ["CallHomeStatistics", "Door"]

_log: Final = logging.getLogger(__name__)
_BACKLOG: Final = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class CallHomeStatistics:
    """The door at one moment.

    Attributes:
        half_open: Calls that are not logged in.
        accepted: Calls accepted since it was opened.
        too_fast: Of these, hung up on at once because their source called too often.
        dropped: Dropped for a newer one, since there were too many.
        expired: That said nothing in time.
        failed: That ended before they were known: no SSH, hung up, nothing in common.
        refused: That proved a key and were not let in.
        up: That were let in.
    """

    half_open: int
    accepted: int
    too_fast: int
    dropped: int
    expired: int
    failed: int
    refused: int
    up: int


class Door:
    """Listens, from ``listen`` to ``shut``.

    Args:
        limits: What strangers may cost.
        receive: What becomes of a call whose version line begins. It is cancelled when the call must go for another,
            and ends by ``leave``.
        watcher: Told of each call.

    Attributes:
        counts: What became of calls, by the names that ``CallHomeStatistics`` has for it.
    """

    def __init__(
        self, limits: DoorLimits, receive: Callable[[Arrival], Coroutine[None, None, None]], watcher: CallWatcher
    ) -> None:
        self._limits = limits
        self._receive = receive
        self._watcher = watcher
        self._strangers: HalfOpen[Arrival] = HalfOpen(limits)
        self._timers: dict[Arrival, asyncio.TimerHandle] = {}
        self._logins: dict[Arrival, asyncio.Task[None]] = {}
        self._servers: list[asyncio.Server] = []
        self._shut = False
        self.counts: Counter[str] = Counter()

    async def listen(self, hosts: Sequence[str], port: int, sockets: Iterable[socket.socket]) -> None:
        """Accept, on sockets that listen already and on addresses.

        Raises:
            ConfigError: An address cannot be listened on.
        """
        loop = asyncio.get_running_loop()
        try:
            for sock in sockets:
                self._servers.append(await loop.create_server(self.arrive, sock=sock, backlog=_BACKLOG))
            for host in hosts:
                self._servers.append(
                    await loop.create_server(self.arrive, host, port, backlog=_BACKLOG, reuse_address=True)
                )
        except OSError as error:
            raise ConfigError(f"cannot listen for devices on {', '.join(hosts)}, port {port}: {error}") from error

    def statistics(self) -> CallHomeStatistics:
        """The door at this moment."""
        names = ("accepted", "too_fast", "dropped", "expired", "failed", "refused", "up")
        return CallHomeStatistics(half_open=len(self._strangers), **{name: self.counts[name] for name in names})

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Where it listens."""
        return [sock.getsockname()[:2] for server in self._servers for sock in server.sockets]

    async def shut(self) -> None:
        """Listen no more, and hang up on strangers. Returns when none is left."""
        self._shut = True
        for server in self._servers:
            server.close()
        for arrival in list(self._timers):
            self.leave(arrival)
        logins = dict(self._logins)
        for arrival in logins:
            self.leave(arrival)  # a task that is cancelled before its first step would not
        await asyncio.gather(*logins.values(), return_exceptions=True)

    def arrive(self) -> Arrival:
        """What takes the next connection."""
        return Arrival(self._made, self._ready, self._gone)

    def leave(self, arrival: Arrival) -> None:
        """A call is logged in, or hung up on. Safe to call twice."""
        self._strangers.leave(arrival)
        timer = self._timers.pop(arrival, None)
        if timer is not None:
            timer.cancel()
        login = self._logins.get(arrival)
        if login is not None and login is not asyncio.current_task():
            login.cancel()
        arrival.drop()

    def _made(self, arrival: Arrival) -> None:
        """A stranger stands in the door: count before all else."""
        self.counts["accepted"] += 1
        loop = asyncio.get_running_loop()
        stays, victim = self._strangers.admit(arrival, source_of(arrival.peer[0]), loop.time())
        if victim is not None:
            self.counts["dropped"] += 1
            self.leave(victim)
            self._watcher.failed(victim.address, ConnectFailed(f"{victim.address}: dropped for a newer call"), None)
        if not stays or self._shut:
            self.counts["too_fast"] += not stays
            self.leave(arrival)
            return
        self._timers[arrival] = loop.call_later(self._limits.preamble_timeout, self._expire, arrival)
        self._watcher.came(arrival.address)

    def _ready(self, arrival: Arrival) -> None:
        """Its version line begins: it speaks SSH."""
        timer = self._timers.pop(arrival, None)
        if timer is None or self._shut:
            return
        timer.cancel()
        self._strangers.progress(arrival)
        # Owned here until it is done: ``shut`` ends those that are not.
        login = asyncio.get_running_loop().create_task(self._receive(arrival), name=f"call from {arrival.address}")
        self._logins[arrival] = login
        login.add_done_callback(lambda _: self._logins.pop(arrival))

    def _gone(self, arrival: Arrival, error: MooringError | None) -> None:
        self.counts["failed"] += 1
        if error is not None:
            _log.debug("%s: %s", arrival.address, error)
        self.leave(arrival)
        error = error or ConnectFailed(f"{arrival.address} hung up before SSH began")
        self._watcher.failed(arrival.address, error, None)

    def _expire(self, arrival: Arrival) -> None:
        self.counts["expired"] += 1
        self.leave(arrival)
        waited = f"within {self._limits.preamble_timeout:g} s"
        self._watcher.failed(arrival.address, ConnectFailed(f"{arrival.address} did not begin SSH {waited}"), None)
