"""Terminals, used synchronously."""

from __future__ import annotations

import threading

import pytest

from mooring import SessionClosed, TerminalEnd, TerminalEnded, WaitTimeout, blocking

from .conftest import Peer


def seen(view: blocking.TerminalView, text: bytes) -> bytes:
    """What is shown up to a text."""
    shown = b""
    while text not in shown:
        data = view.read(30)
        assert data, shown
        shown += data
    return shown


def test_a_shell_that_is_typed_into(peer: Peer) -> None:
    with blocking.connect(peer.dsn, **peer.alone) as session:
        terminal = session.terminal("stty -echo; echo here; sh", size=(100, 30))
        with pytest.raises(TerminalEnded, match="was not started"):
            terminal.write("x")
        with terminal:
            view = terminal.view()
            seen(view, b"here")
            terminal.write("stty size; echo one'\n'\r", timeout=30)
            assert b"30 100" in seen(view, b"one")
            terminal.resize(90, 20)
            assert terminal.size == (90, 20)
            terminal.write("stty size\r")
            seen(view, b"20 90")
            terminal.redraw()
            terminal.write("exit 3\r")
            assert terminal.wait() == TerminalEnd(3, None) == terminal.end()
        b"".join(view)  # to its end
        assert view.missed == 0
        assert repr(terminal).startswith("<Terminal on edge1: ended")


def test_looking(peer: Peer) -> None:
    with (
        blocking.connect(peer.dsn, **peer.alone) as session,
        session.terminal("stty -echo; echo here; cat") as terminal,
    ):
        view = terminal.view()
        seen(view, b"here\r\n")
        with pytest.raises(WaitTimeout, match=r"the terminal on edge1 showed nothing within 0\.1 s"):
            view.read(0.1)
        again = terminal.view()
        assert (again.behind, again.missed) == (0, 0)
        seen(again, b"here\r\n")
        terminal.leave(again)
        assert again.read() == b""
        with pytest.raises(TerminalEnded, match="has not ended"):
            terminal.end()
        assert (terminal.ended, terminal.full_screen, terminal.alias) == (False, False, "edge1")
        assert terminal.received > 0


def test_closing_ends_who_reads_in_another_thread(peer: Peer) -> None:
    with blocking.connect(peer.dsn, **peer.alone) as session:
        terminal = session.terminal("echo here; cat").start()
        view = terminal.view()
        seen(view, b"here")
        rest: list[bytes] = []
        reader = threading.Thread(target=lambda: rest.extend(view), daemon=True)
        reader.start()
        terminal.close()
        reader.join(30)
        assert not reader.is_alive()
        with pytest.raises(TerminalEnded, match="was closed"):
            terminal.wait()
    blocking.shutdown()
    terminal.close()
    with pytest.raises(SessionClosed):
        terminal.write("x")
