"""Terminals that outlive their viewers: a real sshd, real WebSockets."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from mooring.model.access import ADMIN, Action, Actor, Grant
from mooring.model.errors import NotAllowed, TerminalInUse, TerminalLimit
from mooring.service import terminals
from mooring.service.viewer import Viewer as KeptViewer
from mooring.session.terminal import pace
from mooring.simulate import FaultyLink
from mooring.wire.channel import Kind, Terminal, read_exit, read_notice, read_opened, read_problem
from tests.peers.sshd import Sshd

from .door import BOUND, READER, Running
from .talking import Channel, channel

pytestmark = pytest.mark.anyio

SMALL = Terminal("xterm", 80, 24)
SCREEN = r"printf '\033[?1049h'; trap 'stty size' WINCH; echo ready; while :; do sleep 0.1; done"


class Viewer:
    """One who looks at a terminal of web1."""

    def __init__(self, client: Channel) -> None:
        self.client = client
        self.name: str | None = None
        self.notices: list[dict[str, Any]] = []
        self.seen = b""

    async def until(self, text: bytes) -> bytes:
        """What is shown up to a text, and with it."""
        while text not in self.seen:
            assert await self.step() in {Kind.STDOUT, Kind.NOTICE, Kind.WINDOW}, self.seen
        before, _, self.seen = self.seen.partition(text)
        return before + text

    async def until_last(self, text: bytes) -> None:
        """Wait until a text was shown, after very much else."""
        while not self.seen.endswith(text):
            self.seen = self.seen[-len(text) :]
            await self.step()

    async def until_notice(self, **told: object) -> None:
        """Wait until a notice says this."""
        while not any(told.items() <= notice.items() for notice in self.notices):
            await self.step()

    async def step(self) -> Kind:
        """Take the next frame."""
        self.last = await self.client.receive()
        if self.last.kind is Kind.STDOUT:
            self.seen += self.last.payload
        elif self.last.kind is Kind.NOTICE:
            self.notices.append(read_notice(self.last.payload))
        return self.last.kind

    async def type(self, text: str) -> None:
        """Type something."""
        while not self.client.side.window:
            await self.step()
        await self.client.socket.send(self.client.side.stdin(text.encode()))

    async def end(self) -> None:
        """Read up to the last frame."""
        while await self.step() not in {Kind.EXIT, Kind.ERROR}:
            pass


@contextlib.asynccontextmanager
async def looking(door: Running, term: Terminal = SMALL, **fields: Any) -> AsyncIterator[Viewer]:
    """A viewer for the length of a block."""
    async with channel(door) as client:
        came = await client.open("terminal", term=term, **fields)
        assert came.kind is Kind.OPENED, came
        viewer = Viewer(client)
        viewer.name = read_opened(came.payload)
        yield viewer


async def refused(door: Running, **fields: Any) -> str:
    """Why one may not look."""
    async with channel(door) as client:
        came = await client.open("terminal", **{"term": SMALL, **fields})
        assert came.kind is Kind.ERROR
        return str(read_problem(came.payload)["code"])


async def listed(door: Running) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await door.ask("GET", "/v1/terminals")).value["terminals"]
    return found


async def alone(door: Running) -> None:
    """Wait until nobody looks."""
    async with asyncio.timeout(BOUND):
        while any(terminal["viewers"] for terminal in await listed(door)):  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(0.01)


@pytest.fixture
async def ssh(door: Running, sshd: Sshd) -> Running:
    """A door over web1, a real sshd."""
    await door.hold_sshd("web1", sshd)
    return door


async def test_it_outlives_its_viewer(ssh: Running) -> None:
    async with looking(ssh, command="echo one; read a; echo got $a; exit 3") as first:
        assert first.name == "1"
        await first.until(b"one")
        await first.until_notice(drives=True, driver="tests", missed=0)
        assert len(first.notices) == 1
    await alone(ssh)
    (status,) = await listed(ssh)
    assert (status["alias"], status["name"], status["program"], status["opened_by"]) == ("web1", "1", "echo", "tests")
    assert (status["columns"], status["rows"], status["ended"]) == (80, 24, None)
    async with looking(ssh, view="attach") as again:
        await again.until(b"one")
        await again.type("that\r")
        await again.until(b"got that")
        await again.end()
        assert read_exit(again.last.payload) == (3, None)
    assert await listed(ssh) == []
    ended = (await ssh.ask("GET", "/v1/terminals/web1/1")).value["ended"]
    assert ended == "what ran on it has ended with status 3"
    assert await refused(ssh, view="attach", name="1") == "terminal-ended"
    assert await refused(ssh, view="watch") == "unknown-terminal"
    await ssh.idle()


async def test_a_full_screen_is_shown_again_to_who_comes_back(ssh: Running) -> None:
    async with looking(ssh, command=SCREEN, name="edit") as first:
        await first.until(b"ready")
    async with looking(ssh, view="attach", name="edit") as again:
        assert b"\x1b[?1049h" in await again.until(b"ready")
        await again.until(b"24 80")
    async with looking(ssh, Terminal("xterm", 100, 30), view="attach", name="edit") as larger:
        await larger.until(b"30 100")


async def test_who_watches_types_nothing_and_may_take_over(ssh: Running) -> None:
    async with looking(ssh, command=SCREEN.replace("while :; do sleep 0.1; done", "cat; cat")) as driver:
        await driver.until(b"ready")
        async with looking(ssh, Terminal("xterm", 100, 30), view="watch", name="1") as watcher:
            await watcher.until(b"ready")
            await watcher.until_notice(drives=False, driver="tests", missed=0)
            await watcher.type("from the watcher\r")
            await driver.type("from the driver\r")
            seen = await watcher.until(b"from the driver")
            assert b"watcher" not in seen
            assert [one["drives"] for one in (await listed(ssh))[0]["viewers"]] == [True, False]
            await watcher.client.socket.send(watcher.client.side.take())
            await watcher.until_notice(drives=True)
            await driver.until_notice(drives=False, driver="tests")
            await watcher.type("now it is mine\r")
            await driver.until(b"now it is mine")
            assert ((await listed(ssh))[0]["columns"], (await listed(ssh))[0]["rows"]) == (100, 30)
        await driver.until_notice(drives=False, driver=None)
    await alone(ssh)
    assert (await ssh.ask("DELETE", "/v1/terminals/web1/1")).value["ended"] == "the terminal on web1 was closed"
    await ssh.idle()


async def test_resizing(ssh: Running) -> None:
    async with looking(ssh, command="trap 'stty size' WINCH; echo ready; while :; do sleep 0.1; done") as viewer:
        await viewer.until(b"ready")
        await viewer.client.socket.send(viewer.client.side.resize(120, 40))
        await viewer.until(b"40 120")


@pytest.mark.parametrize("view", ["attach", "watch"])
async def test_a_size_that_is_none(ssh: Running, view: str) -> None:
    async with looking(ssh, command="cat"), looking(ssh, view=view) as viewer:
        await viewer.client.socket.send(viewer.client.side.resize(0, 5))
        await viewer.end()
        assert read_problem(viewer.last.payload)["code"] == "invalid-input"


async def test_it_ends_with_its_session_and_says_so(door: Running, sshd: Sshd) -> None:
    async with FaultyLink("127.0.0.1", sshd.port) as link:
        await door.hold_sshd("web1", sshd, link.port)
        async with looking(door, command="echo here; cat") as viewer:
            await viewer.until(b"here")
            link.cut()
            await viewer.end()
            problem = read_problem(viewer.last.payload)
            assert (problem["code"], problem["detail"]) == ("session-lost", "web1 was lost under the terminal")
        assert (await door.ask("GET", "/v1/terminals/web1/1")).value["ended"] == "web1 was lost under the terminal"


async def test_a_viewer_that_reads_nothing_holds_nobody_up(ssh: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "PATIENCE", 0.2)
    pouring = "read a; head -c 20000000 /dev/zero | tr '\\0' x; echo the end; cat"  # more than all sockets hold
    async with looking(ssh, command=pouring) as stuck:
        async with looking(ssh, view="watch") as other:
            await stuck.type("\r")
            await other.until_last(b"the end\r\n")
        while not any(notice["missed"] for notice in stuck.notices):
            await stuck.step()
            stuck.seen = b""
        await stuck.until_last(b"the end\r\n")
        assert (await listed(ssh))[0]["viewers"][0]["missed"] == stuck.notices[-1]["missed"]


async def test_bounds(ssh: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminals, "MOST", 4)
    monkeypatch.setattr(terminals, "MOST_VIEWERS", 1)
    async with looking(ssh, command="cat", name="one"):
        assert await refused(ssh, command="cat", name="one") == TerminalInUse.code
        assert await refused(ssh, view="attach") == TerminalLimit.code
        async with looking(ssh, command="cat"):
            assert await refused(ssh, command="cat") == TerminalLimit.code
            assert await refused(ssh, view="attach") == "unknown-terminal"  # which of both?


async def test_nobody_uses_up_what_others_may_have(ssh: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminals, "MOST", 4)
    keeper = ssh.fleet.terminals

    async def open_one(name: str) -> KeptViewer:
        may = (Grant(selector="web1", actions=frozenset({Action.SHELL})),)
        return await keeper.open(
            Actor(name=name, door="tcp", grants=may), "web1", term="xterm", size=(80, 24), command="cat"
        )

    boss = Actor(name="boss", door="tcp", grants=(ADMIN,))
    kept = [await open_one("greedy"), await open_one("greedy")]
    with pytest.raises(TerminalLimit, match="you have 2 of the 4 terminals that there may be") as refused:
        await open_one("greedy")
    assert refused.value.hint == "end some; what is left is for others"
    kept.append(await open_one("other"))
    with pytest.raises(TerminalLimit, match="you have 1 of the 4"):
        await open_one("other")
    kept.append(await open_one("third"))
    with pytest.raises(TerminalLimit, match="you have 0 of the 4"):
        await open_one("fourth")
    assert len(keeper.list(boss)) == 4
    for viewer in kept:
        await keeper.end(boss, "web1", viewer.name)


async def test_who_gets_the_name_of_a_token_gets_no_terminals_of_its_bearer(ssh: Running) -> None:
    root, keeper = Actor(name="root", door="unix", grants=(ADMIN,)), ssh.fleet.terminals

    async def bearer() -> Actor:
        _, secret = await ssh.fleet.tokens.create(root, "bob", [Action.READ, Action.SHELL], "web1", expires_in=None)
        bob = ssh.fleet.tokens.bearer(secret.reveal().encode(), "tcp")
        assert bob is not None
        return bob

    bob = await bearer()
    (await keeper.open(bob, "web1", term="xterm", size=(80, 24), command="cat")).leave()
    (await keeper.attach(bob, "web1", "1", size=(80, 24))).leave()
    await ssh.fleet.tokens.revoke(root, "bob")
    bob = await bearer()
    with pytest.raises(NotAllowed):
        await keeper.attach(bob, "web1", "1", size=(80, 24))
    with pytest.raises(NotAllowed):
        await keeper.end(bob, "web1", "1")
    await keeper.end(root, "web1", "1")


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "a/b"},
        {"name": ""},
        {"term": Terminal("xterm", 0, 0)},
        {"term": Terminal("xterm", 2**32 - 1, 1)},
        {"command": " "},
    ],
    ids=["slash", "empty", "nothing", "vast", "blank"],
)
async def test_what_cannot_be_meant(ssh: Running, fields: dict[str, Any]) -> None:
    assert await refused(ssh, **fields) == "invalid-input"
    assert await listed(ssh) == []


async def test_what_is_not_granted(ssh: Running) -> None:
    def actor(name: str, *actions: Action) -> Actor:
        return Actor(name=name, door="tcp", grants=(Grant(selector="web1", actions=frozenset(actions)),))

    keeper = ssh.fleet.terminals
    size = (80, 24)
    owner = actor("owner", Action.READ, Action.SHELL)
    with pytest.raises(NotAllowed):
        await keeper.open(actor("reader", Action.READ, Action.RUN), "web1", term="xterm", size=size)
    viewer = await keeper.open(owner, "web1", term="xterm", size=size)
    other = actor("other", Action.READ, Action.SHELL)
    assert [status.opened_by for status in keeper.list(other)] == ["owner"]
    with pytest.raises(NotAllowed, match="may not admin"):
        await keeper.attach(other, "web1", "1", size=size, drive=False)
    with pytest.raises(NotAllowed):
        await keeper.end(other, "web1", "1")
    (await keeper.attach(owner, "web1", "1", size=size)).leave()
    (await keeper.attach(actor("boss", Action.ADMIN), "web1", "1", size=size)).leave()
    viewer.leave()
    await keeper.end(owner, "web1", "1")
    async with channel(ssh, token=READER) as client:
        assert (await client.open("terminal", term=SMALL)).kind is Kind.ERROR
