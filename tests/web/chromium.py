"""What the tests of the page ask of a browser."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

WAIT = 30_000.0
"""Milliseconds within which anything must show, on a machine that is ten times slower too."""
OpenPage = Callable[..., AbstractAsyncContextManager[Page]]
Picture = Callable[[Page, str], Awaitable[object]]

_AXE = Path(__file__).parents[2] / "web" / "node_modules" / "axe-core" / "axe.min.js"
expect.set_options(timeout=WAIT)


def folder_of(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Where pictures and figures go."""
    folder = Path(request.config.getoption("--screenshots") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


async def faults(page: Page) -> list[str]:
    """What axe-core finds of serious and critical faults."""
    if not await page.evaluate("'axe' in window"):
        await page.evaluate(_AXE.read_text(encoding="utf-8"))
    found = await page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{one['id']}: {node['html'][:200]}"
        for one in found["violations"]
        if one["impact"] in {"serious", "critical"}
        for node in one["nodes"]
    ]
