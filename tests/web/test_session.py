"""One session's page in a real Chromium: commands and terminals on a real sshd."""

from __future__ import annotations

import asyncio
import re
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from mooring.rest import events
from mooring.simulate import FaultyLink
from mooring.web import page as page_of
from tests.peers.sshd import Sshd
from tests.rest.door import BOUND, READER, TOKEN, Running, running

from .chromium import OpenPage, Picture, faults

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(240)]

LONG = "inner" * 40
NOT_OPENED = "closed before the connection is established"  # as the browser says
NOT_REACHED = "WebSocket connection to"
SILENT_ONCE = """() => {
  const real = window.fetch;
  window.asked = new Promise((tell) => {
    window.fetch = (path, options) => {
      if (path !== "/signin") return real(path, options);
      window.fetch = real;
      tell();
      const { signal } = options;
      return new Promise((_, refuse) => signal?.addEventListener("abort", () => refuse(signal.reason)));
    };
  });
}"""
FITS = "(table) => table.scrollWidth <= table.parentElement.clientWidth"


@pytest.fixture
async def door(anyio_backend: str, tmp_path: Path, sshd: Sshd) -> AsyncIterator[Running]:
    """The API and the page over a session to sshd."""
    del anyio_backend
    async with running(tmp_path, page=page_of()) as door:
        await door.hold_sshd("web1", sshd)
        yield door


async def show(page: Page) -> None:
    """Sign in, and go to the session."""
    await page.get_by_label("Token").fill(TOKEN)
    await page.keyboard.press("Enter")
    await page.get_by_role("link", name="web1").click()
    await expect(page.locator(".title .state")).to_have_text("up")


async def show_folder(page: Page, folder: Path) -> None:
    await page.get_by_role("textbox", name="Folder").fill(str(folder))
    await page.get_by_role("button", name="Show folder").click()


async def run(page: Page, command: str) -> None:
    await page.get_by_role("textbox", name="Command").fill(command)
    await page.keyboard.press("Enter")


def url(door: Running) -> str:
    return f"http://127.0.0.1:{door.port}"


async def test_a_command_and_its_output(door: Running, open_page: OpenPage, picture: Picture) -> None:
    async with open_page(url(door)) as page:
        await show(page)
        output, how = page.locator(".output"), page.locator(".how").first
        await run(page, "echo '<b>bold</b>'; printf 'a\\033[1mb' >&2; exit 3")
        await expect(output.locator("span:not(.stderr)")).to_have_text("<b>bold</b>\n")
        await expect(output.locator(".stderr")).to_have_text("a␛[1mb")
        await expect(how).to_contain_text("exit status 3")
        assert await output.locator("b").count() == 0
        assert await faults(page) == []
        await picture(page, "command")
        await page.get_by_role("textbox", name="Command").focus()
        await page.keyboard.press("ArrowUp")
        await expect(page.get_by_role("textbox", name="Command")).to_have_value(
            "echo '<b>bold</b>'; printf 'a\\033[1mb' >&2; exit 3"
        )


async def test_much_output_is_bounded(door: Running, open_page: OpenPage) -> None:
    async with open_page(url(door)) as page:
        await show(page)
        await run(page, "seq 1 1000000; echo the-end")
        await expect(page.locator(".how").first).to_contain_text("exit status 0")
        await expect(page.locator(".how").first).to_contain_text("Only the end")
        await expect(page.locator(".output")).to_contain_text("the-end")
        assert await page.locator(".output").evaluate("(output) => output.textContent.length") <= 200_000


async def test_a_terminal_outlives_a_reload(door: Running, open_page: OpenPage, picture: Picture) -> None:
    async with open_page(url(door)) as page:
        await show(page)
        await page.get_by_role("button", name="Open a terminal").click()
        await expect(page.get_by_role("button", name="Hang up")).to_be_visible()
        await page.keyboard.type("printf '\\033[38;2;1;2;3m%s\\033[0m\\n' $((40+2))forty-two\n")
        screen = page.locator(".xterm-rows")
        await expect(screen).to_contain_text("42forty-two")
        await expect(page.locator(".xterm-accessibility")).to_contain_text("42forty-two")  # a second later
        assert page.url.endswith("#/sessions/web1/terminals/1")
        assert await faults(page) == []
        await picture(page, "terminal")
        await page.reload()
        await expect(screen).to_contain_text("42forty-two")
        await expect(page.get_by_role("button", name="Hang up")).to_be_visible()
        await page.keyboard.type("echo still-$((1+1))-here\n")
        await expect(screen).to_contain_text("still-2-here")
        await fits_a_telephone(page)
        await picture(page, "terminal-390")
        await page.keyboard.press("Control+Shift+F6")
        await expect(page.get_by_role("button", name="Detach")).to_be_focused()
        await page.keyboard.press("Enter")
        await page.get_by_role("button", name="Attach 1").click()
        await expect(screen).to_contain_text("still-2-here")
        await page.get_by_role("button", name="Hang up").click()
        await expect(page.get_by_role("button", name="Open a terminal")).to_be_visible()


