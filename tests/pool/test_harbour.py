"""What devices are called, and what becomes of their sessions when what is known of them changes."""

from __future__ import annotations

import pytest

from mooring.model.device import Device
from mooring.model.errors import AliasInUse, InvalidInput, UnknownAlias
from mooring.model.event import EventKind
from mooring.model.status import SessionState
from tests.pool.fleet import true
from tests.pool.homes import PASSWORD, calling, expecting, known, listening

pytestmark = pytest.mark.anyio


def kind(alias: str, **keywords: object) -> Device:
    usual = {"device_id": "device*", "password": PASSWORD, "secret": "s"}
    return Device.parse("kind://admin@any", alias=alias, **{**usual, **keywords})  # type: ignore[arg-type]


async def test_an_alias_of_what_a_device_tells() -> None:
    async with listening(kind("{hostname}-{serial}")) as server, calling(server, count=2, secret="s") as devices:
        aliases = [f"{device.device_id}-{device.serial}" for device in devices.devices]
        await true(lambda: sorted(session.alias for session in server.pool.sessions) == aliases)
        for alias in aliases:
            await server.pool[alias].wait_up(30)
        with server.pool.events() as events:
            devices.drop()
            await true(lambda: all(server.pool[alias].status().connects == 2 for alias in aliases))
        states = [event async for event in events if event.kind is EventKind.STATE]
        assert {event.alias for event in states} == set(aliases)
        assert server.pool[aliases[0]].facts["device_sn"] == devices[0].serial


async def test_of_two_devices_that_tell_the_same_the_second_is_refused() -> None:
    async with listening(kind("{serial}")) as server, calling(server, secret="s") as first:
        await true(lambda: first[0].serial in server.pool)
        twin = calling(server, name="device-", secret="s")
        twin[0].serial = first[0].serial
        async with expecting(
            server, f"device1 has the alias {first[0].serial}, which device-1 would get too"
        ) as events:
            await twin.__aenter__()
        await twin.__aexit__(None, None, None)
        assert events[0].kind is EventKind.REFUSED
        assert events[0].reason.startswith("the call from 127.0.0.1:")
        assert server.pool[first[0].serial].facts["device_id"] == "device1"


async def test_a_device_that_does_not_tell_has_no_session(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mooring.simulate.device._Session.subsystem_requested", lambda *_: False)
    async with listening(kind("{serial}")) as server, calling(server, secret="s") as devices:
        async with expecting(server, "kind"):
            pass
        assert server.pool.sessions == []
        assert devices[0].logins


@pytest.mark.parametrize(
    ("alias", "device_id", "told"),
    [
        ("{mac}", "device*", r"made of \{device_id\}, \{hostname\}, \{serial\}, not of \{mac\}"),
        ("core1", "device*", "device\\* means many devices"),
        ("{serial}", "device1", "device1 is one device"),
    ],
)
def test_an_alias_that_cannot_be_meant(alias: str, device_id: str, told: str) -> None:
    with pytest.raises(InvalidInput, match=told):
        Device.parse("kind://admin@any", alias=alias, device_id=device_id)


async def test_a_device_that_is_replaced_keeps_its_learned_key() -> None:
    device = Device.parse("core1://admin@device1", password=PASSWORD, host_key="accept-new")
    async with listening(device) as server:
        async with calling(server):
            await server.pool["core1"].wait_up(30)
        await server.replace(Device.parse(device.target, device_id="device1", label="site:ams"))
        assert server.pool["core1"].labels == ("site:ams",)
        assert server.pool["core1"].state is not SessionState.UP
        async with calling(server) as other, expecting(server, "other key than at its first call"):
            pass
        assert other[0].logins == []
        with pytest.raises(UnknownAlias):
            await server.replace(Device.parse("core2://admin@device2"))


async def test_a_replacement_that_cannot_be_leaves_all_as_it_was() -> None:
    async with listening("core2://admin@device2") as server, calling(server) as devices:
        server.add(known(devices[0]))
        await server.pool["core1"].wait_up(30)
        with pytest.raises(AliasInUse, match="core2 has the device id device2 already"):
            await server.replace(known(devices[0], device_id="device2"))
        assert server.pool["core1"].state is SessionState.UP
        devices.drop()
        await true(lambda: server.pool["core1"].status().connects == 2)


async def test_a_kind_that_is_removed_takes_its_sessions_with_it() -> None:
    async with listening(kind("{device_id}")) as server, calling(server, count=2, secret="s"):
        await true(lambda: len(server.pool.sessions) == 2)
        await server.remove("kind")
        assert server.pool.sessions == []
        await true(lambda: len(server.pending) == 2)


async def test_a_device_that_waited_and_is_let_in_waits_no_more() -> None:
    async with listening() as server, calling(server) as devices:
        await true(lambda: len(server.pending) == 1)
        server.add(known(devices[0]))
        await server.pool["core1"].wait_up(30)
        assert server.pending == []


async def test_a_second_call_while_up_is_told_as_one() -> None:
    async with listening() as server, calling(server) as devices:
        server.add(known(devices[0]))
        await server.pool["core1"].wait_up(30)
        async with expecting(server, "the newer connection is used") as events:
            twin = calling(server)
            twin.devices = devices.devices
            async with twin:
                await true(lambda: server.pool["core1"].status().connects == 2)
        assert (events[0].kind, events[0].alias) == (EventKind.REPLACED, "core1")
