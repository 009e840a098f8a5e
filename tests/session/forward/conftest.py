"""What the tests of forwards share."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from mooring import Session
from tests.peers.sshd import Sshd
from tests.session.held import held


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that the far side's user may write too, with a short name: a socket's path may have 100 bytes."""
    with tempfile.TemporaryDirectory(prefix="mf-") as name:
        Path(name).chmod(0o777)
        yield Path(name)


@pytest.fixture
async def session(anyio_backend: str, sshd: Sshd) -> AsyncIterator[Session]:
    del anyio_backend
    async with held(sshd) as session:
        yield session
