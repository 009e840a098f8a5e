"""The framing of WebSockets, against an implementation by others."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode
from websockets.protocol import SERVER, Protocol, State

from mooring.client.websocket import BINARY, CLOSE, PING, PONG, Assembler, encode
from mooring.model.errors import DaemonMismatch

_CONTROL = st.tuples(st.sampled_from([Opcode.PING, Opcode.PONG]), st.binary(max_size=125))


def _assembled(stream: bytes, cuts: Sequence[int]) -> list[tuple[int, bytes]]:
    """What comes of a stream in pieces that end at some places."""
    assembler, before = Assembler(), 0
    found: list[tuple[int, bytes]] = []
    for cut in [*sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]:
        assembler.feed(stream[before:cut])
        found += assembler.messages()
        before = cut
    return found


_LONG = st.builds(
    lambda part, size: (part * size)[:size], st.binary(min_size=1, max_size=9), st.integers(65_530, 65_540)
)
"""Around the length from which it takes eight bytes. Made of a few: all of it at random is more than a test draws."""


@given(st.binary(max_size=300) | _LONG, st.sampled_from([BINARY, PING, PONG]))
def test_what_we_send_is_understood_by_others(payload: bytes, opcode: int) -> None:
    payload = payload if opcode == BINARY else payload[:125]
    server = Protocol(SERVER, state=State.OPEN)
    server.receive_data(encode(opcode, payload))
    (frame,) = server.events_received()
    assert isinstance(frame, Frame)
    assert (frame.opcode, bytes(frame.data), frame.fin) == (opcode, payload, True)


def test_every_frame_has_a_mask_of_its_own() -> None:
    assert len({encode(BINARY, b"")[2:] for _ in range(20)}) > 1


@given(
    st.lists(st.tuples(st.lists(st.binary(max_size=200), min_size=1, max_size=4), st.lists(_CONTROL, max_size=2))),
    st.lists(st.integers(min_value=0), max_size=20),
)
def test_what_others_send_comes_whole_however_it_is_cut(
    messages: list[tuple[list[bytes], list[tuple[Opcode, bytes]]]], cuts: list[int]
) -> None:
    stream, expected = b"", list[tuple[int, bytes]]()
    for parts, controls in messages:
        for number, part in enumerate(parts):
            opcode = Opcode.CONT if number else Opcode.BINARY
            stream += Frame(opcode, part, fin=number == len(parts) - 1).serialize(mask=False)
            if number == 0 and len(parts) > 1:  # control frames may come between the parts (section 5.4)
                stream += b"".join(Frame(kind, data).serialize(mask=False) for kind, data in controls)
                expected += [(int(kind), data) for kind, data in controls]
        expected.append((BINARY, b"".join(parts)))
    assert _assembled(stream, cuts) == expected


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536, 1_048_577])
def test_every_form_of_length(size: int) -> None:
    data = b"x" * size
    assert _assembled(Frame(Opcode.BINARY, data).serialize(mask=False), []) == [(BINARY, data)]


def test_a_close_comes_with_its_code() -> None:
    assert _assembled(Frame(Opcode.CLOSE, b"\x03\xe8bye").serialize(mask=False), [1]) == [(CLOSE, b"\x03\xe8bye")]


@pytest.mark.parametrize(
    ("stream", "fault"),
    [
        (Frame(Opcode.BINARY, b"x").serialize(mask=True), "masks"),
        (b"\xc2\x01x", "extensions"),
        (b"\x80\x01x", "in the middle of another"),
        (b"\x02\x01x\x82\x01x", "in the middle of another"),
        (b"\x82\x7f\x00\x00\x00\x01\x00\x00\x00\x00", "4294967296 bytes"),
        (
            b"\x02\x7f" + (1 << 20).to_bytes(8, "big") + bytes(1 << 20) + (b"\x00\x7e\xff\xff" + bytes(65_535)) * 17,
            "may",
        ),
    ],
    ids=["masked", "extension", "continuation", "interrupted", "huge", "huge in parts"],
)
def test_what_no_server_may_send_is_a_mismatch(stream: bytes, fault: str) -> None:
    with pytest.raises(DaemonMismatch, match=fault):
        _assembled(stream, [])


@given(st.binary(max_size=100), st.lists(st.integers(min_value=0), max_size=5))
def test_nothing_else_is_raised_for_any_bytes(stream: bytes, cuts: list[int]) -> None:
    with contextlib.suppress(DaemonMismatch):
        _assembled(stream, cuts)
