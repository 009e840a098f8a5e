"""Recordings on the page: listed, played at any pace, let go; and what it says where there are none."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from mooring.model.access import ADMIN, Actor
from mooring.web import page as page_of
from tests import asciicast
from tests.peers.sshd import Sshd
from tests.rest.door import BOUND, TOKEN, Running, running, taping

from .chromium import OpenPage, Picture, faults

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(240)]

MARKUP = "<img src=x onerror=\"document.title='taken'\">"
EVENTS = [
    [0.1, "o", "first\r\n"],
    [0.2, "o", "\x1b[32msecond\x1b[0m\r\n"],
    [600, "r", "60x10"],
    [0.1, "o", "after-ten-minutes\r\n"],
    [900, "o", MARKUP],
    [0.1, "x", "3"],
]


@pytest.fixture
async def door(anyio_backend: str, tmp_path: Path, sshd: Sshd) -> AsyncIterator[Running]:
    """The API and the page over a session to sshd, with terminals recorded."""
    del anyio_backend
    async with taping(tmp_path) as recordings, running(tmp_path, recordings=recordings, page=page_of()) as door:
        await door.hold_sshd("web1", sshd)
        yield door


def url(door: Running, at: str = "") -> str:
    return f"http://127.0.0.1:{door.port}/{at}"


async def sign_in(page: Page) -> None:
    await page.get_by_label("Token").fill(TOKEN)
    await page.keyboard.press("Enter")


async def serve_cast(page: Page, *events: list[object] | dict[str, object], size: tuple[int, int] = (80, 24)) -> None:
    """Have the daemon answer with a recording of our making."""
    term = {"cols": size[0], "rows": size[1]}
    lines = [{"version": 3, "term": term, "title": "ann on edge1"}, *events]
    body = "\n".join(map(json.dumps, lines)) + "\n"
    await page.route(
        "**/v1/recordings/*", lambda route: route.fulfill(body=body, content_type="application/x-asciicast")
    )


async def ended(door: Running) -> None:
    """Wait until the recording has: it does so behind its terminal."""
    async with asyncio.timeout(BOUND):
        while (await door.ask("GET", "/v1/recordings")).value["recordings"][0]["seconds"] is None:  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(0.05)


async def test_a_terminal_is_played_again_and_let_go(door: Running, open_page: OpenPage, picture: Picture) -> None:
    async with open_page(url(door)) as page:
        await sign_in(page)
        await page.get_by_role("link", name="Recordings").click()
        await expect(page.get_by_role("heading", name="No recording yet")).to_be_visible()
        await expect(page.locator(".empty")).to_contain_text("mooring term")
        await page.get_by_role("link", name="Fleet").click()
        await page.get_by_role("link", name="web1").click()
        await page.get_by_role("button", name="Open a terminal").click()
        await expect(page.get_by_role("button", name="Hang up")).to_be_visible()
        await page.keyboard.type("echo it-was-$((40+2)); exit 3\n")
        await expect(page.get_by_text("exit status 3")).to_be_visible()
        await ended(door)
        await page.get_by_role("link", name="Recordings").click()
        row = page.get_by_role("row", name="web1")
        await expect(row).to_contain_text("shell.terminal")
        await expect(row).to_contain_text("tests")
        await picture(page, "recordings")
        assert await faults(page) == []
        await row.get_by_role("link", name="Play the recording").click()
        await page.get_by_role("button", name="Play", exact=True).click()
        await page.get_by_label("Speed").select_option(value="20")
        await expect(page.locator(".xterm-rows")).to_contain_text("it-was-42")
        await expect(page.get_by_text("It ended with exit status 3.")).to_be_visible()
        await page.go_back()
        await row.get_by_role("button", name="Remove").click()
        await page.get_by_role("button", name="Remove the recording").click()
        await expect(page.get_by_role("heading", name="No recording yet")).to_be_visible()


_PLAYER = Path(__file__).parents[2] / "web/node_modules/asciinema-player/dist/bundle/asciinema-player.min.js"
_PLAYED = """async (data) => {
  const player = AsciinemaPlayer.create({ data }, document.body, { fit: false });
  await player.play();
  await player.seek("100%");
  return player.getDuration();
}"""


async def test_asciinema_s_own_player_reads_what_is_exported(door: Running, open_page: OpenPage) -> None:
    root = Actor(name="root", door="unix", grants=(ADMIN,))
    command = "printf 'h\\303\\266\\303\\237 \\033[31mred\\033[0m \\\\\\n'; exit 3"
    viewer = await door.fleet.terminals.open(root, "web1", term="xterm", size=(80, 24), command=command)
    viewer.resize(60, 10)
    await ended(door)
    [recording] = (await door.ask("GET", "/v1/recordings")).value["recordings"]
    exported = (await door.ask("GET", f"/v1/recordings/{recording['id']}")).body
    async with open_page("about:blank") as page:
        await page.evaluate(_PLAYER.read_text(encoding="utf-8"))
        seconds = await page.evaluate(_PLAYED, exported.decode())
        shown = page.locator(".ap-term-text")
        await expect(shown).to_contain_text("höß red \\")
    assert seconds == pytest.approx(asciicast.read(exported).events[-1].at)


CLEARED = """
    const search = document.querySelector("#recordings");
    search.value = "";
    search.dispatchEvent(new Event("input"));
    [document.querySelectorAll("[role=row]").length, document.querySelectorAll("*").length]
