"""What holds for every test: asyncio is the only backend, and nothing outlives the test that made it."""

from __future__ import annotations

import logging

import pytest

pytest_plugins = ["pytester", "tests.leaks"]


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Mooring is asyncio; its tests run on the loop every user has."""
    return "asyncio"


def pytest_configure() -> None:
    """AsyncSSH prints every command line at INFO."""
    logging.getLogger("asyncssh").setLevel(logging.WARNING)
