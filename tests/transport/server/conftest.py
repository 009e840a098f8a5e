"""A server of ``mooring.serve`` on a port of its own, and clients of AsyncSSH's."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from .ground import Ground


@pytest.fixture
async def ground() -> AsyncIterator[Ground]:
    """Starts servers; what their callbacks raised is in ``faults``."""
    async with contextlib.AsyncExitStack() as stack:
        ground = Ground(stack)
        asyncio.get_running_loop().set_exception_handler(lambda _, context: ground.faults.append(context))
        yield ground
    asyncio.get_running_loop().set_exception_handler(None)
