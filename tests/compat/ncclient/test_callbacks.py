"""Slow callbacks and broken messages: what they hold up, and what not."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

from ncclient import NCClientError

from mooring.compat.ncclient import manager
from mooring.wire.netconf.framing import chunked
from tests.session.netconf.scripted import Act, Channel, ScriptedServer, hello, reply

from .conftest import HOST

NOTIFICATION = b'<notification xmlns="urn:ietf:params:xml:ns:netconf:notification:1.0"><x>%b</x></notification>'
CAPABILITIES = [f"urn:ietf:params:netconf:capability:{name}:1.0" for name in ("candidate", "validate")]
Serve = Callable[[AbstractAsyncContextManager[Any]], Any]


def agree(channel: Channel, message: str) -> None:
    """A server that says ok to all."""
    if found := re.search(r'message-id="([^"]+)"', message):
        channel.write(reply(found[1]))
        if "close-session" in message:
            channel.close()


class Listener:
    """Does with each message what a test says."""

    def __init__(self, callback: Callable[[str], None]) -> None:
        self._callback = callback
        self.errors: list[Exception] = []

    def callback(self, root: tuple[str, dict[str, str]], raw: str) -> None:
        del root
        self._callback(raw)

    def errback(self, ex: Exception) -> None:
        self.errors.append(ex)


def connected(serve: Serve, act: Act) -> Callable[[], Any]:
    """Connects to a server that acts so."""

    def polite(channel: Channel, message: str) -> None:
        if message:
            act(channel, message)
        else:
            channel.write(hello(channel.number, *CAPABILITIES))

    server: ScriptedServer = serve(ScriptedServer(polite))
    key = server.login["host_key"]
    login = {"username": "somebody", "hostkey": key, "allow_agent": False, "look_for_keys": False, "timeout": 50}
    return lambda: manager.connect(host=HOST, port=server.port, **login)


def test_slow_callbacks_hold_up_nobody_else(serve: Serve) -> None:
    connect = connected(serve, agree)
    gate = threading.Event()

    def waits(_: str) -> None:
        gate.wait()

    slow = [connect() for _ in range(10)]
    for m in slow:
        m._session.add_listener(Listener(waits))
        m.discard_changes()
    try:
        m = connect()  # the name is looked up and keys are read on the loop's own workers
        assert m.discard_changes().ok
        m.close_session()
    finally:
        gate.set()
    for m in slow:
        m.close_session()


def test_a_callback_may_connect(serve: Serve) -> None:
    connect = connected(serve, agree)
    answers: list[bool] = []
    done = threading.Event()

    def ask(raw: str) -> None:
        if "<ok" in raw and not done.is_set():
            other = connect()
            answers.append(other.discard_changes().ok)
            other.close_session()
            if len(answers) == 10:
                done.set()

    made = [connect() for _ in range(10)]
    for m in made:
        m._session.add_listener(Listener(ask))
        m.discard_changes()
    assert done.wait(50)
    for m in made:
        m.close_session()


def test_a_reply_comes_past_what_waits_for_callbacks(serve: Serve) -> None:
    def act(channel: Channel, message: str) -> None:
        agree(channel, message)
        if "discard-changes" in message:
            for _ in range(30):
                channel.write(chunked(NOTIFICATION % (b"y" * 1_000_000)))

    m = connected(serve, act)()
    answers: list[bool] = []
    done = threading.Event()

    def ask(raw: str) -> None:
        if "<notification" in raw and not done.is_set():
            answers.append(m.validate().ok)  # its reply comes after thirty megabytes more
            done.set()

    m._session.add_listener(Listener(ask))
    assert m.discard_changes().ok
    assert m.validate().ok
    assert done.wait(50)
    assert answers == [True]
    m.close_session()


def test_what_is_no_message_fails_the_oldest_request_alone(serve: Serve) -> None:
    first = threading.Event()
    numbers: list[str] = []

    def act(channel: Channel, message: str) -> None:
        found = re.search(r'message-id="([^"]+)"', message)
        if "close-session" in message:
            channel.close()
        elif found:
            numbers.append(found[1])
            first.set()
            if len(numbers) == 2:
                channel.write(chunked(b"this is no xml") + reply(numbers[1]))

    m = connected(serve, act)()
    listener = Listener(lambda _: None)
    m._session.add_listener(listener)
    m.async_mode = True
    oldest = m.get()
    assert first.wait(50)
    other = m.get()
    assert oldest.event.wait(50)
    assert other.event.wait(50)
    assert isinstance(oldest.error, NCClientError)
    assert "not XML" in str(oldest.error)
    assert other.error is None
    assert other.reply.ok
    assert m.connected
    m._session.close()
