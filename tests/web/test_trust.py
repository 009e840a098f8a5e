"""Host keys that are not trusted: shown to be compared, and trusted by whoever may, more hardly where one changed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from mooring import Session, SessionState
from mooring.model.device import HostKey
from mooring.simulate import SimulatedHosts
from mooring.web import page as page_of
from mooring.wire.callhome import Claim
from tests.peers.keys import Keyring, public_line
from tests.rest.door import BOUND, TOKEN, Running, running

from .chromium import OpenPage, Picture, faults

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(240)]


@pytest.fixture
async def door(anyio_backend: str, tmp_path: Path) -> AsyncIterator[Running]:
    """The API and the page over a fleet without any session."""
    del anyio_backend
    async with running(tmp_path, page=page_of()) as door:
        yield door


async def parked(door: Running, hosts: SimulatedHosts, file: Path) -> Session:
    """A session that stands parked for its host's key."""
    host = hosts[0]
    options = {"known_hosts": str(file), "agent_path": None, "username": "x"}
    session = await door.pool.start(f"edge1://{host.address}:{host.port}", **options)
    async with asyncio.timeout(BOUND):
        while session.state is not SessionState.PARKED:
            await session.wait_change()
    return session


async def show(door: Running, page: Page, token: str = TOKEN) -> None:
    await page.get_by_label("Token").fill(token)
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("row", name="edge1")).to_contain_text("SHA256:")  # why, and what to do
    await page.get_by_role("link", name="edge1").click()
    await expect(page.locator(".title .state")).to_have_text("parked")


async def test_an_unknown_key_is_trusted(door: Running, open_page: OpenPage, picture: Picture, tmp_path: Path) -> None:
    async with SimulatedHosts() as hosts, open_page(f"http://127.0.0.1:{door.port}") as page:
        session = await parked(door, hosts, tmp_path / "known_hosts")
        await show(door, page)
        form = page.get_by_role("form", name="Host key")
        await expect(form).to_contain_text(str(session.status().offered_key))
        await expect(page.locator(".trouble")).to_contain_text("What to do: compare the fingerprint")
        await expect(page.locator(".trouble")).not_to_contain_text("known_hosts")  # one next step, and not two
        assert await faults(page) == []
        await picture(page, "trust-unknown")
        await form.get_by_role("button", name="Trust this key").click()
        await expect(page.locator(".title .state")).to_have_text("up")
        await expect(form).to_have_count(0)
        await expect(page.locator(".history")).to_contain_text("somebody trusts")


async def test_a_changed_key_takes_its_name_typed(
    door: Running, open_page: OpenPage, picture: Picture, tmp_path: Path, keyring: Keyring
) -> None:
    file = tmp_path / "known_hosts"
    async with SimulatedHosts() as hosts, open_page(f"http://127.0.0.1:{door.port}", width=390, dark=True) as page:
        file.write_text(f"[{hosts[0].address}]:{hosts[0].port} {public_line(keyring.key('old'))}\n")
        await parked(door, hosts, file)
        await show(door, page)
        form = page.get_by_role("form", name="Host key")
        await expect(form).to_contain_text("is another than it was")
        trust = form.get_by_role("button", name="Trust this key")
        await expect(trust).to_be_disabled()
        await page.get_by_label("Type edge1").fill("edge")
        await expect(trust).to_be_disabled()
        await page.keyboard.press("Enter")
        await page.get_by_label("Type edge1").fill("edge1")
        assert await faults(page) == []
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        await picture(page, "trust-changed")
        await page.keyboard.press("Enter")
        await expect(page.locator(".title .state")).to_have_text("up")
        assert str(keyring.key("old").read_text()) not in file.read_text()


async def test_who_is_no_admin_only_sees_it(door: Running, open_page: OpenPage, tmp_path: Path) -> None:
    new = {"name": "look", "actions": ["read"], "selector": "all", "expires_in": None}
    made = await door.ask("POST", "/v1/tokens", new)
    async with SimulatedHosts() as hosts, open_page(f"http://127.0.0.1:{door.port}") as page:
        session = await parked(door, hosts, tmp_path / "known_hosts")
        await show(door, page, made.value["secret"])
        await expect(page.locator(".trouble")).to_contain_text(str(session.status().offered_key))
        await expect(page.get_by_role("form", name="Host key")).to_have_count(0)


async def test_a_configured_device_with_another_key(door: Running, open_page: OpenPage, picture: Picture) -> None:
    door.home.add("core9://admin@device9")
    key = HostKey("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGRldmljZTk=")
    claim, why = Claim(device_id="device9"), "claims device9, other key than the approved one: ssh-ed25519"
    pending, _ = door.home.roll.waiting.add(claim, key, "192.0.2.9:4711", why, 1.0)
    async with open_page(f"http://127.0.0.1:{door.port}") as page:
        await page.get_by_label("Token").fill(TOKEN)
        await page.keyboard.press("Enter")
        await expect(page.locator(".claim")).to_contain_text("other key than the approved one")
        await page.get_by_role("button", name="Trust its key…").click()
        await expect(page.get_by_role("button", name="Trust this key")).to_be_disabled()
        await page.get_by_label("type device9").fill("device9")
        assert await faults(page) == []
        await picture(page, "trust-device")
        await page.keyboard.press("Enter")
        await expect(page.locator(".pending")).to_be_hidden()
    assert door.home.roll.pins == {"device9": pending.fingerprint}
