"""What happened to a session lately: kept while there is one, bounded, and for those who may read it."""

from __future__ import annotations

import time

import pytest

from mooring import Pool
from mooring.model.access import ADMIN, Action, Actor, Grant
from mooring.model.errors import UnknownAlias
from mooring.model.event import Event, EventKind
from mooring.service import Fleet
from mooring.service.history import MOST
from mooring.simulate import SimulatedHosts

pytestmark = pytest.mark.anyio

ROOT = Actor(name="root", door="unix", grants=(ADMIN,))
OTHER = Actor(name="other", door="tcp", grants=(Grant(selector="db*", actions=frozenset({Action.READ})),))


def told(fleet: Fleet, alias: str = "web1") -> list[str]:
    return [event.state.value if event.state else event.kind.value for event in fleet.history(ROOT, alias)]


async def test_it_tells_what_happened_and_ends_with_the_session() -> None:
    async with Pool(config=None) as pool, SimulatedHosts() as hosts:
        fleet = Fleet(pool, None)
        host = hosts[0]
        session = await pool.start(f"web1://a@{host.address}:{host.port}", host_key=hosts.public_key, agent_path=None)
        await session.wait_up(timeout=30)
        await session.forward_local(0, "127.0.0.1:1", name="one")
        assert told(fleet) == ["connecting", "up", "forward"]
        with pytest.raises(UnknownAlias):
            fleet.history(OTHER, "web1")
        await pool.stop("web1")
        with pytest.raises(UnknownAlias):
            fleet.history(ROOT, "web1")
        assert fleet._history._kept == {}  # noqa: SLF001 - nothing of it is left


async def test_the_last_are_kept_and_strangers_grow_nothing() -> None:
    async with Pool(config=None) as pool:
        fleet = Fleet(pool, None)
        await pool.start("web1://a@127.0.0.1:1", agent_path=None)
        for alias in ("web1", "stranger"):
            for number in range(MOST + 10):
                pool.announce(Event(kind=EventKind.FACTS, alias=alias, at=time.time(), reason=str(number)))
        history = fleet.history(ROOT, "web1")
        assert (len(history), history[-1].reason) == (MOST, str(MOST + 9))
        assert set(fleet._history._kept) == {"web1"}  # noqa: SLF001 - of nobody else
