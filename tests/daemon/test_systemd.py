"""What a service manager gives and wants, with a real datagram socket and real inherited ones."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mooring.daemon import systemd


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """The manager's end of NOTIFY_SOCKET."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(str(tmp_path / "notify"))
        channel.settimeout(30)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield channel


def test_news_are_one_datagram(manager: socket.socket) -> None:
    systemd.notify(READY="1", STATUS="all is well")
    assert manager.recv(1000) == b"READY=1\nSTATUS=all is well"


def test_a_reload_tells_its_time(manager: socket.socket) -> None:
    systemd.reloading()
    first, second = manager.recv(1000).decode().split("\n")
    assert first == "RELOADING=1"
    assert second.removeprefix("MONOTONIC_USEC=").isdecimal()


@pytest.mark.skipif(sys.platform != "linux", reason="the abstract namespace is Linux's")
def test_an_abstract_socket_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(f"\0mooring-test-{os.getpid()}")
        channel.settimeout(30)
        monkeypatch.setenv("NOTIFY_SOCKET", f"@mooring-test-{os.getpid()}")
        systemd.notify(READY="1")
        assert channel.recv(1000) == b"READY=1"


@pytest.mark.parametrize("address", ["", "relative", "/nowhere/at/all"])
def test_without_a_manager_nothing_happens(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    systemd.notify(READY="1")


@pytest.mark.parametrize(
    ("microseconds", "pid", "interval"),
    [
        ("3000000", None, 1.5),
        ("3000000", "own", 1.5),
        ("3000000", "1", None),
        ("0", None, None),
        ("", None, None),
    ],
)
def test_the_watchdog_is_fed_twice_in_its_time(
    microseconds: str, pid: str | None, interval: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", microseconds)
    monkeypatch.delenv("WATCHDOG_PID", raising=False)
    if pid is not None:
        monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()) if pid == "own" else pid)
    assert systemd.watchdog_interval() == interval


_CHILD = """
import json, os, sys
from mooring.daemon.systemd import inherited_sockets
if sys.argv[1] == "ours": os.environ["LISTEN_PID"] = str(os.getpid())
sockets = inherited_sockets()
print(json.dumps([[s.getsockname(), s.get_inheritable()] for _, s in sockets] + [len(inherited_sockets())]))
"""


@pytest.mark.parametrize("whose", ["ours", "another's"])
def test_sockets_are_inherited_by_whom_they_are_for(whose: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        # The first inherited descriptor is 3: put ours there, in the child.
        program = f"import os, sys; os.dup2({listener.fileno()}, 3); os.execv(sys.executable, sys.argv[1:])"
        done = subprocess.run(
            [sys.executable, "-c", program, sys.executable, "-c", _CHILD, whose],
            env={**os.environ, "LISTEN_FDS": "1", "LISTEN_PID": "1"},
            pass_fds=(listener.fileno(), 3),
            capture_output=True,
            check=False,
            timeout=30,
        )
        expected = [[[*listener.getsockname()], False], 0] if whose == "ours" else [0]
    assert (done.stderr, json.loads(done.stdout)) == (b"", expected)
