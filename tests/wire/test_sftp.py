"""What passes over an SFTP channel is told of the same however it is cut up, and what is none ends nothing."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring.wire.sftp import SftpWatch

Told = list[tuple[str, bool, dict[str, Any]]]


def number(value: int) -> bytes:
    return value.to_bytes(4, "big")


def string(value: bytes) -> bytes:
    return number(len(value)) + value


def packet(kind: int, ident: int, *parts: bytes) -> bytes:
    return string(bytes([kind]) + number(ident) + b"".join(parts))


CONVERSATION: list[tuple[bytes, bytes]] = [
    (string(b"\1" + number(3)), string(b"\2" + number(3) + string(b"posix-rename@openssh.com") + string(b"1"))),
    (packet(3, 1, string(b"/tmp/new"), number(0x1A), number(0)), packet(102, 1, string(b"h1"))),
    (
        packet(6, 2, string(b"h1"), bytes(8), string(b"x" * 32768)),
        packet(101, 2, number(0), string(b"ok"), string(b"")),
    ),
    (packet(6, 3, string(b"h1"), bytes(8), string(b"y" * 5)), packet(101, 3, number(0), string(b"ok"), string(b""))),
    (packet(4, 4, string(b"h1")), packet(101, 4, number(0), string(b"ok"), string(b""))),
    (packet(3, 5, string(b"/tmp/old"), number(1), number(0)), packet(102, 5, string(b"h2"))),
    (packet(5, 6, string(b"h2"), bytes(8), number(70000)), packet(103, 6, string(b"z" * 70000))),
    (packet(5, 7, string(b"h2"), bytes(8), number(70000)), packet(101, 7, number(1), string(b"EOF"), string(b""))),
    (packet(4, 8, string(b"h2")), packet(101, 8, number(0), string(b"ok"), string(b""))),
    (packet(3, 9, string(b"/none"), number(1), number(0)), packet(101, 9, number(2), string(b"no"), string(b""))),
    (packet(11, 10, string(b"/tmp")), packet(102, 10, string(b"h3"))),
    (packet(12, 11, string(b"h3")), packet(104, 11, number(1), string(b"a" * 9000))),
    (packet(13, 12, string(b"/tmp/old")), packet(101, 12, number(3), string(b"denied"), string(b""))),
    (packet(18, 13, string(b"/a"), string(b"/b")), packet(101, 13, number(0), string(b""), string(b""))),
    (
        packet(200, 14, string(b"posix-rename@openssh.com"), string(b"/b"), string(b"/c")),
        packet(101, 14, number(0), string(b""), string(b"")),
    ),
    (packet(200, 15, string(b"limits@openssh.com")), packet(201, 15, bytes(32))),
    (packet(14, 16, string(b"/d"), number(0)), packet(101, 16, number(0), string(b""), string(b""))),
    (packet(3, 17, string(b"/tmp/open"), number(2), number(0)), packet(102, 17, string(b"h4"))),
]
EXPECTED: Told = [
    ("files.write", True, {"path": b"/tmp/new", "bytes": 32773}),
    ("files.read", True, {"path": b"/tmp/old", "bytes": 70000}),
    ("files.read", False, {"path": b"/none", "status": 2}),
    ("files.remove", False, {"path": b"/tmp/old", "status": 3}),
    ("files.rename", True, {"path": b"/a", "to": b"/b"}),
    ("files.rename", True, {"path": b"/b", "to": b"/c"}),
    ("files.mkdir", True, {"path": b"/d"}),
    ("files.write", False, {"path": b"/tmp/open", "bytes": 0}),
]


def watched() -> tuple[SftpWatch, Told]:
    told: Told = []
    return SftpWatch(lambda what, done, detail: told.append((what, done, detail))), told


@pytest.mark.parametrize("seed", range(20))
def test_it_is_told_of_the_same_however_it_is_cut_up(seed: int) -> None:
    dice = random.Random(seed)
    watch, told = watched()
    for question, answer in CONVERSATION:
        for feed, data in ((watch.asked, question), (watch.answered, answer)):
            start = 0
            while start < len(data):
                size = dice.choice([1, 3, 4, 5, 9, 100, 40_000])
                feed(memoryview(data)[start : start + size])
                start += size
    watch.end()
    assert not watch.blind
    assert told == EXPECTED


def test_much_at_once() -> None:
    watch, told = watched()
    watch.asked(b"".join(question for question, _ in CONVERSATION[:4]))
    watch.answered(b"".join(answer for _, answer in CONVERSATION[:4]))
    for feed, data in zip((watch.asked, watch.answered), CONVERSATION[4], strict=True):
        feed(data)
    assert told == [("files.write", True, {"path": b"/tmp/new", "bytes": 0})], "what was written before it was open"


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-",
        number(0) * 2,
        packet(3, 1, number(9000), b"x" * 9000),
        packet(3, 1, number(50), b"short"),
        b"".join(packet(13, ident, string(b"/x")) for ident in range(5000)),
    ],
)
def test_what_is_none_is_looked_at_no_further(data: bytes) -> None:
    watch, told = watched()
    watch.asked(data)
    assert watch.blind
    before = len(told)
    watch.asked(CONVERSATION[1][0])
    watch.answered(CONVERSATION[1][1])
    watch.end()
    assert len(told) == before


def opened(watch: SftpWatch, path: bytes, handle: bytes, flags: int = 1) -> None:
    watch.asked(packet(3, 1, string(path), number(flags), number(0)))
    watch.answered(packet(102, 1, string(handle)))


def status(ident: int, code: int = 0) -> bytes:
    return packet(101, ident, number(code), string(b""), string(b""))


OPEN_TWICE = b"".join(packet(3, 7, string(path), number(1), number(0)) for path in (b"/secret", b"/motd"))


@pytest.mark.parametrize(
    "data",
    [
        OPEN_TWICE,
        packet(14, 7, string(b"/x"), number(0)) + packet(13, 7, string(b"/keep")),
        packet(10, 7, string(b"no such handle"), number(4), number(0o4777)),
        packet(200, 7, string(b"copy-data"), string(b"h"), bytes(16), string(b"w"), bytes(8)),
        packet(200, 7, string(b"version-select"), string(b"6")),
        packet(21, 7, string(b"/a"), string(b"/b"), b"\1"),
    ],
    ids=["one id twice", "one id for two", "unknown handle", "copy-data", "version-select", "unknown type"],
)
def test_what_could_move_unseen_files_is_unseen(data: bytes) -> None:
    watch, told = watched()
    watch.asked(data)
    assert watch.blind
    assert (("files.read", False, {"path": b"/secret"}) in told) == (data is OPEN_TWICE)


@pytest.mark.parametrize(
    "data",
    [packet(102, 7, string(b"h")), string(b"\2" + number(6))],
    ids=["a handle that nobody asked for", "a later version"],
)
def test_a_server_that_says_what_was_not_asked_is_unseen(data: bytes) -> None:
    watch, _ = watched()
    watch.answered(data)
    assert watch.blind


def test_a_handle_for_what_opens_nothing_is_unseen() -> None:
    watch, _ = watched()
    watch.asked(packet(13, 7, string(b"/x")))
    watch.answered(packet(102, 7, string(b"h")))
    assert watch.blind


def test_what_is_set_through_a_handle() -> None:
    watch, told = watched()
    opened(watch, b"/a", b"h")
    watch.asked(packet(10, 2, string(b"h"), number(4), number(0o4777)))
    watch.answered(status(2))
    assert told == [("files.setstat", True, {"path": b"/a"})]
    assert not watch.blind


def test_bytes_that_the_server_refused_are_not_counted() -> None:
    watch, told = watched()
    opened(watch, b"/full", b"h", 0x1A)
    for ident, code in ((2, 0), (3, 4)):
        watch.asked(packet(6, ident, string(b"h"), bytes(8), string(b"z" * 5000)))
        watch.answered(status(ident, code))
    watch.asked(packet(4, 4, string(b"h")))
    watch.answered(status(4, 4))
    assert told == [("files.write", False, {"path": b"/full", "bytes": 5000, "status": 4})]


def test_what_is_written_and_closed_at_once_is_counted() -> None:
    watch, told = watched()
    opened(watch, b"/a", b"h", 0x1A)
    watch.asked(packet(6, 2, string(b"h"), bytes(8), string(b"z" * 5000)) + packet(4, 3, string(b"h")))
    watch.answered(status(2) + status(3))
    assert told == [("files.write", True, {"path": b"/a", "bytes": 5000})]


def test_a_file_that_was_closed_by_a_guess_is_told_of() -> None:
    watch, told = watched()
    watch.asked(packet(3, 1, string(b"/secret"), number(1), number(0)) + packet(4, 2, string(b"h")))
    watch.answered(packet(102, 1, string(b"h")) + status(2))
    opened(watch, b"/motd", b"h")
    assert told == [("files.read", False, {"path": b"/secret", "bytes": 0})]


@given(st.lists(st.tuples(st.booleans(), st.binary(max_size=60)), max_size=30))
def test_anything_at_all(parts: list[tuple[bool, bytes]]) -> None:
    watch, _ = watched()
    for client, data in parts:
        (watch.asked if client else watch.answered)(data)
    watch.end()
