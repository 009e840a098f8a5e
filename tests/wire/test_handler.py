"""What a handler says is read or refused, and what its end means has a name."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring.model.errors import HandlerEnded, HandlerFailed, HandlerNotStarted, PipeError
from mooring.model.result import PipeEnd
from mooring.wire.handler import Incoming, Printed, ending, hello, read_ack, read_credit, read_error, read_log
from mooring.wire.pipe import HELLO, MAGIC, OUTPUT, RESULT, Decoder, FrameError, frame

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["name", "pid", "python", "levelno", "type", "message"]), inner, max_size=6)
    ),
    max_leaves=8,
)


@given(st.binary(max_size=40) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_payload_is_read_or_refused(payload: bytes) -> None:
    for read in (read_ack, read_log, read_credit, lambda payload: read_error(payload, "a")):
        try:
            read(payload)
        except FrameError:
            continue


def test_a_log_record_has_what_it_may_have() -> None:
    fields = {"levelno": 20, "name": "x", "msg": "said", "created": 1, "lineno": 3}
    odd: dict[str, object] = {"args": [1], "exc_info": [1, 2, 3], "msecs": "1", "pathname": None, "process": 1.5}
    assert read_log(json.dumps(fields | odd).encode()) == fields


@given(st.binary(max_size=200).filter(lambda data: MAGIC not in data + MAGIC[:-1]), st.integers(1, 30))
def test_what_is_printed_before_the_pipe_is_taken_is_output(noise: bytes, size: int) -> None:
    data = noise + MAGIC + frame(RESULT, b"x", 1, 7)
    incoming, frames = Incoming(), []
    for start in range(0, len(data), size):
        frames += incoming.feed(data[start : start + size])
    assert frames == [*([(OUTPUT, 0, 0, noise)] if noise else []), (RESULT, 1, 7, b"x")]
    assert incoming.ended() == b""


def test_what_never_takes_the_pipe_is_bounded() -> None:
    incoming = Incoming()
    for _ in range(65):
        assert incoming.feed(bytes(1000)) == []
    with pytest.raises(FrameError, match="it printed 66000 bytes and did not take the pipe"):
        incoming.feed(bytes(1000))


def test_an_end_within_a_frame() -> None:
    incoming = Incoming()
    incoming.feed(MAGIC + frame(RESULT, b"whole") + b"\0\0")
    with pytest.raises(FrameError, match="ended within a frame, after 2 bytes"):
        incoming.ended()


def test_a_hello_says_what_is_wanted() -> None:
    ((kind, _, _, payload),) = Decoder().feed(hello("json", 30))
    assert kind == HELLO
    assert json.loads(payload) == {"version": 1, "codec": "json", "window": 1 << 21, "limit": 1 << 26, "level": 30}


@pytest.mark.parametrize(
    ("status", "signal", "in_flight", "error", "text"),
    [
        (0, None, None, type(None), ""),
        (5, None, None, type(None), ""),
        (5, None, "2 messages", HandlerEnded, "the handler on a ended with status 5; 2 messages: bye"),
        (-1, "KILL", None, HandlerEnded, "ended by signal KILL; nothing was in flight: bye"),
        (None, None, None, HandlerEnded, "ended without a status; nothing was in flight: bye"),
    ],
)
def test_what_an_end_means(
    status: int | None, signal: str | None, in_flight: str | None, error: type[PipeError], text: str
) -> None:
    end = PipeEnd(status, "", "bye")
    found = ending("a", end, signal, acknowledged=True, fault=None, in_flight=in_flight, said="bye")
    assert type(found) is error
    assert text in str(found)


def test_what_a_handler_said_of_its_end_counts() -> None:
    end = PipeEnd(1, "", "bye")
    fault = HandlerFailed("raised")
    assert ending("a", end, None, acknowledged=True, fault=fault, in_flight="2 messages", said="bye") is fault
    assert fault.end == end
    found = ending("a", end, None, acknowledged=False, fault=fault, in_flight=None, said="bye")
    assert isinstance(found, HandlerNotStarted)
    assert found.message == "the handler on a did not start: with status 1: raised"
    found = ending("a", PipeEnd(127, "", ""), None, acknowledged=False, fault=None, in_flight=None, said="")
    assert "with status 127: it said nothing (is the interpreter installed there" in str(found)


def test_the_last_words_are_kept() -> None:
    printed = Printed()
    for _ in range(3):
        printed.add(b"x" * (1 << 20))
    printed.add(b"\n the end\x07 \n\n")
    assert len(printed.text()) == 1 << 20
    assert printed.last_line() == "the end?"
