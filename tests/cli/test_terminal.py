"""Columns, durations and what may be shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring.cli.terminal import Column, ago, brief, columns, printable

CELLS = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=40)


@st.composite
def tables(draw: st.DrawFn) -> list[Column]:
    rows = draw(st.integers(1, 5))
    count = draw(st.integers(1, 5))
    cells = st.lists(CELLS, min_size=rows, max_size=rows)
    return [Column(f"C{number}", draw(cells), right=draw(st.booleans())) for number in range(count)]


@given(tables())
def test_a_table_without_a_terminal_holds_everything_aligned(table: list[Column]) -> None:
    heading, *rows = columns(table, None)
    assert len(rows) == len(table[0].cells)
    for number, row in enumerate(rows):
        assert row.split() == [column.cells[number] for column in table if column.cells[number]]
    for column in (column for column in table if any(column.cells) and not column.right):
        start = heading.index(column.title)
        assert all(not cell or row[start:].startswith(cell) for row, cell in zip(rows, column.cells, strict=True))


@given(tables(), st.integers(60, 200))
def test_a_table_fits_the_terminal(table: list[Column], room: int) -> None:
    assert all(len(line) <= room for line in columns(table, room))


def test_the_columns_that_matter_least_go_first() -> None:
    table = [Column("ALIAS", ["edge1"]), Column("STATE", ["up"]), Column("HOST", ["h" * 30]), Column("RUNS", ["7"])]
    assert list(columns(table, 80)) == [f"ALIAS  STATE  HOST{' ' * 26}  RUNS", f"edge1  up     {'h' * 30}  7"]
    assert list(columns(table, 40)) == ["ALIAS  STATE", "edge1  up"]


def test_a_name_that_is_too_long_is_cut() -> None:
    assert list(columns([Column("ALIAS", ["edge" * 10]), Column("STATE", ["up"])], 20)) == [
        "ALIAS          STATE",
        "edgeedgeedge~  up",
    ]


def test_an_empty_column_is_left_out() -> None:
    assert list(columns([Column("A", ["1", "2"]), Column("B", ["", ""]), Column("C", ["", "3"])], None)) == [
        "A  C",
        "1",
        "2  3",
    ]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-1, "0s"), (0, "0s"), (59.9, "59s"), (60, "1m"), (3599, "59m"), (7200, "2h"), (86_400, "1d"), (1e7, "115d")],
)
def test_ago(seconds: float, text: str) -> None:
    assert ago(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.00084, "0.8 ms"), (0.012, "12 ms"), (1.23, "1.2 s"), (45.2, "45 s"), (0, "0.0 ms")]
)
def test_brief(seconds: float, text: str) -> None:
    assert brief(seconds) == text


@given(st.text())
def test_nothing_moves_the_cursor(text: str) -> None:
    assert printable(text).isprintable()
    assert not text.isprintable() or printable(text) == text


def test_an_escape_sequence_shows_itself() -> None:
    assert printable("a\x1b[2Jb\nc") == r"a\x1b[2Jb c"
