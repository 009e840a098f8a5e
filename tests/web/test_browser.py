"""The page in a real Chromium, on a real daemon, with devices that call home."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from playwright.async_api import Page, expect

from mooring.simulate import SimulatedDevices
from mooring.simulate.ports import ReservedPort
from tests.daemon.running import RunningDaemon

from .chromium import OpenPage, Picture, faults

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(240)]

HOST = "127.0.0.1"
StartDaemon = Callable[..., RunningDaemon]


@pytest.fixture
async def place(anyio_backend: str) -> AsyncIterator[ReservedPort]:
    """Where devices call."""
    del anyio_backend
    port = ReservedPort(HOST)
    yield port
    port.close()


async def sign_in(page: Page, daemon: RunningDaemon) -> None:
    await page.get_by_label("Token").fill(daemon.token)
    await page.get_by_role("button", name="Sign in").click()


async def look(page: Page, picture: Picture, name: str) -> None:
    """Take a picture, and look for what keeps somebody out."""
    await picture(page, name)
    assert await faults(page) == []


async def approve(page: Page, picture: Picture, alias: str) -> None:
    """Let the one device in that waits."""
    await expect(page.get_by_role("heading", name="1 device waits")).to_be_visible()
    await page.get_by_role("button", name="Approve").click()
    await page.get_by_label("Session", exact=True).fill(alias)
    await page.get_by_label("User", exact=True).fill("admin")
    await page.get_by_label("Password", exact=True).fill("juniper123")
    await page.get_by_label("Labels").fill("site:ams")
    await look(page, picture, "pending")
    await page.get_by_role("button", name="Let it in").click()
    await expect(page.get_by_role("heading", name="waits")).to_be_hidden()


async def test_from_signing_in_to_a_session_that_comes_back(
    start_daemon: StartDaemon, place: ReservedPort, open_page: OpenPage, picture: Picture
) -> None:
    daemon = await asyncio.to_thread(start_daemon, arguments=["--call-home", f"{HOST}:{place.port}"])
    async with open_page(daemon.url) as page:
        await page.get_by_label("Token").fill("wrong")
        await page.get_by_role("button", name="Sign in").click()
        await expect(page.get_by_role("alert")).to_contain_text("not known here")
        await look(page, picture, "sign-in")
        await sign_in(page, daemon)
        await expect(page.get_by_role("heading", name="No session yet")).to_be_visible()
        await expect(page.locator(".empty")).to_contain_text("mooring start")
        await look(page, picture, "empty")
        async with SimulatedDevices(HOST, place.port, reconnect=0.1) as devices:
            await approve(page, picture, "core1")
            row = page.get_by_role("row", name="core1")
            await expect(row.locator(".state.up")).to_be_visible()
            await expect(row).to_contain_text("site:ams")
            await page.get_by_role("link", name="core1").click()
            title = page.locator(".title .state")
            await expect(title).to_have_text("up")
            devices.reconnect = 3600  # it stays away
            devices.drop()
            await expect(title).to_have_text("awaiting")
            await look(page, picture, "lost")
        again = SimulatedDevices(HOST, place.port)
        again.devices[0].host_key = devices[0].host_key
        async with again:
            await expect(title).to_have_text("up")
            await page.reload()
            await expect(page.locator(".history .awaiting")).to_have_count(2)
            await expect(page.locator(".history .up")).to_have_count(2)


async def test_it_ends_with_its_token(start_daemon: StartDaemon, open_page: OpenPage) -> None:
    daemon = await asyncio.to_thread(start_daemon)
    new = {"name": "me", "actions": ["read"], "selector": "all", "expires_in": None}
    secret = (await asyncio.to_thread(daemon.client.request, "POST", "/v1/tokens", new))["secret"]
    async with open_page(daemon.url) as page:
        await page.get_by_label("Token").fill(secret)
        await page.keyboard.press("Enter")
        await expect(page.locator(".whom")).to_have_text("me")
        await page.reload()
        await expect(page.locator(".whom")).to_have_text("me")
        (cookie,) = await page.context.cookies()
        assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
        assert (
            await page.evaluate("document.cookie + JSON.stringify(localStorage) + JSON.stringify(sessionStorage)")
            == "{}{}"
        )
        await asyncio.to_thread(daemon.client.request, "DELETE", "/v1/tokens/me")
        await expect(page.get_by_label("Token")).to_be_visible()
        await expect(page.get_by_text("Your sign-in has ended")).to_be_visible()
        await sign_in(page, daemon)
        await expect(page.locator(".whom")).to_have_text("token")
        await page.get_by_role("button", name="Sign out").click()
        await expect(page.get_by_label("Token")).to_be_visible()
        await expect(page.get_by_text("Your sign-in has ended")).to_have_count(0)
        assert await page.context.cookies() == []
