"""The end of a daemon, ordered or not, and its return: no session is lost, no command left behind."""

from __future__ import annotations

import itertools
import os
import select
import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from mooring.client.channel import Channel, Kind, Opening
from mooring.model.errors import DaemonUnreachable
from tests.daemon.running import RunningDaemon
from tests.daemon.targets import dsn, table
from tests.peers.fixtures import StartSshd
from tests.peers.sshd import Sshd

StartDaemon = Callable[..., RunningDaemon]

PROMISED = 5.0
"""Seconds from SIGTERM to the end."""


@contextmanager
def _in_threads(*works: Callable[[], None]) -> Iterator[None]:
    threads = [threading.Thread(target=work, name=work.__name__, daemon=True) for work in works]
    for thread in threads:
        thread.start()
    yield
    for thread in threads:
        thread.join()


class Load:
    """Starts and stops sessions, and runs commands, until the daemon is gone."""

    def __init__(self, daemon: RunningDaemon, sshd: Sshd, busy: str) -> None:
        self._client = daemon.client
        self._sshd = sshd
        self._busy = busy
        self.started: list[str] = []
        self.stopped: list[str] = []
        self.ran = 0
        self.enough = threading.Event()

    def change(self) -> None:
        for number in itertools.count():
            self._client.request("POST", "/v1/sessions", {"target": dsn(f"load{number}", self._sshd)})
            self.started.append(f"load{number}")
            if number % 3 == 2:
                self._client.request("DELETE", f"/v1/sessions/load{number - 1}")
                self.stopped.append(f"load{number - 1}")

    def run(self) -> None:
        while True:
            self._client.request("POST", f"/v1/sessions/{self._busy}/run", {"command": "true"})
            self.ran += 1
            if self.ran > 20 and len(self.started) > 12:
                self.enough.set()


def _until_gone(work: Callable[[], None]) -> Callable[[], None]:
    def until_gone() -> None:
        with pytest.raises(DaemonUnreachable):
            work()

    return until_gone


def test_every_session_is_back_after_sigkill_under_load(start_daemon: StartDaemon, sshd: Sshd) -> None:
    first = [f"first{number}" for number in range(5)]
    configured = ["config1", "config2"]
    daemon = start_daemon(config="".join(table(alias, sshd) for alias in configured))
    for alias in first:
        daemon.client.request("POST", "/v1/sessions", {"target": dsn(alias, sshd)})
    daemon.wait_state(*first)
    load = Load(daemon, sshd, first[0])
    with _in_threads(_until_gone(load.change), *[_until_gone(load.run)] * 3):
        assert load.enough.wait(60)
        daemon.kill()
    daemon.start()
    held = {status["alias"] for status in daemon.client.request("GET", "/v1/sessions")["sessions"]}
    # One start or stop was under way, and happened or did not.
    assert len(held ^ ({*first, *configured, *load.started} - {*load.stopped})) <= 1
    daemon.wait_state(*held)
    assert daemon.terminate() == 0
    with closing(sqlite3.connect(daemon.state_dir / "mooring.db")) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_sigterm_ends_commands_tells_their_callers_and_takes_less_than_five_seconds(
    start_daemon: StartDaemon, sshd: Sshd, peers_folder: Path
) -> None:
    daemon = start_daemon(config=table("web1", sshd))
    daemon.wait_state("web1")
    go = peers_folder / f"go-{daemon.pid}"
    watching = threading.Event()

    def run(command: str) -> Any:  # noqa: ANN401 - JSON
        return daemon.client.request("POST", "/v1/sessions/web1/run", {"command": command}, timeout=None)

    def watch() -> None:
        for name, _ in daemon.client.events("/v1/events"):
            assert name == "snapshot" or watching.is_set()
            watching.set()

    with ThreadPoolExecutor(3) as threads:
        long, watched = threads.submit(run, "exec sleep 987654"), threads.submit(watch)
        short = threads.submit(run, f"until [ -e {go} ]; do sleep 0.05; done; echo done")
        assert watching.wait(30)
        _wait_until_running(daemon, 2)
        start = time.monotonic()
        os.kill(daemon.pid, signal.SIGTERM)
        go.touch()
        assert daemon.terminate() == 0
        took = time.monotonic() - start
    go.unlink()
    assert took < PROMISED
    with pytest.raises(DaemonUnreachable) as told:
        long.result()
    assert told.value.message == "the daemon is ending; what was under way may have run"
    assert short.result()["stdout"] == "done\n"
    with pytest.raises(DaemonUnreachable):  # what was cut does not look whole
        watched.result()
    _wait_until_gone("987654")


def test_sigterm_ends_what_a_channel_holds(start_daemon: StartDaemon, sshd: Sshd) -> None:
    daemon = start_daemon(config=table("web1", sshd))
    daemon.wait_state("web1")
    channel = daemon.client.channel("web1", Opening("exec", "echo begun; exec sleep 876543"))
    try:
        assert _frames(channel, Kind.STDOUT) == b"begun\n"
        start = time.monotonic()
        assert daemon.terminate() == 0
        assert time.monotonic() - start < PROMISED
        with pytest.raises(DaemonUnreachable):
            _frames(channel, Kind.EXIT)
    finally:
        channel.close()
    _wait_until_gone("876543")


def _frames(channel: Channel, kind: Kind) -> bytes:
    """The payload of the next frame of a kind."""
    while True:
        select.select([channel], [], [], 10)
        for frame in channel.receive():
            if frame.kind is kind:
                return frame.payload


def test_a_peer_that_hangs_does_not_hold_the_end(start_daemon: StartDaemon, start_sshd: StartSshd) -> None:
    sshd = start_sshd()
    daemon = start_daemon(config=table("web1", sshd) + table("web2", sshd))
    daemon.wait_state("web1", "web2")
    sshd.suspend()
    try:
        start = time.monotonic()
        assert daemon.terminate() == 0
        assert time.monotonic() - start < PROMISED
    finally:
        sshd.resume()


def test_a_second_signal_changes_nothing(start_daemon: StartDaemon, sshd: Sshd) -> None:
    daemon = start_daemon(config=table("web1", sshd))
    daemon.wait_state("web1")

    def long() -> None:
        with pytest.raises(DaemonUnreachable):
            daemon.client.request("POST", "/v1/sessions/web1/run", {"command": "sleep 30"}, timeout=None)

    with _in_threads(long):
        _wait_until_running(daemon, 1)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            os.kill(daemon.pid, number)
        assert daemon.terminate() == 0
    assert daemon.log().count("ending: ") == 1


def _wait_until_running(daemon: RunningDaemon, channels: int) -> None:
    """Wait until so many commands are under way."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if daemon.client.request("GET", "/v1/sessions/web1")["channels"]["open"] >= channels:
            return
        time.sleep(0.02)
    raise TimeoutError("the commands did not start")


def _wait_until_gone(word: str) -> None:
    """Wait until no process of this machine has a word in its command line: sshd ends it as soon as it can."""
    deadline = time.monotonic() + 30
    while any(word in (each.info["cmdline"] or ()) for each in psutil.process_iter(["cmdline"])):
        if time.monotonic() > deadline:
            raise TimeoutError(f"what was called with {word} runs on")
        time.sleep(0.05)
