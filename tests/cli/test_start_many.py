"""``mooring start --inventory`` as its users call it, and the same file read by the daemon itself."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.calling import mooring
from tests.daemon.running import RunningDaemon
from tests.peers.sshd import Sshd


def inventory(folder: Path, server: Sshd, hosts: str = "edge[1:2]") -> Path:
    path = folder / "hosts.ini"
    path.write_text(
        f"[web]\n{hosts}\n[db]\ndb1\n[all:vars]\nansible_host={server.host}\nansible_port={server.port}\n"
        f"ansible_user={server.user}\nansible_ssh_private_key_file={server.client_key}\n"
        f"mooring_known_hosts={server.known_hosts}\nansible_become=yes\n"
    )
    return path


def labels(daemon: RunningDaemon) -> dict[str, list[str]]:
    sessions = daemon.client.request("GET", "/v1/sessions")["sessions"]
    return {session["alias"]: session["labels"] for session in sessions}


def test_hosts_of_an_inventory_are_started(shared_daemon: RunningDaemon, sshd: Sshd, tmp_path: Path) -> None:
    daemon = shared_daemon
    inventory(tmp_path, sshd)
    words = ["start", "--inventory", "hosts.ini", "--label", "site:ams"]
    done = mooring(*words, "group:web", environment=daemon.environment(), cwd=tmp_path)
    told = "mooring start: ansible_become is passed over: edge1, edge2, db1\n"
    assert (done.returncode, done.stdout, done.stderr) == (0, "edge1\nedge2\n", told)
    assert labels(daemon) == {"edge1": ["group:web", "site:ams"], "edge2": ["group:web", "site:ams"]}
    started = daemon.client.request("GET", "/v1/sessions/edge1")["since"]
    done = mooring(*words, "--json", environment=daemon.environment(), cwd=tmp_path)
    assert (done.returncode, [json.loads(line)["alias"] for line in done.stdout.splitlines()]) == (
        0,
        ["edge1", "edge2", "db1"],
    )
    assert daemon.client.request("GET", "/v1/sessions/edge1")["since"] == started
    done = mooring("run", "group:*", "echo hi", environment=daemon.environment())
    assert done.stdout == "== db1, edge1, edge2\nhi\n"


def test_those_that_are_not_up_are_told(shared_daemon: RunningDaemon, sshd: Sshd, tmp_path: Path) -> None:
    daemon = shared_daemon
    path = inventory(tmp_path, sshd, "edge1\nedge2 ansible_ssh_private_key_file=/no/such/key mooring_host_key=off")
    done = mooring("start", "--inventory", str(path), environment=daemon.environment())
    assert (done.returncode, done.stdout) == (1, "edge1\ndb1\n")
    assert "mooring start: host keys are not checked, since it says so: edge2\n" in done.stderr
    assert "edge2 parked: " in done.stderr


@pytest.mark.parametrize(
    ("words", "code", "fault"),
    [
        (["--inventory", "nothing"], 2, "No such file"),
        (["--inventory", "hosts.ini", "x*"], 255, "has no host that is meant by 'x*'"),
        (["--inventory", "hosts.ini", "--ask-password"], 2, "--ask-password is for one session"),
        ([], 2, "Missing argument 'TARGET'"),
    ],
)
def test_what_cannot_be_started_is_told(tmp_path: Path, words: list[str], code: int, fault: str) -> None:
    (tmp_path / "hosts.ini").write_text("[web]\nedge1\n")
    environment = {**os.environ, "MOORING_SOCKET": str(tmp_path / "nobody")}
    done = mooring("start", *words, environment=environment, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (code, "")
    assert fault in done.stderr


def test_the_daemon_reads_it_at_its_start_and_with_each_reload(
    start_daemon: Callable[..., RunningDaemon], sshd: Sshd, tmp_path: Path
) -> None:
    path = inventory(tmp_path, sshd)
    own = f'[inventory]\nfiles = ["{path}"]\nselect = "!db1"\n[sessions.edge2]\nhost = "127.0.0.1"\nlabel = "own:yes"\n'
    daemon = start_daemon(config=own)
    daemon.wait_state("edge1")
    assert labels(daemon) == {"edge1": ["group:web"], "edge2": ["own:yes"]}
    assert f"{path}: ansible_become is passed over: edge1, edge2, db1" in daemon.log()
    inventory(tmp_path, sshd, "edge3 mooring_host_key=off")
    daemon.reload(own)
    assert f"{path}: host keys are not checked, since it says so: edge3" in daemon.log()
    assert labels(daemon) == {"edge2": ["own:yes"], "edge3": ["group:web"]}
    path.write_text("[web\n")
    daemon.reload(own)
    assert f"not reloaded: {path}:1: " in daemon.log()
    assert labels(daemon) == {"edge2": ["own:yes"], "edge3": ["group:web"]}
