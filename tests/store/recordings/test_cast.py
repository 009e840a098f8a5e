"""Lines of asciicast: bytes cut anywhere, times that do not drift."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring.model.recording import Recording
from mooring.store.recordings.cast import LONGEST, Cast, header, read_header
from tests import asciicast

RECORDING = Recording(
    id="20260131-120000-0123abcd",
    alias="edge1",
    who="ann",
    door="unix",
    what="shell.terminal",
    began=1769860800.25,
    seconds=None,
    bytes=0,
    columns=80,
    rows=24,
)


@given(st.lists(st.binary(min_size=1)))
def test_output_is_the_text_that_it_is_wherever_it_was_cut(parts: list[bytes]) -> None:
    cast = Cast(0.0)
    lines = [cast.event(float(number), "o", part) for number, part in enumerate(parts)]
    found = asciicast.read(b"".join([header(RECORDING, "xterm"), *lines, cast.rest(float(len(parts)))]))
    assert found.text() == b"".join(parts).decode("utf-8", "replace")


@given(st.lists(st.floats(0, 3)))
def test_times_do_not_drift(steps: list[float]) -> None:
    cast, now = Cast(100.0), 100.0
    for step in steps:
        now += step
        line = cast.event(now, "m", b"here")
        step_told = json.loads(line)[0]
        assert step_told >= 0
    told = asciicast.read(header(RECORDING, "") + cast.event(now + 1, "m", b"end"))
    assert abs(told.events[0].at - 1) < 1e-5


def test_what_is_typed_and_shown_are_two_streams() -> None:
    cast = Cast(0.0)
    assert cast.event(1.0, "o", b"\xe2\x82") == b""
    assert json.loads(cast.event(1.5, "i", b"\xc3\xa4")) == [1.5, "i", "ä"]
    assert json.loads(cast.event(2.0, "o", b"\xac")) == [0.5, "o", "€"]
    assert cast.rest(3.0) == b""


def test_a_header_is_read_again() -> None:
    line = header(RECORDING, "xterm-256color")
    assert asciicast.read(line).header["term"] == {"cols": 80, "rows": 24, "type": "xterm-256color"}
    found = read_header(line.rstrip(), RECORDING.id, 500, RECORDING.began + 2.5)
    assert found is not None
    assert (found.alias, found.who, found.what, found.seconds, found.bytes) == (
        "edge1",
        "ann",
        "shell.terminal",
        2.5,
        500,
    )


def test_a_header_has_a_maximum() -> None:
    line = header(replace(RECORDING, alias="a" * 100_000, who="\x01" * 100_000), "x" * 100_000)
    assert len(line) <= LONGEST
    found = read_header(line.rstrip(), RECORDING.id, 500, RECORDING.began)
    assert found is not None
    assert found.alias == "a" * 16_384


@given(st.binary())
def test_what_is_no_header_of_ours_is_none(line: bytes) -> None:
    assert read_header(line, RECORDING.id, 0, 0.0) is None


def test_a_recording_of_others_is_none_of_ours() -> None:
    assert read_header(b'{"version": 3, "term": {"cols": 80, "rows": 24}}', RECORDING.id, 0, 0.0) is None
    assert read_header(b'{"version": 3, "term": 1, "mooring": {"began": 1}}', RECORDING.id, 0, 0.0) is None


@pytest.mark.parametrize("columns", ["0", "-1", "65536", "1e2", "1e400", "true", '"80"', "null"])
def test_a_size_that_no_terminal_has_is_none_of_ours(columns: str) -> None:
    line = header(RECORDING, "xterm").replace(b'"cols":80', f'"cols":{columns}'.encode())
    assert columns.encode() in line
    assert read_header(line.rstrip(), RECORDING.id, 500, RECORDING.began) is None


@pytest.mark.parametrize("began", ["1e308", "1e400", f"1{'0' * 400}", "-1", '"nan"', '"inf"', '"1"', "true", "[]"])
def test_a_beginning_that_no_clock_tells_is_none_of_ours(began: str) -> None:
    line = header(RECORDING, "xterm").replace(b'"began":1769860800.25', f'"began":{began}'.encode())
    assert began.encode() in line
    assert read_header(line.rstrip(), RECORDING.id, 500, RECORDING.began) is None


@pytest.mark.parametrize("line", ["[" * 4000, '{"mooring":' * 4000, '{"mooring":{"alias":' + "[" * 4000])
def test_what_is_too_deep_is_none_of_ours(line: str) -> None:
    assert read_header(line.encode(), RECORDING.id, 500, RECORDING.began) is None
