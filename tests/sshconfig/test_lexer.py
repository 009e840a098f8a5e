"""How a line is cut into words."""

from __future__ import annotations

import pytest

from mooring.model.errors import ConfigError
from mooring.sshconfig.lexer import Line, arguments, ascii_lower, line_of, next_word


def lines(text: str) -> list[Line]:
    found = [line_of(raw, source="f", number=number) for number, raw in enumerate(text.split("\n"), 1)]
    return [line for line in found if line is not None]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a b\tc", ("a", "b", "c")),
        ("a#b #c d", ("a#b",)),
        ('"a b" c', ("a b", "c")),
        ("'a b' c", ("a b", "c")),
        ('a"b c"d', ("ab cd",)),
        ("'a \"b\"'", ('a "b"',)),
        (r'"a \"b\""', ('a "b"',)),
        (r"a\ b", ("a b",)),
        (r'"a\ b"', (r"a\ b",)),
        (r"a\\b \n", (r"a\b", r"\n")),
        ('"" x', ("", "x")),
        ("a=b", ("a=b",)),
        ('"a', None),
        ("'a", None),
        ("# all comment", ()),
        ("a\\", ("a\\",)),
    ],
)
def test_arguments(text: str, words: tuple[str, ...] | None) -> None:
    assert arguments(text) == words


@pytest.mark.parametrize(
    ("text", "word", "rest"),
    [
        ("Port 22", "Port", "22"),
        ("Port=22", "Port", "22"),
        ("Port = 22", "Port", "22"),
        ("Port == 22", "Port", "= 22"),
        ("Port=  22", "Port", "22"),
        (" Port", "", "Port"),
        ('"Po rt" 22', "Po rt", "22"),
        ("Port", "Port", None),
        ('"Port', None, None),
        ("'a b'", "'a", "b'"),
    ],
)
def test_next_word(text: str, word: str | None, rest: str | None) -> None:
    assert next_word(text) == (word, rest)


def test_lines_keep_their_numbers() -> None:
    text = '# one\n\nPort 22 # two\n\t\n  User=me\f\r\n"Host" a b\n"no end\n'
    assert [(line.number, line.keyword, line.arguments) for line in lines(text)] == [
        (3, "port", ("22",)),
        (5, "user", ("me",)),
        (6, "host", ("a", "b")),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("\nPort", "f:2: Port: no argument"),
        ("Port =", "f:1: Port: no argument"),
        ('User "x', "f:1: User: a quote is never closed"),
        ("User x\0y", "f:1: NUL character"),
        ("Port 1\x0b\nUser 'x", "f:2: User: a quote is never closed"),
    ],
)
def test_what_is_no_line(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        lines(text)
    assert str(caught.value) == message


def test_only_ascii_has_a_lower_case() -> None:
    assert ascii_lower("Port\N{KELVIN SIGN}\N{LATIN CAPITAL LETTER E WITH ACUTE}") == "port\u212a\u00c9"
