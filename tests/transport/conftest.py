"""What tests of this package share."""

from __future__ import annotations

import pytest
import uvloop


@pytest.fixture(scope="session")
def uvloop_ready() -> None:
    """Have libuv make what lives as long as the process."""
    uvloop.new_event_loop().close()
