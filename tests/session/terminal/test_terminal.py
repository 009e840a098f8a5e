"""Terminals at a real sshd."""

from __future__ import annotations

import asyncio

import pytest

from mooring import (
    ChannelRefused,
    InvalidInput,
    Session,
    SessionLost,
    SessionNotUp,
    TerminalEnded,
    TerminalView,
    WaitTimeout,
)
from mooring.session.terminal import pace
from mooring.simulate import FaultyLink
from tests.peers.fixtures import StartSshd
from tests.peers.sshd import Sshd
from tests.session.held import held

pytestmark = pytest.mark.anyio

BOUND = 20.0
MEGABYTE = 1 << 20


async def until(view: TerminalView, text: bytes) -> bytes:
    """Read until a text was shown."""
    seen = b""
    async with asyncio.timeout(BOUND):
        while text not in seen:
            part = await view.read()
            assert part, seen
            seen += part
    return seen


async def rest(view: TerminalView) -> bytes:
    async with asyncio.timeout(BOUND):
        return b"".join([data async for data in view])


async def test_a_shell_that_is_typed_into(session: Session) -> None:
    async with session.terminal(size=(132, 43), term="vt100") as terminal:
        view = terminal.view()
        await terminal.write("stty size; echo $TERM grüße\r")
        seen = await until(view, "vt100 grüße".encode())
        assert b"43 132" in seen
        terminal.resize(90, 30)
        await terminal.write(b"stty size\r")
        await until(view, b"30 90")
        await terminal.write("exit 7\r")
        await rest(view)
        assert await terminal.wait() == (7, None)
        assert terminal.ended
        with pytest.raises(TerminalEnded, match="has ended"):
            await terminal.write("x")


async def test_a_command_and_its_environment(session: Session) -> None:
    async with session.terminal("tty; echo $MOORING_X; read a; exit 3", env={"MOORING_X": "here"}) as terminal:
        view = terminal.view()
        assert b"/dev/" in await until(view, b"here")
        await terminal.write("\r")
        assert await terminal.wait() == (3, None)
    assert session.status().channels.open == 0


async def test_ctrl_c(session: Session) -> None:
    async with session.terminal("trap 'echo caught; exit 4' INT; echo go; while :; do sleep 0.1; done") as terminal:
        view = terminal.view()
        await until(view, b"go")
        await terminal.write("\x03")
        await until(view, b"caught")
        assert (await terminal.wait()).exit_status == 4


async def test_who_looks_later_sees_what_was_shown(session: Session) -> None:
    async with session.terminal("echo one; read a; echo two; read a", scrollback=65_536) as terminal:
        first = terminal.view()
        await until(first, b"one")
        later, blind = terminal.view(), terminal.view(scrollback=False)
        await terminal.write("\r")
        await until(first, b"two")
        assert b"one" in await until(later, b"two")
        assert b"one" not in await until(blind, b"two")


async def test_a_full_screen_is_drawn_anew(session: Session) -> None:
    program = r"""printf '\033[?1049h'; trap 'stty size' WINCH; echo ready; while :; do sleep 0.1; done"""
    async with session.terminal(program) as terminal:
        view = terminal.view()
        await until(view, b"ready")
        assert terminal.full_screen
        terminal.redraw()
        await until(view, b"24 80")
        assert terminal.size == (80, 24)


async def test_a_shell_is_not_disturbed_by_a_redraw(session: Session) -> None:
    async with session.terminal("trap 'echo no' WINCH; echo ready; read a; echo end") as terminal:
        view = terminal.view()
        await until(view, b"ready")
        terminal.redraw()
        await terminal.write("\r")
        assert b"no" not in await rest(view)


async def test_nothing_is_missed_by_a_view_that_leads(session: Session) -> None:
    count = 100_000
    async with session.terminal(f"seq {count}", scrollback=65_536) as terminal:
        view = terminal.view(leads=True)
        seen = b""
        async with asyncio.timeout(BOUND):
            while part := await view.read():
                seen += part
                await asyncio.sleep(0)
        assert seen == b"".join(b"%d\r\n" % number for number in range(1, count + 1))
        assert view.missed == 0


async def test_a_view_that_stands_still_stops_neither_the_terminal_nor_others(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace, "PATIENCE", 0.1)
    async with session.terminal("read a; seq 300000; echo end", scrollback=65_536) as terminal:
        stuck, other = terminal.view(leads=True), terminal.view()
        await terminal.write("\r")
        await until(other, b"end\r\n")
        assert (await session.run("echo alive")).stdout == "alive\n"
        seen = await rest(stuck)
        assert seen.endswith(b"end\r\n")
        assert stuck.missed + len(seen) == terminal.received


async def test_a_session_that_is_lost(sshd: Sshd) -> None:
    async with FaultyLink("127.0.0.1", sshd.port) as link, held(sshd, link) as session:
        terminal = await session.terminal("echo here; cat").start()
        view = terminal.view()
        await until(view, b"here")
        link.cut()
        assert await rest(view) == b""
        for call in (terminal.wait(), terminal.write("x")):
            with pytest.raises(SessionLost, match="edge1 was lost under the terminal"):
                await call
        await terminal.close()


async def test_closing_hangs_up(session: Session) -> None:
    async with session.terminal("echo here; sleep 60") as terminal:
        view = terminal.view()
        await until(view, b"here")
    assert await view.read() == b""
    with pytest.raises(TerminalEnded, match="was closed"):
        await terminal.wait()
    await terminal.close()


async def test_a_start_that_is_cancelled_leaves_nothing(session: Session) -> None:
    starting = asyncio.create_task(session.terminal("sleep 60").start())
    await asyncio.sleep(0)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    async with asyncio.timeout(BOUND):
        while session.status().channels.open:  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(0.01)


async def test_input_that_nobody_takes(sshd: Sshd) -> None:
    async with (
        FaultyLink("127.0.0.1", sshd.port) as link,
        held(sshd, link) as session,
        session.terminal("stty raw -echo; echo here; sleep 60") as terminal,
    ):
        await until(terminal.view(), b"here")
        link.blackhole()
        await terminal.write(bytes(32 * MEGABYTE))
        with pytest.raises(WaitTimeout, match="takes no input"):
            await terminal.write("x", timeout=0.1)
        link.cut()


async def test_a_server_that_grants_no_terminal(start_sshd: StartSshd) -> None:
    async with held(start_sshd(PermitTTY="no")) as session:
        with pytest.raises(ChannelRefused):
            await session.terminal().start()


async def test_what_cannot_be_meant(session: Session) -> None:
    for keywords in ({"size": (0, 24)}, {"size": "80x24"}, {"command": ""}, {"scrollback": 1}, {"term": 3}):
        with pytest.raises(InvalidInput):
            session.terminal(**keywords)
    terminal = session.terminal()
    with pytest.raises(TerminalEnded, match="was not started"):
        await terminal.write("x")
    with pytest.raises(TerminalEnded, match="was not started"):
        await terminal.wait()
    async with terminal:
        with pytest.raises(InvalidInput):
            terminal.resize(-1, 5)
        with pytest.raises(InvalidInput):
            await terminal.write("\ud800")
        with pytest.raises(TerminalEnded, match="started before"):
            await terminal.start()
    await session.close()
    with pytest.raises(SessionNotUp):
        await session.terminal().start()
