"""No password leaves the daemon: not by its command line, its environment, its log, its answers or its files."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from mooring.model.errors import MooringError
from tests.daemon.running import RunningDaemon
from tests.peers.account import Account
from tests.peers.sshd import Sshd

StartDaemon = Callable[..., RunningDaemon]

WRONG = "w-r-o-n-g-hunter2"


def _dsn(alias: str, sshd: Sshd, account: Account, password: str) -> str:
    return (
        f"{alias}://{account.name}:{password}@{sshd.host}:{sshd.port}?known_hosts={sshd.known_hosts}&identity=none"
        "&connect_timeout=5"
    )


def _answers(daemon: RunningDaemon, sshd: Sshd, account: Account) -> Iterator[Any]:
    """What the daemon says to all that may make it say a password."""
    client = daemon.client
    yield client.request("POST", "/v1/sessions", {"target": _dsn("posted", sshd, account, account.password)})
    yield client.request("POST", "/v1/sessions", {"target": _dsn("wrong", sshd, account, WRONG)})
    by_option = {"target": f"option://{account.name}@{sshd.host}:{sshd.port}", "password": account.password}
    for method, path, body in [
        ("POST", "/v1/sessions", by_option | {"known_hosts": str(sshd.known_hosts), "identity": "none"}),
        ("POST", "/v1/sessions", {"target": _dsn("posted", sshd, account, account.password)}),  # in use
        ("POST", "/v1/sessions", {"target": f"bad://a:{account.password}@b@c"}),
        ("POST", "/v1/sessions", {"target": f"bad://a:{account.password}@b:port"}),
        ("POST", "/v1/sessions", {"target": 1, "password": account.password}),
        ("POST", "/v1/sessions", {"target": "bad://b", "pasword": account.password}),
        ("POST", "/v1/sessions", [account.password]),
        ("POST", "/channels", f"chan://{account.name}:{account.password}@{sshd.host}:{sshd.port}"),
        ("GET", "/channels", None),
        ("GET", "/v1/sessions", None),
        ("GET", "/metrics", None),
        ("GET", "/schema/openapi.json", None),
    ]:
        try:
            yield client.request(method, path, body)
        except MooringError as error:
            yield str(error)
    daemon.wait_state("wrong", state="parked")
    daemon.wait_state("flag", "file", "posted")
    yield client.request("GET", "/v1/sessions")
    for name, value in client.events("/v1/events"):
        yield name, value
        break
    yield client.request("POST", "/v1/sessions/posted/run", {"command": "cat", "input": "fine"})


def test_no_password_leaves(start_daemon: StartDaemon, sshd: Sshd, account: Account) -> None:
    config = (
        f'log = "json"\nlog_level = "debug"\n[sessions.file]\nhost = "{sshd.host}"\nport = {sshd.port}\n'
        f'username = "{account.name}"\npassword = "{account.password}"\nidentity = "none"\n'
        f'known_hosts = "{sshd.known_hosts}"\n'
    )
    daemon = start_daemon(config=config, arguments=["--channel", _dsn("flag", sshd, account, account.password)])
    answers = [json.dumps(answer) for answer in _answers(daemon, sshd, account)]
    assert len(answers) == 17
    told = "\n".join(answers) + "\n".join(_process(daemon.pid))
    daemon.restart()  # by SIGKILL: what was not yet checkpointed is in the log of the database
    daemon.wait_state("flag", "file", "posted")
    told += "\n".join(_process(daemon.pid))
    daemon.reload(config + "[sessions.other]\npassword = 1\n")
    for path in daemon.state_dir.rglob("*"):
        if path.is_file():
            told += path.read_bytes().decode("latin-1")
    daemon.terminate()
    told += daemon.log()
    for password in (account.password, WRONG):
        assert password not in told
    assert "********" in told


def _process(pid: int) -> Iterator[str]:
    """What anybody may see of a process, and of all below it."""
    for name in ("cmdline", "environ", "comm", "status"):
        with contextlib.suppress(OSError):
            yield Path(f"/proc/{pid}/{name}").read_text(errors="replace")


def test_the_key_is_rotated_by_a_command(start_daemon: StartDaemon, sshd: Sshd, account: Account) -> None:
    daemon = start_daemon()
    daemon.client.request("POST", "/v1/sessions", {"target": _dsn("posted", sshd, account, account.password)})
    daemon.wait_state("posted")

    def rotate() -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "mooring.cli.mooringd", "--rotate-key"]
        return subprocess.run(command, env=daemon.environment(), capture_output=True, text=True, check=False)

    refused = rotate()
    assert refused.returncode == 1
    assert f"another mooringd, process {daemon.pid}, uses the state directory" in refused.stderr
    daemon.terminate()
    key = (daemon.state_dir / "key").read_bytes()
    done = rotate()
    assert (done.returncode, done.stderr) == (0, "")
    assert (daemon.state_dir / "key").read_bytes() != key
    daemon.start()
    daemon.wait_state("posted")
    daemon.terminate()
    (daemon.state_dir / "key").unlink()
    lost = rotate()
    assert lost.returncode == 1
    assert "what the old one sealed could not be opened for posted" in lost.stderr


def test_a_lost_key_says_whose_password_is_needed_again(
    start_daemon: StartDaemon, sshd: Sshd, account: Account
) -> None:
    daemon = start_daemon()
    target = _dsn("posted", sshd, account, account.password)
    daemon.client.request("POST", "/v1/sessions", {"target": target})
    daemon.wait_state("posted")
    daemon.terminate()
    (daemon.state_dir / "key").unlink()
    daemon.start()
    daemon.wait_state("posted", state="parked")
    assert "the password of posted is needed again" in daemon.log()
    status = daemon.client.request("GET", "/v1/sessions/posted")
    assert (status["error"], status["reason"][:38]) == ("credential-error", "the password of posted is needed again")
    daemon.client.request("POST", "/v1/sessions", {"target": target, "replace": True})
    daemon.wait_state("posted")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to look at every process")
def test_no_process_of_the_daemon_shows_a_password(start_daemon: StartDaemon, sshd: Sshd, account: Account) -> None:
    start_daemon(arguments=["--channel", _dsn("flag", sshd, account, account.password)])
    shown = [pid for pid in psutil.pids() if account.password in "".join(_process(pid))]
    assert shown == []
