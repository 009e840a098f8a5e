"""The audit trail on the page: filters, pages, beginnings and ends as one line, and its check."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from mooring.model.access import ADMIN, Actor
from mooring.model.errors import NotAllowed
from mooring.service import Audit
from mooring.web import page as page_of
from tests.rest.door import READER, TOKEN, Running, recording, running

from .chromium import OpenPage, Picture, faults

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(240)]

ANN = Actor(name="ann", door="unix", grants=(ADMIN,))
CI = Actor(name="ci", door="tcp", grants=(ADMIN,))
MARKUP = "<img src=x onerror=\"document.title='taken'\">"


@pytest.fixture
async def audit(anyio_backend: str, tmp_path: Path) -> AsyncIterator[Audit]:
    """An audit trail."""
    del anyio_backend
    async with recording(tmp_path) as audit:
        yield audit


@pytest.fixture
async def door(audit: Audit, tmp_path: Path) -> AsyncIterator[Running]:
    """The API and the page, with that trail."""
    async with running(tmp_path, audit=audit, page=page_of()) as door:
        yield door


async def show(door: Running, page: Page) -> None:
    await page.get_by_label("Token").fill(TOKEN)
    await page.keyboard.press("Enter")
    await page.get_by_role("link", name="Audit").click()
    await expect(page.get_by_role("heading", name="What was done")).to_be_visible()


async def deeds(audit: Audit) -> None:
    """Some of each kind."""
    async with audit.begin(ANN, "run", "edge1", command=MARKUP) as deed:
        deed.tell(exit_status=0)
    async with audit.begin(CI, "files.write", "edge2", path="/etc/motd", size=12):
        pass
    with pytest.raises(NotAllowed):
        async with audit.begin(ANN, "netconf.rpc", "edge1", operation="commit"):
            raise NotAllowed("not that")
    audit.refuse(None, "login", "", NotAllowed("who are you"))
    await audit.begin(CI, "shell", "edge3").kept()


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True)], ids=["desk-light", "telephone-dark"])
async def test_what_began_and_how_it_ended_is_one_line(
    door: Running, audit: Audit, open_page: OpenPage, picture: Picture, width: int, *, dark: bool
) -> None:
    await deeds(audit)
    async with open_page(f"http://127.0.0.1:{door.port}", width=width, dark=dark) as page:
        await show(door, page)
        rows = page.locator("table.audit tbody tr")
        done, failed = rows.filter(has_text="edge2"), rows.filter(has_text="netconf.rpc")
        await expect(done).to_have_count(1)
        await expect(done.locator(".state")).to_have_text("done")
        await expect(done.locator("[data-name=Took]")).to_contain_text("ms")
        await expect(failed.locator(".state")).to_have_text("failed")
        await expect(rows.filter(has_text="edge3").locator(".state")).to_have_text("under way")
        await expect(rows.filter(has_text="login").filter(has_text="not-allowed")).to_contain_text("refused")
        await expect(rows.filter(has_text=MARKUP)).to_have_count(1)
        assert await page.title() == "Audit · Mooring"
        assert await page.locator("main img").count() == 0
        await page.get_by_role("button", name="Verify").click()
        await expect(page.get_by_text("records hold together")).to_be_visible()
        assert await faults(page) == []
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        await picture(page, f"audit-{'dark' if dark else 'light'}-{width}")


async def test_filters_and_older_ones(door: Running, audit: Audit, open_page: OpenPage) -> None:
    await deeds(audit)
    for number in range(150):
        audit.note(CI, "admin.token.create", "", name=f"t{number}")
    async with open_page(f"http://127.0.0.1:{door.port}") as page:
        await show(door, page)
        rows = page.locator("table.audit tbody tr")
        await expect(rows).to_have_count(100)
        await page.get_by_role("button", name="Show older ones").click()
        await expect(rows.filter(has_text="edge1")).to_have_count(2)
        await expect(page.get_by_role("button", name="Show older ones")).to_be_hidden()
        await page.get_by_label("Who").fill("ann")
        await page.keyboard.press("Enter")
        await expect(rows).to_have_count(2)
        await page.get_by_label("Outcome").select_option("failed")
        await expect(rows).to_have_count(1)
        await page.get_by_label("What").fill("files")
        await page.get_by_label("Who").fill("")
        await page.get_by_label("Outcome").select_option("")
        await page.get_by_label("Since").select_option("in the last hour")
        await expect(rows).to_have_count(1)
        await expect(rows).to_contain_text("/etc/motd")
        await page.get_by_label("On session").fill("nobody*")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", name="No record matches")).to_be_visible()
        await expect(page.locator(".empty")).to_contain_text("mooring audit --who")


async def test_a_changed_record_shows(door: Running, audit: Audit, open_page: OpenPage) -> None:
    await deeds(audit)
    async with open_page(f"http://127.0.0.1:{door.port}") as page:
        await show(door, page)
        changed = '{"records": 9, "last": 9, "hash": "ab", "faults": [{"message": "record 3 was changed"}]}'
        await page.route(
            "**/v1/audit/verify", lambda route: route.fulfill(body=changed, content_type="application/json")
        )
        await page.get_by_role("button", name="Verify").click()
        await expect(page.locator(".how.fault")).to_contain_text("record 3 was changed")


async def test_a_time_that_is_none_shows(door: Running, open_page: OpenPage) -> None:
    record = {"seq": 1, "at": 1e300, "who": "ann", "door": "unix", "what": "run", "alias": "edge9", "of": None}
    told = json.dumps({"records": [{**record, "outcome": "done", "detail": {}, "hash": "ab"}], "next": None})
    async with open_page(f"http://127.0.0.1:{door.port}") as page:
        await page.route("**/v1/audit?*", lambda route: route.fulfill(body=told, content_type="application/json"))
        await show(door, page)
        await expect(page.locator("table.audit tbody tr")).to_contain_text("at no time")


async def test_where_nothing_is_recorded_it_says_what_to_write(tmp_path: Path, open_page: OpenPage) -> None:
    async with (
        running(tmp_path, page=page_of()) as door,
        open_page(f"http://127.0.0.1:{door.port}", but="503 (Service Unavailable)") as page,
    ):
        await show(door, page)
        await expect(page.get_by_role("heading", name="Nothing is recorded")).to_be_visible()
        await expect(page.locator(".empty")).to_contain_text("enabled = true")


@pytest.mark.parametrize(
    ("actions", "said"),
    [
        (["shell"], ["No session that this token may see", "look may do shell on edge*", "grant has no read"]),
        (["read", "shell"], ["No session that this token may see", "look may do read, shell on edge*"]),
    ],
    ids=["unseeing", "seeing"],
)
async def test_who_may_little_is_told_so_and_not_refused(
    door: Running, open_page: OpenPage, actions: list[str], said: list[str]
) -> None:
    door.home.add("core1://admin@core1")
    made = await door.ask(
        "POST", "/v1/tokens", {"name": "look", "actions": actions, "selector": "edge*", "expires_in": None}
    )
    async with open_page(f"http://127.0.0.1:{door.port}") as page:
        await page.get_by_label("Token").fill(made.value["secret"])
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("link", name="Fleet")).to_be_visible()
        await expect(page.get_by_role("link", name="Audit")).to_have_count(0)
        for text in said:
            await expect(page.locator(".empty")).to_contain_text(text)
        for place in ("audit", "recordings", "recordings/one"):
            await page.goto(f"http://127.0.0.1:{door.port}/#/{place}")
            await expect(page.locator("main")).to_contain_text("It takes admin on all")
        if "read" in actions:
            await page.goto(f"http://127.0.0.1:{door.port}/#/sessions/core1")
            await expect(page.locator(".trouble")).to_contain_text("that this token may see")
        await page.goto(f"http://127.0.0.1:{door.port}/#/")
        await expect(page.locator(".empty")).to_contain_text(said[-1])
    assert (await door.ask("GET", "/v1/audit?outcome=refused&who=look")).value["records"] == []


async def test_who_may_see_no_device_that_waits(door: Running) -> None:
    async with door.client(token=READER) as client:
        (await client.ask("GET", "/v1/pending")).problem(403, "not-allowed")
    (record,) = (await door.ask("GET", "/v1/audit?outcome=refused")).value["records"]
    assert (record["who"], record["what"], record["detail"]["to"]) == ("reader", "approve", "see the devices that wait")
