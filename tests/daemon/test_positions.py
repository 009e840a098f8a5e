"""The line of a key: for every document that the parser takes."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring.daemon.positions import line_of

DOCUMENT = '''\
# a comment
top = 1
[daemon]
names = [
  "port = 3",
]
text = """
port = 4
[tls]
"""
"quoted key" = 1
port = 5

[sessions."a.b"]
host = 'x'
[sessions.web1]
label = "a:b"
[[list]]
a.b = 1
'''


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        (("top",), 2),
        (("daemon",), 3),
        (("daemon", "names"), 4),
        (("daemon", "quoted key"), 11),
        (("daemon", "port"), 12),
        (("sessions", "a.b"), 14),
        (("sessions", "a.b", "host"), 15),
        (("sessions", "web1", "label"), 17),
        (("sessions", "web1", "port"), 16),
        (("list", "a", "b"), 19),
        (("tls",), None),
        (("absent", "port"), None),
    ],
)
def test_a_key_has_its_line(keys: tuple[str, ...], line: int | None) -> None:
    assert line_of(DOCUMENT, keys) == line


@given(st.text(alphabet="abt.=[]\"'{}# \n12,\\", max_size=60))
def test_whatever_parses_can_be_searched(text: str) -> None:
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    for key in tables:
        line = line_of(text, [key])
        assert line is None or 1 <= line <= text.count("\n") + 1
