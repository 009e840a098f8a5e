"""Five thousand strangers at the door, and a device that gets in all the same."""

from __future__ import annotations

import resource
from collections.abc import Iterator

import psutil
import pytest

from mooring.simulate.strangers import Strangers
from tests.pool.fleet import true
from tests.pool.homes import HOST, calling, known, listening

pytestmark = pytest.mark.anyio

COUNT = 5000
MUCH = 200_000_000
"""Bytes that all of it may take: both ends of five thousand connections are in this process."""


@pytest.fixture(autouse=True)
def _many_descriptors() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 2 * COUNT + 500:
        pytest.skip(f"this system gives a process {hard} descriptors")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2 * COUNT + 500), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_a_device_gets_in_among_five_thousand_strangers() -> None:
    before = psutil.Process().memory_info().rss
    async with (
        listening() as server,
        Strangers(HOST, server.port, COUNT) as strangers,
        calling(server, source="127.0.0.2") as devices,
    ):
        session = server.pool[server.add(known(devices[0])).target.alias]
        await session.wait_up(30)
        assert "Hostname: device1" in (await session.run("show version")).stdout
        await true(lambda: server.statistics().accepted == COUNT - strangers.refused + devices[0].calls)
        found = server.statistics()
        assert 0 < found.half_open <= server.limits.half_open_per_source
        assert found.too_fast > 0
        assert found.dropped > 0
        assert server.pending == []
        assert psutil.Process().memory_info().rss - before < MUCH
        await session.run("show version")
