"""Forwards through the service: who may, and what is remembered."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest

from mooring import ForwardKind, NotAllowed, Pool, StateError, UnknownAlias
from mooring.model.forward import KeptForward, Place
from mooring.service import Fleet
from mooring.simulate import SimulatedHosts

from .held import ROOT, actor, hold, target

pytestmark = pytest.mark.anyio

LOCAL, REMOTE, SOCKS = ForwardKind.LOCAL, ForwardKind.REMOTE, ForwardKind.SOCKS
HERE = Place("127.0.0.1", 0)
THERE = Place("127.0.0.1", 1)


@dataclass
class Kept:
    """A memory without a disk, which can be full."""

    entries: list[KeptForward] = field(default_factory=list)
    full: bool = False

    async def kept(self) -> list[KeptForward]:
        return list(self.entries)

    async def keep(self, forward: KeptForward) -> None:
        if self.full:
            raise StateError("the disk is full")
        self.entries.append(forward)

    async def forget(self, alias: str, name: str | None = None) -> None:
        if self.full:
            raise StateError("the disk is full")
        self.entries = [one for one in self.entries if one.alias != alias or name not in {None, one.name}]


async def test_who_may(anyio_backend: str) -> None:
    del anyio_backend
    async with SimulatedHosts() as hosts, Pool(config=None) as pool:
        fleet = Fleet(pool, None)
        await hold(fleet, target(hosts, alias="edge1"))
        forwards = fleet.forwards
        joe, reader, nobody = actor(forward="edge*", read="all"), actor(read="all"), actor(read="other")
        made = await forwards.add(joe, "edge1", LOCAL, HERE, THERE)
        assert (made.name, made.state) == ("local", "standing")
        await forwards.add(joe, "edge1", SOCKS, Place("localhost", 0), None)
        with pytest.raises(NotAllowed, match="may not forward on edge1"):
            await forwards.add(reader, "edge1", LOCAL, HERE, THERE)
        with pytest.raises(UnknownAlias):
            await forwards.add(nobody, "edge1", LOCAL, HERE, THERE)
        for kind, listen in (
            (REMOTE, HERE),
            (LOCAL, Place("", 0)),
            (LOCAL, Place("0.0.0.0", 0)),  # noqa: S104 - that it is refused
            (LOCAL, Place("db.example", 0)),
            (LOCAL, Place(path="/tmp/x")),
        ):
            with pytest.raises(NotAllowed, match="may not open this machine to others"):
                await forwards.add(joe, "edge1", kind, listen, THERE)
        assert [one.name for one in forwards.list(reader)] == ["local", "socks"]
        assert forwards.list(nobody) == []
        assert forwards.show(reader, "edge1", "local").kind is LOCAL
        with pytest.raises(NotAllowed):
            await forwards.remove(reader, "edge1", "local")
        assert (await forwards.remove(joe, "edge1", "local")).state == "closed"
        assert [one.name for one in forwards.list(ROOT)] == ["socks"]


async def test_what_is_remembered_is_what_stands(anyio_backend: str) -> None:  # noqa: PLR0915 - one story
    del anyio_backend
    memory = Kept()
    async with SimulatedHosts() as hosts:
        async with Pool(config=None) as pool:
            fleet = Fleet(pool, None, None, memory)
            wanted = target(hosts, alias="edge1")
            await hold(fleet, wanted)
            made = await fleet.forwards.add(ROOT, "edge1", LOCAL, HERE, THERE, name="x")
            assert [str(one.listen) for one in memory.entries] == [made.listen]
            memory.full = True
            with pytest.raises(StateError):
                await fleet.forwards.add(ROOT, "edge1", LOCAL, HERE, THERE, name="y")
            with pytest.raises(StateError):
                await fleet.forwards.remove(ROOT, "edge1", "x")
            assert [one.name for one in fleet.forwards.list(ROOT)] == ["x"]
            memory.full = False
            await fleet.start(ROOT, wanted, replace=True)
            assert [(one.name, one.listen) for one in fleet.forwards.list(ROOT)] == [("x", made.listen)]
        memory.entries.append(KeptForward(alias="gone", name="z", kind=SOCKS, listen=HERE, destination=None))
        async with Pool(config=None) as pool:
            fleet = Fleet(pool, None, None, memory)
            await fleet.start(ROOT, wanted)
            await pool["edge1"].forwards.aclose()  # which start has made again
            assert await fleet.restore([]) == []
            async with asyncio.timeout(30):
                while fleet.forwards.list(ROOT)[0].state != "standing":  # noqa: ASYNC110 - as it is seen
                    await asyncio.sleep(0.01)
            assert [(one.alias, one.name, one.listen) for one in fleet.forwards.list(ROOT)] == [
                ("edge1", "x", made.listen)
            ]
            assert [one.alias for one in memory.entries] == ["edge1"]
            await fleet.stop(ROOT, "edge1")
            assert memory.entries == []
