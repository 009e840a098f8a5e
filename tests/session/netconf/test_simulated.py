"""Every operation against a simulated device: those too that no server here has."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

import mooring
from mooring import NetconfSession, RpcError
from mooring.simulate import SimulatedDevices
from mooring.simulate.profile import Profile
from tests.pool.homes import calling, known, listening

pytestmark = pytest.mark.anyio
BASE = "urn:ietf:params:xml:ns:netconf:base:1.0"


@asynccontextmanager
async def device() -> AsyncIterator[NetconfSession]:
    """NETCONF with a simulated device that called home."""
    async with listening(facts=False) as server, calling(server, profile=Profile("netconf")) as devices:
        server.add(known(devices[0]))
        session = server.pool["core1"]
        await session.wait_up(30)
        async with session.netconf(timeout=30) as nc:
            yield nc


def port(name: str, mtu: str, operation: str = "") -> str:
    how = f' xmlns:nc="{BASE}" nc:operation="{operation}"' if operation else ""
    return f'<ports xmlns="urn:x"><port{how}><name>{name}</name><mtu>{mtu}</mtu></port></ports>'


async def ports(nc: NetconfSession, source: str = "running") -> dict[str, str]:
    reply = await nc.get_config(source)
    return {
        each.findtext("{urn:x}name", ""): each.findtext("{urn:x}mtu", "") for each in reply.element.iter("{urn:x}port")
    }


async def test_edit_data_and_get_data() -> None:
    async with device() as nc:
        await nc.edit_data(port("a", "1500"))
        await nc.edit_data(port("b", "1500"), default_operation="merge")
        assert (await ports(nc), await ports(nc, "candidate")) == ({}, {"a": "1500", "b": "1500"})
        await nc.edit_data(port("a", "9000"), "running")
        reply = await nc.get_data("operational", config=True, max_depth=3, with_origin=True)
        assert reply.data is not None
        assert reply.data.findtext(".//{urn:x}mtu") == "9000"
        with pytest.raises(RpcError, match="data-exists"):
            await nc.edit_data(port("a", "1", "create"), "running")
        with pytest.raises(RpcError, match="data-missing"):
            await nc.edit_data(port("c", "1", "delete"), "running")


async def test_startup_and_urls() -> None:
    async with device() as nc:
        await nc.edit_config(port("a", "1500"), "running", error_option="rollback-on-error")
        await nc.copy_config("running", "startup")
        await nc.copy_config("running", "file:///backup.xml")
        await nc.edit_config(port("a", "", "remove"), "running")
        assert (await ports(nc), await ports(nc, "startup")) == ({}, {"a": "1500"})
        await nc.edit_config("file:///backup.xml", "candidate", test_option="test-then-set")
        assert await ports(nc, "candidate") == {"a": "1500"}
        await nc.copy_config(f"<config>{port('z', '1')}</config>", "candidate")
        assert await ports(nc, "candidate") == {"z": "1"}
        await nc.delete_config("startup")
        await nc.delete_config("file:///backup.xml")
        assert await ports(nc, "startup") == {}
        with pytest.raises(RpcError, match="data-missing"):
            await nc.copy_config("file:///backup.xml", "running")


async def test_a_commit_that_outlives_its_session() -> None:
    async with device() as nc:
        await nc.edit_config(port("a", "1500"), test_option="test-only")
        assert await ports(nc, "candidate") == {}
        await nc.edit_config(port("a", "1500"))
        await nc.validate()
        await nc.commit(confirmed=True, confirm_timeout=60, persist="mine")
        assert await ports(nc) == {"a": "1500"}
        with pytest.raises(RpcError, match="invalid-value"):
            await nc.commit()
        await nc.cancel_commit(persist_id="mine")
        assert await ports(nc) == {}
        await nc.edit_config(port("b", "1500"), default_operation="replace")
        await nc.commit(confirmed=True, persist="mine")
        await nc.commit(persist_id="mine")
        assert await ports(nc) == {"b": "1500"}
        await nc.edit_config(port("c", "1"))
        await nc.discard_changes()
        assert await ports(nc, "candidate") == {"b": "1500"}


async def test_the_rest() -> None:
    async with device() as nc:
        async with nc.locked(), nc.locked("startup"):
            assert (await nc.get(xpath="/x:ports", namespaces={"x": "urn:x"}, with_defaults="trim")).ok
        reply = await nc.rpc('<partial-lock xmlns="urn:ietf:params:xml:ns:netconf:partial-lock:1.0"/>')
        assert reply.element.findtext("{*}lock-id") == "1"
        schema = await nc.get_schema("simulated")
        assert schema.data is not None
        assert "module simulated" in (schema.data.text or "")
        await nc.create_subscription()
        await nc.kill_session(77)
        with pytest.raises(RpcError):
            await nc.rpc("<dance/>")


async def test_one_that_is_dialed_numbers_its_sessions() -> None:
    devices = SimulatedDevices("127.0.0.1", 0)
    async with (
        devices.listening() as port,
        mooring.connect(
            f"core1://admin:juniper123@127.0.0.1:{port}",
            host_key=devices[0].public_key,
            config=None,
            agent_path=None,
            identity="none",
        ) as session,
        session.netconf(timeout=30) as first,
        session.netconf(timeout=30) as second,
    ):
        assert (first.session_id, second.session_id) == (1, 2)
        assert (await second.rpc("<get-system-information/>")).ok
