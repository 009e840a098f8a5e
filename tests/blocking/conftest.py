"""Peers for synchronous tests, and the end of the loop's thread after each."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing import resource_tracker
from typing import Any

import pytest
import uvloop

from mooring import blocking
from tests.peers.ending import ending
from tests.peers.sshd import Sshd


@dataclass(frozen=True)
class Peer:
    """Whom to connect to, and how."""

    dsn: str
    keywords: dict[str, Any]

    @property
    def alone(self) -> dict[str, Any]:
        """The keywords, and no ssh_config: for ``connect``."""
        return {**self.keywords, "config": None}

    def program(self, body: str) -> str:
        """A program that knows the peer as ``DSN`` and ``KEYWORDS``."""
        return f"import mooring.blocking\nDSN = {self.dsn!r}\nKEYWORDS = {self.keywords!r}\n{body}"


@pytest.fixture(scope="session", autouse=True)
def once_for_the_process() -> None:
    """Start what lives as long as the process: libuv's pipe for signals, and the tracker of multiprocessing."""
    uvloop.new_event_loop().close()
    resource_tracker.ensure_running()


@pytest.fixture(autouse=True)
def ended() -> Iterator[None]:
    """The loop's thread ends with the test; ``nothing_outlives`` looks after that."""
    yield
    blocking.shutdown()


@pytest.fixture
def peer(sshd: Sshd) -> Peer:
    """A real sshd."""
    return Peer(
        f"edge1://{sshd.user}@{sshd.host}:{sshd.port}?label=site:ams",
        {"known_hosts": str(sshd.known_hosts), "client_keys": [str(sshd.client_key)]},
    )


@pytest.fixture(scope="session")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Peer]]:
    """Twenty simulated hosts, in a process of their own."""
    known_hosts = tmp_path_factory.mktemp("fleet") / "known_hosts"
    with ending(
        subprocess.Popen(
            [sys.executable, "-m", "mooring.simulate", "hosts", "--count", "20", "--one-port"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
    ) as process:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        known_hosts.write_text("\n".join(ready["known_hosts"]) + "\n")
        yield [
            Peer(
                f"{host['name']}://{host['name']}@{host['host']}:{host['port']}",
                {"known_hosts": str(known_hosts), "client_keys": None},
            )
            for host in ready["hosts"]
        ]


def wait_idle(*sessions: blocking.Session) -> None:
    """Wait until no command is under way."""
    deadline = time.monotonic() + 30
    while any(session.status().channels.open for session in sessions):
        assert time.monotonic() < deadline
        time.sleep(0.01)
