"""Stop, in a real Chromium: what it says of a command, and what becomes of that on a real sshd."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from playwright.async_api import expect

from mooring.simulate import FaultyLink
from mooring.web import page as page_of
from tests.peers.sshd import Sshd
from tests.rest.door import BOUND, Running, running

from .chromium import OpenPage
from .test_session import NOT_OPENED, run, show, url

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(240)]

DEAF = "trap '' INT; echo first; exec sleep 600"


@pytest.fixture
async def link(anyio_backend: str, sshd: Sshd) -> AsyncIterator[FaultyLink]:
    """Between the daemon and sshd."""
    del anyio_backend
    async with FaultyLink(sshd.host, sshd.port) as link:
        yield link


@pytest.fixture
async def door(tmp_path: Path, sshd: Sshd, link: FaultyLink) -> AsyncIterator[Running]:
    """The API and the page over a session to sshd."""
    async with running(tmp_path, page=page_of()) as door:
        await door.hold_sshd("web1", sshd, link.port)
        yield door


@pytest.fixture
def marked(peers_folder: Path) -> Iterator[Path]:
    """A folder at the far end, for what a command leaves."""
    with tempfile.TemporaryDirectory(dir=peers_folder) as name:
        Path(name).chmod(0o777)
        yield Path(name)


async def test_output_comes_as_it_is_written_and_a_command_is_stopped(door: Running, open_page: OpenPage) -> None:
    async with open_page(url(door)) as page:
        await show(page)
        await run(page, "echo first; exec sleep 600")
        await expect(page.locator(".output")).to_have_text("first\n")
        await page.get_by_role("button", name="Stop").click()
        await expect(page.locator(".how").first).to_contain_text("ended by INT")


async def test_a_command_that_does_not_heed_is_left(door: Running, open_page: OpenPage) -> None:
    async with open_page(url(door)) as page:
        await show(page)
        how = page.locator(".how").first
        await run(page, DEAF)
        await expect(page.locator(".output")).to_have_text("first\n")
        await page.get_by_role("button", name="Stop").click()
        await expect(how).to_contain_text("it may still run there")
        await run(page, "echo second")  # and what was left says nothing more
        await expect(how).to_contain_text("exit status 0")
        await expect(page.locator(".output")).to_have_text("second\n")


async def test_a_second_stop_does_not_wait_and_a_double_click_is_one(door: Running, open_page: OpenPage) -> None:
    async with open_page(url(door)) as page:
        await show(page)
        stop, how = page.get_by_role("button", name="Stop"), page.locator(".how").first
        await run(page, DEAF)
        await expect(page.locator(".output")).to_have_text("first\n")
        await page.clock.install()
        await page.clock.pause_at(await page.evaluate("Date.now() + 1000"))
        await stop.dblclick()
        await expect(how).to_have_text("told to stop")
        await page.clock.run_for(499)
        await stop.click()
        await expect(how).to_have_text("told to stop")
        await page.clock.run_for(1)
        await stop.click()
        await expect(how).to_contain_text("it may still run there")


async def test_what_is_stopped_before_the_daemon_hears_of_it_does_not_begin(
    door: Running, open_page: OpenPage, marked: Path
) -> None:
    async with (
        FaultyLink("127.0.0.1", door.port) as near,
        open_page(f"http://127.0.0.1:{near.port}", but=NOT_OPENED) as page,
    ):
        await show(page)
        near.blackhole()
        async with page.expect_websocket(lambda socket: socket.url.endswith("/channel")):
            await run(page, f"echo begun > {marked / 'begun'}")
        await page.get_by_role("button", name="Stop").click()
        await expect(page.locator(".how").first).to_have_text("it was stopped before it began")
        near.heal()
        await run(page, "echo second")
        await expect(page.locator(".output")).to_have_text("second\n")
        await expect(page.locator(".how").first).to_contain_text("exit status 0")
    assert list(marked.iterdir()) == []


async def test_what_is_stopped_as_it_begins_may_have_begun(
    door: Running, link: FaultyLink, open_page: OpenPage, marked: Path
) -> None:
    async with open_page(url(door)) as page:
        await show(page)
        link.blackhole()
        async with page.expect_websocket(lambda socket: socket.url.endswith("/channel")):
            await run(page, f"echo begun > {marked / 'begun'}")
        async with asyncio.timeout(BOUND):
            while not door.pool["web1"].status().channels.open:  # noqa: ASYNC110 - no event tells of it
                await asyncio.sleep(0.01)
        await page.get_by_role("button", name="Stop").click()
        told = "it was stopped as it was about to begin: it may have begun"
        await expect(page.locator(".how").first).to_have_text(told)
        async with asyncio.timeout(BOUND):
            while channels(door):  # noqa: ASYNC110 - likewise
                await asyncio.sleep(0.01)
        link.heal()
        await run(page, "echo second")
        await expect(page.locator(".output")).to_have_text("second\n")
    assert list(marked.iterdir()) == []


def channels(door: Running) -> list[str]:
    """The daemon's WebSockets of channels."""
    paths = [str(getattr(one, "scope", {}).get("path")) for one in door.server._state.connections]  # noqa: SLF001
    return [path for path in paths if path.endswith("/channel")]
