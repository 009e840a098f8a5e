"""What a terminal's output says of its modes: wherever it is cut, and whatever it is."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mooring.wire.screen import Modes

VIM = b"\x1b[?1049h\x1b[22;0;0t\x1b[>4;2m\x1b[?1h\x1b=\x1b[?2004h\x1b[1;24r\x1b[?12h\x1b[?12l\x1b[27m\x1b[?25l~"
PIECES = [
    b"\x1b[?1049h", b"\x1b[?1049l", b"\x1b[?25l", b"\x1b[?25h", b"\x1b[?7l", b"\x1b[?1;2004h", b"\x1b=", b"\x1b>",
    b"\x1b[>4;2m", b"\x1b[>4m", b"\x1b[>1u", b"\x1b[<u", b"\x1bc", b"\x1b[!p", b"text", "höß".encode(), b"\x1b]0;t\x07",
]  # fmt: skip


def fed(*parts: bytes) -> Modes:
    modes = Modes()
    for part in parts:
        modes.feed(part)
    return modes


def test_an_editor_and_its_end() -> None:
    modes = fed(VIM)
    assert modes.full_screen
    left = modes.towards(Modes())
    assert left.startswith(b"\x1b[r")
    for undone in (b"\x1b[?1l", b"\x1b>", b"\x1b[?2004l", b"\x1b[?25h", b"\x1b[>4;m", b"\x1b[?1049l"):
        assert left.count(undone) == 1
    assert fed(VIM, left).towards(Modes()) == b""


def test_nothing_is_done_to_a_terminal_that_was_not_touched() -> None:
    assert fed(b"$ ls\r\n\x1b[01;34mfolder\x1b[0m\r\n").towards(Modes()) == b""


@given(st.lists(st.sampled_from(PIECES)), st.data())
def test_it_may_be_cut_anywhere(pieces: list[bytes], data: st.DataObject) -> None:
    whole = b"".join(pieces)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=5)))
    parts = [whole[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    assert fed(*parts).towards(Modes()) == fed(whole).towards(Modes())


@given(st.lists(st.sampled_from(PIECES)), st.lists(st.sampled_from(PIECES)))
def test_the_way_from_any_modes_to_any_others(some: list[bytes], others: list[bytes]) -> None:
    here, there = fed(*some), fed(*others)
    here.feed(here.towards(there))
    assert here.towards(there) == b""
    assert here.full_screen is there.full_screen


@given(st.binary(max_size=600), st.binary(max_size=600))
def test_any_bytes_are_taken(one: bytes, other: bytes) -> None:
    modes = fed(one, other)
    assert len(modes.unfinished) <= 260
