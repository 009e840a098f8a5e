"""The ring of a terminal and those who look into it."""

from __future__ import annotations

from mooring.session.terminal.scrollback import Scrollback
from mooring.session.terminal.view import TerminalView
from mooring.wire.screen import Modes


def view(scrollback: Scrollback, *, again: bool = True) -> TerminalView:
    return TerminalView(scrollback, again=again, moved=lambda _: None)


def everything(view: TerminalView) -> bytes:
    parts = []
    while part := view.take():
        parts.append(part)
    return b"".join(parts)


def test_it_keeps_the_last() -> None:
    scrollback = Scrollback(10)
    for number in range(100):
        scrollback.add(b"%02d" % number)
    assert (scrollback.start, scrollback.end) == (190, 200)
    assert scrollback.again() == b"9596979899"
    assert scrollback.since(196, 3) == b"989"


def test_a_screen_is_brought_back_whose_begin_is_gone() -> None:
    scrollback = Scrollback(20)
    scrollback.add(b"\x1b[?1049h\x1b[?25l" + b"x" * 40)
    assert scrollback.again() == b"\x1b[?25l\x1b[?1049h" + b"x" * 20
    assert view(scrollback, again=False).take() == b"\x1b[?25l\x1b[?1049h"


def test_a_sequence_that_the_end_of_the_ring_cuts_stays_whole() -> None:
    for size in range(1, 12):
        scrollback = Scrollback(size)
        scrollback.add(b"a\x1b[1;31mred")
        assert scrollback.again().lstrip(b"a") in {b"\x1b[1;31mred", b"red"[-size:]}


def test_so_does_a_letter() -> None:
    scrollback = Scrollback(4)
    scrollback.add("aßßß".encode())
    assert scrollback.again() == "ßß".encode()
    scrollback = Scrollback(5)
    scrollback.add("aßßß".encode())
    assert scrollback.again() == "ßß".encode()


def test_who_is_slow_misses_something_and_is_told_how_much() -> None:
    scrollback = Scrollback(10)
    slow = view(scrollback)
    scrollback.add(b"\x1b[?1h")
    assert everything(slow) == b"\x1b[?1h"
    scrollback.add(b"\x1b[?1l\x1b[?2004h" + b"0123456789")
    assert everything(slow) == b"\x1b[?1l\x1b[?2004h" + b"0123456789"  # the modes it missed, and what is left
    assert slow.missed == 13
    modes = Modes()
    modes.feed(b"\x1b[?2004h")
    assert not slow.behind


def test_one_does_not_disturb_another() -> None:
    scrollback = Scrollback(1000)
    one, other = view(scrollback), view(scrollback)
    scrollback.add(b"a")
    assert everything(one) == b"a"
    scrollback.add(b"b")
    assert (everything(one), everything(other)) == (b"b", b"ab")
