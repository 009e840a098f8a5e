"""What ``SSHSession.connect`` takes, and how it fails."""

from __future__ import annotations

import inspect
import socket
import threading
from base64 import b64decode
from contextlib import ExitStack
from hashlib import md5
from pathlib import Path
from typing import Any

import ncclient.transport
import ncclient.transport.errors as original
import pytest
from ncclient.devices.junos import JunosDeviceHandler
from ncclient.operations import RPCError

from mooring import HelloError
from mooring.compat.ncclient import manager, transport
from mooring.compat.ncclient.transport import SSHSession
from tests.peers.agent import Agent
from tests.peers.fixtures import StartSshd
from tests.peers.keys import Keyring

from .conftest import HOST, LOGIN, Junos, connecting


def session() -> SSHSession:
    return SSHSession(JunosDeviceHandler({"name": "junos"}))


def test_it_takes_what_ncclients_takes_in_the_same_order() -> None:
    theirs = list(inspect.signature(ncclient.transport.SSHSession.connect).parameters.values())
    ours = list(inspect.signature(SSHSession.connect).parameters.values())
    assert [one.name for one in ours] == [*(one.name for one in theirs), "hostkey"]
    for one, other in zip(ours, theirs, strict=False):
        assert one.kind == other.kind
        assert one.default == other.default or other.default is other.empty or callable(one.default)
    public = {name for name in dir(ncclient.transport.SSHSession) if not name.startswith("_")}
    assert public <= set(dir(SSHSession))


def test_host_keys(junos: Junos, home: Path, keyring: Keyring) -> None:
    text = junos.device.public_key
    digest = md5(b64decode(text.split()[1]), usedforsecurity=False).digest().hex(":")
    asked: list[tuple[str | None, str]] = []

    def ask(host: str | None, fingerprint: str) -> bool:
        asked.append((host, fingerprint))
        assert threading.current_thread() is threading.main_thread()
        return len(asked) > 1

    with pytest.raises(original.SSHUnknownHostError) as caught:
        session().connect(HOST, junos.port, **LOGIN)
    assert (caught.value.host, caught.value.fingerprint) == (HOST, digest)
    with pytest.raises(original.SSHUnknownHostError):
        session().connect(HOST, junos.port, unknown_host_cb=ask, **LOGIN)
    assert junos.device.logins == []
    for options in (
        {"unknown_host_cb": ask},
        {"hostkey": text},
        {"hostkey_b64": text.split()[1]},
        {"hostkey_verify": False},
    ):
        made = session()
        made.connect(HOST, junos.port, **LOGIN, **options)
        assert made.connected
        made.close()
    assert asked == [(HOST, digest)] * 2
    other = keyring.key("another").with_suffix(".pub").read_text()
    with pytest.raises(original.SSHUnknownHostError):
        session().connect(HOST, junos.port, hostkey=other, **LOGIN)
    with pytest.raises(original.SSHError, match="key class"):
        session().connect(HOST, junos.port, hostkey="nonsense", **LOGIN)
    assert not transport.default_unknown_host_cb(HOST, digest)
    assert list((home / ".ssh").iterdir()) == []


def test_known_hosts(junos: Junos, home: Path) -> None:
    file = home / "trusted"
    made = session()
    with pytest.raises(FileNotFoundError):
        made.load_known_hosts(file)
    made.load_known_hosts()
    file.write_text(f"{HOST} {junos.device.public_key}\n")  # ncclient takes a name without its port, too
    made.load_known_hosts(file)
    made.connect(HOST, junos.port, **LOGIN)
    made.close()


def test_sockets(junos: Junos) -> None:
    for options in ("sock", "sock_fd", "neither"):
        with ExitStack() as stack:
            sock = socket.create_connection((HOST, junos.port))
            given: Any = {"sock": sock}
            if options == "sock_fd":
                given = {"sock_fd": stack.enter_context(sock).fileno()}
            elif options == "neither":
                given = {"sock": Like(stack.enter_context(sock))}
            made = session()
            made.connect(None, hostkey=junos.device.public_key, **given, **LOGIN)
            assert made.host is None
            assert made.transport is not None
            assert made.transport.is_active()
            made.close()
            assert not made.transport.is_active()
    with socket.create_connection((HOST, junos.port)) as sock:
        asked: list[str] = []

        def ask(host: str | None, fingerprint: str) -> bool:
            asked.append(fingerprint)
            return host is not None

        with pytest.raises(original.SSHUnknownHostError):
            session().connect(None, sock=sock, unknown_host_cb=ask, **LOGIN)
        assert asked