async def test_a_terminal_is_come_back_to_when_the_connection_was_lost(door: Running, open_page: OpenPage) -> None:
    async with (
        FaultyLink("127.0.0.1", door.port) as link,
        open_page(f"http://127.0.0.1:{link.port}", but=(NOT_REACHED, "Failed to load resource")) as page,
    ):
        await show(page)
        await page.goto(f"http://127.0.0.1:{link.port}/#/sessions/web1/terminals/none")  # the same session
        await expect(page.get_by_text("no terminal")).to_be_visible()
        await expect(page.locator(".history")).to_contain_text("up")
        await expect(page.get_by_role("region", name="Forwards")).to_contain_text("mooring forward add")
        await page.get_by_role("button", name="Open a terminal").click()
        hang_up = page.get_by_role("button", name="Hang up")
        await expect(hang_up).to_be_visible()
        link.cut()
        await expect(hang_up).to_be_hidden()
        assert page.url.endswith("#/sessions/web1/terminals/1")
        link.heal()
        await expect(hang_up).to_be_visible()
        await page.keyboard.type("echo it-is-$((40+2))\n")
        await expect(page.locator(".xterm-rows")).to_contain_text("it-is-42")


def abort(door: Running, ending: str = "") -> None:
    """Break the connections whose path ends so, as a network does."""
    for connection in list(door.server._state.connections):  # noqa: SLF001 - no other way to them
        scope = getattr(connection, "scope", None) or {}
        if str(scope.get("path", "")).endswith(ending):
            connection.transport.abort()


async def test_a_terminal_is_come_back_to_when_its_connection_alone_was_lost(
    door: Running, open_page: OpenPage
) -> None:
    async with open_page(url(door)) as page:
        await show(page)
        await page.get_by_role("button", name="Open a terminal").click()
        await expect(page.get_by_role("button", name="Hang up")).to_be_visible()
        async with page.expect_websocket(lambda socket: socket.url.endswith("/channel")):
            abort(door, "/channel")
        await expect(page.get_by_role("button", name="Hang up")).to_be_visible()
        await page.keyboard.type("echo it-is-$((40+2))\n")
        await expect(page.locator(".xterm-rows")).to_contain_text("it-is-42")


async def test_a_daemon_that_takes_a_question_and_says_nothing_is_asked_again(
    door: Running, open_page: OpenPage
) -> None:
    async with open_page(url(door)) as page:
        await show(page)
        await page.evaluate(SILENT_ONCE)
        await page.clock.install()
        abort(door)
        async with asyncio.timeout(BOUND):
            await page.evaluate("window.asked")
        async with page.expect_websocket(lambda socket: "/v1/events" in socket.url):
            await page.clock.fast_forward(60_000)
        await expect(page.locator(".connection")).to_have_text("")


async def test_a_command_whose_connection_is_not_opened_is_lost(door: Running, open_page: OpenPage) -> None:
    async with (
        FaultyLink("127.0.0.1", door.port) as link,
        open_page(f"http://127.0.0.1:{link.port}", but=NOT_OPENED) as page,
    ):
        await show(page)
        await page.clock.install()
        link.blackhole()
        async with page.expect_websocket(lambda socket: socket.url.endswith("/channel")):
            await run(page, "echo never")
        await page.clock.fast_forward(10_000)
        await expect(page.get_by_text("the daemon is away, or holds no such session any more")).to_be_visible()
        link.heal()
        await run(page, "echo it-is-$((40+2))")
        await expect(page.get_by_text("it-is-42", exact=True)).to_be_visible()


