"""PyEZ, unchanged, over connections of ours: through ``install`` and over a held session."""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ncclient.manager
import ncclient.transport
import pytest
from jnpr.junos import Device
from jnpr.junos.exception import (
    ConnectAuthError,
    ConnectClosedError,
    ConnectError,
    ConnectRefusedError,
    ConnectTimeoutError,
    ConnectUnknownHostError,
    RpcError,
)
from jnpr.junos.utils import scp as scp_module
from jnpr.junos.utils.config import Config
from jnpr.junos.utils.scp import SCP
from jnpr.junos.utils.start_shell import StartShell
from ncclient.transport.errors import SSHUnknownHostError

from mooring import blocking
from mooring.compat.ncclient import install, pyez, uninstall
from mooring.compat.ncclient.transport import SSHSession

from .conftest import HOST, Junos


@pytest.fixture
def installed() -> Iterator[None]:
    with install():
        yield


@pytest.fixture
def dev(junos: Junos, installed: None) -> Iterator[Any]:
    with Device(host=HOST, port=junos.port, user="admin", password="juniper123") as dev:
        yield dev


@pytest.fixture
def held(junos: Junos) -> Iterator[blocking.Session]:
    where = f"core1://admin:juniper123@{HOST}:{junos.port}"
    pin = {"host_key": junos.device.public_key, "config": None, "agent_path": None, "identity": "none"}
    with blocking.connect(where, **pin) as session:
        yield session


def test_facts(dev: Any) -> None:
    assert isinstance(dev._conn._session, SSHSession)
    assert dev.facts["hostname"] == "device1"
    assert dev.facts["model"] == "EX2300-48T"
    assert dev.facts["version"] == "15.1X53-D59.3"
    assert dev.facts["serialnumber"] == "JX0000000001"


def test_rpc_and_cli(dev: Any) -> None:
    assert dev.rpc.get_system_information().findtext("host-name") == "device1"
    assert "Model: ex2300-48t" in dev.cli("show version", warning=False)
    assert dev.rpc.get_config().tag == "configuration"
    assert dev.execute("<get-software-information/>", normalize=True).tag == "software-information"


def test_timeout_and_transform(dev: Any) -> None:
    dev.timeout = 55
    assert dev.timeout == 55
    assert dev._conn.timeout == 55
    before = dev.transform
    dev.transform = lambda: before()  # noqa: PLW0108 - as PyEZ does itself
    assert dev.rpc.get_software_information().tag == "software-information"


def test_configuration(dev: Any) -> None:
    with Config(dev, mode="exclusive") as config:
        config.load("set system host-name other", format="set")
        assert "+  set system host-name other" in config.diff()
        assert config.commit_check()
        assert config.commit(comment="for the test")
        assert config.diff() is None
        config.load("delete system host-name other", format="set")
        config.rollback(0)
        assert config.diff() is None
        config.rollback(1)
        assert "-  set system host-name other" in config.diff()


def test_errors_of_rpcs(dev: Any) -> None:
    with pytest.raises(RpcError, match="syntax error") as caught:
        dev.rpc.get_nonsense()
    assert caught.value.rpc_error["severity"] == "error"
    assert dev.rpc.get_system_information() is not None


def test_closed(dev: Any, junos: Junos) -> None:
    junos.drop()
    dev._conn._session.join(30)
    with pytest.raises(ConnectClosedError):
        dev.rpc.get_system_information()
    assert not dev.connected


def test_lost_under_a_request(junos: Junos, installed: None) -> None:
    with Device(host=HOST, port=junos.port, user="admin", password="juniper123") as dev:
        threading.Timer(0.0, junos.drop).start()
        with pytest.raises(ConnectClosedError):
            endless(dev)


def endless(dev: Any) -> None:
    while True:
        dev.rpc.get_system_information()


def test_wrong_password(junos: Junos, installed: None) -> None:
    with pytest.raises(ConnectAuthError):
        Device(host=HOST, port=junos.port, user="admin", password="wrong").open()


def test_refused(installed: None) -> None:
    with socket.socket() as nobody:
        nobody.bind((HOST, 0))
        with pytest.raises(ConnectRefusedError):
            Device(host=HOST, port=nobody.getsockname()[1], user="admin", password="x").open()


def test_unknown_host(installed: None) -> None:
    with pytest.raises(ConnectUnknownHostError):
        Device(host="nowhere.invalid", user="admin", password="x").open()


def test_nobody_answers(installed: None) -> None:
    with contextlib.ExitStack() as stack:
        full = stack.enter_context(socket.socket())
        full.bind((HOST, 0))
        full.listen(0)
        for _ in range(3):  # its backlog: what comes then is not answered
            waiting = stack.enter_context(socket.socket())
            waiting.settimeout(0)
            waiting.connect_ex(full.getsockname())
        device = Device(host=HOST, port=full.getsockname()[1], user="admin", password="x", conn_open_timeout=3)
        with pytest.raises(ConnectTimeoutError):
            device.open()


