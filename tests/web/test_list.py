"""The list of sessions in a real Chromium: thousands of them, narrow screens, keys, and text that would be markup."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from mooring import Session
from mooring.model.device import HostKey
from mooring.model.event import Event, EventKind
from mooring.model.status import SessionState, SessionStatus
from mooring.rest import events
from mooring.simulate import FaultyLink, SimulatedHosts
from mooring.web import page as page_of
from mooring.wire.callhome import Claim
from tests.rest.door import BOUND, TOKEN, Running, running
from tests.session.odd import OddServer

from .chromium import OpenPage, Picture, faults, folder_of

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(240)]

MEASURE = """
    const told = document.documentElement.dataset;
    window.longest = 0;
    new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) window.longest = Math.max(window.longest, entry.duration);
    }).observe({type: "longtask"});
    const list = document.querySelector(".list");
    new MutationObserver(() => {
        if (list.innerText.includes("the-new-name")) told.seen ??= performance.now();
    }).observe(list, {subtree: true, childList: true});
    const stream = new EventSource("/v1/events?selector=edge5");
    stream.addEventListener("snapshot", () => { told.ready = true; });
    stream.addEventListener("facts", () => { told.came ??= performance.now(); stream.close(); });
"""
MARKUP = "<img src=x onerror=\"document.title='taken'\"><script>document.title='taken'</script>"


@pytest.fixture
async def door(anyio_backend: str, tmp_path: Path) -> AsyncIterator[Running]:
    """The API and the page over a fleet without any session."""
    del anyio_backend
    async with running(tmp_path, page=page_of()) as door:
        yield door


def url(door: Running) -> str:
    return f"http://127.0.0.1:{door.port}"


async def sign_in(page: Page) -> None:
    await page.get_by_label("Token").fill(TOKEN)
    await page.keyboard.press("Enter")


def add(door: Running, *aliases: str) -> None:
    """Sessions of devices that have not called yet."""
    for number, alias in enumerate(aliases):
        site, role = ("ams", "fra", "lhr")[number % 3], ("edge", "core")[number % 2]
        door.home.add(f"{alias}://admin@{alias}", label=[f"site:{site}", f"role:{role}"])


def announce(door: Running, alias: str, state: SessionState, reason: str, error: str | None = None) -> None:
    door.pool.announce(
        Event(kind=EventKind.STATE, alias=alias, at=time.time(), reason=reason, state=state, error=error)
    )


def tell_name(door: Running, alias: str, name: str) -> None:
    """Have a device tell its name, as it does when it was asked."""
    door.pool[alias].facts["hostname"] = name
    door.pool.announce(Event(kind=EventKind.FACTS, alias=alias, at=time.time(), reason="it told what it is"))


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sessions that tell of as many round trips as are kept."""
    latency = tuple((20 + number * 7 % 9) / 1000 for number in range(20))
    status = Session.status

    def told(session: Session) -> SessionStatus:
        return replace(status(session), ping=latency[-1], latency=latency)

    monkeypatch.setattr(Session, "status", told)