async def test_a_stream_that_is_not_opened_is_lost_and_asked_for_again(door: Running, open_page: OpenPage) -> None:
    async with (
        FaultyLink("127.0.0.1", door.port) as link,
        open_page(f"http://127.0.0.1:{link.port}", but=NOT_OPENED) as page,
    ):
        await show(page)
        await page.clock.install()
        link.blackhole()
        async with page.expect_websocket(lambda socket: "/v1/events" in socket.url):
            await page.get_by_role("link", name="Fleet").click()
        await page.clock.fast_forward(10_000)
        await expect(page.locator(".connection")).to_contain_text("The daemon is away")
        link.heal()
        await page.clock.fast_forward(60_000)
        await expect(page.locator(".connection")).to_have_text("")


async def test_a_stream_that_falls_silent_is_lost_and_so_is_its_terminal(door: Running, open_page: OpenPage) -> None:
    async with (
        FaultyLink("127.0.0.1", door.port) as link,
        open_page(f"http://127.0.0.1:{link.port}", but=NOT_OPENED) as page,
    ):
        await show(page)
        await page.clock.install()
        await page.reload()
        hang_up = page.get_by_role("button", name="Hang up")
        await page.get_by_role("button", name="Open a terminal").click()
        await expect(hang_up).to_be_visible()
        link.blackhole()
        await page.clock.fast_forward(int(2.9 * events.HEARTBEAT * 1000))  # the daemon may be as quiet
        await expect(page.locator(".connection")).to_have_text("")
        await page.clock.fast_forward(int(0.1 * events.HEARTBEAT * 1000))
        await expect(page.locator(".connection")).to_contain_text("The daemon is away")
        await expect(page.get_by_text("the connection to the daemon was lost")).to_be_visible()
        await page.clock.fast_forward(5_000)
        await expect(page.get_by_text("is attached again when the daemon is back")).to_be_visible()
        link.heal()
        await page.clock.fast_forward(60_000)
        await expect(page.locator(".connection")).to_have_text("")
        await expect(hang_up).to_be_visible()
        await page.keyboard.type("echo it-is-$((40+2))\n")
        await expect(page.locator(".xterm-rows")).to_contain_text("it-is-42")


async def test_a_terminal_is_come_back_to_when_what_shows_it_could_not_be_fetched(
    door: Running, open_page: OpenPage
) -> None:
    async with open_page(url(door), but="Failed to load resource") as page:
        await show(page)
        await page.get_by_role("button", name="Open a terminal").click()
        await expect(page.get_by_role("button", name="Hang up")).to_be_visible()
        await page.route("**/assets/xterm-*", lambda route: route.abort(), times=1)
        await page.reload()
        await expect(page.get_by_role("button", name="Hang up")).to_be_visible()
        await page.keyboard.type("echo it-is-$((40+2))\n")
        await expect(page.locator(".xterm-rows")).to_contain_text("it-is-42")


async def fits_a_telephone(page: Page) -> None:
    """The session's page with its terminal, on a screen 390 pixels wide."""
    await page.set_viewport_size({"width": 390, "height": 844})
    fitted = "document.querySelector('.xterm-screen').getBoundingClientRect().right <= innerWidth"
    await page.wait_for_function(fitted)  # the far side is told of it before what is typed from now on
    await page.keyboard.type("PS1=rea''dy:; set -- $(stty size); echo columns-$(($2 > 30 && $2 < 60))\n")
    await expect(page.locator(".xterm-rows")).to_contain_text("columns-1")  # what the far side fits its lines to
    await page.keyboard.type("sleep 600; echo not-this\n")
    await page.get_by_role("button", name="Ctrl-C").click()  # which no keyboard there has
    await page.get_by_role("button", name="↑").click()
    await expect(page.locator(".xterm-rows")).to_contain_text("^C")
    await page.get_by_role("button", name="Ctrl-C").click()
    # A shell that is still about its Ctrl-C may lose a letter that is typed meanwhile.
    await expect(page.locator(".xterm-rows")).to_contain_text(re.compile(r"\^C.*\^C\s*ready:", re.DOTALL))
    await page.keyboard.type("echo and-$((1+2))\n")
    await expect(page.locator(".xterm-rows")).to_contain_text("and-3")
    assert await page.evaluate(fitted)
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert await faults(page) == []


async def test_a_page_too_many_says_so_and_comes_when_another_goes(
    door: Running, open_page: OpenPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "MOST", 0)
    async with open_page(url(door), but="503") as page:
        await page.get_by_label("Token").fill(READER)
        await page.keyboard.press("Enter")
        await expect(page.locator(".connection")).to_contain_text("reader has 0 streams of events already")
        await expect(page.get_by_label("Token")).to_have_count(0)
        monkeypatch.setattr(events, "MOST", 1)
        await expect(page.get_by_role("link", name="web1")).to_be_visible()
        await expect(page.locator(".connection")).to_have_text("")