"""


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True)], ids=["desk-light", "telephone-dark"])
async def test_ten_thousand(door: Running, open_page: OpenPage, picture: Picture, width: int, *, dark: bool) -> None:
    kept = {"who": "ann", "door": "tcp", "what": "shell.terminal", "bytes": 4096, "columns": 80, "rows": 24}
    listed = [
        {"id": f"r{number}", "alias": f"edge{number}", "began": 1.8e9 + number, "seconds": 1.5 * number, **kept}
        for number in range(10_000)
    ]
    async with open_page(url(door), width=width, dark=dark) as page:
        await page.route("**/v1/recordings", lambda route: route.fulfill(json={"recordings": listed}))
        await sign_in(page)
        await page.get_by_role("link", name="Recordings").click()
        await expect(page.get_by_text("10000 of 10000 recordings")).to_be_visible()
        await expect(page.get_by_role("link", name="edge9999", exact=True)).to_be_visible()  # the newest first
        assert await faults(page) == []
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        await picture(page, f"recordings-{'dark' if dark else 'light'}-{width}")
        await page.get_by_label("Search recordings").fill("edge77")
        await expect(page.get_by_text("111 of 10000 recordings")).to_be_visible()
        rows, elements = await page.evaluate(CLEARED)  # not as many as there are recordings
        assert rows < 60
        assert elements < 2000
        await page.get_by_role("table", name="Recordings").focus()
        await page.keyboard.press("End")
        await expect(page.get_by_role("link", name="edge0", exact=True)).to_be_focused()


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True)], ids=["desk-light", "telephone-dark"])
async def test_it_is_played_by_keys_alone(
    door: Running, open_page: OpenPage, picture: Picture, width: int, *, dark: bool
) -> None:
    async with open_page(url(door), width=width, dark=dark) as page:
        await serve_cast(page, *EVENTS)
        await sign_in(page)
        await expect(page.get_by_role("link", name="web1")).to_be_visible()
        await page.goto(url(door, "#/recordings/20260101T000000Z-1"))
        await expect(page.get_by_role("heading", name="ann on edge1")).to_be_visible()
        screen, time = page.locator(".xterm-rows"), page.locator(".time")
        await expect(page.get_by_role("button", name="Play", exact=True)).to_be_focused()
        await expect(time).to_contain_text("of 25:00")
        await page.keyboard.press("Tab")
        await page.keyboard.press("End")
        await expect(screen).to_contain_text(MARKUP)
        await expect(page.get_by_text("It ended with exit status 3.")).to_be_visible()
        await page.keyboard.press("Home")
        await expect(screen).not_to_contain_text("first")
        await page.keyboard.press("Shift+Tab")
        await page.keyboard.press("ArrowRight")
        await expect(screen).to_contain_text("second")
        await expect(screen).not_to_contain_text("after-ten-minutes")
        await expect(time).to_contain_text("5.00 s")
        assert await page.locator("main img").count() == 0
        assert await faults(page) == []
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        await picture(page, f"player-{'dark' if dark else 'light'}-{width}")
        await page.get_by_label("Skip stillness").check()
        await page.get_by_label("Speed").select_option(value="20")
        await page.get_by_role("button", name="Play", exact=True).focus()
        await page.keyboard.press("Enter")
        await expect(screen).to_contain_text("after-ten-minutes")
        await expect(page.get_by_role("button", name="Play again")).to_be_focused()


async def test_a_pause_holds_it(door: Running, open_page: OpenPage) -> None:
    async with open_page(url(door)) as page:
        await serve_cast(page, [0.01, "o", "first"], [3600, "o", "last"])
        await sign_in(page)
        await expect(page.get_by_role("link", name="web1")).to_be_visible()
        await page.goto(url(door, "#/recordings/20260101T000000Z-1"))
        await page.get_by_role("button", name="Play", exact=True).click()
        await expect(page.locator(".xterm-rows")).to_contain_text("first")
        await page.get_by_role("button", name="Pause").click()
        stood = await page.locator(".time").text_content()
        await page.wait_for_timeout(300)
        assert await page.locator(".time").text_content() == stood


async def test_a_size_that_no_screen_has_and_damaged_lines_are_passed_over(door: Running, open_page: OpenPage) -> None:
    async with open_page(url(door)) as page:
        damaged: list[list[object] | dict[str, object]] = [[0.01, "o"], {"of": "another kind"}]
        await serve_cast(page, [0.01, "r", "65535x65535"], *damaged, [0.01, "o", "shown"], size=(65535, 65535))
        await sign_in(page)
        await expect(page.get_by_role("link", name="web1")).to_be_visible()
        await page.goto(url(door, "#/recordings/20260101T000000Z-1"))
        await page.get_by_role("button", name="Play", exact=True).click()
        await expect(page.locator(".xterm-rows")).to_contain_text("shown")
        assert await page.locator(".xterm-rows > div").count() == 24
        await expect(page.get_by_role("alert")).to_have_text("The recording is damaged: passed over lines 3, 4.")
        assert await faults(page) == []


async def test_where_none_are_kept_it_says_what_to_write(tmp_path: Path, open_page: OpenPage) -> None:
    async with (
        running(tmp_path, page=page_of()) as door,
        open_page(url(door), but="503 (Service Unavailable)") as page,
    ):
        await sign_in(page)
        await page.get_by_role("link", name="Recordings").click()
        await expect(page.get_by_role("heading", name="No terminal is recorded")).to_be_visible()
        await expect(page.locator(".empty")).to_contain_text("enabled = true")


async def test_one_that_is_not_there(door: Running, open_page: OpenPage) -> None:
    async with open_page(url(door), but="404 (Not Found)") as page:
        await sign_in(page)
        await expect(page.get_by_role("link", name="web1")).to_be_visible()
        await page.goto(url(door, "#/recordings/20260101T000000Z-1"))
        await expect(page.get_by_role("alert")).to_contain_text("no recording")
        await page.goto(url(door, "#/nonsense"))
        await expect(page.get_by_role("heading", name="There is nothing at this address")).to_be_visible()
