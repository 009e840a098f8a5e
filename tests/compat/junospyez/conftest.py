"""Servers of the old name, and what they log."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from mooring.compat.junospyez_ossh_server import log
from mooring.compat.ncclient import uninstall
from tests.compat.junospyez.servers import Server


@pytest.fixture
def logged() -> Iterator[list[str]]:
    """What is logged, with the level before it."""
    lines: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(f"{record.levelname.lower()} {record.getMessage()}")

    keep, before = Keep(), log.logger.level
    log.logger.setLevel(logging.INFO)
    log.logger.addHandler(keep)
    yield lines
    log.logger.removeHandler(keep)
    log.logger.setLevel(before)


@pytest.fixture
def started(logged: list[str]) -> Iterator[Server]:
    """A server that runs."""
    server = Server()
    assert server.server.start() == (True, "outbound-ssh-server: started")
    yield server
    server.server.stop()


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """A device of ours leads PyEZ's SSH clients to it, for the process."""
    yield
    uninstall()
