"""``SSHSession`` by itself: listeners, and the thread that it is not."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import ncclient.capabilities
import ncclient.devices.default
import ncclient.transport
import ncclient.transport.errors as original
import pytest
from ncclient.devices.junos import JunosDeviceHandler
from ncclient.manager import Manager

import mooring
from mooring import WrongThread, blocking
from mooring.compat.ncclient import manager, pyez, transport, uninstall
from mooring.compat.ncclient.callbacks import Callbacks
from mooring.compat.ncclient.dispatch import root_of
from mooring.compat.ncclient.transport import SSHSession
from tests.peers.fixtures import StartSshd

from .conftest import HOST, LOGIN, Elsewhere, Junos, connecting


def session() -> SSHSession:
    return SSHSession(JunosDeviceHandler({"name": "junos"}))


class Listener:
    def __init__(self) -> None:
        self.heard: list[tuple[str, Mapping[str, str], str]] = []
        self.errors: list[Exception] = []
        self.threads: set[str] = set()
        self.news = threading.Condition()

    def callback(self, root: tuple[str, Mapping[str, str]], raw: str) -> None:
        with self.news:
            self.threads.add(threading.current_thread().name)
            self.heard.append((*root, raw))
            self.news.notify_all()

    def errback(self, ex: Exception) -> None:
        with self.news:
            self.errors.append(ex)
            self.news.notify_all()

    def wait(self, count: int = 1, errors: int = 0) -> None:
        with self.news:
            assert self.news.wait_for(lambda: len(self.heard) >= count and len(self.errors) >= errors, 10)


class Documented(ncclient.transport.SessionListener):  # type: ignore[misc] # without types
    def callback(self, root: Any, raw: str) -> None: ...
    def errback(self, ex: Exception) -> None: ...


def test_names_are_ncclients() -> None:
    for name in ("TransportError", "SessionCloseError", "SSHError", "SSHUnknownHostError", "AuthenticationError"):
        assert getattr(transport, name) is getattr(original, name)
    assert transport.SessionListener is ncclient.transport.SessionListener
    assert issubclass(transport.Session, ncclient.transport.Session)
    assert issubclass(SSHSession, transport.Session)


def test_messages_and_listeners(junos: Junos) -> None:
    made = session()
    listener = Listener()
    made.add_listener(listener)
    with pytest.raises(original.TransportError, match="Not connected"):
        made.send("<rpc/>")
    made.connect(HOST, junos.port, hostkey_verify=False, **LOGIN)
    assert made.host == HOST
    assert made.id == "1"
    assert ":candidate" in made.server_capabilities
    assert ":base:1.1" in made.client_capabilities
    made.send('<rpc message-id="é"><get-system-information/></rpc>')
    listener.wait(2)
    (hello, _, _), (tag, attributes, raw) = listener.heard
    assert hello.endswith("}hello")
    assert tag == "{urn:ietf:params:xml:ns:netconf:base:1.0}rpc-reply"
    assert attributes["message-id"] == "é"
    assert isinstance(raw, str)
    assert listener.threads == {"mooring callbacks"}
    junos.drop()
    listener.wait(2, errors=1)
    assert isinstance(listener.errors[0], original.SessionCloseError)
    assert not made.connected
    made.close()
    made.close()


def test_listeners_by_class() -> None:
    made, documented = session(), Documented()
    made.add_listener(documented)
    assert made.get_listener_instance(Documented) is documented
    made.remove_listener(documented)
    made.remove_listener(documented)
    assert made.get_listener_instance(Documented) is None
    with pytest.raises(original.SessionError):
        made.add_listener(object())


def test_the_thread_that_it_is_not(junos: Junos) -> None:
    made = session()
    assert not made.is_alive()
    made.connect(HOST, junos.port, hostkey_verify=False, **LOGIN)
    made.start()
    assert made.is_alive()
    made.join(0.01)
    assert made.is_alive()
    assert made.daemon
    made.name = "mine"
    assert made.name == "mine"
    waits = threading.Thread(target=made.run, daemon=True)
    waits.start()
    made.close()
    waits.join(30)
    assert not waits.is_alive()
    assert not made.is_alive()


def test_a_session_of_ones_own() -> None:
    done: list[object] = []

    class Own(transport.Session):
        def __init__(self) -> None:
            super().__init__(capabilities=["urn:mine"], target=done.append, name="own", args=(1,))

    own = Own()
    assert (own.name, own.daemon, own.id, own.connected) == ("own", True, None, False)
    assert own.client_capabilities == ["urn:mine"]
    own.start()
    own.join(30)
    assert done == [1]
    with pytest.raises(NotImplementedError):
        transport.Session(()).connect()


def test_a_callback_may_ask_and_the_loop_may_not(junos: Junos) -> None:
    made = session()
    made.connect(HOST, junos.port, hostkey_verify=False, **LOGIN)
    m = Manager(made, made._device_handler)
    answers: list[str] = []
    asked = threading.Event()

    class Asks(Listener):
        def callback(self, root: tuple[str, Mapping[str, str]], raw: str) -> None:
            if not asked.is_set():
                asked.set()
                answers.append(str(m.rpc("<get-system-information/>")))
            super().callback(root, raw)

    listener = Asks()
    made.add_listener(listener)
    m.rpc("<get-software-information/>")
    listener.wait(2)
    assert "device1" in answers[0]
    failures: list[BaseException] = []

    def on_the_loop() -> None:
        try:
            m.rpc("<get-system-information/>")
        except BaseException as error:  # noqa: BLE001 - looked at below
            failures.append(error)
        asked.set()

    asked.clear()
    assert made._caller is not None
    made._caller.post(on_the_loop)
    assert asked.wait(30)
    assert isinstance(failures[0], WrongThread)
    made.close()


def test_a_callback_that_fails_ends_nothing(junos: Junos, caplog: pytest.LogCaptureFixture) -> None:
    class Fails(Listener):
        def callback(self, root: tuple[str, Mapping[str, str]], raw: str) -> None:
            super().callback(root, raw)
            raise ValueError("on purpose")

    with manager.connect(**junos.where, hostkey_verify=False, device_params={"name": "junos"}) as m:
        listener = Fails()
        m.rpc("<get-system-information/>")
        m._session.add_listener(listener)
        m._session.send('<rpc message-id="nobody"><get-system-information/></rpc>')
        listener.wait()
        assert m.rpc("<get-system-information/>") is not None
        listener.wait(2)
    assert "a callback failed" in caplog.text
    assert "that nobody waits for" in caplog.text


def script(folder: Path, text: str) -> Path:
    file = folder / "subsystem"
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)
    return file


def test_a_stream_that_breaks(start_sshd: StartSshd, peers_folder: Path) -> None:
    base = "urn:ietf:params:netconf:base:1.1"
    hello = f"<hello><capabilities><capability>{base}</capability></capabilities><session-id>7</session-id></hello>"
    (peers_folder / "hello").write_text(f"{hello}]]>]]>")
    go = peers_folder / "go"
    wait = f"while [ ! -e {go} ]; do sleep 0.05; done"
    file = script(peers_folder, f"cat {peers_folder}/hello; {wait}; echo; echo '#007'; exec sleep 60")
    m = manager.connect(**connecting(start_sshd(Subsystem=f"netconf {file}")))
    listener = Listener()
    m._session.add_listener(listener)
    m.async_mode = True
    request = m.get()
    go.touch()
    listener.wait(0, errors=1)
    go.unlink()
    assert isinstance(listener.errors[0], original.NetconfFramingError)
    assert "no chunk begins" in str(listener.errors[0])
    assert request.event.wait(30)
    assert request.error is listener.errors[0]
    assert not m.connected
    m._session.close()


def test_notifications_that_nobody_takes() -> None:
    made = session()
    text = (
        '<notification xmlns="urn:ietf:params:xml:ns:netconf:notification:1.0"><eventTime>{}</eventTime></notification>'
    )
    assert not any(made.notify(text.format(number)) for number in range(10_000))
    assert made.notify(text.format("last"))
    assert made.take_notification().notification_ele[0].text == "1"
    assert made.notifications_lost == 0


def test_what_a_handler_mends() -> None:
    handler = JunosDeviceHandler({"name": "junos"})
    broken = "<rpc-reply><routing-engine><name>re0</name><ok/></rpc-reply>"
    found = root_of(broken.encode(), broken, handler)
    assert not isinstance(found, Exception)
    assert found[0] == ("rpc-reply", {})
    assert "</routing-engine>" in found[1]
    default = ncclient.devices.default.DefaultDeviceHandler()
    assert root_of(broken.encode(), broken, default) == (("rpc-reply", {}), broken)
    assert isinstance(root_of(b"text", "text", default), Exception)


def test_the_server_waits_for_slow_callbacks(elsewhere: Elsewhere) -> None:
    told: list[bool] = []
    gate = threading.Event()
    done: list[int] = []

    async def fill() -> None:
        callbacks = Callbacks(told.append)
        callbacks.put(gate.wait, 0)
        for number in range(5):
            callbacks.put(partial(done.append, number), 4 * 1024 * 1024)
        assert told == [True]
        gate.set()
        async with asyncio.timeout(30):
            while told != [True, False]:  # noqa: ASYNC110 - it is the answer that is waited for
                await asyncio.sleep(0.01)

    elsewhere.run(fill())
    assert done[:1] == [0]


def test_after_the_end_of_the_loop(junos: Junos) -> None:
    m = manager.connect(**junos.where, hostkey_verify=False)
    blocking.shutdown()
    assert not m.connected
    with pytest.raises(original.TransportError):
        m.get()
    m._session.close()


def test_another_loop(junos: Junos, elsewhere: Elsewhere) -> None:
    where = f"core1://admin:juniper123@{HOST}:{junos.port}"
    pin = {"host_key": junos.device.public_key, "config": None, "agent_path": None, "identity": "none"}
    connected = mooring.connect(where, **pin)
    held = elsewhere.run(connected.__aenter__())
    dev = pyez.device(held, loop=elsewhere.loop)
    assert dev.rpc.get_system_information().findtext("host-name") == "device1"

    async def on_it() -> None:
        dev._conn.rpc("<get-system-information/>")

    with pytest.raises(WrongThread):
        elsewhere.run(on_it())
    dev.close()
    elsewhere.run(connected.__aexit__(None, None, None))
    uninstall()