@pytest.mark.usefixtures("measured")
async def test_five_thousand(
    door: Running, open_page: OpenPage, picture: Picture, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    add(door, *(f"edge{number}" for number in range(5000)))
    async with open_page(url(door)) as page:
        await sign_in(page)
        await expect(page.locator("#found")).to_have_text("5000 of 5000 sessions")
        started = time.perf_counter()
        await page.reload()
        await expect(page.get_by_role("link", name="edge0", exact=True)).to_be_visible()
        painted = time.perf_counter() - started
        assert await page.locator(".list .body .row").count() < 60
        await expect(page.get_by_role("row", name="edge0 ").get_by_role("img", name="20 round trips")).to_be_visible()
        await picture(page, "five-thousand")

        await page.evaluate(MEASURE)
        await expect(page.locator("html[data-ready]")).to_have_count(1)
        tell_name(door, "edge5", "the-new-name")
        await expect(page.locator("html[data-seen][data-came]")).to_have_count(1)

        await page.locator(".list").focus()
        await page.keyboard.press("End")
        await expect(page.get_by_role("link", name="edge4999")).to_be_focused()
        await page.get_by_label("Search").fill("site:fra,!edge*1")
        await expect(page.locator("#found")).to_have_text("1500 of 5000 sessions")
        figures = await page.evaluate("({...document.documentElement.dataset, longest_task_ms: window.longest})")
        figures["painted_s"] = painted  # figures, not bounds: a slow machine may be slow
        (folder_of(request, tmp_path) / "five-thousand.json").write_text(json.dumps(figures))


async def test_search_is_a_selector(door: Running, open_page: OpenPage) -> None:
    add(door, "edge1", "edge10", "edge2", "core1")
    async with open_page(url(door)) as page:
        await sign_in(page)
        await expect(page.locator("#found")).to_have_text("4 of 4 sessions")
        for text, aliases in (
            ("edge1", ["edge1"]),
            ("ge1,core*", ["edge1", "edge10", "core1"]),
            ("edge?", ["edge1", "edge2"]),
            ("edge[!2]*", ["edge1", "edge10"]),
            ("site:ams", ["edge1", "core1"]),
            ("role:*,!edge*", ["core1"]),
            ("site:a", []),  # a label is meant whole, as on the command line
            ("site:a*", ["edge1", "core1"]),
            ("all", ["edge1", "edge10", "edge2", "core1"]),
            ("edge[", []),
        ):
            await page.get_by_label("Search").fill(text)
            await expect(page.locator(".list .name a")).to_have_text(aliases)
        await expect(page.get_by_role("heading", name="No session matches")).to_be_visible()
        await page.get_by_label("Search").fill("")
        await page.get_by_role("button", name="awaiting").click()
        await expect(page.locator("#found")).to_have_text("4 of 4 sessions")
        await page.get_by_role("button", name="up", exact=False).first.click()
        await expect(page.locator("#found")).to_have_text("0 of 4 sessions")


async def test_markup_is_text(door: Running, open_page: OpenPage, monkeypatch: pytest.MonkeyPatch) -> None:
    add(door, "edge1")
    status = Session.status
    monkeypatch.setattr(Session, "status", lambda session: replace(status(session), hint=MARKUP))
    door.waiting(MARKUP)
    async with (
        OddServer(server_version=MARKUP) as server,
        open_page(url(door), but="requires 'TrustedHTML'") as page,
    ):
        known = {"host_key": server.pin, "agent_path": None, "identity": "none"}
        await door.pool.start(f"odd1://somebody@127.0.0.1:{server.port}", **known)
        await door.pool["odd1"].wait_up(timeout=BOUND)
        await sign_in(page)
        await expect(page.locator(".claim b")).to_have_text(MARKUP)
        door.pool["edge1"].facts["hostname"] = MARKUP
        announce(door, "edge1", SessionState.PARKED, MARKUP)
        await page.get_by_role("link", name="edge1").click()
        await expect(page.locator(".history")).to_contain_text(MARKUP)
        await expect(page.locator(".title small")).to_contain_text(MARKUP)
        await expect(page.locator(".trouble")).to_contain_text(f"What to do: {MARKUP}")
        await page.goto(f"{url(door)}/#/sessions/odd1")
        await expect(page.locator("dl.about")).to_contain_text(f"SSH-2.0-{MARKUP}")
        assert await page.locator("img, main script").count() == 0
        assert await page.title() != "taken"
        refused = "(() => { try { document.body.innerHTML = '<b>x</b>'; return 'done' } catch { return 'refused' } })()"
        assert await page.evaluate(refused) == "refused"  # by the policy, should a line of ours ever try


@pytest.mark.parametrize(("width", "dark"), [(390, True), (1280, False)], ids=["telephone-dark", "desk-light"])
async def test_on_a_telephone_and_in_the_dark(
    door: Running, open_page: OpenPage, picture: Picture, width: int, *, dark: bool
) -> None:
    add(door, "edge1", "a-session-with-a-very-long-name.of-a-device.in-a-lab.example.net", "core1")
    door.waiting("device1")
    async with open_page(url(door), width=width, dark=dark) as page:
        await sign_in(page)
        await expect(page.get_by_role("link", name="core1")).to_be_visible()
        name = f"{'dark' if dark else 'light'}-{width}"
        for where in ("fleet", "session"):
            if where == "session":
                await page.get_by_role("button", name="Approve…").click()
                await expect(page.get_by_role("button", name="Let it in")).to_be_visible()
                assert await page.locator(".pending").evaluate("(card) => card.scrollHeight <= card.clientHeight")
                await page.get_by_role("link", name="core1").click()
                await expect(page.get_by_role("heading", name="core1")).to_be_visible()
                await expect(page.locator(".trouble")).to_contain_text("What to do: its device dials by itself")
            assert await faults(page) == []
            assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
            await picture(page, f"{where}-{name}")


async def test_keys_alone(door: Running, open_page: OpenPage) -> None:
    add(door, *(f"edge{number}" for number in range(1, 100)))
    async with open_page(url(door)) as page:
        await sign_in(page)
        await expect(page.get_by_role("link", name="edge1", exact=True)).to_be_visible()
        await page.get_by_label("Search").focus()
        for _ in range(7):
            await page.keyboard.press("Tab")  # over the states and the fan-out to the list
        await expect(page.locator(".list")).to_be_focused()
        for key in ("ArrowDown", "ArrowDown", "PageDown", "End", "Home", "ArrowDown"):
            await page.keyboard.press(key)
        await expect(page.get_by_role("link", name="edge2", exact=True)).to_be_focused()
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", name="edge2")).to_be_visible()
        await page.go_back()
        await expect(page.locator("#found")).to_have_text("99 of 99 sessions")


async def test_what_changes_under_a_pressed_mouse_is_clicked(door: Running, open_page: OpenPage) -> None:
    add(door, "edge1")
    async with open_page(url(door)) as page:
        await sign_in(page)
        await page.get_by_role("link", name="edge1").hover()
        await page.mouse.down()
        tell_name(door, "edge1", "the-new-name")
        await expect(page.get_by_role("row", name="edge1")).to_contain_text("the-new-name")
        await page.mouse.up()
        await expect(page.locator(".title")).to_contain_text("edge1")


async def test_a_command_on_twenty(door: Running, open_page: OpenPage, picture: Picture) -> None:
    async with SimulatedHosts(count=20) as hosts:
        await door.hold(hosts, *(f"web{number}" for number in range(20)))
        add(door, "wait")
        async with open_page(url(door)) as page:
            await sign_in(page)
            await page.get_by_text("Run a command on all that are shown").click()
            await page.get_by_role("textbox", name="Command for all").fill(f"echo '{MARKUP[:12]}'")
            await page.keyboard.press("Enter")
            await expect(page.locator(".fanout .how")).to_contain_text("21 of 21 done, 1 failed")
            await expect(page.locator(".group", has_text="20 sessions").locator("pre")).to_have_text(MARKUP[:12] + "\n")
            await expect(page.locator(".group", has_text="session-not-up")).to_contain_text("… is awaiting: waits for")
            assert await faults(page) == []
            await picture(page, "fan-out")
            await page.get_by_label("Search").fill("web1?")
            await page.get_by_role("textbox", name="Command for all").fill("sleep 600")
            await page.keyboard.press("Enter")
            await page.get_by_role("button", name="Stop").click()
            await expect(page.locator(".fanout .how")).to_contain_text("0 of 10 done, 0 failed. Stopped")
        await door.idle()


async def test_what_a_command_is_run_on_stays_what_it_was(door: Running, open_page: OpenPage) -> None:
    add(door, "edge1", "edge10", "edge11")
    async with open_page(url(door)) as page:
        await sign_in(page)
        await page.get_by_text("Run a command on all that are shown").click()
        await expect(page.get_by_role("button", name="Run on 3")).to_be_enabled()
        await page.get_by_label("Search").fill("edge1")
        await expect(page.get_by_role("button", name="Run on 1")).to_be_enabled()
        await door.home.remove("edge1")
        await expect(page.locator("#found")).to_have_text("0 of 2 sessions")  # and not those that begin so
        await expect(page.get_by_role("button", name="Run on 0")).to_be_disabled()


async def test_a_command_on_many_goes_on_while_another_view_is_looked_at(door: Running, open_page: OpenPage) -> None:
    async with SimulatedHosts(count=2) as hosts:
        await door.hold(hosts, "web0", "web1")
        async with open_page(url(door)) as page:
            await sign_in(page)
            await page.get_by_text("Run a command on all that are shown").click()
            await page.get_by_role("textbox", name="Command for all").fill("sleep 600")
            await page.keyboard.press("Enter")
            await expect(page.locator(".fanout .how")).to_have_text("sleep 600: 0 of 2 done, 0 failed")
            await page.get_by_role("link", name="web0").click()
            await expect(page.locator(".title .state")).to_have_text("up")
            await page.get_by_role("link", name="Fleet").click()
            await expect(page.locator(".fanout .how")).to_have_text("sleep 600: 0 of 2 done, 0 failed")
            await page.get_by_role("button", name="Stop").click()
            await expect(page.locator(".fanout .how")).to_contain_text("Stopped")
        await door.idle()


async def test_a_device_is_rejected(door: Running, open_page: OpenPage) -> None:
    door.waiting("device1")
    waiting = door.waiting("device2")
    async with open_page(url(door)) as page:
        await sign_in(page)
        await page.get_by_role("listitem").filter(has_text="device1").get_by_role("button", name="Reject").click()
        await expect(page.get_by_role("heading", name="1 device waits")).to_be_visible()
        await expect(page.locator(".claim b")).to_have_text(["device2"])
    assert [one.id for one in door.home.pending if not one.rejected] == [waiting]


def call(door: Running, name: str, port: int, at: float, *, told: bool = True) -> None:
    """Have a device that is not known call."""
    key = HostKey(f"ssh-ed25519 {base64.b64encode(name.encode()).decode()}")
    door.home.roll.waiting.add(Claim(device_id=name), key, f"127.0.0.1:{port}", "not known", at)
    if told:
        door.pool.announce(Event(kind=EventKind.PENDING, alias="", at=at, reason=f"{name} waits"))


async def test_what_is_filled_in_for_a_device_stays(
    door: Running, open_page: OpenPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "_pause", lambda _: 0.2)  # not 15 s
    call(door, "device1", 1001, 1.0)
    async with open_page(url(door)) as page:
        await sign_in(page)
        await page.get_by_role("button", name="Approve…").click()
        await page.get_by_label("User", exact=True).fill("admin")
        await page.get_by_label("Password", exact=True).fill("juniper123")
        await page.locator(".claim code").click()  # to compare it
        await expect(page.locator("input:focus")).to_have_count(0)
        call(door, "device2", 1002, 2.0)
        call(door, "device1", 1003, 3.0)
        await expect(page.locator(".claim").first).to_contain_text("from 127.0.0.1:1003, 2 calls")
        call(door, "device1", 1004, 4.0, told=False)  # as all calls but the first of a name are
        await expect(page.locator(".claim").first).to_contain_text("from 127.0.0.1:1004, 3 calls")
        await expect(page.get_by_label("Password", exact=True).first).to_have_value("juniper123")
        await expect(page.get_by_label("User", exact=True).first).to_have_value("admin")
        await page.reload()
        await expect(page.locator(".claim b")).to_have_text(["device1", "device2"])  # as they came, whoever called last


async def test_many_tabs(door: Running, open_page: OpenPage) -> None:
    """A browser has six connections to a host for all of its tabs: none of them is held."""
    add(door, "edge1")
    async with open_page(url(door)) as page:
        await sign_in(page)
        await expect(page.get_by_role("link", name="edge1")).to_be_visible()
        tabs = [page]
        for _ in range(7):
            tabs.append(await page.context.new_page())
            await tabs[-1].goto(f"{url(door)}/#/sessions/edge1")
            await expect(tabs[-1].locator(".title .state")).to_have_text("awaiting")
        assert await page.evaluate("fetch('/v1/version').then((answer) => answer.status)") == 200
        tell_name(door, "edge1", "for-all-to-see")
        for tab in tabs:
            await expect(tab.get_by_text("for-all-to-see").first).to_be_visible()


async def test_the_page_finds_the_daemon_again(door: Running, open_page: OpenPage) -> None:
    add(door, "edge1")
    async with (
        FaultyLink("127.0.0.1", door.port) as link,
        open_page(f"http://127.0.0.1:{link.port}", but=("WebSocket connection to", "Failed to load resource")) as page,
    ):
        await sign_in(page)
        await expect(page.get_by_role("link", name="edge1")).to_be_visible()
        link.cut()
        await expect(page.get_by_text("The daemon is away")).to_be_visible()
        add(door, "edge2")
        link.heal()
        await expect(page.get_by_role("link", name="edge2")).to_be_visible()
        await expect(page.get_by_text("The daemon is away")).to_be_hidden()
