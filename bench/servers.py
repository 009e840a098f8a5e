"""The servers that every contender is measured against: a simulated host, a fleet of them, and sshd."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.peers.account import current, throwaway
from tests.peers.keys import Keyring
from tests.peers.sshd import Sshd

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["Server", "openssh", "simulated"]


@dataclass(frozen=True)
class Server:
    """Where to log in, and with what; the same for every contender.

    Attributes:
        host: An address.
        ports: One for each host.
        user: The login.
        key: An ed25519 private key.
        known_hosts: A file that trusts every host.
    """

    host: str
    ports: list[int]
    user: str
    key: str
    known_hosts: str


@contextlib.contextmanager
def simulated(count: int, folder: Path) -> Iterator[Server]:
    """Simulated hosts, all in one process of their own, without a limit on channels."""
    key = Keyring(folder).key("client")
    command = [sys.executable, "-m", "mooring.simulate", "hosts"]
    options = ["--count", str(count), "--authorized-keys", str(key.with_suffix(".pub"))]
    with subprocess.Popen([*command, *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None  # noqa: S101 - both are pipes
        assert process.stdout is not None  # noqa: S101 - likewise
        ready = json.loads(process.stdout.readline())
        known_hosts = folder / f"known_hosts-{count}"
        known_hosts.write_text("\n".join(ready["known_hosts"]) + "\n")
        hosts = ready["hosts"]
        ports = [host["port"] for host in hosts]
        yield Server(hosts[0]["host"], ports, "bench", str(key), str(known_hosts))
        process.stdin.close()  # which ends it


@contextlib.contextmanager
def openssh(folder: Path) -> Iterator[Server]:
    """An sshd that allows 100 channels a connection. Its user has ``/bin/sh``, where we may make one."""
    keyring = Keyring(folder)
    with throwaway() as account, Sshd(keyring, account or current(), folder, {"MaxSessions": 100}) as sshd:
        yield Server(sshd.host, [sshd.port], sshd.user, str(sshd.client_key), str(sshd.known_hosts))
