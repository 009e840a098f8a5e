"""A fleet over simulated hosts, with a memory that tells what was done to it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from mooring import Pool
from mooring.service import Fleet
from mooring.simulate import SimulatedHosts
from tests.pool.fleet import quick

from .held import Notes


@pytest.fixture
async def hosts() -> AsyncIterator[SimulatedHosts]:
    async with SimulatedHosts(count=4) as hosts:
        yield hosts


@pytest.fixture
async def pool(hosts: SimulatedHosts) -> AsyncIterator[Pool]:  # closed before its hosts go
    async with Pool(config=None, dice=quick) as pool:
        yield pool


@pytest.fixture
def notes() -> Notes:
    return Notes()


@pytest.fixture
def fleet(pool: Pool, notes: Notes) -> Fleet:
    return Fleet(pool, notes)
