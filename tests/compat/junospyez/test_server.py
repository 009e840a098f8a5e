"""The old server's surface on real wires: it starts and stops, hands out PyEZ devices, and tells of what fails."""

from __future__ import annotations

import contextlib
import errno
import logging
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jnpr.junos import Device
from jnpr.junos.exception import ConnectAuthError, ConnectError, RpcError
from jnpr.junos.utils.config import Config
from jnpr.junos.utils.scp import SCP
from jnpr.junos.utils.start_shell import StartShell

from mooring.blocking.loop import loop_thread
from mooring.compat.junospyez_ossh_server import OutboundSSHServer, log
from mooring.compat.junospyez_ossh_server import about as about_module
from mooring.simulate.candidate import Candidate
from mooring.simulate.ports import ReservedPort
from tests.compat.junospyez.servers import HOST, TIMEOUT, Server

pytestmark = pytest.mark.filterwarnings("ignore:OutboundSSHServer:UserWarning")


def until(condition: Callable[[], object]) -> None:
    """Wait for something that no event tells of."""
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


# Its surface.


def test_as_it_is_made() -> None:
    server = OutboundSSHServer("0.0.0.0", "9000", "admin", "juniper123")  # noqa: S104 - not started
    assert (server.name, server.NAME, server.DEFAULT_LISTEN_BACKLOG) == ("outbound-ssh-server",) * 2 + (10,)
    assert (server.thread, server.socket, server.bind_ipaddr, server.bind_port) == (None, None, "0.0.0.0", 9000)  # noqa: S104
    assert (server.login_user, server.login_password, server.listen_backlog) == ("admin", "juniper123", 10)
    assert server.logger is log.logger is logging.getLogger("junospyez-ossh-server")
    assert (about_module.package_name, about_module.package_version) == ("junospyez-ossh-server", "0.1.2")
    assert "juniper123" not in repr(server)


def test_it_warns_of_whom_it_trusts() -> None:
    with pytest.warns(UserWarning, match="every device that calls") as warned:
        OutboundSSHServer(HOST, 0, "admin", "juniper123")
    assert warned[0].filename == __file__


def test_a_bad_port() -> None:
    with pytest.raises(ValueError, match="invalid literal for int"):
        OutboundSSHServer(HOST, "ssh", "admin", "juniper123")


@pytest.mark.parametrize("which", ["on_device", "on_error"])
def test_callbacks(which: str) -> None:
    server = OutboundSSHServer(HOST, 0, "admin", "juniper123")
    assert getattr(server, which)(None, None) is None
    setattr(server, which, print)
    assert getattr(server, which) is print
    with pytest.raises(ValueError, match="callback is not callable"):
        setattr(server, which, "print")
    setattr(server, which, None)
    assert getattr(server, which)(None, None) is None
    with pytest.raises(ValueError, match="callback is not callable"):
        OutboundSSHServer(HOST, 0, "admin", "juniper123", **{which: 3})  # type: ignore[arg-type]


def test_basic(monkeypatch: pytest.MonkeyPatch) -> None:
    before = log.logger.level
    monkeypatch.setattr(log.logger, "handlers", [])
    log.basic()
    assert (log.logger.level, len(log.logger.handlers)) == (logging.INFO, 1)
    log.logger.setLevel(before)


# It starts and stops.


def test_start_and_stop_again_and_again(logged: list[str]) -> None:
    place = ReservedPort(HOST)  # nobody else gets it while we are stopped
    server, port = Server(port=place.port), place.port
    server.server.stop()
    for _ in range(2):
        assert server.server.start() == (True, "outbound-ssh-server: started")
        assert server.server.start() == (False, "outbound-ssh-server already running")
        thread = server.server.thread
        assert thread is not None and thread.name == "outbound-ssh-server" and not thread.daemon  # noqa: PT018
        assert server.port == port
        server.server.stop()
        assert (server.server.thread, server.server.socket, thread.is_alive()) == (None, None, False)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((HOST, port), timeout=30)
        server.server.stop()
    place.close()
    told = [
        f"info outbound-ssh-server: starting on {HOST}:{port}",
        "info outbound-ssh-server: started",
        "error outbound-ssh-server already running",
        "info outbound-ssh-server: stopped",
    ]
    assert logged == [*told, *told]


def test_a_port_that_is_taken_is_what_start_returns(logged: list[str]) -> None:
    with socket.create_server((HOST, 0)) as taken:
        server = Server(port=taken.getsockname()[1])
        done, message = server.server.start()
        assert not done
        assert message.startswith(f"outbound-ssh-server unable to start: [Errno {errno.EADDRINUSE}] Address already")
        assert logged[1].startswith(f"error outbound-ssh-server: failed to setup socket: [Errno {errno.EADDRINUSE}]")
        assert logged[2] == f"error {message}"
        assert server.server.socket is None
    assert server.server.start()[0]
    server.server.stop()