def test_silent(installed: None) -> None:
    with socket.socket() as silent:
        silent.bind((HOST, 0))
        silent.listen()
        device = Device(host=HOST, port=silent.getsockname()[1], user="admin", password="x", conn_open_timeout=3)
        with pytest.raises(ConnectError, match="Negotiation failed"):
            device.open()


def test_host_key_not_known(junos: Junos, installed: None, home: Path) -> None:
    device = Device(host=HOST, port=junos.port, user="admin", password="juniper123", hostkey_verify=True)
    with pytest.raises(ConnectRefusedError) as caught:  # as PyEZ takes every quick SSHError
        device.open()
    assert isinstance(caught.value.__context__, SSHUnknownHostError)
    (home / ".ssh" / "known_hosts").write_text(f"[{HOST}]:{junos.port} {junos.device.public_key}\n")
    with device:
        assert device.facts["hostname"] == "device1"
    assert junos.device.logins[0] == ("admin", "")


def test_descriptor(junos: Junos, installed: None) -> None:
    with socket.create_connection((HOST, junos.port)) as sock:
        device = Device(host=None, sock_fd=sock.fileno(), user="admin", password="juniper123")
        with device:
            assert device.facts["hostname"] == "device1"


RELAY = """
import os, select, socket, sys
far = socket.create_connection((sys.argv[1], int(sys.argv[2])))
while True:
    for ready in select.select([0, far], [], [])[0]:
        data = os.read(0, 65536) if ready == 0 else far.recv(65536)
        if not data:
            sys.exit()
        far.sendall(data) if ready == 0 else os.write(1, data)
"""


def test_proxy_command(junos: Junos, installed: None, tmp_path: Path) -> None:
    relay = tmp_path / "relay.py"
    relay.write_text(RELAY)
    command = f"{sys.executable} {relay} %h %p"
    device = Device(host=HOST, port=junos.port, user="admin", password="juniper123", proxy_command=command)
    with device:
        assert device.facts["hostname"] == "device1"
    for pump in threading.enumerate():
        if pump.name.startswith("mooring pump"):
            pump.join(30)


def test_scp(dev: Any, junos: Junos, tmp_path: Path) -> None:
    big = bytes(range(256)) * 4096
    (tmp_path / "here").write_bytes(big)
    told: list[int] = []
    with SCP(dev, progress=lambda _device, report: told.append(len(report))) as client:
        client.put(str(tmp_path / "here"), "/var/tmp/there")
        client.get("/var/tmp/there", str(tmp_path / "back"))
    assert junos.device.files == {"/var/tmp/there": big}
    assert (tmp_path / "back").read_bytes() == big
    assert told
    assert len(junos.device.connections) == 1


def test_shell(dev: Any, junos: Junos) -> None:
    junos.device.files["notes"] = b"remember\n"
    with StartShell(dev) as shell:
        assert shell.run("cat notes") == (True, "cat notes\r\nremember\r\n% ")
        assert shell.run("no-such")[0] is False
    assert len(junos.device.connections) == 1


def test_no_way_past_install(junos: Junos) -> None:
    theirs = ncclient.transport.SSHSession
    clients = scp_module.open_ssh_client
    with install():
        install()
        assert ncclient.transport.SSHSession is SSHSession
        from_elsewhere = ncclient.manager.connect(
            host=HOST, port=junos.port, username="admin", password="juniper123", hostkey_verify=False
        )
        assert isinstance(from_elsewhere._session, SSHSession)
        from_elsewhere.close_session()
    assert ncclient.transport.SSHSession is theirs
    assert scp_module.open_ssh_client is clients
    uninstall()


def test_held_session(held: blocking.Session, junos: Junos, tmp_path: Path) -> None:
    dev = pyez.device(held)
    assert isinstance(dev, Device)
    assert dev.facts["serialnumber"] == "JX0000000001"
    assert "Model: ex2300-48t" in dev.cli("show version", warning=False)
    with Config(dev) as config:
        config.load("set system host-name other", format="set")
        assert config.commit()
    (tmp_path / "here").write_text("content")
    with SCP(dev) as client:
        client.put(str(tmp_path / "here"), "/var/tmp/there")
    with StartShell(dev) as shell:
        assert shell.run("cat /var/tmp/there")[0]
    assert held.run("show version").ok
    assert len(junos.device.connections) == 1
    dev.close()
    assert not dev.connected
    assert held.run("show version").ok
    with dev:
        assert dev.rpc.get_system_information().findtext("host-name") == "device1"
    uninstall()


def test_many_devices_on_a_session(held: blocking.Session) -> None:
    first, second = pyez.device(held, gather_facts=False), pyez.device(held, normalize=True)
    first.close()
    assert second.rpc.get_system_information() is not None
    second.close()
    uninstall()


def test_held_session_that_is_not_up(held: blocking.Session) -> None:
    held.close()
    with pytest.raises(ConnectError, match="closed"):
        pyez.device(held)
    uninstall()
