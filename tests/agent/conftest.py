"""A server that expects agents."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from .homes import Home
from .homes import home as serving


@pytest.fixture
async def home(anyio_backend: str, tmp_path: Path) -> AsyncIterator[Home]:
    """It, with a folder of its own."""
    del anyio_backend
    async with serving(tmp_path) as found:
        yield found