class Like:
    """What behaves as a socket, and is none."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def recv(self, size: int) -> bytes:
        return self._sock.recv(size)

    def send(self, data: bytes) -> int:
        return self._sock.send(data[:100])

    def close(self) -> None:
        self._sock.shutdown(socket.SHUT_RDWR)


def test_failures(junos: Junos) -> None:
    with pytest.raises(original.AuthenticationError):
        session().connect(HOST, junos.port, hostkey_verify=False, **{**LOGIN, "password": "wrong"})
    with pytest.raises(original.AuthenticationError):
        session().connect(
            HOST, junos.port, hostkey_verify=False, key_filename="/nowhere", **{**LOGIN, "password": None}
        )
    with pytest.raises(socket.gaierror):
        session().connect("nowhere.invalid", hostkey_verify=False)
    with socket.socket() as nobody:
        nobody.bind((HOST, 0))
        with pytest.raises(original.SSHError, match="Could not open socket"):
            session().connect(HOST, nobody.getsockname()[1], hostkey_verify=False)


def test_a_key_that_cannot_be_read_leaves_the_password(junos: Junos) -> None:
    made = session()
    made.connect(HOST, junos.port, hostkey_verify=False, key_filename="/nowhere", **LOGIN)
    made.close()


def test_ssh_config(junos: Junos, home: Path) -> None:
    (home / ".ssh" / "config").write_text(
        f"Host router\n  HostName {HOST}\n  User admin\n  Port 1\n  UserKnownHostsFile {home}/trusted\n"
    )
    (home / "trusted").write_text(f"[{HOST}]:{junos.port} {junos.device.public_key}\n")
    for config in (True, str(home / ".ssh" / "config")):
        made = session()
        made.connect("router", junos.port, ssh_config=config, **{**LOGIN, "username": None})
        assert made.host == "router"
        assert made.transport is not None
        assert made.transport.get_username() == "admin"
        made.transport.set_keepalive(30)
        made.close()


def test_no_subsystem(start_sshd: StartSshd) -> None:
    with pytest.raises(original.SSHError, match="unacceptable"):
        manager.connect(**connecting(start_sshd()))


def test_fallback_and_errors_before_the_hello(start_sshd: StartSshd, peers_folder: Path) -> None:
    sshd = start_sshd(ForceCommand=f"cat {peers_folder}/hello")
    fault = "<rpc-error><error-severity>error</error-severity><error-message>no licence</error-message></rpc-error>"
    (peers_folder / "hello").write_text(
        f"<rpc-reply>{fault}{fault}</rpc-reply><hello><session-id>7</session-id></hello>]]>]]>"
    )
    with pytest.raises(RPCError, match="no licence"):
        manager.connect(**connecting(sshd), device_params={"name": "junos"})


def script(folder: Path, text: str) -> Path:
    file = folder / "subsystem"
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)
    return file


@pytest.mark.parametrize("number", ["", "<session-id/>", "<session-id> </session-id>"])
def test_a_hello_without_a_session_id(number: str, start_sshd: StartSshd, peers_folder: Path) -> None:
    hello = f"<hello><capabilities><capability>urn:x</capability></capabilities>{number}</hello>]]>]]>"
    file = script(peers_folder, f'echo "{hello}"; exec cat >/dev/null')
    sshd = start_sshd(Subsystem=f"netconf {file}")
    with pytest.raises(original.SessionError, match="has no session-id") as caught:
        manager.connect(**connecting(sshd))
    assert isinstance(caught.value.__cause__, HelloError)


def test_no_hello(start_sshd: StartSshd, peers_folder: Path) -> None:
    sshd = start_sshd(Subsystem="netconf sleep 60")
    with pytest.raises(original.SessionError, match="timed out"):
        manager.connect(**{**connecting(sshd), "timeout": 3})
    sshd = start_sshd(Subsystem="netconf true")
    with pytest.raises(original.SessionCloseError):
        manager.connect(**connecting(sshd))
    file = script(peers_folder, "echo '<not-xml]]>]]>'")
    sshd = start_sshd(Subsystem=f"netconf {file}")
    with pytest.raises(original.SessionError, match="not XML"):
        manager.connect(**connecting(sshd))


def test_environment_and_agent(
    start_sshd: StartSshd, agent: Agent, monkeypatch: pytest.MonkeyPatch, peers_folder: Path
) -> None:
    told = "<capabilities><capability>urn:$MOORING_TEST</capability></capabilities><session-id>1</session-id>"
    hello = f"<hello>{told}</hello>]]>]]>"
    file = script(peers_folder, f'echo "{hello}"; exec cat >/dev/null')
    sshd = start_sshd(Subsystem=f"netconf {file}", AcceptEnv="MOORING_*")
    where = {**connecting(sshd), "key_filename": None, "allow_agent": True}
    agent.add(sshd.client_key)
    monkeypatch.setenv("SSH_AUTH_SOCK", agent.environment["SSH_AUTH_SOCK"])
    made = manager.connect(**where, environment={"MOORING_TEST": "there"}, keepalive=5, bind_addr=HOST)
    assert "urn:there" in list(made.server_capabilities)
    made._session.close()
    with pytest.raises(original.AuthenticationError):
        manager.connect(**{**where, "allow_agent": False})
