"""Frames survive any cutting of the bytes, and nothing that is no frame gets through."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import mooring.far
from mooring.wire.pipe import CREDIT, HEADER, LIMIT, MESSAGE, OUTPUT, Decoder, FrameError, frame, pack, unpack

SOURCE = Path(str(mooring.far.__file__))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
MESSAGES = st.text(st.characters()) | st.binary() | JSON
FRAMES = st.tuples(st.integers(1, 9), st.integers(0, 255), st.integers(0, 2**32 - 1), st.binary(max_size=300))


def whole(frames: list[tuple[int, int, int, bytes]]) -> bytes:
    return b"".join(frame(kind, payload, codec, number) for kind, codec, number, payload in frames)


@given(st.lists(FRAMES, max_size=12), st.lists(st.integers(1, 40), max_size=60))
def test_frames_come_as_they_went_however_they_are_cut(
    frames: list[tuple[int, int, int, bytes]], cuts: list[int]
) -> None:
    data = whole(frames)
    decoder = Decoder()
    came = []
    for cut in cuts:
        came += decoder.feed(data[:cut])
        data = data[cut:]
    came += decoder.feed(data)
    assert came == frames
    assert decoder.pending == 0


@given(st.lists(FRAMES, min_size=1, max_size=4), st.data())
def test_half_a_frame_is_pending(frames: list[tuple[int, int, int, bytes]], data: st.DataObject) -> None:
    last = whole(frames[-1:])
    kept = data.draw(st.integers(0, len(last) - 1))
    decoder = Decoder()
    assert decoder.feed(whole(frames[:-1]) + last[:kept]) == frames[:-1]
    assert decoder.pending == kept


@given(MESSAGES)
def test_messages_come_as_they_went(message: object) -> None:
    assert unpack(*pack(message)) == message


@given(st.binary(max_size=64))
def test_any_bytes_are_frames_or_refused(data: bytes) -> None:
    decoder = Decoder(limit=32)
    try:
        for kind, codec, _, payload in decoder.feed(data):
            assert 1 <= kind <= OUTPUT
            assert len(payload) <= 32
            unpack(codec, payload)
    except FrameError:
        pass
    assert decoder.pending <= len(data)


def test_four_gigabytes_are_refused_before_they_come() -> None:
    with pytest.raises(FrameError, match=r"claims 4294967295 bytes, and may have 67108864"):
        Decoder().feed(HEADER.pack(2**32 - 1, MESSAGE, 0, 0))


def test_the_limit_itself_is_a_message() -> None:
    assert len(Decoder().feed(frame(MESSAGE, bytes(LIMIT)))[0][3]) == LIMIT


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(FrameError, match="kind 10"):
        Decoder().feed(frame(10))


def test_a_credit_has_its_count_and_bytes() -> None:
    assert Decoder().feed(frame(CREDIT, b"\0\0\1\0", number=3)) == [(CREDIT, 0, 3, b"\0\0\1\0")]


@pytest.mark.parametrize("message", [{1, 2}, object(), [b"bytes inside"], float])
def test_what_json_cannot_write_is_refused(message: object) -> None:
    with pytest.raises(FrameError, match="cannot be sent"):
        pack(message)


def test_pickle_is_refused_unless_it_was_agreed_on() -> None:
    codec, payload = pack({1, 2}, pickled=True)
    assert unpack(codec, payload, pickled=True) == {1, 2}
    with pytest.raises(FrameError, match="not agreed on"):
        unpack(codec, payload)


@pytest.mark.parametrize(("codec", "payload"), [(1, b"\xff"), (2, b"{"), (2, b"\xff"), (7, b"")])
def test_a_payload_that_is_not_what_it_says_is_refused(codec: int, payload: bytes) -> None:
    with pytest.raises(FrameError):
        unpack(codec, payload)


def test_the_far_end_is_python_3_8_and_imports_the_standard_library_alone() -> None:
    tree = ast.parse(SOURCE.read_text("utf-8"), feature_version=(3, 8))
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            names.add(str(node.module).partition(".")[0])
    assert names <= sys.stdlib_module_names


def test_it_runs_as_a_file_of_its_own() -> None:
    code = f"import sys; sys.path = sys.path[1:]; exec(open({str(SOURCE)!r}).read(), {{'__name__': 'far'}})"
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, timeout=30, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
