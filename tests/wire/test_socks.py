"""SOCKS requests, whole and in pieces, and what is none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring import InvalidInput
from mooring.model.forward import Place
from mooring.wire.socks import SocksServer

REQUESTS = [
    (b"\x05\x02\x02\x00\x05\x01\x00\x01\x0a\x00\x00\x01\x00\x50", Place("10.0.0.1", 80), b"\x05\x00"),
    (b"\x05\x01\x00\x05\x01\x00\x03\x02db\x15\x38", Place("db", 5432), b"\x05\x00"),
    (b"\x05\x01\x00\x05\x01\x00\x04" + bytes(15) + b"\x01\x00\x16", Place("::1", 22), b"\x05\x00"),
    (b"\x04\x01\x00\x50\x0a\x00\x00\x01\x00", Place("10.0.0.1", 80), b""),
    (b"\x04\x01\x00\x50\x00\x00\x00\x07user\x00db\x00", Place("db", 80), b""),
]


@pytest.mark.parametrize(("request_", "wanted", "answer"), REQUESTS, ids=range(len(REQUESTS)))
@pytest.mark.parametrize("size", [1, 3, 1000])
def test_requests_in_pieces(request_: bytes, wanted: Place, answer: bytes, size: int) -> None:
    server = SocksServer()
    sent = b""
    whole = request_ + b"more"
    for start in range(0, len(whole), size):
        server.receive_data(whole[start : start + size])
        sent += server.data_to_send()
    assert (server.wanted, server.rest, sent) == (wanted, b"more", answer)
    assert server.answer(ok=True)[:2] == (b"\x05\x00" if request_[0] == 5 else b"\x00\x5a")
    assert server.answer(ok=False)[:2] == (b"\x05\x01" if request_[0] == 5 else b"\x00\x5b")


@pytest.mark.parametrize(
    ("data", "sent"),
    [
        (b"GET / HTTP/1.1", b""),
        (b"\x05\x01\x02", b"\x05\xff"),
        (b"\x05\x01\x00\x05\x02\x00\x01\x7f\x00\x00\x01\x00\x50", b"\x05\x00\x05\x07\x00\x01" + bytes(6)),
        (b"\x05\x01\x00\x05\x01\x00\x09\x7f\x00\x00\x01\x00\x50", b"\x05\x00\x05\x07\x00\x01" + bytes(6)),
        (b"\x04\x02\x00\x50\x0a\x00\x00\x01\x00", b"\x00\x5b" + bytes(6)),
        (b"\x05\x01\x00\x05\x01\x00\x03\x03\x1b[A\x00\x50", b"\x05\x00"),
        (b"\x04\x01\x00\x50\x0a\x00\x00\x01" + b"u" * 2000, b""),
    ],
    ids=["http", "login", "bind", "address", "bind4", "name", "endless"],
)
def test_what_is_refused(data: bytes, sent: bytes) -> None:
    server = SocksServer()
    with pytest.raises(InvalidInput):
        server.receive_data(data)
    assert server.data_to_send() == sent
    assert server.wanted is None


@given(st.binary(max_size=3000))
def test_nothing_else_is_raised(data: bytes) -> None:
    for start in (b"", b"\x05\x01\x00", b"\x04\x01\x00\x50"):
        server = SocksServer()
        try:
            server.receive_data(start + data)
        except InvalidInput:
            assert server.wanted is None
