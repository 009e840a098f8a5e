"""What would be answered is not shown again, wherever it hides."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring.wire.questions import without_questions

PIECES = [
    b"\x1b", b"[", b"6", b"n", b"?", b"\x07", b"\x05", b"\x18", b"]11;", b"\x1b\\", b"P+q", b"\n", b"\xc2", b"\x9b",
    b"\x9c", b"c", b">", b"$p", b"Z", b"\x1b[6n", b"\x1b]11;?\x07", b";", b"m",
]  # fmt: skip
PLAINLY_ASKED = re.compile(
    rb"\x05|(?:\x1b[\n\x07]*\[|\xc2\x9b)[>?]?[\n\x07]*6?[\n\x07]*[cn]|\x1b\n*Z"
    rb"|(?:\x1b\n*\]|\xc2\x9d)11;\?\n*(?:\x07|\x1b\\)"
)


@pytest.mark.parametrize(
    ("shown", "again"),
    [
        (b"a\x1b[6nb", b"ab"),
        (b"a\x1b[cb\x1b[>c\x1b[=c\x1b[0c", b"ab"),
        (b"\x1b]11;?\x07x\x1b]10;?\x1b\\y", b"xy"),
        (b"\x1b]52;c;aGk=\x07x", b"x"),
        (b"\x1b]0;title\x07x\x07y", b"\x1b]0;title\x07xy"),
        (b"\x1bP$qm\x1b\\x\x1b[?2026$py\x05", b"xy"),
        (b"a\x1b[?1;1;0Sb\x1b[?2;4;0Sc\x1b[3Sd", b"abc\x1b[3Sd"),  # XTSMGRAPHICS asks; without ? it scrolls
        (b"a\x1b[?4mb\x1b[4mc\x1b[>4;2md", b"ab\x1b[4mc\x1b[>4;2md"),  # XTQMODKEYS
        (b"a\x1b[6\nnb", b"a\nb"),  # a terminal obeys what controls it inside of a sequence, and goes on with that
        (b"a\x1b[\r6\x08nb\x1b[>\x0bcd", b"a\r\x08b\x0bd"),
        (b"a\x1b[\x006nb\x1b[6\x7fnc", b"a\x00b\x7fc"),
        (b"a\x1b[6\x07nb\x1b[5\x05nc", b"abc"),
        (b"a\x1b[6\x18nb\x1b[6\x1anc", b"a\x18nb\x1anc"),  # CAN and SUB end it
        (b"a\x1b[6\x1b[6nn", b"an"),  # so does another one; what is left of both is no question
        (b"a\x1b\x1b[6n[6nb\xc2\x1b[6n\x9b6n", b"a[6nb\x9b6n"),
        (b"a\x1b]11;\x1b[6n?\x07b\x1bP+q\x1b[6n544e\x1b\\c", b"a?b544e\x1b\\c"),
        (b"\xc2\x9b6n\xc2\x9ax\xc2\x9d11;?\xc2\x9cy\xc2\x90+q544e\xc2\x9cz\xc2\x9b31m", b"xyz\xc2\x9b31m"),
        (b"a\x1b[?996nb\x1b[?5gc\x1b[1;1;2;2;3;3*yd\x1b[1$we\x1b[#Rf\x1b[0#|g\x1b['|h\x1b[&ui", b"abcdefghi"),
        (
            b"a\x1b]4;1;?;2;#fff\x07b\x1b]11;\n?\x07c\x1b]4;1;#fff\x07d\x1b]60\x07e\x1b]8;;http://x?\x07f",
            b"abc\x1b]4;1;#fff\x07de\x1b]8;;http://x?\x07f",
        ),
        (b"a\x1b]5\n2;c;aGk=\x07b\x1b]1337;ReportCellSize\x07c\x1b]9;hello\x07d", b"abcd"),
        (b"a\x1bP\n1$qm\x1b\\b\x1b_Ga=q;AAAA\x1b\\c\x1bPq#0;2~\x1b\\d", b"abc\x1bPq#0;2~\x1b\\d"),
        (b"a\x1b[1\x07\x05;31mb\x1b\x07[6nc", b"a\x1b[1;31mbc"),
        (b"a\x1b[6", b"a\x1b[6"),  # its end is yet to come
        (b"a\x1b]0;ti", b"a\x1b]0;ti"),
        ("a»bé†".encode(), "a»bé†".encode()),
        (b"a\x1b[1\n;31mb", b"a\x1b[1\n;31mb"),
        (b"a\x1b\nZb\x1b\n[6nc", b"a\nb\nc"),
        (b"a\x1b[18;\n2tb\x1b[?\n15;2$\npc", b"a\nb\n\nc"),
        (b"\x1b[1;31mred\x1b[m \x1b[2J\x1b[H", b"\x1b[1;31mred\x1b[m \x1b[2J\x1b[H"),
    ],
)
def test_what_would_be_answered_is_not_shown_again(shown: bytes, again: bytes) -> None:
    assert without_questions(shown) == again


@given(st.lists(st.sampled_from(PIECES)).map(b"".join))
def test_what_is_left_asks_nothing_and_stays_as_it_is(shown: bytes) -> None:
    left = without_questions(shown)
    assert not PLAINLY_ASKED.search(left)
    assert without_questions(left) == left


@given(st.binary(max_size=600))
def test_any_bytes_are_taken(shown: bytes) -> None:
    without_questions(shown)


def test_much_of_anything_is_quick() -> None:
    for piece in PIECES:
        without_questions(piece * 100_000)
