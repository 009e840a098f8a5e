"""HTTP/1.1 as the daemon, and what is no daemon, may speak it."""

from __future__ import annotations

import contextlib
import itertools
import re
import socket
import threading
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring.client.address import Address
from mooring.client.connection import Connection
from mooring.client.http import answer, exchange, lines, send
from mooring.model.errors import DaemonMismatch, DaemonUnreachable, InvalidInput, MooringError

ADDRESS = Address(host="127.0.0.1", port=1, token="secret")


def _answered(stream: bytes) -> tuple[int, bytes]:
    """What becomes of a response that the other side sends before it leaves."""
    ours, theirs = socket.socketpair()
    with Connection(ours, ADDRESS, 10.0) as connection, theirs:
        writer = threading.Thread(target=_say, args=(theirs, stream), daemon=True)
        writer.start()
        try:
            response = answer(connection)
            return response.status, response.content()
        finally:
            writer.join()


def _say(theirs: socket.socket, stream: bytes) -> None:
    theirs.sendall(stream)
    theirs.shutdown(socket.SHUT_WR)


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", (200, b"hello")),
        (b"HTTP/1.1 200 OK\r\ncontent-length:0\r\n\r\n", (200, b"")),
        (b"HTTP/1.0 200 OK\n\nhello", (200, b"hello")),
        (b"HTTP/1.1 204\r\n\r\n", (204, b"")),
        (b"HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\n\r\n{}ignored", (404, b"{}")),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n5\r\nhello\r\nA;x=y\r\n, world!!!\r\n0\r\n\r\n",
         (200, b"hello, world!!!")),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\ntrailer: y\r\n\r\n", (200, b"x")),
    ],
    ids=["length", "empty", "until the end", "no content", "error", "chunks", "trailers"],
)  # fmt: skip
def test_a_response(stream: bytes, expected: tuple[int, bytes]) -> None:
    assert _answered(stream) == expected


@pytest.mark.parametrize(
    ("stream", "error"),
    [
        (b"SSH-2.0-OpenSSH_9.2p1 Debian\r\n", DaemonMismatch),
        (b"HTTP/2 200\r\n\r\n", DaemonMismatch),
        (b"HTTP/1.1 twohundred\r\n\r\n", DaemonMismatch),
        (b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", DaemonMismatch),
        (b"HTTP/1.1 200 OK\r\n" + b"".join(b"x-%d: y\r\n" % n for n in range(200)) + b"\r\n", DaemonMismatch),
        (b"HTTP/1.1 200 OK\r\ncontent-length: -5\r\n\r\n", DaemonMismatch),
        (b"HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n", DaemonMismatch),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n", DaemonMismatch),
        (b"x" * 100_000, DaemonMismatch),
        (b"", DaemonUnreachable),
        (b"HTTP/1.1 200 OK\r\ncontent-le", DaemonUnreachable),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello", DaemonUnreachable),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhe", DaemonUnreachable),
    ],
)
def test_what_is_no_response_is_told(stream: bytes, error: type[MooringError]) -> None:
    with pytest.raises(error, match=re.escape("http://127.0.0.1:1")):
        _answered(stream)


@given(st.binary(max_size=60))
def test_no_bytes_raise_anything_but_our_errors(stream: bytes) -> None:
    for begin in (b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"):
        with contextlib.suppress(DaemonMismatch, DaemonUnreachable):
            _answered(begin + stream)


def test_a_request_has_the_token_and_a_length() -> None:
    ours, theirs = socket.socketpair()
    with Connection(ours, ADDRESS, 10.0) as connection, theirs:
        send(connection, "POST", "/v1/x?y=z", b"{}", {"accept": "a/b"})
        head, _, body = theirs.recv(10_000).partition(b"\r\n\r\n")
    assert body == b"{}"
    assert head.decode().split("\r\n") == [
        "POST /v1/x?y=z HTTP/1.1", "host: 127.0.0.1:1", "user-agent: mooring", "authorization: Bearer secret",
        "content-type: application/json", "content-length: 2", "accept: a/b",
    ]  # fmt: skip


@pytest.mark.parametrize("path", ["/a b", "/a\r\nx: y", "/ü", "/\x7f"])
def test_a_path_that_is_none_is_refused(path: str) -> None:
    ours, theirs = socket.socketpair()
    with Connection(ours, ADDRESS, 10.0) as connection, theirs, pytest.raises(InvalidInput, match="no path"):
        send(connection, "GET", path, None, {})


def test_who_answers_before_the_request_is_whole_is_heard() -> None:
    ours, theirs = socket.socketpair()
    with Connection(ours, ADDRESS, 10.0) as connection:
        theirs.sendall(b"HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n")
        theirs.close()
        assert exchange(connection, "POST", "/", bytes(10_000_000)).status == 413


def test_silence_has_an_end() -> None:
    ours, theirs = socket.socketpair()
    with Connection(ours, ADDRESS, 0.05) as connection, theirs, pytest.raises(DaemonUnreachable, match="in time"):
        answer(connection)


@given(st.lists(st.text("ab\r", max_size=4)), st.lists(st.integers(min_value=0, max_value=99)))
def test_lines_come_whole_however_they_are_cut(texts: list[str], cuts: Sequence[int]) -> None:
    expected = [text.replace("\r", "").encode() for text in texts]
    stream = b"".join(line + b"\n" for line in expected)
    places = [0, *sorted(cut for cut in cuts if cut < len(stream)), len(stream)]
    parts = [stream[begin:end] for begin, end in itertools.pairwise(places)]
    assert list(lines(parts)) == expected


def test_a_last_line_without_its_end_counts_and_line_ends_may_be_long() -> None:
    assert list(lines([b"a\r\nb", b"", b"c"])) == [b"a", b"bc"]
