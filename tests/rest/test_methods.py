"""What may be asked of a path is told whole (RFC 9110, 9.3.7 and 15.5.6)."""

from __future__ import annotations

import pytest

from .door import Running
from .test_openapi import OPERATIONS

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("path", sorted({name.split()[1] for name in OPERATIONS}))
async def test_the_methods_of_a_path(door: Running, path: str) -> None:
    known = {name.split()[0] for name in OPERATIONS if name.split()[1] == path}
    answer = await door.ask("OPTIONS", path)
    assert (answer.status, answer.body) == (204, b"")
    assert set(answer.headers["allow"].split(", ")) == known | {"OPTIONS"}
    answer = await door.ask("PATCH", path)
    answer.problem(405, "method-not-allowed")
    assert set(answer.headers["allow"].split(", ")) == known | {"OPTIONS"}
