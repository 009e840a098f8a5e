"""NETCONF on a session's page: XML in, and a tree of text."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
from playwright.async_api import expect

from mooring.web import page as page_of
from tests.rest.door import BOUND, TOKEN, running
from tests.session.netconf.scripted import ScriptedServer, obey

from .chromium import OpenPage, Picture, faults

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(240)]

XHTML = "http://www.w3.org/1999/xhtml"
INTERFACES = "".join(
    f"<interface><name>ge-0/0/{number}</name><unit><id>0</id></unit></interface>" for number in range(150)
)
MARKUP = f'<script xmlns="{XHTML}">document.title="taken"</script><img xmlns="{XHTML}" src="x" onerror="alert(1)"/>'


async def test_a_reply_is_a_tree(tmp_path: Path, open_page: OpenPage, picture: Picture) -> None:
    more = "<c:a xmlns:c='urn:x' c:b='&lt;1&gt;'><![CDATA[<&]]></c:a><!-- <no> --><d>&#x41;&#66;&amp;lt;</d><e/>"
    answer = f"<data><interfaces>{INTERFACES}</interfaces>{MARKUP}{more}</data>"
    async with ScriptedServer(partial(obey, answer=answer)) as server, running(tmp_path, page=page_of()) as door:
        await door.pool.start(f"nc://127.0.0.1:{server.port}", **server.login)
        await door.pool["nc"].wait_up(timeout=BOUND)
        async with open_page(f"http://127.0.0.1:{door.port}", but="400 (Bad Request)") as page:
            await page.get_by_label("Token").fill(TOKEN)
            await page.keyboard.press("Enter")
            await page.get_by_role("link", name="nc").click()
            await page.get_by_role("button", name="Send").click()
            tree = page.locator(".tree")
            await expect(tree.locator("summary", has_text="interfaces")).to_be_visible()
            first = tree.locator("summary", has_text="interface 2").first
            await expect(tree.get_by_text("ge-0/0/0", exact=True)).to_be_hidden()
            await first.click()
            await expect(tree.get_by_text("ge-0/0/0", exact=True)).to_be_visible()
            await expect(tree.locator("summary", has_text="interface 2")).to_have_count(100)
            await tree.get_by_role("button", name="Show 50 more").click()
            await expect(tree.locator("summary", has_text="interface 2")).to_have_count(150)
            await expect(tree).to_contain_text('document.title="taken"')
            leaves = await tree.locator(".below .below > .leaf").all_inner_texts()
            assert [one.strip() for one in leaves[-3:]] == ['c:a xmlns:c="urn:x" c:b="<1>" <&', "d AB&lt;", "e"]
            assert await tree.locator("script, img").count() == 0
            assert await page.title() == "nc · Mooring"
            assert await faults(page) == []
            await picture(page, "netconf")
            await page.get_by_role("textbox", name="Operation").fill("no XML")
            await page.get_by_role("button", name="Send").click()
            await expect(page.get_by_role("alert")).to_contain_text("the body")
