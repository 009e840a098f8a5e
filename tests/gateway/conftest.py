"""A gateway in front of a real sshd, called ``a``."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mooring import Pool
from tests.peers.sshd import Sshd
from tests.pool.fleet import hold, quick

from .door import Door, opened
from .targets import Targets, targets_of


@pytest.fixture
async def pool() -> AsyncIterator[Pool]:
    async with Pool(config=None, dice=quick) as pool:
        yield pool


@pytest.fixture
def shared(peers_folder: Path) -> Path:
    """A folder that the account at the sshd may write to, too."""
    folder = Path(tempfile.mkdtemp(dir=peers_folder))
    folder.chmod(0o777)
    return folder


@pytest.fixture
async def door(pool: Pool, sshd: Sshd, tmp_path: Path) -> AsyncIterator[Door]:
    await hold(pool, "a", sshd)
    async with opened(pool, tmp_path) as door:
        yield door


@pytest.fixture
async def targets(sshd: Sshd, tmp_path: Path) -> AsyncIterator[Targets]:
    async with targets_of(sshd, tmp_path) as targets:
        yield targets