def test_a_port_that_cannot_be() -> None:
    done, message = Server(port=70_000).server.start()
    assert (done, "port must be 0-65535" in message) == (False, True)


def test_ipv6() -> None:
    server = Server(ipaddr="::1")
    assert server.server.start()[0]
    with server.called(host="::1"):
        assert server.device()[1]["hostname"] == "device1"
    server.server.stop()


def test_callbacks_given_to_start() -> None:
    server, told = Server(on_device=None), threading.Event()
    server.server.start(on_device=lambda *_: told.set(), on_error=print)
    assert server.server.on_error is print
    with server.called():
        assert told.wait(TIMEOUT)
    server.server.stop()


def test_stop_from_a_callback() -> None:
    server, stopped = Server(), threading.Event()

    def stop(*_: object) -> None:
        server.server.stop()
        stopped.set()

    server.server.start(on_device=stop)
    with server.called(reconnect=60):
        assert stopped.wait(TIMEOUT)
    assert server.server.socket is None


def test_after_stop_no_device_is_let_in() -> None:
    server = Server()
    server.server.start()
    with server.called() as devices:
        device, _ = server.device()
        server.server.stop()
        until(lambda: not device.connected)
        sent = len(devices[0].logins)
        with pytest.raises(ConnectError):
            device.rpc.get_system_information()
        assert server.server.start()[0]  # on another port: nobody is there to be called
        assert len(devices[0].logins) == sent
        server.server.stop()


# Devices.


def test_what_a_device_can_do(started: Server) -> None:
    with started.called(reconnect=60) as devices:
        device, facts = started.device()
        assert isinstance(device, Device)
        assert list(facts) == [
            "os_version", "hostname", "device_sn", "device_model", "mgmt_interface", "mgmt_ipaddr", "mgmt_macaddr"
        ]  # fmt: skip
        assert facts["device_sn"] == devices[0].serial
        assert device.connected  # and the callback is over
        assert (device.facts["hostname"], device.facts["serialnumber"]) == ("device1", devices[0].serial)
        assert device.rpc.get_route_information(destination="192.168.229.1").findtext(".//via") == "vme.0"
        assert "Model: ex2300-48t" in device.cli("show version", warning=False)
        with Config(device) as config:
            config.load("set system host-name other", format="set")
            assert "+  set system host-name other" in config.diff()
            assert config.commit()
        candidate = devices[0].candidate
        assert isinstance(candidate, Candidate)
        assert candidate.committed == ["set system host-name other"]
        with pytest.raises(RpcError):
            device.rpc.get_nothing_of_the_kind()


def test_files_and_a_shell_over_the_same_connection(started: Server, tmp_path: Path) -> None:
    (tmp_path / "here").write_bytes(bytes(range(256)) * 1024)
    with started.called(reconnect=60) as devices:
        device, _ = started.device()
        with SCP(device) as scp:
            scp.put(str(tmp_path / "here"), "/var/tmp/there")
            scp.get("/var/tmp/there", str(tmp_path / "back"))
        assert (tmp_path / "back").read_bytes() == (tmp_path / "here").read_bytes()
        devices[0].files["notes"] = b"remember\n"
        with StartShell(device) as shell:
            assert shell.run("cat notes")[1].splitlines()[1] == "remember"
        assert device.rpc.get_system_information().findtext("host-name") == "device1"
        assert (devices[0].calls, len(devices[0].connections)) == (1, 1)


def test_a_device_that_calls_again_is_handed_out_again(started: Server) -> None:
    with started.called() as devices:
        first, _ = started.device()
        loop_thread().read(devices.drop)
        second, _ = started.device()
        assert second is not first
        until(lambda: not first.connected)
        assert second.rpc.get_system_information().findtext("host-name") == "device1"


def test_a_secret_or_no_preamble_is_no_hindrance(started: Server) -> None:
    with started.called(secret="s3cret", name="telling"), started.called(preamble=False, name="silent"):
        assert {started.device()[1]["hostname"] for _ in range(2)} == {"telling1", "silent1"}


def test_many_at_once_with_few_threads(monkeypatch: pytest.MonkeyPatch, started: Server) -> None:
    monkeypatch.setattr(started.server, "on_device", None)
    together = threading.Semaphore(0)
    names: set[str] = set()

    def one(device: Device, facts: dict[str, Any]) -> None:
        names.add(threading.current_thread().name)
        together.release()
        started.devices.put((device, facts))

    started.server.on_device = one
    with started.called(count=40, reconnect=60):
        hosts = {started.device()[1]["hostname"] for _ in range(40)}
        assert len([each for each in threading.enumerate() if "worker" in each.name or "device-" in each.name]) <= 16
    assert hosts == {f"device{number}" for number in range(1, 41)}
    assert len(names) == 40
    assert all(name.startswith(f"device-{HOST}:") for name in names)


