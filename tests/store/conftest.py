"""A store in a directory of the test's own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mooring.store import Store


@pytest.fixture
async def store(anyio_backend: str, tmp_path: Path) -> AsyncIterator[Store]:
    """A store, open; the test may close it."""
    store = await Store.open(tmp_path)
    yield store
    await store.aclose()
