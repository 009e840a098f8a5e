"""A channel, byte by byte: the other side is an implementation of WebSocket by others, and our own frames."""

from __future__ import annotations

import select
import socket
from collections.abc import Iterator

import pytest
from websockets.frames import Frame as WebSocketFrame
from websockets.frames import Opcode
from websockets.protocol import SERVER, Protocol, State

from mooring.client.address import Address
from mooring.client.channel import Channel
from mooring.client.connection import Connection
from mooring.model.errors import DaemonMismatch, DaemonUnreachable, InvalidInput
from mooring.wire.channel import WINDOW_SIZE, Frame, Kind, Opening, ServerSide, read_opening


class Other:
    """The daemon's end."""

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        self.side = ServerSide()
        self.protocol = Protocol(SERVER, state=State.OPEN)
        sock.settimeout(30)

    def say(self, *messages: bytes) -> None:
        """Send messages in one piece."""
        for message in messages:
            self.protocol.send_binary(message)
        self.flush()

    def flush(self) -> None:
        self.socket.sendall(b"".join(self.protocol.data_to_send()))

    def hear(self) -> list[WebSocketFrame]:
        """What has come, at least one frame."""
        while not (events := self.protocol.events_received()):
            self.protocol.receive_data(self.socket.recv(65_536))
        return [event for event in events if isinstance(event, WebSocketFrame)]

    def accept(self) -> None:
        """Take the OPEN, and let the channel open."""
        opening = self.side.receive(bytes(self.hear()[0].data))
        assert read_opening(opening.payload).command == "x"
        self.say(self.side.opened("a"), self.side.grant(WINDOW_SIZE))


@pytest.fixture
def ends() -> Iterator[tuple[Channel, Other]]:
    ours, theirs = socket.socketpair()
    with theirs, Channel(Connection(ours, Address(path="/s"), 10.0), Opening("exec", command="x")) as channel:
        yield channel, Other(theirs)


def _received(channel: Channel) -> list[Frame]:
    select.select([channel], [], [], 30)
    return channel.receive()


def _opened(ends: tuple[Channel, Other]) -> tuple[Channel, Other]:
    channel, other = ends
    other.accept()
    while not (channel.opened and channel.window):
        _received(channel)
    return channel, other


def test_it_opens_and_ends(ends: tuple[Channel, Other]) -> None:
    channel, other = ends
    assert (channel.opened, channel.window) == (False, 0)
    with pytest.raises(InvalidInput):
        channel.stdin(b"too early")
    _opened(ends)
    assert (channel.opened, channel.window) == (True, WINDOW_SIZE)
    channel.stdin(b"in")
    channel.signal("INT")
    channel.resize(100, 30)
    channel.stdin_eof()
    kinds = list[Kind]()
    while len(kinds) < 4:
        kinds += [other.side.receive(bytes(frame.data)).kind for frame in other.hear()]
    assert kinds == [Kind.STDIN, Kind.SIGNAL, Kind.RESIZE, Kind.STDIN_EOF]
    other.say(other.side.stdout(b"out"), other.side.stderr(b"err"), other.side.exit(0, None))
    assert [(frame.kind, frame.payload) for frame in _received(channel)[:2]] == [
        (Kind.STDOUT, b"out"),
        (Kind.STDERR, b"err"),
    ]


def test_all_of_it_in_one_read(ends: tuple[Channel, Other]) -> None:
    channel, other = ends
    other.side.receive(bytes(other.hear()[0].data))
    other.say(other.side.opened("a"), other.side.grant(WINDOW_SIZE), other.side.exit(0, None))
    assert [frame.kind for frame in _received(channel)] == [Kind.OPENED, Kind.WINDOW, Kind.EXIT]
    channel.stdin(b"in")  # who is told of the beginning now goes on as ever
    channel.resize(100, 30)
    channel.signal("INT")
    channel.stdin_eof()
    assert not channel.unsent


def test_a_read_that_finds_nothing_is_no_end(ends: tuple[Channel, Other]) -> None:
    assert ends[0].receive() == []


def test_pings_are_answered_and_silence_is_noticed(ends: tuple[Channel, Other]) -> None:
    channel, other = _opened(ends)
    other.protocol.send_ping(b"there?")
    other.flush()
    assert _received(channel) == []
    assert [(frame.opcode, bytes(frame.data)) for frame in other.hear()] == [(Opcode.PONG, b"there?")]
    for _ in range(2):
        for _ in range(3):
            channel.nudge()
        other.hear()
        other.flush()  # the pongs
        assert _received(channel) == []
    for _ in range(3):
        channel.nudge()
    with pytest.raises(DaemonUnreachable, match="silent"):
        channel.nudge()


def test_what_cannot_be_sent_at_once_waits(ends: tuple[Channel, Other]) -> None:
    channel, other = _opened(ends)
    sent = 0
    while not channel.unsent:
        data = b"x" * min(channel.window, 50_000)
        channel.stdin(data)
        sent += len(data)
        if not channel.window:
            other.say(other.side.grant(WINDOW_SIZE))
            _received(channel)
    came = 0
    while came < sent:
        came += sum(len(frame.data) - 1 for frame in other.hear())
        channel.flush()
    assert (came, channel.unsent) == (sent, False)


def test_an_end_without_a_word_comes_after_what_was_said(ends: tuple[Channel, Other]) -> None:
    channel, other = _opened(ends)
    other.say(other.side.stdout(b"last"))
    other.socket.close()
    assert [frame.payload for frame in _received(channel)] == [b"last"]
    with pytest.raises(DaemonUnreachable, match="it ended the connection"):
        _received(channel)


def test_a_close_has_its_reason(ends: tuple[Channel, Other]) -> None:
    channel, other = _opened(ends)
    other.protocol.send_binary(other.side.stdout(b"last"))
    other.protocol.send_close(1012, "restarting")
    other.flush()
    assert [frame.payload for frame in _received(channel)] == [b"last"]
    assert [frame.opcode for frame in other.hear()] == [Opcode.CLOSE]
    other.socket.close()
    with pytest.raises(DaemonUnreachable, match="has gone: restarting"):
        _received(channel)


def test_sending_to_who_has_gone_is_told(ends: tuple[Channel, Other]) -> None:
    channel, other = _opened(ends)
    other.socket.close()
    with pytest.raises(DaemonUnreachable, match="has gone"):
        channel.stdin(b"x")


@pytest.mark.parametrize("message", [b"", b"\x77", b"\x11early", b"\x15\x00"])
def test_what_no_daemon_says_is_a_mismatch(ends: tuple[Channel, Other], message: bytes) -> None:
    channel, other = ends
    other.say(message)
    with pytest.raises(DaemonMismatch, match="not understood"):
        _received(channel)


def test_leaving_says_so(ends: tuple[Channel, Other]) -> None:
    channel, other = _opened(ends)
    channel.close()
    channel.close()
    assert [frame.opcode for frame in other.hear()] == [Opcode.CLOSE]