def test_a_callback_that_takes_its_time_holds_nobody_up() -> None:
    begun, go_on = threading.Semaphore(0), threading.Event()
    server = Server()

    def wait(*_: object) -> None:
        begun.release()
        go_on.wait(TIMEOUT)

    server.server.start(on_device=wait)
    with server.called(count=2, reconnect=60):
        assert begun.acquire(timeout=TIMEOUT) and begun.acquire(timeout=TIMEOUT)  # noqa: PT018
        server.server.on_device = lambda device, facts: server.devices.put((device, facts))
        with server.called(name="third", reconnect=60):
            assert server.device()[1]["hostname"] == "third1"
        go_on.set()
    server.server.stop()


# What fails.


def test_a_refused_login_is_told_and_tried_again(started: Server, logged: list[str]) -> None:
    with started.called(password="other") as devices:
        device, error = started.error()
        assert device is None
        assert isinstance(error, ConnectAuthError)
        assert "juniper123" not in str(error)
        assert logged[4].startswith(f"error Connection error to device via {HOST}:")
        devices.password = "juniper123"
        assert started.device()[1]["hostname"] == "device1"


def test_who_speaks_no_ssh_is_told_of(started: Server, logged: list[str]) -> None:
    with socket.create_connection((HOST, started.port), timeout=30) as sock:
        where = "{}:{}".format(*sock.getsockname())
        sock.sendall(b"\0" * 9000)
        device, error = started.error()
    assert device is None
    assert isinstance(error, ConnectError)
    assert logged[2:4] == [
        f"info outbound-ssh-server: accepted connection from {where}",
        f"info establishing netconf to device via: {where}",
    ]
    assert logged[4].startswith(f"error Connection error to device via {where}: ")
    assert error.msg in logged[4]
    with started.called():
        started.device()


def test_a_device_is_held_to_its_first_key(started: Server) -> None:
    with started.called(reconnect=60):
        device, _ = started.device()
        with started.called(reconnect=60) as others:
            _, error = started.error()
            assert "other key than at its first call" in error.msg
            assert others[0].logins == []
        assert device.rpc.get_system_information().findtext("host-name") == "device1"


def test_a_device_without_netconf(started: Server, logged: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mooring.simulate.device._Session.subsystem_requested", lambda *_: False)
    with started.called(reconnect=60):
        device, error = started.error()
    assert (device, type(error)) == (None, ConnectError)
    assert logged[5].startswith(f"error unable to establish netconf to device via {HOST}:")


def test_a_device_lost_before_its_callback(started: Server, logged: list[str]) -> None:
    held, go_on = threading.Event(), threading.Event()

    def wait(*_: object) -> None:
        held.set()
        go_on.wait(TIMEOUT)

    started.server.on_device = wait
    with started.called(count=16, reconnect=60):
        assert held.wait(TIMEOUT)
        until(lambda: sum("completed device" in line for line in logged) == 16)  # no worker is free
        with started.called(name="brief", reconnect=60):
            until(lambda: sum(line.startswith("info {") for line in logged) == 17)
        go_on.set()
        device, error = started.error()
    assert device is None
    assert isinstance(error, ConnectError)


def test_a_callback_that_raises(started: Server, logged: list[str]) -> None:
    def fail(device: Device, facts: dict[str, Any]) -> None:
        started.devices.put((device, facts))
        raise RuntimeError("no such row")

    started.server.on_device = fail
    with started.called(reconnect=60):
        device, error = started.error()
        assert device is started.device()[0]
        assert (str(error), device.connected) == ("no such row", True)
    assert logged[-1].startswith(f"error ERROR: unable to process device {HOST}:")
    assert logged[-1].endswith(": no such row")


def test_an_error_callback_that_raises_harms_nobody(started: Server, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR, "mooring")
    started.server.on_error = lambda *_: 1 / 0
    with contextlib.suppress(OSError), socket.create_connection((HOST, started.port), timeout=30) as sock:
        sock.sendall(b"\0" * 9000)
        until(lambda: "ZeroDivisionError" in caplog.text)
    with started.called():
        started.device()


def test_a_login_that_cannot_be(logged: list[str]) -> None:
    server = Server(login_user=3)
    assert server.server.start()[0] is False
    assert logged[-1].startswith("error outbound-ssh-server unable to start: ")
    assert server.server.socket is None
