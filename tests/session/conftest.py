"""A session to the shared sshd."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from mooring import Session
from tests.peers.sshd import Sshd

from .held import held


@pytest.fixture
async def session(anyio_backend: str, sshd: Sshd) -> AsyncIterator[Session]:
    """A session to the sshd that all tests share."""
    del anyio_backend
    async with held(sshd) as session:
        yield session
