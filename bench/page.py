"""The page over thousands of held sessions in a real Chromium: ``make bench WHAT=page``.

How soon its rows are there, how soon a row tells what has happened to its session, and what scrolling through all of
them costs. The results are printed as Markdown; ``--write`` keeps them in ``bench/RESULTS-page.md``.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import tempfile
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from playwright.async_api import async_playwright, expect

from bench.daemon import daemon, wait_up
from bench.machine import Machine
from bench.programs import ROOT
from bench.servers import simulated
from bench.tables import Spread, at_most, table
from mooring.client import Daemon as Client
from mooring.simulate import FaultyLink

if TYPE_CHECKING:
    from playwright.async_api import Browser, BrowserContext, Page

    from bench.daemon import Daemon
    from bench.servers import Server

_WATCHED: Final = "bench1"
_PAINT: Final = 1.0
_UPDATE: Final = 0.1
_WAIT: Final = 60_000.0
_STEPS: Final = 300
"""Frames in which the list is scrolled from its first row to its last."""

_LOADING: Final = """
    window.told = {tasks: [], shown: []};
    new PerformanceObserver((list) => told.tasks.push(...list.getEntries().map((entry) => entry.duration)))
        .observe({type: "longtask", buffered: true});
    told.rows = new Promise((shown) => {
        const rows = new MutationObserver(() => {
            if (document.querySelector(".list .body .row") === null) return;
            rows.disconnect();
            requestAnimationFrame(() => shown(performance.now()));
        });
        rows.observe(document, {subtree: true, childList: true});
    });
