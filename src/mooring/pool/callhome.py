"""Devices that call home: a listener, a door for strangers, and a session in the pool for each that is let in."""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Self

from ..model.device import Device, DoorLimits
from ..model.errors import AliasInUse, InvalidInput, MooringError
from ..model.event import EventKind
from ..model.target import Target
from ..wire.callhome import Claim
from .agents import LIFETIME, Agents
from .door import CallHomeStatistics, Door
from .pool import Pool
from .reception import Reception
from .waiting import id_of
from .watcher import CallWatcher

if TYPE_CHECKING:
    import socket
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

    from ..model.device import Pending
    from ..model.enrolment import Enrolment
    from ..transport.arrival import Arrival
    from ..wire.enrolment import Token

__all__ = ["CallHomeServer", "CallHomeStatistics", "DoorLimits"]

_log: Final = logging.getLogger(__name__)
_PORT: Final = 4334


class CallHomeServer:
    """Listens for devices, and holds what they bring as sessions of a pool.

    ::

        core1 = mooring.Device.parse("core1://admin@core1-id", password_from="env:PW", secret="...")
        async with mooring.CallHomeServer("0.0.0.0", 4334, devices=[core1]) as home:
            await home.pool["core1"].wait_up(timeout=None)

    The TCP roles are turned round, the SSH roles are not (RFC 8071): we log in, once the device has proved its host
    key and that key is trusted for it.

    Args:
        host: Address or addresses to listen on.
        port: TCP port; 4334 is IANA's for NETCONF over SSH, 0 lets the system choose.
        pool: Where the sessions go, the caller's own; None makes one that is closed with the server.
        devices: Who may call; see ``Device``.
        sockets: Listening sockets to use in place of ``host`` and ``port``, as systemd hands them out.
        limits: What strangers may cost.
        learned: Awaited with the id and the fingerprint of a key that was accepted at first sight, before a credential
            is sent to its device: once it returns, the key is kept. What it raises turns the call away.
        facts: Whether to ask each device what it is when it is up, over NETCONF; see ``gather``.
        watcher: Told of every call, step by step.
        agent_key: The file of the key with which agents are logged in to, made where there is none; see
            ``agent_token``.
        enrolled: Awaited with an agent that came with its token, before it is logged in to: once it returns, it is
            kept. What it raises turns the call away.
    """

    def __init__(
        self,
        host: str | Sequence[str] = "0.0.0.0",  # noqa: S104 - devices are elsewhere
        port: int = _PORT,
        *,
        pool: Pool | None = None,
        devices: Iterable[Device | Target | str] = (),
        sockets: Sequence[socket.socket] = (),
        limits: DoorLimits | None = None,
        learned: Callable[[str, str], Awaitable[None]] | None = None,
        facts: bool = True,
        watcher: CallWatcher | None = None,
        agent_key: str | Path | None = None,
        enrolled: Callable[[Device], Awaitable[None]] | None = None,
    ) -> None:
        self.limits = limits or DoorLimits()
        self.pool = pool or Pool(config=None)
        self._own_pool = pool is None
        self._where = ([host] if isinstance(host, str) else list(host), port)
        self._sockets = list(sockets)
        watcher = watcher or CallWatcher()
        self.agents = Agents(agent_key, enrolled)
        self._reception = Reception(self.pool, self.limits, watcher, facts=facts, learned=learned, agents=self.agents)
        self.roll = self._reception.roll
        for each in devices:
            self.roll.add(each if isinstance(each, Device) else Device.parse(each))
        self._harbour = self._reception.harbour
        self._refusals = self._reception.refusals
        self._door = Door(self.limits, self._receive, watcher)
        self._open = False

    async def __aenter__(self) -> Self:
        """Listen.

        Raises:
            ConfigError: An address cannot be listened on.
            AliasInUse: A session of the pool has the alias of a device.
        """
        if self._own_pool:
            await self.pool.__aenter__()
        self._open = True
        try:
            for device in self.roll.devices:
                if not device.is_pattern:
                    self._harbour.berth(device, None)
            await self._door.listen(() if self._sockets else self._where[0], self._where[1], self._sockets)
        except BaseException:
            await self.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it (see ``aclose``)."""
        await self.aclose()

    async def aclose(self) -> None:
        """Listen no more, hang up on strangers, and close the sessions of the devices. Safe to call twice."""
        was_open, self._open = self._open, False
        if not was_open:
            return
        try:
            await self._door.shut()
            await self._harbour.aclose()
        finally:
            await self._reception.acceptor.aclose()
            if self._own_pool:
                await self.pool.aclose()

    async def listen(self, sockets: Iterable[socket.socket]) -> None:
        """Listen on further sockets.

        Raises:
            ConfigError: One cannot be listened on.
        """
        await self._door.listen((), 0, sockets)

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Where it listens."""
        return self._door.addresses

    @property
    def port(self) -> int:
        """The port of the first address."""
        return self.addresses[0][1]

    def statistics(self) -> CallHomeStatistics:
        """The door at this moment."""
        return self._door.statistics()

    def recall(self, approved: Iterable[Device], waiting: Iterable[Pending], pins: Mapping[str, str]) -> None:
        """What was kept before: call it before the first device calls. A device whose alias is taken stays away."""
        self.roll.pins.update(pins)
        self._reception.kept.update(pins)
        self.roll.waiting.restore(replace(each, id=id_of(each.host_key)) for each in waiting)
        for device in approved:
            try:
                self.add(device)
            except MooringError as error:
                _log.warning("an approved device is not let in: %s", error)

    # Who may call.

    def agent_token(
        self, agent_id: str, *, alias: str | None = None, label: Sequence[str] = (), lifetime: float = LIFETIME
    ) -> Token:
        """A token with which one agent of an id may make itself known, once, in place of any before.

        ``token.text()`` is what is carried to it, by a way on which nobody else reads it. It waits for the disk.

        Args:
            agent_id: The id, which the agent is told with ``--id``.
            alias: The name of its session; by default the id.
            label: Its labels.
            lifetime: Seconds for which it is good.

        Raises:
            InvalidTarget, InvalidInput: There can be no such agent, or not for so long.
            AliasInUse: Another device or session has the alias, or the id.
            ConfigError: There is no ``agent_key``.
            StateError: Its file cannot be used.
        """
        token, enrolment = self.invite(agent_id, alias, label, lifetime)
        self.expect(enrolment)
        return token

    def invite(
        self, agent_id: str, alias: str | None, labels: Sequence[str], lifetime: float
    ) -> tuple[Token, Enrolment]:
        """The same, for a caller who keeps what is known of it before it counts; see ``expect``."""
        self._check_free(agent_id, alias or agent_id)
        self.agents.expected.check(time.time())
        return self.agents.invite(agent_id, alias or agent_id, labels, lifetime, time.time())

    def expect(self, enrolment: Enrolment) -> list[str]:
        """Have a token count; the ids of others that are forgotten for it."""
        self._check_free(enrolment.device_id, enrolment.alias)
        gone = self.agents.expected.check(time.time())
        for each in gone:
            self.agents.expected.remove(each)
        self.agents.expected.add(enrolment)
        return gone

    def _check_free(self, agent_id: str, alias: str) -> None:
        known = self.roll.claimed(Claim(device_id=agent_id))
        if known is not None and not known.is_pattern:
            raise AliasInUse(
                f"{agent_id} is known already, as {known.target.alias}", hint=f"mooring stop {known.target.alias}"
            )
        if alias in self.pool or self.roll.named(alias) is not None:
            raise AliasInUse(f"{alias} is in use", hint="give the agent another alias")

    def add(self, device: Device | Target | str, **keywords: Any) -> Device:
        """Let a device call: ``add("core1://admin@core1", host_key="SHA256:...", password_from="env:PW")``.

        Raises:
            InvalidTarget, InvalidInput: It is malformed.
            AliasInUse: Another device or session has its alias, or its id.
        """
        parsed = device if isinstance(device, Device) else Device.parse(device, **keywords)
        self.roll.add(parsed)
        self._expect(parsed)
        return parsed

    def _expect(self, device: Device) -> None:
        """Have a berth for a device that was just put on the roll."""
        if not device.is_pattern:
            try:
                self._harbour.berth(device, None)
            except AliasInUse:
                self.roll.remove(device.target.alias)
                raise

    async def replace(self, device: Device) -> None:
        """Let a device call otherwise: its session is closed, the key that was learned of it stays.

        Raises:
            UnknownAlias: No device is called so.
            AliasInUse: Another device has its new id; nothing was changed.
        """
        self.roll.replace(device)
        self._refusals.forgive(device.target.alias)
        await self._harbour.clear(device.target.alias)
        self._expect(device)

    async def remove(self, alias: str) -> None:
        """Let a device call no more, close its session, and forget the key that was learned of it.

        One that a pattern lets in may call again, as if anew.

        Raises:
            UnknownAlias: No device is called so.
        """
        names = self.held_to_keys(alias)
        if self._harbour.identity(alias) is not None:
            await self._harbour.leave(alias)
            return
        self.agents.forget(self.roll.remove(alias))
        for name in names:
            self._reception.forget(name)
        self._refusals.forgive(alias)
        await self._harbour.clear(alias)

    def held_to_keys(self, alias: str) -> list[str]:
        """The ids whose keys are forgotten when an alias is removed."""
        identity, device = self._harbour.identity(alias), self.roll.named(alias)
        return [identity] if identity is not None else self.roll.held(device) if device is not None else []

    def forgive(self) -> None:
        """Log in again on devices that refused it before they had a session, at their next call.

        A device that has one is told so by its ``retry``.
        """
        self._refusals.forgive()

    @property
    def pending(self) -> list[Pending]:
        """The devices that called, proved a key, and wait for somebody's word; and those that were rejected."""
        return self.roll.waiting.all

    def approve(self, pending_id: str, alias: str, *, fingerprint: str | None = None, **keywords: Any) -> Device:
        """Let a device that waits in from its next call on, held to the key that it proved.

        Args:
            pending_id: Its ``Pending.id``.
            alias: The session's name.
            fingerprint: The key's fingerprint as somebody read it at the device, to be compared; None for the id's.
            keywords: Fields of its target: ``username``, ``password_from``, ``identity``, ``label`` and so on.

        Raises:
            InvalidTarget, InvalidInput: A keyword is malformed, there is no user name, or the fingerprint is not its.
            UnknownAlias: None waits under this id.
            AliasInUse: Another device or session has the alias, or its id; nothing was changed.
        """
        if alias in self.pool:
            raise AliasInUse(f"{alias} is in use", hint=self._hint(pending_id, alias))
        if "host_key" in keywords:
            raise InvalidInput("an approved device is held to the key that it proved", hint="leave host_key out")
        waiting = self._compared(pending_id, fingerprint)
        device = self.roll.approve(pending_id, Target.parse(f"{alias}://device", **keywords))
        try:
            self._expect(device)
        except BaseException:
            self.roll.waiting.restore([waiting])
            raise
        self._reception.tell(
            EventKind.APPROVED, alias, f"{pending_id} was approved as {alias}: it is up at its next call"
        )
        return device

    def _hint(self, pending_id: str, alias: str) -> str:
        named, waiting = self.roll.named(alias), self.roll.waiting.get(pending_id)
        if named is not None and waiting is not None and named.means(waiting.device_id or ""):
            return "it is configured: to trust this key for it, approve the id alone"
        return "give the device another alias"

    def trust(self, pending_id: str, *, fingerprint: str | None = None) -> Pending:
        """Let a device that is configured in with the key with which it waits, and no other, from its next call on.

        Args:
            pending_id: Its ``Pending.id``.
            fingerprint: As ``approve`` has it.

        Raises:
            InvalidInput: Its id is not configured, or with a key; or the fingerprint is not its.
            UnknownAlias: None waits under this id.
        """
        self._compared(pending_id, fingerprint)
        waiting = self.roll.trust(pending_id)
        device = self.roll.claimed(Claim(device_id=waiting.device_id))
        alias = device.target.alias if device is not None and not device.is_pattern else ""
        self._reception.tell(EventKind.APPROVED, alias, f"{pending_id} was approved: it is {waiting.device_id}")
        return waiting

    def untrust(self, waiting: Pending, before: str | None) -> None:
        """Take ``trust`` back: it waits again, and its id is held to the key of before, if to any."""
        self.roll.waiting.restore([waiting])
        if waiting.device_id is not None:
            self._reception.forget(waiting.device_id)
            if before is not None:
                self.roll.pins[waiting.device_id] = before

    def _compared(self, pending_id: str, fingerprint: str | None) -> Pending:
        waiting = self.roll.waiting[pending_id]
        if fingerprint is not None and fingerprint != waiting.fingerprint:
            raise InvalidInput(
                f"{pending_id} proved {waiting.fingerprint}, and not {fingerprint}",
                hint="another device calls under that name: do not approve it",
            )
        return waiting

    def reject(self, pending_id: str) -> Pending:
        """Turn a device away quietly from now on; until its key is approved, or configured.

        Raises:
            UnknownAlias: None waits under this id.
        """
        rejected = self.roll.waiting.reject(pending_id)
        self._reception.tell(EventKind.REJECTED, "", f"{pending_id} was rejected: {rejected.fingerprint}")
        return rejected

    def forget(self, pending_id: str) -> Pending:
        """Forget a device that waits or was rejected: at its next call it waits as if that were the first.

        Raises:
            UnknownAlias: None waits under this id.
        """
        return self.roll.waiting.take(pending_id)

    async def _receive(self, arrival: Arrival) -> None:
        await self._reception.receive(arrival, self._door)
