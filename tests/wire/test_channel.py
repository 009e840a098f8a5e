"""Both sides of the channel's protocol, one talking to the other, and what each refuses."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring.model.errors import DaemonMismatch, InvalidInput
from mooring.wire.channel import (
    MAX_MESSAGE,
    WINDOW_SIZE,
    ClientSide,
    Frame,
    Kind,
    Opening,
    ServerSide,
    Terminal,
    frame,
    parse,
    read_exit,
    read_opening,
    read_problem,
    read_signal,
    read_size,
    read_window,
)

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
SIZE = st.integers(0, 2**32 - 1)
ENV = st.dictionaries(TEXT, TEXT, max_size=3)
TERM = st.none() | st.builds(Terminal, TEXT, SIZE, SIZE)
OPENINGS = st.one_of(
    st.builds(Opening, kind=st.just("exec"), command=TEXT, env=ENV, term=TERM),
    st.builds(Opening, kind=st.just("pipe"), command=TEXT, env=ENV),
    st.builds(Opening, kind=st.just("shell"), env=ENV, term=TERM),
    st.builds(Opening, kind=st.just("subsystem"), subsystem=TEXT, env=ENV),
    st.builds(Opening, kind=st.just("terminal"), command=TEXT, env=ENV, term=st.builds(Terminal, TEXT, SIZE, SIZE)),
    st.builds(
        Opening,
        kind=st.just("terminal"),
        term=st.builds(Terminal, TEXT, SIZE, SIZE),
        name=st.none() | TEXT,
        view=st.sampled_from(["attach", "watch"]),
    ),
    st.builds(Opening, kind=st.just("direct-tcpip"), host=TEXT, port=st.integers(1, 65_535)),
)


def opened() -> tuple[ClientSide, ServerSide]:
    """Both sides of a channel that is open."""
    client, server = ClientSide(), ServerSide()
    server.receive(client.open(Opening("exec", command="cat")))
    client.receive(server.opened("web1"))
    return client, server


@given(OPENINGS)
def test_opening_arrives_as_it_was_sent(opening: Opening) -> None:
    came = ServerSide().receive(ClientSide().open(opening))
    assert came.kind is Kind.OPEN
    assert read_opening(came.payload) == opening


def test_a_conversation() -> None:
    client, server = ClientSide(), ServerSide()
    assert read_opening(server.receive(client.open(Opening("exec", command="cat"))).payload).command == "cat"
    assert json.loads(client.receive(server.opened("web1")).payload) == {"alias": "web1"}
    assert read_window(client.receive(server.grant(WINDOW_SIZE)).payload) == WINDOW_SIZE == client.window
    assert server.receive(client.stdin(b"some")) == Frame(Kind.STDIN, b"some")
    assert client.window == server.window == WINDOW_SIZE - 4
    assert read_size(server.receive(client.resize(132, 43)).payload) == (132, 43)
    assert server.receive(client.stdin_eof()).kind is Kind.STDIN_EOF
    assert read_signal(server.receive(client.signal("INT")).payload) == "INT"
    assert client.receive(server.stdout(b"out")) == Frame(Kind.STDOUT, b"out")
    assert client.receive(server.stderr(b"err")) == Frame(Kind.STDERR, b"err")
    assert not client.ended
    assert read_exit(client.receive(server.exit(-1, "TERM")).payload) == (-1, "TERM")
    assert client.ended
    assert server.ended


@pytest.mark.parametrize("far", [False, True], ids=["before OPENED", "open"])
def test_error_ends_it(far: bool) -> None:  # noqa: FBT001 - a parameter
    client, server = opened() if far else (ClientSide(), ServerSide())
    if not far:
        server.receive(client.open(Opening("shell")))
    assert read_problem(client.receive(server.error({"code": "session-lost"})).payload) == {"code": "session-lost"}
    assert client.ended
    with pytest.raises(InvalidInput, match="EXIT may not come now: the channel is ended"):
        server.exit(0, None)


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind is not Kind.OPEN])
def test_server_takes_nothing_before_open(kind: Kind) -> None:
    with pytest.raises(InvalidInput, match=f"{kind.name} may not come now: the channel is new"):
        ServerSide().receive(frame(kind))


@pytest.mark.parametrize("kind", list(Kind))
def test_server_takes_nothing_while_it_opens(kind: Kind) -> None:
    server = ServerSide()
    server.receive(ClientSide().open(Opening("shell")))
    with pytest.raises(InvalidInput, match=f"{kind.name} may not come now: the channel is opening"):
        server.receive(frame(kind))


def test_input_ends_once() -> None:
    client, server = opened()
    server.receive(client.stdin_eof())
    for message in (frame(Kind.STDIN, b""), frame(Kind.STDIN_EOF)):
        with pytest.raises(InvalidInput, match="the channel is input ended"):
            server.receive(message)
    with pytest.raises(InvalidInput):
        client.stdin(b"")


def test_input_stays_within_the_window() -> None:
    client, server = opened()
    client.receive(server.grant(3))
    with pytest.raises(InvalidInput, match="4 bytes of STDIN, and the window has room for 3"):
        client.stdin(b"four")
    with pytest.raises(InvalidInput, match="4 bytes of STDIN, and the window has room for 3"):
        server.receive(frame(Kind.STDIN, b"four"))
    server.receive(client.stdin(b"333"))
    assert client.window == server.window == 0
    client.receive(server.grant(2))
    assert client.window == server.window == 2


@pytest.mark.parametrize("kind", [Kind.OPEN, Kind.STDIN, Kind.SIGNAL, Kind.STDOUT, Kind.EXIT, Kind.WINDOW])
def test_client_refuses_what_no_server_sends_now(kind: Kind) -> None:
    client = ClientSide()
    client.open(Opening("shell"))
    with pytest.raises(DaemonMismatch, match=f"is not understood: {kind.name} may not come now"):
        client.receive(frame(kind))


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (b"", "an empty message is no frame"),
        (b"\x06", "0x06 is no kind of frame"),
        (b"\xff", "0xff is no kind of frame"),
        (bytes(MAX_MESSAGE + 1), f"a message has {MAX_MESSAGE + 1} bytes, and may have {MAX_MESSAGE}"),
    ],
)
def test_messages_that_are_none(message: bytes, words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        ServerSide().receive(message)
    with pytest.raises(DaemonMismatch, match=words):
        ClientSide().receive(message)


def test_the_largest_message() -> None:
    assert parse(frame(Kind.STDOUT, bytes(MAX_MESSAGE - 1))).kind is Kind.STDOUT
    with pytest.raises(InvalidInput):
        frame(Kind.STDOUT, bytes(MAX_MESSAGE))


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"kind": "exec"}, "command of OPEN is missing"),
        ({"kind": "exec", "command": 1}, "command must be a text"),
        ({"kind": "pipe"}, "command of OPEN is missing"),
        ({"kind": "pipe", "command": "x", "term": {"type": "x"}}, "term of OPEN has no use with pipe"),
        ({"kind": "shell", "command": "x"}, "command of OPEN has no use with shell"),
        ({"kind": "subsystem"}, "subsystem of OPEN is missing"),
        ({"kind": "direct-tcpip", "host": "h"}, "port of OPEN is missing"),
        ({"kind": "direct-tcpip", "host": "h" * 256, "port": 1}, "host of OPEN is longer than 255"),
        ({"kind": "direct-tcpip", "host": "h", "port": 0}, "port must be a number from 1 to 65535"),
        ({"kind": "direct-tcpip", "host": "h", "port": True}, "port must be a number"),
        ({"kind": "direct-tcpip", "host": "h", "port": 1, "env": {"A": "b"}}, "env of OPEN has no use"),
        ({"kind": "subsystem", "subsystem": "s", "term": {"type": "x"}}, "term of OPEN has no use"),
        ({"kind": "x11"}, "kind of OPEN must be"),
        ({}, "kind must be a text"),
        ({"kind": "shell", "color": 1}, "OPEN has no member 'color'"),
        ({"kind": "shell", "env": {"A": 1}}, "env must map names to texts"),
        ({"kind": "shell", "env": []}, "env must map names to texts"),
        ({"kind": "shell", "term": {"type": "x", "depth": 1}}, "term must have type, columns and rows"),
        ({"kind": "shell", "term": {"type": "x", "rows": -1}}, "rows of term must be a number"),
        ([], "no JSON object"),
    ],
)
def test_openings_that_are_refused(value: object, words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        read_opening(json.dumps(value).encode())


@given(st.binary(max_size=64))
def test_whatever_comes_is_taken_or_refused_by_name(payload: bytes) -> None:
    for read in (read_opening, read_size, read_signal, read_exit, read_problem, read_window):
        with contextlib.suppress(InvalidInput):
            assert read(payload) is not None


def test_no_value_of_the_environment_is_shown() -> None:
    opening = Opening("exec", command="x", env={"TOKEN": "hunter2"})
    assert "hunter2" not in repr(opening)
    assert "TOKEN" in repr(opening)
    for payload in (b'{"kind":"shell","env":{"A":"hunter2"', b'{"kind":"shell","env":{"A":["hunter2"]}}'):
        with pytest.raises(InvalidInput) as caught:
            read_opening(payload)
        assert "hunter2" not in str(caught.value)


def test_deep_json_is_refused() -> None:
    with pytest.raises(InvalidInput, match="no JSON"):
        read_opening(b"[" * 100_000)


@pytest.mark.parametrize("payload", [b"", b"int", b"SIGINT", b"IN T", b"\xff", "ÄÖ".encode()])
def test_signals_that_are_none(payload: bytes) -> None:
    with pytest.raises(InvalidInput, match="a SIGNAL is a name"):
        read_signal(payload)
