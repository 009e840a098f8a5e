"""Whole messages out of bytes, however they are sliced."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring.model.errors import FramingError
from mooring.wire.netconf.framing import DELIMITER, chunked
from mooring.wire.netconf.messages import Messages

messages = st.lists(st.text().map(lambda text: b"<" + text.encode() + b">"), max_size=5)


def _sliced(data: bytes, sizes: list[int]) -> list[bytes]:
    parts = []
    for size in sizes:
        parts.append(data[:size])
        data = data[size:]
    return [*parts, data]


@given(messages=messages, sizes=st.lists(st.integers(1, 20)), chunks=st.booleans())
def test_any_slicing_gives_the_same(messages: list[bytes], sizes: list[int], *, chunks: bool) -> None:
    messages = [message.replace(DELIMITER, b"") for message in messages]
    stream = Messages()
    found = list(stream.receive_data(b"<hello/>" + DELIMITER))
    if chunks:
        stream.chunk()
    data = b"".join(chunked(message) if chunks else message + DELIMITER for message in messages)
    for part in _sliced(data, sizes):
        found += stream.receive_data(part)
    assert found == [b"<hello/>", *messages]
    assert stream.whole


def test_changes_its_framing_inside_a_read() -> None:
    stream = Messages()
    assert stream.framed(b"<a/>") == b"<a/>]]>]]>"
    messages = stream.receive_data(b"<hello/>" + DELIMITER + chunked(b"<b/>") + b"\n#4\n<c")
    assert next(messages) == b"<hello/>"
    stream.chunk()
    assert list(messages) == [b"<b/>"]
    assert stream.framed(b"<a/>") == b"\n#4\n<a/>\n##\n"
    assert not stream.whole
    assert list(stream.receive_data(b"/>\n##\n")) == [b"<c/>"]


def test_our_hello_is_no_chunk_where_the_servers_came_first() -> None:
    stream = Messages()
    stream.chunk()
    assert stream.framed(b"<hello/>") == b"<hello/>]]>]]>"
    assert stream.framed(b"<a/>") == b"\n#4\n<a/>\n##\n"


@pytest.mark.parametrize("data", [b"x" * 11, b"x" * 6 + b"y" * 5], ids=["at-once", "in-parts"])
def test_bounded(data: bytes) -> None:
    stream = Messages(max_message_size=10)
    with pytest.raises(FramingError, match="more than 10 bytes"):
        list(stream.receive_data(data))


def test_a_large_chunk_is_refused_at_its_head() -> None:
    stream = Messages(max_message_size=10)
    stream.chunk()
    with pytest.raises(FramingError, match="more than 10 bytes"):
        list(stream.receive_data(b"\n#4294967295\nx"))


def test_garbage() -> None:
    stream = Messages()
    stream.chunk()
    with pytest.raises(FramingError):
        list(stream.receive_data(b"<hello/>"))
