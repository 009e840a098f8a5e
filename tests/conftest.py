"""What holds for every test: asyncio is the only backend, and nothing outlives the test that made it."""

from __future__ import annotations

import logging
import resource
import signal

import pytest
from hypothesis import settings

pytest_plugins = ["pytester", "tests.leaks", "tests.peers.fixtures"]


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Mooring is asyncio; its tests run on the loop every user has."""
    return "asyncio"


DESCRIPTORS = 4096
"""Enough for the tests of many sessions; systems begin with 1024 or 256 and allow more to who asks."""


def pytest_configure() -> None:
    """Set what every test relies on: AsyncSSH prints command lines at INFO, and no test depends on the clock."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(DESCRIPTORS, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    # A shell starts its background jobs deaf to Ctrl-C, and so would be every program that a test interrupts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    settings.register_profile("untimed", deadline=None)
    settings.load_profile("untimed")
    logging.getLogger("asyncssh").setLevel(logging.WARNING)
