"""What goes wrong with ncclient's own sessions, and must not with ours."""

from __future__ import annotations

import hashlib
import hmac
import re
import socket
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import ncclient.transport.errors as original
import pytest
from ncclient.devices.junos import JunosDeviceHandler
from ncclient.operations.errors import TimeoutExpiredError

from mooring.compat.ncclient import exchange, manager
from mooring.compat.ncclient.transport import SSHSession
from mooring.wire.netconf.framing import DELIMITER, chunked
from mooring.wire.netconf.hello import BASE
from tests.session.netconf.scripted import Act, Channel, ScriptedServer, hello, reply

from .conftest import HOST, LOGIN, Junos

Serve = Callable[[AbstractAsyncContextManager[Any]], Any]
BOUND = 50.0
CANDIDATE = "urn:ietf:params:netconf:capability:candidate:1.0"


def number(message: str) -> str:
    found = re.search(r'message-id="([^"]+)"', message)
    assert found
    return found[1]


def connected(serve: Serve, act: Act, *, new: bool = True) -> tuple[Any, ScriptedServer]:
    """A manager of a server that acts so once the hellos are said."""

    def polite(channel: Channel, message: str) -> None:
        if not message:
            channel.chunks = new
            channel.write(hello(channel.number, CANDIDATE, new=new))
        elif len(channel.messages) > 1:
            act(channel, message)

    server: ScriptedServer = serve(ScriptedServer(polite))
    login = {"username": "somebody", "hostkey": server.login["host_key"], "allow_agent": False, "look_for_keys": False}
    return manager.connect(host=HOST, port=server.port, timeout=BOUND, **login), server


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + BOUND
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_closed_before_it_was_connected() -> None:
    made = SSHSession(JunosDeviceHandler({"name": "junos"}))
    made.close()
    assert not made.connected


def test_a_goodbye_without_an_answer_leaves_nothing_open(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "GOODBYE", 0.1)
    m, server = connected(serve, lambda _channel, _message: None)
    with pytest.raises(original.SessionCloseError) as caught:
        m.close_session()
    assert "did not answer close-session" in str(caught.value.__cause__)
    assert not m.connected
    until(lambda: all(connection.is_closed() for connection in server.connections))


def test_what_only_tells_of_a_goodbye_is_none(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "GOODBYE", 0.0)
    m, _ = connected(serve, lambda channel, message: channel.write(reply(number(message))))
    for _ in range(2):
        assert m.get(filter=("subtree", "<close-session/>")).ok
    m._session.close()


def test_a_refused_login_leaves_no_connection(junos: Junos) -> None:
    for _ in range(3):
        with pytest.raises(original.AuthenticationError):
            SSHSession().connect(HOST, junos.port, hostkey_verify=False, **{**LOGIN, "password": "wrong"})
    until(lambda: not junos.device.connections)


def test_a_socket_whose_host_nobody_named_beside_hashed_names(junos: Junos, home: Path) -> None:
    def known(host: str) -> str:
        salt = b"0123456789abcdefghij"
        name = b64encode(hmac.digest(salt, host.encode(), hashlib.sha1)).decode()
        return f"|1|{b64encode(salt).decode()}|{name} {junos.device.public_key}\n"

    file = home / ".ssh" / "known_hosts"
    file.write_text(known("another"))
    with socket.create_connection((HOST, junos.port)) as sock, pytest.raises(original.SSHUnknownHostError):
        SSHSession().connect(sock_fd=sock.fileno(), **LOGIN)
    file.write_text(known(HOST))  # whom the socket leads to
    with socket.create_connection((HOST, junos.port)) as sock:
        made = SSHSession()
        made.connect(sock_fd=sock.fileno(), **LOGIN)
        made.close()


@pytest.mark.parametrize("new", [True, False], ids=["chunked", "end-of-message"])
def test_characters_of_many_bytes_wherever_the_stream_is_cut(serve: Serve, *, new: bool) -> None:
    text = "éж😀" * 20

    def act(channel: Channel, message: str) -> None:
        if "close-session" in message:
            channel.close()
            return
        whole = f'<rpc-reply xmlns="{BASE}" message-id="{number(message)}"><data>{text}</data></rpc-reply>'.encode()
        if new:
            for at in range(len(whole)):
                channel.write(b"\n#1\n" + whole[at : at + 1])
            channel.write(b"\n##\n")
        else:
            for byte in whole + DELIMITER:
                channel.write(bytes([byte]))

    m, _ = connected(serve, act, new=new)
    assert f"<data>{text}</data>" in m.get().xml
    m._session.close()


def test_garbage_is_told_at_once(serve: Serve) -> None:
    m, _ = connected(serve, lambda channel, _message: channel.write(b"% unknown command\n" + chunked(b"<x/>")))
    with pytest.raises(original.NetconfFramingError, match="no chunk begins"):
        m.get()
    assert not m.connected
    m._session.close()


def test_a_late_reply_is_dropped_and_the_session_goes_on(serve: Serve) -> None:
    owed: list[str] = []

    def act(channel: Channel, message: str) -> None:
        if "discard-changes" in message:
            owed.append(number(message))
            return
        for late in owed:
            channel.write(reply(late))
        owed.clear()
        channel.write(reply(number(message)))

    m, _ = connected(serve, act)
    m.timeout = 0
    with pytest.raises(TimeoutExpiredError):
        m.discard_changes()
    m.timeout = BOUND
    assert m.get().ok
    assert m.connected
    m._session.close()


@pytest.fixture
def waiting(serve: Serve) -> Iterator[tuple[Any, list[Any], ScriptedServer]]:
    """Requests that are never answered."""
    last = threading.Event()

    def act(_channel: Channel, message: str) -> None:
        if "discard-changes" in message:
            last.set()

    m, server = connected(serve, act)
    m.async_mode = True
    requests = [m.get() for _ in range(200)]
    requests.append(m.discard_changes())
    assert last.wait(BOUND)
    yield m, requests, server
    m._session.close()


def test_every_request_learns_of_a_lost_connection(
    waiting: tuple[Any, list[Any], ScriptedServer], elsewhere: Any
) -> None:
    m, requests, server = waiting

    async def drop() -> None:
        server.connections[0].abort()

    elsewhere.run(drop())
    for request in requests:
        assert request.event.wait(BOUND)
        assert isinstance(request.error, original.SessionCloseError)
    assert not m.connected