async def test_hands_without_eyes_are_told_so_and_nothing_is_tried(door: Running, open_page: OpenPage) -> None:
    actions = ["run", "shell", "netconf", "files"]
    made = await door.ask(
        "POST", "/v1/tokens", {"name": "hands", "actions": actions, "selector": "all", "expires_in": 60.0}
    )
    async with open_page(url(door), width=390) as page:
        await page.get_by_label("Token").fill(made.value["secret"])
        await page.keyboard.press("Enter")
        await expect(page.locator(".empty")).to_contain_text("its grant has no read")
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.on("websocket", lambda socket: asked.append(socket.url))
        for place in ("web1", "web1/terminals/1"):
            await page.goto(f"{url(door)}/#/sessions/{place}")
            await expect(page.locator(".trouble")).to_contain_text("No session that this token may see is called web1")
            await expect(page.get_by_role("heading", name="Terminal")).to_be_hidden()
            assert await page.get_by_role("button").count() == 1  # to sign out
            await page.reload()
            await expect(page.locator(".trouble")).to_contain_text("its grant has no read")
        assert [one for one in asked if "/web1" in one] == []
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")


async def test_what_is_not_granted_is_not_offered(door: Running, open_page: OpenPage) -> None:
    made = await door.ask(
        "POST", "/v1/tokens", {"name": "look", "actions": ["read"], "selector": "all", "expires_in": None}
    )
    forward = await door.pool["web1"].forward_local(0, "127.0.0.1:1", name="one")
    async with open_page(url(door), width=390) as page:
        await page.get_by_label("Token").fill(made.value["secret"])
        await page.keyboard.press("Enter")
        await page.get_by_role("link", name="web1").click()
        await expect(page.get_by_role("cell", name="one local")).to_be_visible()
        await expect(page.get_by_role("button", name="Sign out")).to_be_visible()
        assert await page.get_by_role("button").count() == 1
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        forward.close()
        await expect(page.get_by_role("region", name="Forwards")).to_have_text("ForwardsNone.")


async def test_files_up_and_down(door: Running, open_page: OpenPage, picture: Picture, peers_folder: Path) -> None:
    with tempfile.TemporaryDirectory(dir=peers_folder) as name:
        far = Path(name)
        far.chmod(0o777)
        (far / LONG).mkdir()
        (far / "<b>markup<b>").write_bytes(b"<script>document.title='taken'</script>")
        async with open_page(url(door), but="404 (Not Found)") as page:
            await show(page)
            await show_folder(page, far)
            link = page.get_by_role("link", name="<b>markup<b>")
            async with page.expect_download() as downloading:
                await link.click()
            assert Path(await (await downloading.value).path()).read_bytes().startswith(b"<script>")
            said = page.locator("section", has=page.get_by_role("heading", name="Files")).get_by_role("status")
            await expect(said).to_have_text("<b>markup<b>, 39 B: the browser saves it, and shows how far it is")
            assert await page.get_by_role("region", name="Files").get_by_role("table").evaluate(FITS)
            content = {"name": "up.bin", "mimeType": "text/html", "buffer": bytes(range(256)) * 1000}
            await page.get_by_label("Upload here").set_input_files(content)  # type: ignore[arg-type]  # a FilePayload
            await page.get_by_role("button", name="Upload", exact=True).click()
            await expect(page.get_by_role("link", name="up.bin")).to_be_visible()
            assert (far / "up.bin").read_bytes() == content["buffer"]
            assert await faults(page) == []
            await picture(page, "files")
            await page.get_by_role("button", name=f"{LONG}/").click()
            await expect(page.get_by_text("The folder is empty.")).to_be_visible()
            await page.get_by_role("button", name="..", exact=True).click()
            await expect(link).to_be_visible()
            await page.get_by_role("textbox", name="Folder").fill("/nowhere")
            await page.keyboard.press("Enter")
            await expect(page.get_by_role("alert")).to_contain_text("/nowhere")
            assert await page.title() != "taken"


