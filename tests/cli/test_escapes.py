"""What is typed at a terminal for us, as ``ssh`` finds it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring.cli.escapes import Escape, Escapes


def fed(*typed: bytes, key: bytes = b"~") -> list[bytes | Escape]:
    """What comes of it, texts joined."""
    escapes, found = Escapes(key), list[bytes | Escape]()
    for part in typed:
        for one in escapes.feed(part):
            if found and isinstance(one, bytes) and isinstance(found[-1], bytes):
                found[-1] += one
            else:
                found.append(one)
    return found


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        (b"~.", [Escape.END]),
        (b"ls\r~d", [b"ls\r", Escape.DETACH]),
        (b"~?x", [Escape.HELP, b"x"]),
        (b"~t~.", [Escape.TAKE, Escape.END]),
        (b"~\x1a", [Escape.STOP]),
        (b"~~.", [b"~."]),
        (b"~~~.", [b"~~."]),
        (b"a~.", [b"a~."]),
        (b"~x~.", [b"~x~."]),
        (b"~\r~.", [b"~\r", Escape.END]),
        (b"a\n~", [b"a\n"]),
        (b"", []),
    ],
)
def test_escapes(typed: bytes, found: list[bytes | Escape]) -> None:
    assert fed(typed) == found
    assert fed(*(typed[index : index + 1] for index in range(len(typed)))) == found


def test_another_key_and_none() -> None:
    assert fed(b"%.", key=b"%") == [Escape.END]
    assert fed(b"~.", key=b"%") == [b"~."]
    assert fed(b"~.", key=b"") == [b"~."]


@given(st.text("~.\ra").map(str.encode), st.data())
def test_it_does_not_matter_how_it_comes(typed: bytes, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(typed)))
    assert fed(typed[:cut], typed[cut:]) == fed(typed)
