"""What the tests of the service share: actors, targets, and a memory of their own."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from mooring.model.access import ADMIN, Action, Actor, Grant
from mooring.model.errors import MooringError, StateError
from mooring.model.status import SessionState, SessionStatus
from mooring.model.target import Target
from mooring.service import Fleet
from mooring.simulate import SimulatedHosts
from tests.pool.fleet import until

ROOT = Actor(name="root", door="unix", grants=(ADMIN,))


def actor(**grants: str) -> Actor:
    """One who may do some actions, each on a selector: ``actor(read="all", run="edge*")``."""
    return Actor(
        name="joe",
        door="tcp",
        grants=tuple(Grant(selector=selector, actions=frozenset({Action(name)})) for name, selector in grants.items()),
    )


def target(hosts: SimulatedHosts, number: int = 0, alias: str = "", **options: object) -> Target:
    """A simulated host as a target."""
    host = hosts[number]
    options = {"identity": "none", "host_key": hosts.public_key, **options}
    return Target.parse(f"{alias or host.name}://admin@{host.address}:{host.port}", **options)


async def hold(fleet: Fleet, wanted: Target) -> SessionStatus:
    """A session of a fleet that is up."""
    await fleet.start(ROOT, wanted)
    await until(fleet._pool[wanted.alias], SessionState.UP, timeout=30)  # noqa: SLF001 - no verb waits
    return fleet.show(ROOT, wanted.alias)


@dataclass
class Note:
    """A session that was kept."""

    alias: str
    target: Target | None
    error: MooringError | None = None


@dataclass
class Notes:
    """A memory without a disk, which can be full, or slow until it is told to go on."""

    kept: dict[str, Target] = field(default_factory=dict)
    full: bool = False
    slow: asyncio.Event | None = None
    writing: asyncio.Event = field(default_factory=asyncio.Event)

    async def remember(self, target: Target) -> None:
        await self._write()
        self.kept[target.alias] = target

    async def forget(self, alias: str) -> None:
        await self._write()
        self.kept.pop(alias, None)

    async def _write(self) -> None:
        self.writing.set()
        if self.slow is not None:
            await self.slow.wait()
        if self.full:
            raise StateError("the disk is full")
