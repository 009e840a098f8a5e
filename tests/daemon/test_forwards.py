"""Forwards of a running daemon, from its command line and over its restarts."""

from __future__ import annotations

import json
import os
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from mooring import ForwardInUse, PortTaken, UnknownForward
from mooring.simulate.ports import ReservedPort
from tests.cli.calling import mooring
from tests.daemon.running import RunningDaemon
from tests.daemon.targets import table
from tests.peers.sshd import Sshd


@pytest.fixture
def echo() -> Iterator[int]:
    """A server that sends back what one read takes; its port."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                connection, _ = server.accept()
                with connection:
                    if (data := connection.recv(100)) == b"end":
                        return
                    connection.sendall(data)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        with socket.create_connection(server.getsockname()) as last:
            last.sendall(b"end")
        thread.join()


@pytest.fixture(scope="module")
def _daemon(sshd: Sshd, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDaemon]:
    with RunningDaemon(tmp_path_factory.mktemp("d"), config=table("edge1", sshd)) as daemon:
        yield daemon


@pytest.fixture
def daemon(_daemon: RunningDaemon) -> Iterator[RunningDaemon]:
    """A daemon that holds edge1, and no forward when a test begins."""
    _daemon.wait_state("edge1")
    yield _daemon
    for forward in _daemon.client.request("GET", "/v1/forwards")["forwards"]:
        _daemon.client.request("DELETE", f"/v1/forwards/{forward['alias']}/{forward['name']}")


def ask(port: int) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(b"hello")
        return connection.recv(100)


@pytest.fixture
def ports() -> Iterator[tuple[int, int]]:
    """Two ports that nobody else gets while the daemon is down."""
    with closing(ReservedPort()) as near, closing(ReservedPort()) as far:
        yield near.port, far.port


def test_they_are_added_listed_and_removed(daemon: RunningDaemon, echo: int, ports: tuple[int, int]) -> None:
    environment, (local, remote) = daemon.environment(), ports
    added = mooring(
        "forward", "add", "-L", f"{local}:127.0.0.1:{echo}", "-R", f"{remote}:127.0.0.1:{echo}", "-D", "0", "edge1",
        environment=environment,
    )  # fmt: skip
    assert (added.returncode, added.stderr) == (0, "")
    names, places = zip(*(line.split() for line in added.stdout.splitlines()), strict=True)
    assert names == (f"local-{local}", f"remote-{remote}", "socks")
    assert places == (f"127.0.0.1:{local}", f"localhost:{remote}", places[2])
    assert places[2].startswith("127.0.0.1:")
    assert (ask(local), ask(remote)) == (b"hello", b"hello")
    table = _list(daemon, "edge*")
    assert table.splitlines()[0].split()[:4] == ["ALIAS", "NAME", "KIND", "STATE"]
    assert f"127.0.0.1:{local}" in table

    for forward in names:
        assert mooring("forward", "remove", "edge1", forward, environment=environment).returncode == 0
    with pytest.raises(ConnectionRefusedError):
        ask(local)
    daemon.restart()
    assert _list(daemon) == ""
    gone = mooring("forward", "remove", "edge1", names[0], environment=environment)
    assert gone.returncode == 255
    assert "edge1 has no forward of that name" in gone.stderr


def test_they_come_back_with_the_daemon(daemon: RunningDaemon, echo: int, ports: tuple[int, int]) -> None:
    names = ("local", "remote", "socks")
    for name, listen in zip(names, (*ports, 0), strict=True):
        destination = None if name == "socks" else f"127.0.0.1:{echo}"
        body = {"alias": "edge1", "kind": name, "name": name, "listen": listen, "destination": destination}
        daemon.client.request("POST", "/v1/forwards", body)
    socks = _listed(daemon)["socks"]["listen"]
    assert socks != "127.0.0.1:0"

    daemon.terminate()
    with pytest.raises(ConnectionRefusedError):
        ask(ports[0])
    daemon.start()
    assert ask(ports[0]) == b"hello"  # who comes before the session is up waits for it
    daemon.wait_state("edge1")
    listed: dict[str, dict[str, str]] = {}
    for name, event in daemon.client.events("/v1/events"):
        listed = _listed(daemon)
        if listed["local"]["state"] == listed["remote"]["state"] == "standing":
            break
        assert name in {"snapshot", "restored"}, event
    assert ask(ports[1]) == b"hello"
    assert tuple((name, forward["kind"]) for name, forward in listed.items()) == tuple((name, name) for name in names)
    assert listed["socks"]["listen"] == socks  # chosen once and kept: it waits if somebody else has the port now


def _listed(daemon: RunningDaemon) -> dict[str, dict[str, str]]:
    return {forward["name"]: forward for forward in map(json.loads, _list(daemon, "--json").splitlines())}


def _list(daemon: RunningDaemon, *words: str) -> str:
    done = mooring("forward", "list", *words, environment=daemon.environment())
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_unix_sockets_come_back_too(daemon: RunningDaemon, echo: int) -> None:
    with tempfile.TemporaryDirectory(prefix="mf-") as folder:
        Path(folder).chmod(0o777)
        near, far = Path(folder, "near"), Path(folder, "far")
        added = mooring(
            "forward", "add", "-L", f"{near}:127.0.0.1:{echo}", "-R", f"{far}:127.0.0.1:{echo}", "edge1",
            environment=daemon.environment(),
        )  # fmt: skip
        assert (added.returncode, added.stdout) == (0, f"local-near  {near}\nremote-far  {far}\n"), added.stderr
        daemon.kill()  # so that nothing is tidied up
        assert near.exists()
        daemon.start()
        daemon.wait_state("edge1")
        for name, event in daemon.client.events("/v1/events"):
            listed = daemon.client.request("GET", "/v1/forwards")["forwards"]
            if all(forward["state"] == "standing" for forward in listed):
                break
            assert name in {"snapshot", "restored"}, event
        for path in (near, far) if os.geteuid() == 0 else (near,):  # the far one is for the login alone
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(30)
                connection.connect(str(path))
                connection.sendall(b"hello")
                assert connection.recv(100) == b"hello"


def test_what_cannot_be(daemon: RunningDaemon) -> None:
    environment = daemon.environment()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = mooring("forward", "add", "-L", f"{port}:db:1", "edge1", environment=environment)
        assert done.returncode != 0
        assert f"127.0.0.1:{port} is taken by " in done.stderr
        body = {"alias": "edge1", "kind": "local", "listen": port, "destination": "db:1"}
        with pytest.raises(PortTaken):
            daemon.client.request("POST", "/v1/forwards", body)
    daemon.client.request("POST", "/v1/forwards", body | {"listen": 0, "name": "x"})
    with pytest.raises(ForwardInUse):
        daemon.client.request("POST", "/v1/forwards", body | {"listen": 0, "name": "x"})
    with pytest.raises(UnknownForward):
        daemon.client.request("GET", "/v1/forwards/edge1/y")
    for words, told in {
        ("add", "edge1"): "-L, -R or -D is needed",
        ("add", "-L", "8080", "edge1"): "'8080' is no [bind:]port:host:port",
        ("add", "-L", "1:a:1", "-L", "2:a:1", "--name", "x", "edge1"): "--name is for one forward",
        ("send",): "there is no `mooring forward send`",
        (): "what to do is missing",
    }.items():
        done = mooring("forward", *words, environment=environment)
        assert (done.returncode, done.stdout) == (2, "")
        assert told in done.stderr
    assert "usage: mooring forward add|list|remove" in mooring("forward", "-h", environment=environment).stdout


def test_a_session_that_is_stopped_takes_its_forwards_along(daemon: RunningDaemon, echo: int) -> None:
    body = {"alias": "edge1", "kind": "local", "listen": 0, "destination": f"127.0.0.1:{echo}", "name": "x"}
    daemon.client.request("POST", "/v1/forwards", body)
    daemon.client.request("DELETE", "/v1/sessions/edge1")
    daemon.restart()
    daemon.wait_state("edge1")
    assert daemon.client.request("GET", "/v1/forwards")["forwards"] == []
