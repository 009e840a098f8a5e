"""Who gets in, who does not, and that a crowd before the door keeps nobody out: against the real process."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mooring.daemon.strangers import Limits
from mooring.model.errors import Unauthenticated
from tests.daemon import certificate
from tests.daemon.running import RunningDaemon

StartDaemon = Callable[..., RunningDaemon]

NOBODY = 65_534


@pytest.fixture(scope="module", autouse=True)
def halves(_kept_daemon: RunningDaemon) -> Iterator[list[socket.socket]]:
    """Half a request at each door: they are given ten seconds, in which the other tests run."""
    daemon = _kept_daemon
    with socket.socket(socket.AF_UNIX) as unix, socket.create_connection(("127.0.0.1", daemon.port)) as tcp:
        unix.connect(str(daemon.socket))
        for one in (unix, tcp):
            one.settimeout(Limits().head_seconds + 30)
            one.sendall(b"GET /v1/sess")
        yield [unix, tcp]


def _ask(daemon: RunningDaemon, **headers: str) -> tuple[int, dict[str, object]]:
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=30)) as connection:
        connection.request("GET", "/v1/sessions", headers=headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())


def test_without_the_token_nobody_gets_in(shared_daemon: RunningDaemon) -> None:
    daemon = shared_daemon
    for header, told in {
        None: "no token was sent",
        "": "no bearer token was sent",
        "Bearer": "the token is not known here, or has ended",
        "Bearer wrong": "the token is not known here, or has ended",
        f"Basic {daemon.token}": "no bearer token was sent",
        f"Bearer {daemon.token}x": "the token is not known here, or has ended",
    }.items():
        status, problem = _ask(daemon, **{} if header is None else {"Authorization": header})
        assert (status, problem["code"], problem["detail"]) == (401, "unauthenticated", told)
        assert problem["hint"] == "send Authorization: Bearer TOKEN; the daemon's log says where its token is"
        assert daemon.token not in json.dumps(problem) + daemon.log()


def test_a_foreign_host_or_page_is_refused(start_daemon: StartDaemon) -> None:
    daemon = start_daemon(config='hosts = ["mooring.example.net"]\n')
    token = {"Authorization": f"Bearer {daemon.token}"}
    assert _ask(daemon, **token)[0] == 200
    assert _ask(daemon, **token, Host="mooring.example.net:1")[0] == 200
    assert _ask(daemon, **token, Host="evil.example.net")[0] == 403
    assert _ask(daemon, **token, Origin="http://evil.example.net")[0] == 403


def test_another_token_holds_after_a_restart(start_daemon: StartDaemon) -> None:
    daemon = start_daemon()
    old = daemon.tcp_client
    daemon.terminate()
    (daemon.state_dir / "token").unlink()
    daemon.start()
    with pytest.raises(Unauthenticated):
        old.request("GET", "/v1/sessions")
    assert daemon.tcp_client.request("GET", "/v1/sessions") == {"sessions": []}


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setpriv"), reason="needs root and setpriv, to be another")
def test_another_user_does_not_get_in_by_the_socket(start_daemon: StartDaemon) -> None:
    daemon = start_daemon()
    daemon.folder.chmod(0o755)
    program = (
        "import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]);"
        "s.sendall(b'GET /v1/sessions HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n');"
        "print(s.makefile('rb').read().decode())"
    )
    python = Path(sys.base_exec_prefix, "bin", "python3").resolve()
    command = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "python3", "-c", program]

    def try_it() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*command, str(daemon.socket)], capture_output=True, text=True, check=False, env={"PATH": "/usr/bin:/bin"}
        )

    if "No such file" in try_it().stderr:
        pytest.skip(f"nobody may not run {python}")
    assert "PermissionError" in try_it().stderr  # the directory
    daemon.state_dir.chmod(0o755)
    assert "PermissionError" in try_it().stderr  # the socket
    daemon.socket.chmod(0o666)
    answer = try_it().stdout  # the kernel says who it is
    assert answer.startswith("HTTP/1.1 401 ")
    assert f"uid {NOBODY} may not use this socket" in answer


def _descriptors(daemon: RunningDaemon) -> int:
    return len(list(Path(f"/proc/{daemon.pid}/fd").iterdir()))


@pytest.mark.skipif(sys.platform != "linux", reason="counts in /proc")
def test_a_crowd_before_the_door_keeps_nobody_out(start_daemon: StartDaemon) -> None:
    daemon = start_daemon()
    before = _descriptors(daemon)
    with contextlib.ExitStack() as crowd:
        known = crowd.enter_context(contextlib.closing(http.client.HTTPConnection("127.0.0.1", daemon.port)))
        token = {"Authorization": f"Bearer {daemon.token}"}
        known.request("GET", "/v1/sessions", headers=token)
        assert known.getresponse().read() == b'{"sessions":[]}'
        for number in range(500):
            idle = crowd.enter_context(socket.create_connection(("127.0.0.1", daemon.port)))
            idle.sendall(b"GET /" if number % 2 else b"")
        assert daemon.tcp_client.request("GET", "/v1/sessions") == {"sessions": []}
        deadline = time.monotonic() + 30
        while _descriptors(daemon) > before + Limits().strangers + 5 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert _descriptors(daemon) <= before + Limits().strangers + 5
        # Whoever was let in before keeps the connection.
        known.request("GET", "/v1/sessions", headers=token)
        assert known.getresponse().read() == b'{"sessions":[]}'


@pytest.mark.skipif(sys.platform != "linux", reason="counts in /proc")
def test_no_handshake_leaves_a_descriptor_behind(start_daemon: StartDaemon, tmp_path: Path) -> None:
    cert, key = certificate.make(tmp_path)
    daemon = start_daemon(config=f"[tls]\ncert = '{cert}'\nkey = '{key}'\n")
    before = _descriptors(daemon)
    for number in range(200):
        with socket.create_connection(("127.0.0.1", daemon.port)) as client:
            client.sendall((b"", b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00\x01")[number % 3])
    untrusting = ssl.create_default_context()
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", daemon.port)) as client, pytest.raises(ssl.SSLError):
            untrusting.wrap_socket(client, server_hostname="127.0.0.1")
    trusting = ssl.create_default_context(cafile=str(cert))
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", daemon.port)) as client:
            secured = trusting.wrap_socket(client, server_hostname="127.0.0.1")
            secured.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            assert secured.recv(15) == b"HTTP/1.1 200 OK"
            secured.close()
    deadline = time.monotonic() + 30
    while _descriptors(daemon) > before and time.monotonic() < deadline:
        time.sleep(0.05)
    assert _descriptors(daemon) <= before
    assert daemon.terminate() == 0
    assert "Traceback" not in daemon.log()


def test_half_a_request_ends_on_both_doors(halves: list[socket.socket]) -> None:
    for one in halves:
        assert one.recv(65536).startswith(b"HTTP/1.1 408 ")
        assert one.recv(1) == b""
