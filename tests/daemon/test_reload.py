"""SIGHUP touches what changed, and a mistake in the file nothing at all: against a real sshd."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.daemon import certificate
from tests.daemon.running import RunningDaemon
from tests.daemon.targets import dsn, table
from tests.peers.sshd import Sshd

StartDaemon = Callable[..., RunningDaemon]


def _statuses(daemon: RunningDaemon) -> dict[str, dict[str, Any]]:
    return {status["alias"]: status for status in daemon.client.request("GET", "/v1/sessions")["sessions"]}


def _life(status: Mapping[str, Any]) -> tuple[object, ...]:
    return status["connects"], status["since"], status["state"]


def test_one_session_that_changed_is_all_that_is_touched(start_daemon: StartDaemon, sshd: Sshd) -> None:
    three = "".join(table(alias, sshd) for alias in ("same1", "same2", "gone"))
    daemon = start_daemon(config=three + table("changed", sshd))
    daemon.client.request("POST", "/v1/sessions", {"target": dsn("api", sshd)})
    daemon.wait_state("same1", "same2", "gone", "changed", "api")
    before = _statuses(daemon)
    results: list[str] = []

    def run() -> None:
        results.append(
            daemon.client.request("POST", "/v1/sessions/same1/run", {"command": "read line; echo $line", "input": "x"})[
                "stdout"
            ]
        )

    command = threading.Thread(target=run, daemon=True)
    command.start()
    two = "".join(table(alias, sshd) for alias in ("same1", "same2"))
    daemon.reload(two + table("changed", sshd, label="site:ams") + table("new", sshd))
    command.join()
    assert "reloaded: 1 started, 1 replaced, 1 stopped, 2 unchanged" in daemon.log()
    daemon.wait_state("changed", "new")
    after = _statuses(daemon)
    assert sorted(after) == ["api", "changed", "new", "same1", "same2"]
    for alias in ("same1", "same2", "api"):
        assert _life(after[alias]) == _life(before[alias])
    assert after["changed"]["labels"] == ["site:ams"]
    assert results == ["x\n"]


def test_nothing_changed_touches_nothing(start_daemon: StartDaemon, sshd: Sshd) -> None:
    config = table("web1", sshd)
    daemon = start_daemon(config=config)
    daemon.wait_state("web1")
    before = _statuses(daemon)
    daemon.reload(config + "# a comment\n")
    assert "reloaded: 0 started, 0 replaced, 0 stopped, 1 unchanged" in daemon.log()
    assert _life(_statuses(daemon)["web1"]) == _life(before["web1"])


def test_a_mistake_changes_nothing_and_is_named(start_daemon: StartDaemon, sshd: Sshd) -> None:
    config = table("web1", sshd)
    daemon = start_daemon(config=config)
    daemon.wait_state("web1")
    before = _statuses(daemon)
    daemon.reload("[sessions.web2]\nhots = 'a'\n")
    assert f"not reloaded: {daemon.config_file}:4: unknown key 'hots' in [sessions.web2]" in daemon.log()
    assert {alias: _life(status) for alias, status in _statuses(daemon).items()} == {"web1": _life(before["web1"])}
    daemon.reload(config)
    assert "reloaded: 0 started" in daemon.log()


def test_what_only_a_restart_changes_is_told(shared_daemon: RunningDaemon) -> None:
    shared_daemon.reload('hosts = ["other"]\nlog_level = "debug"\n')
    shared_daemon.reload("")
    assert "only a restart changes hosts, log_level" in shared_daemon.log()


def test_a_session_of_the_command_line_stays(start_daemon: StartDaemon, sshd: Sshd) -> None:
    daemon = start_daemon(arguments=["--channel", dsn("flag", sshd)])
    daemon.wait_state("flag")
    daemon.reload(table("file", sshd))
    assert "reloaded: 1 started, 0 replaced, 0 stopped, 1 unchanged" in daemon.log()


def test_many_at_once_are_survived(start_daemon: StartDaemon, sshd: Sshd) -> None:
    daemon = start_daemon(config=table("web1", sshd))
    for _ in range(20):
        os.kill(daemon.pid, signal.SIGHUP)
    daemon.reload(table("web1", sshd) + table("web2", sshd))
    daemon.wait_state("web1", "web2")
    assert daemon.terminate() == 0


def test_a_new_certificate_is_taken(start_daemon: StartDaemon, tmp_path: Path) -> None:
    cert, key = certificate.make(tmp_path)
    config = f"[tls]\ncert = '{cert}'\nkey = '{key}'\n"
    daemon = start_daemon(config=config)
    _shake_hands(daemon, cert)
    old = cert.read_text()
    certificate.make(tmp_path)
    daemon.reload(config)
    _shake_hands(daemon, cert)
    good = cert.rename(tmp_path / "good.pem")
    cert.write_text(old)  # which is not that of the key
    daemon.reload(config)
    assert f"not reloaded: [tls] {cert} and {key} cannot be used: " in daemon.log()
    _shake_hands(daemon, good)


def _shake_hands(daemon: RunningDaemon, cert: Path) -> None:
    trusting = ssl.create_default_context(cafile=str(cert))
    with socket.create_connection(("127.0.0.1", daemon.port), timeout=30) as connection:
        trusting.wrap_socket(connection, server_hostname="127.0.0.1").close()
