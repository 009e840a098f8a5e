"""What becomes of a call once it speaks SSH: who it is, the login, and a berth; or why not, told once."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Final

from ..model.errors import (
    AuthenticationFailed,
    ConnectFailed,
    CredentialError,
    HostKeyError,
    MooringError,
    SessionParked,
)
from ..model.event import Event, EventKind
from ..transport.accept import Acceptor, Admission, HungUp, Offer
from ..transport.credentials import look_up
from ..transport.halfopen import source_of
from .handshakes import Handshakes
from .harbour import Harbour, route_of
from .refusals import Refusals
from .roll import Rejected, Roll

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ..model.device import Device, DoorLimits, HostKey
    from ..model.secret import Secret
    from ..session import Session
    from ..transport.arrival import Arrival
    from ..transport.link import Link
    from ..wire.callhome import Claim
    from .agents import Agents
    from .berth import Berth
    from .door import Door
    from .pool import Pool
    from .watcher import CallWatcher

__all__ = ["Reception"]

_log: Final = logging.getLogger(__name__)
_TOLD: Final = 1000
_TURN: Final = 3.0
"""Seconds for which a call holds a turn. A handshake needs four round trips and some milliseconds of ours, so a device
at the far end of a satellite is done; who is silent for so long costs nothing more, and may go on without a turn."""


class Reception:
    """Receives calls, for a ``CallHomeServer``.

    Args:
        pool: Told of events.
        limits: What strangers may cost.
        watcher: Told of each call.
        facts: Whether each device is asked what it is when it is up.
        learned: Keeps a key that was learned at first sight; None where nothing is kept.
        agents: How agents are taken in that are expected.

    Attributes:
        roll: Who may call.
        harbour: Where those that are let in are moored.
        refusals: Logins that are not repeated.
        acceptor: Logs in.
    """

    def __init__(
        self,
        pool: Pool,
        limits: DoorLimits,
        watcher: CallWatcher,
        *,
        facts: bool,
        learned: Callable[[str, str], Awaitable[None]] | None,
        agents: Agents,
    ) -> None:
        self._pool = pool
        self._limits = limits
        self._watcher = watcher
        self._learned = learned
        self._agents = agents
        self._turns = Handshakes(limits.handshakes, limits.handshakes_per_source)
        self._told: dict[str, str] = {}
        self.kept: dict[str, str] = {}
        self.roll = Roll()
        self.harbour = Harbour(pool, facts=facts, watcher=watcher, forgotten=self.forget)
        self.refusals = Refusals()
        self.acceptor = Acceptor()

    def forget(self, name: str) -> None:
        """Forget the key that was learned of a name."""
        self.roll.pins.pop(name, None)
        self.kept.pop(name, None)

    async def receive(self, arrival: Arrival, door: Door) -> None:
        """Log in, and moor what comes of it. The door is told when the call is no stranger's any more."""
        call = _Call(self, arrival)
        try:
            async with asyncio.timeout(self._limits.login_timeout):
                async with self._turns.lend(source_of(arrival.peer[0]), _TURN):
                    call.secret = await self._secret(call.claim)
                    link, _ = await self.acceptor.log_in(
                        arrival, call.judge, self._offer(call.claim), self._limits.login_timeout
                    )
            door.leave(arrival)
            self.refusals.let_in(call.who)
            await self._moor(call, link)
            door.counts["up"] += 1
        except TimeoutError:
            door.counts["expired"] += 1
            late = ConnectFailed(f"{arrival.address}: no login within {self._limits.login_timeout:g} s")
            self._watcher.failed(arrival.address, late, call.session)
        except MooringError as error:
            door.counts["refused" if call.refused(error) else "failed"] += 1
            await self._turned_away(call, error)
            self._watcher.failed(arrival.address, error, call.session)
        except Exception:  # noqa: BLE001 - one caller's bug must not close the door
            _log.exception("%s: failed unexpectedly", arrival.address)
        finally:
            door.leave(arrival)

    async def _secret(self, claim: Claim) -> Secret | None:
        """What the claimed device's ``secret_from`` leads to.

        Raises:
            CredentialError: Nowhere.
        """
        device = self.roll.claimed(claim)
        if device is None or device.secret_from is None or claim.hmac is None:
            return None
        where = f"the secret of {device.target.alias}, secret_from={device.secret_from}"
        return await look_up(device.secret_from, device.target.username, where)

    async def _moor(self, call: _Call, link: Link) -> None:
        """A device is logged in: have what was learned of it kept, and hold its connection.

        Raises:
            MooringError: It has no alias, or none that is free; or what was learned cannot be kept.
        """
        try:
            await self.keep(call)
            berth, told = call.berth, None
            if berth is None:
                assert call.device is not None  # noqa: S101 - it is logged in
                berth, told = await self.harbour.name(call.device, call.name, link)
            self.harbour.moor(berth, link, call.name, call.arrival.address, told)
        except BaseException:
            link.connection.abort()
            raise
        if call.key is not None:
            self.roll.waiting.settle(call.key)

    async def keep(self, call: _Call) -> None:
        """Have a key that was just learned, or an agent, kept before a credential is sent to who showed it.

        However this process ends, no other key can take its place then.

        Raises:
            StateError: It cannot be kept.
        """
        if call.device is not None:
            await self._agents.keep(call.device)
        name, fingerprint = call.name, call.learned
        if self._learned is None or name is None or fingerprint is None or self.kept.get(name) == fingerprint:
            return
        await self._learned(name, fingerprint)
        self.kept[name] = fingerprint

    def _offer(self, claim: Claim) -> Offer:
        device = self.roll.claimed(claim)
        return Offer(
            kinds=self.roll.kinds(claim),
            only=claim.host_key is not None,
            certificates=claim.host_key is None and self.roll.certificates,
            legacy=device is not None and bool(device.target.legacy),
        )

    def admit(self, call: _Call, key: HostKey) -> Admission:
        """Who has proved a key, and where it is moored; None where that takes its facts. Nothing was sent to it yet.

        Raises:
            MooringError: It is not let in.
        """
        call.key = key
        if call.claim.proof is not None:
            self._expect(call.claim, key)
        call.device, call.name = device, name = self.roll.judge(call.claim, key, self.acceptor.known, call.secret)
        call.berth = berth = self.harbour.berth(device, name)
        if berth is not None and berth.parked:
            why = berth.session.error
            raise SessionParked(f"{berth.session.alias} is parked: {why.message if why else 'as told'}")
        if berth is None:
            self.refusals.check(call.who)
        call.learned = self.roll.learn(device, name, key)
        route = berth.route if berth is not None else route_of(device.target, device.policy)
        return Admission(route, device.policy, lambda: self.keep(call))

    def _expect(self, claim: Claim, key: HostKey) -> None:
        """Let an agent in from now on that brings its token; one that is known by its key already needs none.

        Raises:
            MooringError: The token is not taken, or the alias meanwhile somebody's; nothing was changed.
        """
        known = self.roll.claimed(claim)
        if known is not None and known.pin is not None and key.is_(known.pin):
            return
        device = self._agents.take_in(claim, key, time.time())
        self.roll.add(device)
        try:
            self.harbour.berth(device, claim.device_id)
        except BaseException:
            self.roll.remove(device.target.alias)
            raise
        self._agents.taken_in(device)
        alias = device.target.alias
        self.tell(EventKind.APPROVED, alias, f"{alias} came with its token, and is known by {key.fingerprint}")

    async def _turned_away(self, call: _Call, error: MooringError) -> None:
        """Say why a call did not become a session, once for each reason."""
        if isinstance(error, HungUp):
            error = self.refusals.hang_up(call.who, error)
        refused = isinstance(error, (AuthenticationFailed, CredentialError))
        address = call.arrival.address
        if isinstance(error, Rejected):
            return
        if call.refused(error) and call.key is not None:
            waiting, new = self.roll.waiting.add(call.claim, call.key, address, error.message, time.time())
            if new:
                device = self.roll.claimed(call.claim)
                alias = device.target.alias if device is not None and not device.is_pattern else ""
                self.tell(EventKind.PENDING, alias, f"{address} waits as {waiting.id}: {error.message}", error)
        elif call.berth is not None and refused:
            reason = f"the login at {address} failed: {error.message}"
            self.tell(EventKind.REFUSED, call.berth.session.alias, reason, error)
            await call.berth.park(error)
        else:
            if call.device is not None and refused:
                self.refusals.refuse(call.who, error, call.age)
            if call.key is not None or refused:
                self._tell_once(call.claim.device_id or (call.key.fingerprint if call.key else ""), address, error)
            _log.debug("%s: %s", address, error)

    def _tell_once(self, who: str, address: str, error: MooringError) -> None:
        """Tell of something that a device brings about at each call."""
        if self._told.pop(who, None) != error.message:
            self.tell(EventKind.REFUSED, "", f"the call from {address} is refused: {error.message}", error)
        self._told[who] = error.message
        if len(self._told) > _TOLD:
            del self._told[next(iter(self._told))]

    def tell(self, kind: EventKind, alias: str, reason: str, error: MooringError | None = None) -> None:
        """Announce an event of a device."""
        code = error.code if error is not None else None
        self._pool.announce(Event(kind=kind, alias=alias, at=time.time(), reason=reason, error=code))


