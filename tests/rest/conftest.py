"""The REST door over a fleet of simulated hosts."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mooring.simulate import SimulatedHosts

from .door import Running, running


@pytest.fixture
async def door(anyio_backend: str, tmp_path: Path) -> AsyncIterator[Running]:
    """A door over an empty fleet."""
    del anyio_backend
    async with running(tmp_path) as door:
        yield door


@pytest.fixture
async def hosts(anyio_backend: str) -> AsyncIterator[SimulatedHosts]:
    """Three simulated hosts."""
    del anyio_backend
    async with SimulatedHosts(count=3) as hosts:
        yield hosts


@pytest.fixture
async def held(door: Running, hosts: SimulatedHosts) -> Running:
    """A door over web1, web2 and db1, all up."""
    await door.hold(hosts, "web1", "web2", "db1")
    return door


@pytest.fixture
def unused_number() -> str:
    """Seconds for a sleep that no other process on this machine sleeps."""
    return f"{random.randrange(10**6, 10**7)}"
