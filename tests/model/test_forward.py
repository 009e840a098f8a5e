"""Places and forwards as people write them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring import InvalidInput
from mooring.model.forward import ForwardKind, Place, parse_forward


@pytest.mark.parametrize(
    ("written", "place", "shown"),
    [
        (8080, Place("127.0.0.1", 8080), "127.0.0.1:8080"),
        ("8080", Place("127.0.0.1", 8080), "127.0.0.1:8080"),
        ("db:5432", Place("db", 5432), "db:5432"),
        ("[::1]:80", Place("::1", 80), "[::1]:80"),
        ("*:80", Place("", 80), "*:80"),
        (":80", Place("", 80), "*:80"),
        (("::1", 80), Place("::1", 80), "[::1]:80"),
        ("/run/x.sock", Place(path="/run/x.sock"), "/run/x.sock"),
        (Path("/run/x.sock"), Place(path="/run/x.sock"), "/run/x.sock"),
        (Place("a", 1), Place("a", 1), "a:1"),
    ],
    ids=range(10),
)
def test_places(written: object, place: Place, shown: str) -> None:
    assert Place.parse(written) == place  # type: ignore[arg-type]
    assert str(place) == shown
    assert Place.parse(shown) == place


@pytest.mark.parametrize(
    "written",
    ["", "x", "x:", "db:65536", "-1", -1, 70000, True, "::1:80", "a b:80", ("x",), ("x", "y"), "/" + "x" * 200, "/\0"],
    ids=range(14),
)
def test_what_is_no_place(written: object) -> None:
    with pytest.raises(InvalidInput):
        Place.parse(written)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "kind", "listen", "destination"),
    [
        ("8080:db:5432", "local", Place("127.0.0.1", 8080), Place("db", 5432)),
        ("*:8080:db:5432", "local", Place("", 8080), Place("db", 5432)),
        ("[::1]:8080:[::2]:80", "local", Place("::1", 8080), Place("::2", 80)),
        ("/a/b:db:5432", "local", Place(path="/a/b"), Place("db", 5432)),
        ("8080:/run/d", "local", Place("127.0.0.1", 8080), Place(path="/run/d")),
        ("/a:/b", "local", Place(path="/a"), Place(path="/b")),
        ("x:8080:/run/d", "local", Place("x", 8080), Place(path="/run/d")),
        ("8080:db:5432", "remote", Place("localhost", 8080), Place("db", 5432)),
        ("1080", "socks", Place("127.0.0.1", 1080), None),
        ("[::1]:1080", "socks", Place("::1", 1080), None),
    ],
    ids=range(10),
)
def test_forwards(text: str, kind: str, listen: Place, destination: Place | None) -> None:
    assert parse_forward(text, ForwardKind(kind)) == (listen, destination)


@pytest.mark.parametrize(
    "text", ["", ":", "8080", "8080:db", "1:2:3:4:5", "8080:db:x", "[::1:80:a:1", "a]b:1:c:2", "8080:"]
)
def test_what_is_no_forward(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse_forward(text, ForwardKind.LOCAL)


@given(st.text(max_size=40), st.sampled_from(ForwardKind))
def test_nothing_else_is_raised(text: str, kind: ForwardKind) -> None:
    try:
        parse_forward(text, kind)
    except InvalidInput:
        return