class _Call:
    """What is known of one call."""

    def __init__(self, reception: Reception, arrival: Arrival) -> None:
        self._reception = reception
        self.arrival = arrival
        self.age = reception.refusals.age
        self.secret: Secret | None = None
        self.key: HostKey | None = None
        self.device: Device | None = None
        self.berth: Berth | None = None
        self.name: str | None = None
        self.learned: str | None = None

    @property
    def claim(self) -> Claim:
        """What it says of itself."""
        assert self.arrival.claim is not None  # noqa: S101 - read before there is a call
        return self.arrival.claim

    @property
    def who(self) -> tuple[str, str]:
        """By what a refusal of the login is remembered: the entry, and which of the devices that it means."""
        assert self.device is not None and self.key is not None  # noqa: S101, PT018 - nothing was sent before
        return self.device.target.alias, self.name or self.key.fingerprint

    @property
    def session(self) -> Session | None:
        """Whose call it is, where that is known."""
        return self.berth.session if self.berth is not None else None

    def refused(self, error: MooringError) -> bool:
        """Whether it is turned away for its key, and not for what came of the login."""
        return isinstance(error, HostKeyError) and self.key is not None and self.berth is None

    def judge(self, key: HostKey) -> Admission:
        """Note the proven key, and ask who it is."""
        return self._reception.admit(self, key)
