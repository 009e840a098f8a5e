"""Both framings: any slicing gives the same messages, and what is no framing is named."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring import FramingError
from mooring.wire.netconf.framing import DELIMITER, MESSAGE_END, NEED_DATA, Chunked, EndOfMessage, chunked

messages = st.lists(
    st.text(min_size=1).map(str.encode).filter(lambda text: DELIMITER not in text + b"]]>]]"), max_size=5
)
cuts = st.lists(st.integers(0, 400))


def slices(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(min(cut, len(data)) for cut in cuts)})
    return [data[at:end] for at, end in pairwise(edges)]


def received(framing: EndOfMessage | Chunked, parts: list[bytes]) -> list[bytes]:
    found: list[bytes] = []
    message = b""
    for part in parts:
        framing.receive_data(part)
        while (piece := framing.next_piece()) is not NEED_DATA:
            if piece is MESSAGE_END:
                found.append(message)
                message = b""
            elif isinstance(piece, bytes):
                assert piece
                message += piece
    assert not message
    return found


def in_chunks(message: bytes, cuts: list[int]) -> bytes:
    return b"".join(b"\n#%d\n%b" % (len(part), part) for part in slices(message, cuts)) + b"\n##\n"


@given(messages, cuts)
def test_end_of_message_in_any_slices(messages: list[bytes], cuts: list[int]) -> None:
    messages = [message for message in messages if DELIMITER not in message + DELIMITER[:-1]]
    data = b"".join(message + DELIMITER for message in messages)
    assert received(EndOfMessage(), slices(data, cuts)) == messages


@given(messages, cuts, cuts)
def test_chunks_in_any_slices(messages: list[bytes], cuts: list[int], chunks: list[int]) -> None:
    data = b"".join(in_chunks(message, chunks) for message in messages)
    assert received(Chunked(), slices(data, cuts)) == messages


@pytest.mark.parametrize("framing", [EndOfMessage, Chunked])
def test_each_byte_alone_and_a_character_of_many(framing: type[EndOfMessage | Chunked]) -> None:
    message = "<a>naïve 日本 😀 ]]> ]]&gt;</a>".encode()
    data = chunked(message) if framing is Chunked else message + DELIMITER
    assert received(framing(), [bytes([byte]) for byte in data * 3]) == [message] * 3


@pytest.mark.parametrize(
    "data",
    [
        b"x",
        b"#5\n12345",
        b"\n5\n",
        b"\n#0\n",
        b"\n#05\nhello",
        b"\n#-1\n",
        b"\n#+5\n",
        b"\n# 5\n",
        b"\n#5 \n",
        b"\n#\n",
        b"\n#5\r\n",
        b"\n#4294967296\n",
        b"\n#10000000000\n",
        b"\n##\n",
        b"\n#1\nx\n#",
        b"\n#1\nx\n##x",
        b"\n#1\nx]]>]]>",
        b"\n#1\nx\n##\n\n##\n",
    ],
)
def test_what_is_no_chunk(data: bytes) -> None:
    for parts in ([data], [data[at : at + 1] for at in range(len(data))]):
        try:
            received(Chunked(), parts)
        except FramingError:
            continue
        except AssertionError:
            pass
        assert data == b"\n#1\nx\n#", "only what may still become a chunk is waited for"


@given(st.binary(max_size=60), cuts)
def test_garbage_is_a_framing_error_or_waits_for_more(data: bytes, cuts: list[int]) -> None:
    def outcome(parts: list[bytes]) -> object:
        try:
            return received(Chunked(), parts)
        except FramingError:
            return FramingError
        except AssertionError:
            return AssertionError

    assert outcome([data]) == outcome(slices(data, cuts))


@given(st.binary(max_size=300) | st.lists(st.sampled_from([b"]", b">", b"]]>", b"x"])).map(b"".join), cuts)
def test_next_to_nothing_is_held_back_so_that_time_is_linear(data: bytes, cuts: list[int]) -> None:
    for framing in (EndOfMessage(), Chunked()):
        for part in slices(in_chunks(data or b"x", cuts) if isinstance(framing, Chunked) else data, cuts):
            framing.receive_data(part)
            while framing.next_piece() is not NEED_DATA:
                pass
            assert len(framing.rest()) < len(b"\n#4294967295\n")


def test_the_error_shows_what_came() -> None:
    framing = Chunked()
    framing.receive_data(b"HTTP/1.1 400 Bad Request\r\n")
    with pytest.raises(FramingError, match=re.escape("no chunk begins with b'HTTP/1.1 400 '")):
        framing.next_piece()
