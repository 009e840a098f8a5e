"""What answers as paramiko's Transport does, against a real sshd."""

from __future__ import annotations

import select
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mooring import blocking
from mooring.compat.ncclient.channels import Transport
from mooring.compat.ncclient.client import Client
from mooring.compat.ncclient.transport import SSHError
from tests.peers.fixtures import StartSshd
from tests.peers.sshd import Sshd


@pytest.fixture
def server(start_sshd: StartSshd) -> Sshd:
    return start_sshd(Subsystem="sftp internal-sftp", AcceptEnv="MOORING_*")


@pytest.fixture
def transport(server: Sshd) -> Iterator[Transport]:
    where = f"edge1://{server.user}@{server.host}:{server.port}"
    keywords = {"known_hosts": str(server.known_hosts), "client_keys": [str(server.client_key)], "config": None}
    with blocking.connect(where, **keywords) as session:
        native, thread = session.native()
        yield Transport(thread, lambda: native.attachment, None)


def test_a_command(transport: Transport) -> None:
    with transport.open_session() as channel:
        channel.update_environment({"MOORING_TEST": "x"})
        channel.exec_command('cat; echo "$MOORING_TEST" >&2; exit 3')
        channel.settimeout(30)
        assert channel.gettimeout() == 30
        assert channel.send_ready()
        channel.sendall("héllo")
        channel.shutdown_write()
        with channel.makefile("rb") as file:
            assert file.read() == "héllo".encode()
        assert channel.recv(10) == b""
        assert channel.eof_received
        assert channel.recv_stderr(10) == b"x\n"
        assert channel.recv_exit_status() == 3
        assert channel.exit_status_ready()
        assert channel.get_transport() is transport
        with pytest.raises(SSHError, match="in use"):
            channel.exec_command("true")
    assert channel.closed
    assert channel.recv(10) == b""


def test_a_shell_to_select(transport: Transport) -> None:
    client = Client(transport)
    channel = client.invoke_shell(width=132)
    channel.settimeout(30)
    channel.resize_pty(100, 30)
    channel.send("PS1=; stty -echo; echo re''ady; stty size\n")
    seen = b""
    while b"30 100" not in seen:
        assert select.select([channel], [], [], 30)[0]
        assert channel.recv_ready()
        seen += channel.recv(1024)
    assert b"ready" in seen
    client.close()
    assert channel.closed


def test_files(transport: Transport, tmp_path: Path, server: Sshd) -> None:
    sftp = transport.open_sftp_client()
    content = bytes(range(256)) * 8192
    name = f"/tmp/mooring-{server.port}"
    with sftp.open(name, "wb") as file:
        file.write(content)
    sftp.get(name, str(tmp_path / "back"))
    assert (tmp_path / "back").read_bytes() == content
    sftp.remove(name)
    sftp.close()


def test_who_does_not_read_is_waited_for(transport: Transport) -> None:
    size = 20_000_000
    channel = transport.open_session()
    channel.exec_command(f"head -c {size} /dev/zero; head -c 300000 /dev/zero >&2")
    channel.settimeout(30)
    found = 0
    while data := channel.recv(65536):
        found += len(data)
    assert found == size
    errors = 0
    while data := channel.recv_stderr(65536):
        errors += len(data)
    assert errors == 300_000
    assert channel.recv_exit_status() == 0
    channel.close()


def test_who_does_not_take_is_waited_for(transport: Transport) -> None:
    channel = transport.open_session()
    channel.exec_command("sleep 0.2; wc -c")
    data = bytes(10_000_000)

    def send() -> None:
        channel.sendall(data)
        channel.shutdown_write()

    sent = threading.Thread(target=send, daemon=True)
    sent.start()
    channel.settimeout(30)
    assert channel.recv(100).strip() == b"10000000"
    sent.join(30)
    channel.close()


def test_refusals(transport: Transport) -> None:
    with pytest.raises(SSHError, match="direct-tcpip"):
        transport.open_channel("direct-tcpip", ("127.0.0.1", 1), ("127.0.0.1", 1))
    channel = transport.open_channel("session", timeout=30)
    with pytest.raises(SSHError, match="nothing was started"):
        channel.recv(1)
    assert not channel.recv_ready()
    assert not channel.exit_status_ready()
    assert channel.recv_exit_status() == -1
    with pytest.raises(SSHError):
        channel.invoke_subsystem("none-of-these")
    channel.close()


def test_many_one_after_the_other(transport: Transport) -> None:
    for number in range(30):
        with transport.open_session() as channel:
            channel.exec_command(f"echo {number}")
            channel.settimeout(30)
            assert channel.recv(10) == f"{number}\n".encode()


def test_a_client(transport: Transport) -> None:
    client = Client(transport)
    given, output, errors = client.exec_command("cat; echo no >&2", timeout=30)
    with given, output, errors:
        given.writelines(["yes\n", b"and\n", "no\n"])
        given.flush()
        assert output.readline() == "yes\n"
        given.close()
        assert given.closed
        assert output.readlines() == ["and\n", "no\n"]
        assert errors.read() == b"no\n"
        assert output.channel.recv_exit_status() == 0
    client.close()
    assert client.get_transport() is transport
    assert transport.is_active()


def test_what_it_knows(transport: Transport, server: Sshd) -> None:
    assert transport.getpeername() == (server.host, server.port)
    assert transport.get_username() == server.user
    assert transport.remote_version.startswith("SSH-2.0-OpenSSH")
    transport.set_keepalive(30)
    transport.close()
    assert transport.is_alive()


def test_lost(transport: Transport, server: Sshd) -> None:
    channel: Any = transport.open_session()
    channel.exec_command("sleep 60")
    channel.settimeout(30)
    server.close()
    assert channel.recv(10) == b""
    assert channel.recv_exit_status() == -1
    assert channel.send(b"x" * 10) in {0, 10}
    channel.close()
