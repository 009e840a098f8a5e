"""What is said of devices is remembered first, or not at all."""

from __future__ import annotations

import asyncio
from typing import Any, NoReturn

import pytest

from mooring.model.device import Device
from mooring.model.errors import AliasInUse, NotAllowed, StateError, UnknownAlias
from mooring.model.event import EventKind
from mooring.pool.callhome import CallHomeServer
from mooring.service import Fleet, Homecoming
from mooring.simulate import SimulatedHosts
from tests.pool.fleet import true
from tests.pool.homes import PASSWORD, calling, listening
from tests.service.held import ROOT, actor, target

pytestmark = pytest.mark.anyio


class FullDisk:
    """Remembers nothing, and says so."""

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - any verb
        async def refuse(*_: object) -> NoReturn:
            raise StateError(f"{name}: the disk is full")

        return refuse


def fleet(server: CallHomeServer, memory: FullDisk | None = None) -> Fleet:
    return Fleet(server.pool, None, Homecoming(server, memory))


async def test_what_cannot_be_remembered_waits_as_before() -> None:
    async with listening() as server, calling(server) as devices:
        held = fleet(server, FullDisk())
        await true(lambda: bool(server.pending))
        waiting = server.pending[0].id
        with pytest.raises(StateError, match="the disk is full"):
            await held.approve(ROOT, waiting, "core1", username="admin", password=PASSWORD)
        assert [each.id for each in held.pending(ROOT)] == [waiting]
        assert "core1" not in server.pool
        assert server.roll.devices == []
        calls = devices[0].calls
        await true(lambda: devices[0].calls > calls + 1)
        assert devices[0].logins == []


async def test_a_key_that_cannot_be_remembered_is_not_trusted() -> None:
    async with listening("core1://admin@device1?password_from=env:PW", facts=False) as server, calling(server):
        held = fleet(server, FullDisk())
        await true(lambda: bool(server.pending))
        waiting = server.pending[0].id
        with pytest.raises(StateError, match="the disk is full"):
            await held.trust(ROOT, waiting)
        assert server.roll.pins == {}
        with pytest.raises(StateError, match="the disk is full"):
            await held.forget(ROOT, waiting)
        assert [each.id for each in held.pending(ROOT)] == [waiting]


async def test_a_configured_device_is_trusted_and_a_rejection_forgotten() -> None:
    device = Device.parse("core1://admin@device1", password=PASSWORD)
    async with listening(device, facts=False) as server, calling(server):
        held = fleet(server)
        await true(lambda: bool(server.pending))
        waiting = server.pending[0].id
        await held.reject(ROOT, waiting)
        assert (await held.forget(ROOT, waiting)).device_id == "device1"
        await true(lambda: bool(server.pending) and not server.pending[0].rejected)
        assert (await held.trust(ROOT, waiting, server.pending[0].fingerprint)).id == waiting
        await server.pool["core1"].wait_up(30)
        assert server.pending == []
        with pytest.raises(NotAllowed):
            await held.trust(actor(approve="core*"), waiting)


async def test_those_that_wait_cannot_be_kept_and_are_shown_all_the_same(caplog: pytest.LogCaptureFixture) -> None:
    async with listening() as server:
        home = Homecoming(server, FullDisk())
        async with home.keeping(), calling(server):
            await true(lambda: "the devices that wait are not kept" in caplog.text)
            assert len(home.pending) == 1


async def test_an_alias_is_a_devices_or_a_hosts(hosts: SimulatedHosts) -> None:
    async with listening() as server, calling(server):
        held = fleet(server)
        await held.start(ROOT, target(hosts, alias="sw1"))
        await true(lambda: bool(server.pending))
        waiting = server.pending[0].id
        with pytest.raises(AliasInUse):
            await held.approve(ROOT, waiting, "sw1", username="admin", password=PASSWORD)
        await held.approve(ROOT, waiting, "core1", username="admin", password=PASSWORD)
        with pytest.raises(AliasInUse, match="calls home"):
            await held.start(ROOT, target(hosts, alias="core1"), replace=True)
        await server.pool["core1"].wait_up(30)
        assert await held.stop(ROOT, "core1") == ["core1"]
        await held.start(ROOT, target(hosts, alias="core1"))
        assert held.show(ROOT, "core1").direction == "dialed"


async def test_cancelling_an_approval_does_all_or_nothing() -> None:
    async with listening() as server, calling(server):
        held = fleet(server)
        await true(lambda: bool(server.pending))
        asked = asyncio.create_task(held.approve(ROOT, server.pending[0].id, "core1", username="admin"))
        await asyncio.sleep(0)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        assert ("core1" in server.pool) is (server.pending == [])


async def test_a_fleet_without_devices() -> None:
    async with listening() as server:
        held = Fleet(server.pool, None)
        assert held.pending(ROOT) == []
        with pytest.raises(UnknownAlias):
            await held.reject(ROOT, "nobody")
        with pytest.raises(NotAllowed):
            held.pending(actor(run="all"))


async def test_who_may_not_read_a_device_is_not_told_of_it() -> None:
    async with listening() as server, calling(server):
        held = fleet(server)
        async with held.watch(actor(read="web*")) as narrow, held.watch(actor(read="all")) as wide:
            async with asyncio.timeout(30):
                event = await anext(wide)
            assert event.kind is EventKind.PENDING
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await anext(narrow)
