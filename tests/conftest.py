"""What holds for every test: asyncio is the only backend, and nothing outlives the test that made it."""

from __future__ import annotations

import logging
import os
import resource
import signal
from collections.abc import Generator

import pytest
from hypothesis import HealthCheck, settings

from tests.peers.process import Peer

pytest_plugins = ["pytester", "tests.leaks", "tests.waits", "tests.peers.fixtures", "tests.daemon.running"]


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Mooring is asyncio; its tests run on the loop every user has."""
    return "asyncio"


DESCRIPTORS = 4096
"""Enough for the tests of many sessions; systems begin with 1024 or 256 and allow more to who asks."""
_LAST = 40
"""Lines of a server's log that are shown with a test that failed."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Where pictures of the page go: a folder that is kept, else that of the test."""
    parser.addoption("--screenshots", metavar="FOLDER", help="keep pictures of the page in this folder")


def pytest_configure() -> None:
    """Set what every test relies on: AsyncSSH prints command lines at INFO, and no test depends on the clock."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(DESCRIPTORS, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    # A shell starts its background jobs deaf to Ctrl-C, nohup does to hang-ups, and so would be every program that a
    # test interrupts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    # Nor on luck, where a change is judged by it: what is drawn there is the same each time.
    by_luck = not os.environ.get("CI")
    settings.register_profile(
        "untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=not by_luck
    )
    settings.load_profile("untimed")
    logging.getLogger("asyncssh").setLevel(logging.WARNING)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show with what failed how the servers that run saw it."""
    report = yield
    if report.failed:
        for peer in [each for each in Peer.known if each.running]:
            last = "\n".join(peer.log().splitlines()[-_LAST:])
            report.sections.append((f"{type(peer).__name__} on port {peer.port}", last))
    return report
