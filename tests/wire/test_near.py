"""The near end of a pipe, fed with what a far end writes."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring import InvalidInput, PipeEnd
from mooring.wire.near import Answered, Logged, NearEnd, Said, Wrote
from mooring.wire.pipe import (
    ACK,
    CREDIT,
    ERROR,
    HEADER,
    LIMIT,
    LOG,
    MAGIC,
    MESSAGE,
    OUTPUT,
    RESULT,
    TERMINATE,
    WINDOW,
    Decoder,
    FrameError,
    frame,
)

_ACK = MAGIC + frame(ACK, json.dumps({"name": "worker", "pid": 7, "python": "3.8.1"}).encode())
_FAILED = json.dumps({"type": "ValueError", "message": "no", "traceback": "where"}).encode()


def near() -> NearEnd:
    """One whose handler has taken the pipe."""
    state = NearEnd("edge1")
    assert list(state.receive(b"login\n" + _ACK)) == [Wrote(b"login\n")]
    return state


def test_what_it_sends() -> None:
    state = near()
    assert state.acknowledged == ("worker", 7, "3.8.1")
    number, asked = state.ask(*state.packed({"a": 1}))
    sent = state.send(*state.packed("one"))
    assert Decoder().feed(state.hello(20) + asked + sent + state.terminate())[1:] == [
        (MESSAGE, 2, number, b'{"a":1}'), (MESSAGE, 1, 0, b"one"), (TERMINATE, 0, 0, b""),
    ]  # fmt: skip
    assert (state.sent, state.unfinished, state.asked) == (2, 1, {number: HEADER.size + 7})
    assert state.room == WINDOW - 2 * HEADER.size - 10
    assert state.in_flight() == "1 messages were not dealt with, 1 requests not answered"


def test_what_it_is_told() -> None:
    state = near()
    numbers = [state.ask(0, b"x")[0] for _ in range(3)]
    state.send(0, bytes(100))
    answers = frame(RESULT, b"2", 2, numbers[1]) + frame(RESULT, b"{", 2, numbers[0])
    rest = frame(ERROR, _FAILED, number=numbers[2]) + frame(OUTPUT, b"out") + frame(ERROR, _FAILED)
    record = frame(LOG, b'{"name": "x", "levelno": 20}')
    first, second, third, log, wrote = state.receive(answers + frame(CREDIT, b"\0\0\0n", number=1) + record + rest)
    assert first == Answered(numbers[1], 2, None)
    assert isinstance(second, Answered)
    assert "cannot be read" in str(second.error)
    assert third == Logged({"name": "x", "levelno": 20})
    assert isinstance(log, Answered)
    assert (log.number, str(log.error)) == (numbers[2], "the handler on edge1 raised ValueError: no")
    assert wrote == Wrote(b"out")
    assert (state.room, state.busy, str(state.fault)) == (WINDOW, False, str(log.error))
    state.errors.add(b"err")
    assert state.end(1) == PipeEnd(1, "login\nout", "err")


def test_what_came_before_a_fault_was_given() -> None:
    state = near()
    events = state.receive(frame(MESSAGE, b"one", 1) + frame(RESULT, b"", 0, 9))
    assert next(events) == Said("one", HEADER.size + 3)
    with pytest.raises(FrameError, match="it answered request 9, which was not asked"):
        next(events)


def test_messages_are_bounded_by_what_was_taken() -> None:
    state, size = near(), WINDOW // 4
    for _ in range(4):
        (said,) = state.receive(frame(MESSAGE, bytes(size)))
        assert isinstance(said, Said)
    with pytest.raises(FrameError, match="it sent more than it was allowed to"):
        list(state.receive(frame(MESSAGE, b"")))
    told = [state.taken(100), state.taken(size)]
    assert told[0] == b""
    assert Decoder().feed(told[1]) == [(CREDIT, 0, 2, (size + 100).to_bytes(4, "big"))]
    assert list(state.receive(frame(MESSAGE, b""))) == [Said(b"", HEADER.size)]


def test_an_end_within_a_frame() -> None:
    state = near()
    assert list(state.receive(frame(MESSAGE, b"one")[:-1])) == []
    with pytest.raises(FrameError, match="ended within a frame, after 12 bytes"):
        state.finish()


def test_what_cannot_be_sent() -> None:
    state = near()
    with pytest.raises(InvalidInput, match="a set cannot be sent"):
        state.packed({1})
    with pytest.raises(InvalidInput, match=f"a message has {LIMIT + 1} bytes"):
        state.packed(bytes(LIMIT + 1))
    assert not state.busy


@given(st.lists(st.tuples(st.integers(1, 9), st.binary(max_size=40), st.integers(0, 4), st.integers(0, 4))))
def test_any_frames_are_taken_or_refused(frames: list[tuple[int, bytes, int, int]]) -> None:
    state = near()
    for _ in range(3):
        state.ask(0, b"x")
    try:
        for one in frames:
            list(state.receive(frame(*one)))
    except FrameError:
        return
    assert len(state.asked) == 3 - len({number for kind, _, _, number in frames if kind in {RESULT, ERROR} and number})
