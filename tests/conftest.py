"""What holds for every test: asyncio is the only backend, and nothing outlives the test that made it."""

from __future__ import annotations

import logging

import pytest
from hypothesis import settings

pytest_plugins = ["pytester", "tests.leaks", "tests.peers.fixtures"]


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Mooring is asyncio; its tests run on the loop every user has."""
    return "asyncio"


def pytest_configure() -> None:
    """Set what every test relies on: AsyncSSH prints command lines at INFO, and no test depends on the clock."""
    settings.register_profile("untimed", deadline=None)
    settings.load_profile("untimed")
    logging.getLogger("asyncssh").setLevel(logging.WARNING)
