"""The loops that Mooring runs on: asyncio's own, and mooringd's."""

from __future__ import annotations

import pytest

on_each_loop = pytest.mark.parametrize(
    "anyio_backend",
    [("asyncio", {"use_uvloop": False}), ("asyncio", {"use_uvloop": True})],
    ids=["asyncio", "uvloop"],
)
"""A test that runs on both; it uses ``uvloop_ready``."""
