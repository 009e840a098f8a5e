"""Numbers for Prometheus: as its own parser reads them, documented one by one, and moved by what they count."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from mooring import ChannelRefused, ConnectError, Event, HostKeyError
from mooring.service import Pulse
from mooring.simulate import FaultyLink, SimulatedHosts
from tests.session.netconf.scripted import ScriptedServer, obey

from .door import BOUND, Running

pytestmark = pytest.mark.anyio

DOCS = Path(__file__).parents[2] / "docs"


async def read(door: Running) -> dict[str, float]:
    """The samples of our families, by name and labels."""
    answer = await door.ask("GET", "/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    return {
        sample.name + "".join(f" {name}={text}" for name, text in sample.labels.items()): sample.value
        for family in text_string_to_metric_families(answer.body.decode())
        for sample in family.samples
    }


async def come_to(door: Running, holds: Callable[[dict[str, float]], bool]) -> dict[str, float]:
    """The samples, once they are so."""
    async with asyncio.timeout(3 * BOUND):
        while not holds(found := await read(door)):  # noqa: ASYNC110 - a scrape is what is tested
            await asyncio.sleep(0.02)
    return found


async def test_commands_and_channels(held: Running) -> None:
    before = await read(held)
    assert before["mooring_sessions state=up"] == before["mooring_connects_total"] == 3
    assert before["mooring_handshake_seconds_count"] == 3
    assert before["mooring_command_seconds_count"] == before["mooring_commands_total"] == 0
    await held.ask("POST", "/v1/sessions/web1/run", {"command": "true"})
    async with held.client() as client:
        await client.send("POST", "/v1/sessions/web2/run", {"command": "sleep 600"})
        await come_to(held, lambda found: found["mooring_commands_total"] == 2)
        after = await come_to(held, lambda found: found["mooring_channels"] >= 1)
    assert after["mooring_command_seconds_count"] == after["mooring_command_seconds_bucket le=+Inf"] == 1
    for direction in ("sent", "received"):
        name = f"mooring_ssh_bytes_total direction={direction}"
        assert after[name] > before[name] > 0
    assert not any("web1" in name for name in after)


async def test_no_counter_falls(held: Running) -> None:
    """Whatever ends a connection, what was counted of it stays: a fall would be taken for a new daemon."""

    def counters() -> tuple[int, ...]:
        found = held.pool.statistics()
        return found.connects, found.losses, found.failures, found.commands, found.sent, found.received

    await held.ask("POST", "/v1/sessions/web1/run", {"command": "true"})
    before = counters()
    seen = [before]

    def look_on(_: Event) -> bool:
        seen.append(counters())
        return False

    look = held.pool.events(wanted=look_on)  # in the midst of each change, too
    target = held.pool["web1"].target
    await held.pool.put(await held.pool.route(target))  # as a reload does it
    seen.append(counters())
    await held.pool["web1"].wait_up(timeout=BOUND)
    await held.pool.stop("all")
    seen.append(counters())
    look.close()
    assert len(seen) > 5
    assert all(one <= other for taken in pairwise(seen) for one, other in zip(*taken, strict=True)), seen
    assert (await read(held))["mooring_commands_total"] == before[3]


async def test_commands_on_channels_of_their_own_are_counted(held: Running) -> None:
    session = held.pool["web1"]
    async with asyncio.timeout(BOUND):
        await (await session.process("true")).wait_closed()
        async with session.terminal("true") as terminal:
            await terminal.wait()
        with pytest.raises(ChannelRefused):
            await session.process()  # a shell is none
    found = await come_to(held, lambda found: found["mooring_command_seconds_count"] == 2)
    assert found["mooring_commands_total"] == session.status().commands == 2


async def test_netconf(held: Running) -> None:
    async with ScriptedServer(obey) as scripted:
        await held.pool.start(f"nc://127.0.0.1:{scripted.port}", **scripted.login)
        await held.pool["nc"].wait_up(timeout=BOUND)
        async with held.pool["nc"].netconf() as nc:
            await nc.get_config()
        assert (await read(held))["mooring_rpc_seconds_count"] >= 1


async def test_losses_and_failures(held: Running, hosts: SimulatedHosts) -> None:
    begin = await read(held)
    told = {
        name.rpartition("=")[2]: count for name, count in begin.items() if "_losses_" in name or "_failures_" in name
    }
    kinds: list[type[ConnectError]] = [HostKeyError, *HostKeyError.__subclasses__(), *ConnectError.__subclasses__()]
    codes = {kind.code for kind in kinds}
    assert told == dict.fromkeys({"closed", "silent", "broken", *codes}, 0)
    async with FaultyLink("127.0.0.1", hosts[0].port) as link:
        known = {"host_key": hosts.public_key, "agent_path": None, "username": "x"}
        lost = await held.pool.start(f"lost://127.0.0.1:{link.port}", **known)
        await lost.wait_up(timeout=BOUND)
        link.refuse()
        link.reset()
        await come_to(held, lambda found: found.get("mooring_connection_losses_total reason=broken") == 1)
        failed = "mooring_connect_failures_total code=connect-failed"
        found = await come_to(held, lambda found: found.get(failed, 0) >= 1)
    assert found["mooring_handshake_seconds_count"] == 4
    assert held.pool.statistics().losses == 1


async def test_the_pulse_of_the_loop(held: Running) -> None:
    assert "mooring_loop_lag_seconds_count" not in await read(held)
    with Pulse() as pulse:
        held.fleet.pulse = pulse
        assert (await read(held))["mooring_loop_lag_seconds_count"] == 0
        await come_to(held, lambda found: found["mooring_loop_lag_seconds_count"] >= 1)


async def test_each_is_documented_and_the_dashboard_asks_for_no_other(held: Running) -> None:
    held.fleet.pulse = Pulse()
    families = {
        family.name + ("_total" if family.type == "counter" else ""): family.type
        for family in text_string_to_metric_families((await held.ask("GET", "/metrics")).body.decode())
        if family.name.startswith("mooring_")
    }
    text = (DOCS / "metrics.md").read_text(encoding="utf-8")
    assert dict(re.findall(r"^\| `(mooring_\w+)` \| (\w+) \|", text, re.MULTILINE)) == families
    dashboard = json.loads((DOCS / "dashboard.json").read_text(encoding="utf-8"))
    asked = {
        re.sub(r"_(bucket|count|sum)$", "", name)
        for panel in dashboard["panels"]
        for target in panel["targets"]
        for name in re.findall(r"mooring_\w+", target["expr"])
    }
    assert asked <= families.keys()