async def test_an_upload_shows_how_far_it_is_and_is_cancelled(
    door: Running, open_page: OpenPage, picture: Picture, peers_folder: Path
) -> None:
    with tempfile.TemporaryDirectory(dir=peers_folder) as name:
        far = Path(name)
        far.chmod(0o777)
        (far / "large.bin").write_bytes(b"what was there")
        async with open_page(url(door)) as page:
            await show(page)
            await show_folder(page, far)
            content = {"name": "large.bin", "mimeType": "text/html", "buffer": b"x" * 4_000_000}
            await page.get_by_label("Upload here").set_input_files(content)  # type: ignore[arg-type]  # a FilePayload
            network = await page.context.new_cdp_session(page)
            slow = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 100_000}
            await network.send("Network.emulateNetworkConditions", slow)
            await page.get_by_role("button", name="Upload", exact=True).click()
            await expect(page.get_by_text("large.bin is there already")).to_be_visible()
            assert (far / "large.bin").read_bytes() == b"what was there"
            await page.get_by_role("button", name="Replace it").click()
            await expect(page.locator(".amount")).to_contain_text("of 3.8 MiB")
            await expect(page.get_by_role("progressbar", name="Bytes sent")).to_have_attribute(
                "value", re.compile("[1-9]")
            )
            assert await faults(page) == []
            await picture(page, "upload")
            await page.get_by_role("button", name="Cancel").click()
            await expect(page.get_by_role("alert")).to_contain_text("It was cancelled")
            await expect(page.get_by_role("progressbar", name="Bytes sent")).to_be_hidden()
            await network.send("Network.emulateNetworkConditions", {**slow, "uploadThroughput": -1})
            assert (far / "large.bin").read_bytes() == b"what was there"
            await page.get_by_role("button", name="Upload", exact=True).click()
            await page.get_by_role("button", name="Replace it").click()
            await expect(page.get_by_text("large.bin is there, 3.8 MiB")).to_be_visible()
            assert (far / "large.bin").stat().st_size == 4_000_000


async def test_what_came_since_the_folder_was_listed_is_not_replaced_unasked(
    door: Running, open_page: OpenPage, peers_folder: Path
) -> None:
    with tempfile.TemporaryDirectory(dir=peers_folder) as name:
        far = Path(name)
        far.chmod(0o777)
        async with open_page(url(door), but="412 (Precondition Failed)") as page:
            await show(page)
            await show_folder(page, far)
            (far / "late.bin").write_bytes(b"came meanwhile")
            content = {"name": "late.bin", "mimeType": "text/html", "buffer": b"ours"}
            await page.get_by_label("Upload here").set_input_files(content)  # type: ignore[arg-type]  # a FilePayload
            await page.get_by_role("button", name="Upload", exact=True).click()
            await expect(page.get_by_text("late.bin is there already; what it holds would be lost")).to_be_visible()
            assert (far / "late.bin").read_bytes() == b"came meanwhile"
            await page.get_by_role("button", name="Replace it").click()
            await expect(page.get_by_text("late.bin is there, 4 B")).to_be_visible()
            assert (far / "late.bin").read_bytes() == b"ours"


async def give(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send something, and stay until the other side leaves."""
    writer.write(b"x" * 2048)
    await reader.read()
    writer.close()
    await writer.wait_closed()


async def test_its_numbers_are_live(door: Running, open_page: OpenPage, picture: Picture) -> None:
    session = door.pool["web1"]
    async with open_page(url(door)) as page:
        await show(page)
        forwards, history = page.get_by_role("region", name="Forwards"), page.locator(".history")
        server = await asyncio.start_server(give, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server, await session.forward_local(0, f"127.0.0.1:{port}", name="one") as forward:
            row = forwards.get_by_role("row", name="one")
            await expect(row.locator(".state")).to_have_text("standing")
            reader, writer = await asyncio.open_connection("127.0.0.1", forward.get_port())
            await reader.readexactly(2048)
            await expect(row.get_by_role("cell").nth(4)).to_have_text("1")
            await expect(row.get_by_role("cell").nth(6)).to_have_text("2.0 KiB")
            held = await session.process("sleep 600")
            await expect(page.get_by_text("1 of 6 open")).to_be_visible()
            await session.ping()
            await expect(page.get_by_role("img", name="round trip")).to_be_visible()
            assert await faults(page) == []
            await picture(page, "session-live")
            held.terminate()
            writer.close()
            async with asyncio.timeout(BOUND):
                await held.wait_closed()
                await writer.wait_closed()
            await expect(row.get_by_role("cell").nth(4)).to_have_text("0")
        await expect(forwards).to_contain_text("mooring forward add")
        await page.reload()
        await expect(history).to_contain_text("forward one is no more")
        await page.get_by_role("link", name="Fleet").click()
        await expect(page.get_by_role("row", name="web1").get_by_role("img", name="round trip")).to_be_visible()
