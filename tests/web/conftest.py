"""A real Chromium, driven by Playwright, for the tests of the page; where one is missing they are skipped."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, async_playwright

from mooring.web.pages import BUILT

from .chromium import WAIT, OpenPage, folder_of


def _missing() -> str | None:
    if shutil.which("chromium") is None:
        return "no chromium: install it"
    if not (BUILT / "index.html").is_file():
        return "the page is not built: install npm, and `make wheel`"
    return None


@pytest.fixture(scope="module")
async def browser(anyio_backend: str) -> AsyncIterator[Browser]:
    """Chromium, without a screen."""
    del anyio_backend
    if reason := _missing():
        assert not os.environ.get("CI"), reason
        pytest.skip(reason)
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=shutil.which("chromium"), args=arguments)
        yield browser
        await browser.close()


@pytest.fixture
async def open_page(browser: Browser) -> OpenPage:
    """Open a page in a profile of its own; at its end nothing may have been said on the console, or asked elsewhere."""

    @contextlib.asynccontextmanager
    async def open_at(
        url: str, *, width: int = 1280, dark: bool = False, but: str | tuple[str, ...] = ()
    ) -> AsyncIterator[Page]:
        context = await browser.new_context(
            viewport={"width": width, "height": 844}, color_scheme="dark" if dark else "light"
        )
        context.set_default_timeout(WAIT)
        page = await context.new_page()
        said: list[str] = []
        page.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: said.append(f"error: {error}"))
        page.on("request", lambda request: None if request.url.startswith((url, "data:")) else said.append(request.url))
        try:
            await page.goto(url)
            yield page
            # A 401 is how the page learns that nobody is signed in, and the browser says so itself; so its advice.
            known = ("verbose", "401 (Unauthorized)", *((but,) if isinstance(but, str) else but))
            assert [line for line in said if not any(text in line for text in known)] == []
        finally:
            await context.close()

    return open_at


@pytest.fixture
def picture(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[Page, str], object]:
    """Take a picture of a page, under a name."""
    folder = folder_of(request, tmp_path)

    def take(page: Page, name: str) -> object:
        return page.screenshot(path=folder / f"{name}.png")

    return take