"""
_LOADED: Final = """async () => ({
    rows: await told.rows,
    paint: performance.getEntriesByName("first-contentful-paint")[0].startTime,
    task: Math.max(0, ...told.tasks.splice(0)),
})"""
_WATCHING: Final = """() => {
    const body = document.querySelector(".list .body");
    let before = "";
    new MutationObserver(() => {
        const state = body.querySelector(".row .state").textContent;
        if (state === before) return;
        before = state;
        requestAnimationFrame(() => told.shown.push([state, performance.timeOrigin + performance.now()]));
    }).observe(body, {subtree: true, childList: true, characterData: true});
}"""
_SHOWN: Final = "new Promise(requestAnimationFrame).then(() => told.shown.splice(0))"
_SCROLLING: Final = """async (steps) => {
    const list = document.querySelector(".list"), frames = [];
    const step = (list.scrollHeight - list.clientHeight) / steps;
    told.tasks.length = 0;
    let before = await new Promise(requestAnimationFrame);
    for (let number = 1; number <= steps; number += 1) {
        list.scrollTop = number * step;
        const now = await new Promise(requestAnimationFrame);
        frames.push(now - before);
        before = now;
    }
    await new Promise((done) => setTimeout(done, 200));
    const last = list.querySelector(".row:last-child a").textContent;
    return {frames, last, task: Math.max(0, ...told.tasks.splice(0))};
}"""


@dataclass(frozen=True)
class Size:
    """How much is measured.

    Attributes:
        sessions: That are held and listed.
        loads: How often the page is opened, each time with an empty cache.
        cuts: How often the connection of the session that is watched is cut.
    """

    sessions: int
    loads: int
    cuts: int


FULL: Final = Size(sessions=5000, loads=15, cuts=15)
QUICK: Final = Size(sessions=500, loads=3, cuts=3)


@dataclass
class Figures:
    """What was measured, in seconds.

    Attributes:
        browser: Its version.
        paint: Until something was painted, of each load.
        rows: Until rows of sessions were, of each load.
        loading: The longest task of each load; 0 where none took 50 ms.
        updates: From what happened in the daemon to its row, of each change.
        frames: Between two frames while it was scrolled.
        scrolling: The longest task meanwhile; 0 where none took 50 ms.
    """

    browser: str
    paint: list[float]
    rows: list[float]
    loading: list[float]
    updates: list[float]
    frames: list[float]
    scrolling: float


async def measure(server: Server, folder: Path, size: Size) -> Figures:
    """Hold a session to every port of a server, the first by a link that can be cut, and look at the page."""
    async with FaultyLink(server.host, server.ports[0]) as link:
        with daemon(_by(link.port, server), folder) as ours:
            await asyncio.to_thread(wait_up, ours, len(server.ports))
            async with async_playwright() as playwright:
                arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
                browser = await playwright.chromium.launch(
                    executable_path=shutil.which("chromium"), args=[*arguments, "--no-proxy-server"]
                )
                return await _look(browser, ours, link, size)


def _by(port: int, server: Server) -> Server:
    """The server, its first host trusted and reached at another port."""
    trusted = Path(server.known_hosts)
    text = trusted.read_text()
    key = text.splitlines()[0].partition(" ")[2]
    trusted.write_text(f"{text}[{server.host}]:{port} {key}\n")
    return replace(server, ports=[port, *server.ports[1:]])


async def _look(browser: Browser, ours: Daemon, link: FaultyLink, size: Size) -> Figures:
    url = f"http://127.0.0.1:{ours.port}/"
    context = await browser.new_context()
    page = await _open(context, url)
    await page.get_by_label("Token").fill(ours.token)
    await page.keyboard.press("Enter")
    await expect(page.locator("#found")).to_have_text(f"{size.sessions} of {size.sessions} sessions", timeout=_WAIT)
    signed_in = await context.storage_state()
    await context.close()

    loads: list[dict[str, float]] = []
    for _ in range(size.loads):
        context = await browser.new_context(storage_state=signed_in)
        page = await _open(context, url)
        await expect(page.locator("#found")).to_have_text(f"{size.sessions} of {size.sessions} sessions", timeout=_WAIT)
        loads.append(await page.evaluate(_LOADED))
        if len(loads) < size.loads:
            await context.close()

    updates = await _updates(page, Client(f"http://127.0.0.1:{ours.port}", ours.token), link, size.cuts)
    scrolled = await page.evaluate(_SCROLLING, _STEPS)
    if scrolled["last"] != f"bench{size.sessions}":
        msg = f"the list ends with {scrolled['last']}"
        raise RuntimeError(msg)
    return Figures(
        browser=f"Chromium {browser.version}, Playwright {version('playwright')}",
        paint=[load["paint"] / 1e3 for load in loads],
        rows=[load["rows"] / 1e3 for load in loads],
        loading=[load["task"] / 1e3 for load in loads],
        updates=updates,
        frames=[frame / 1e3 for frame in scrolled["frames"]],
        scrolling=scrolled["task"] / 1e3,
    )


async def _open(context: BrowserContext, url: str) -> Page:
    await context.add_init_script(_LOADING)
    page = await context.new_page()
    await page.goto(url)
    return page


async def _updates(page: Page, client: Client, link: FaultyLink, cuts: int) -> list[float]:
    """Seconds from each state of the session, as the daemon dates it, to the frame after the one that shows it."""
    first = page.locator(".list .row", has=page.get_by_role("link", name=_WATCHED, exact=True)).locator(".state")
    await page.evaluate(_WATCHING)
    found = []
    for _ in range(cuts):
        await expect(first).to_have_text("up", timeout=_WAIT)
        await page.evaluate(_SHOWN)
        link.cut()
        await expect(first).to_have_text("backoff", timeout=_WAIT)
        link.heal()
        await asyncio.to_thread(client.request, "POST", f"/v1/sessions/{_WATCHED}/retry")
        await expect(first).to_have_text("up", timeout=_WAIT)
        shown = await page.evaluate(_SHOWN)
        path = f"/v1/sessions/{_WATCHED}/history"
        history: list[dict[str, Any]] = (await asyncio.to_thread(client.request, "GET", path))["history"]
        for state, when in shown:
            dates = [event["at"] for event in history if event["state"] == state and event["at"] <= when / 1e3]
            found.append(when / 1e3 - max(dates))
    return found


def render(machine: Machine, size: Size, figures: Figures) -> str:
    """The whole text."""
    paint, rows, updates = (Spread.of(values) for values in (figures.paint, figures.rows, figures.updates))
    count = f"{size.sessions:,} sessions"
    asked = [
        at_most(f"{count}: first paint", f"{_PAINT:.1f} s", str(paint), short=paint.median > _PAINT),
        at_most(f"{count}: their rows on the screen", f"{_PAINT:.1f} s", str(rows), short=rows.median > _PAINT),
        at_most(
            f"{count}: from what happened to its row",
            f"{_UPDATE * 1e3:.0f} ms",
            str(Spread.of([update * 1e3 for update in figures.updates])),
            short=updates.median > _UPDATE,
        ),
    ]
    frames = Spread.of([frame * 1e3 for frame in figures.frames])
    beside = [
        ["longest task of a load, ms", str(Spread.of([task * 1e3 for task in figures.loading]))],
        [f"between frames while it is scrolled through in {_STEPS}, ms", str(frames)],
        ["longest task meanwhile, ms", f"{figures.scrolling * 1e3:.0f}" if figures.scrolling else "none of 50"],
        ["loads, changes", f"{len(figures.rows)}, {len(figures.updates)}"],
    ]
    parts = [
        "# Results of `make bench WHAT=page`\n",
        "Written by `make bench WHAT=page ARGS=--write`; do not edit.\n",
        *table(["", ""], [*machine.rows(), ["browser", figures.browser]]),
        "\n## Asked for\n",
        *table(["what", "asked", "measured", ""], asked),
        "\n## Beside\n",
        *table(["", "measured"], beside),
        _METHOD,
    ]
    return "\n".join(parts)


_METHOD = """
## Method

- One daemon holds a session to each of as many simulated hosts, all up, with keepalives as they come. Daemon, hosts and
  browser share the machine.
- Each load is that of a browser that is signed in and has nothing in its cache; time counts from the start of the
  navigation. Shown are medians and, in brackets, the least and the greatest.
- A change is a state that the first session takes when its connection is cut, and when it comes back: from the time
  that the daemon gives the event to the beginning of the frame after the one that shows it.
- A browser tells of tasks that take 50 ms or more; 0 stands for none.
"""


def main() -> None:
    """Measure, print, and keep."""
    parser = argparse.ArgumentParser(prog="python -m bench.page", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer sessions, loads and changes")
    parser.add_argument("--write", action="store_true", help="keep the results in bench/RESULTS-page.md")
    options = parser.parse_args()
    size = QUICK if options.quick else FULL
    machine = Machine.here()
    with tempfile.TemporaryDirectory(prefix="mb-") as name:
        folder = Path(name)
        with simulated(size.sessions, folder) as server:
            figures = asyncio.run(measure(server, folder, size))
    text = render(machine, size, figures)
    print(text)
    if options.write:
        (ROOT / "bench" / "RESULTS-page.md").write_text(text)


if __name__ == "__main__":
    main()
