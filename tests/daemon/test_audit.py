"""Killed under load, a daemon has on record all that it had answered; and what somebody does to that shows."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from random import Random
from typing import Any

import pytest

from mooring.client import Daemon
from mooring.model.errors import MooringError
from tests.peers.sshd import Sshd

from .running import RunningDaemon
from .targets import table

StartDaemon = Callable[..., RunningDaemon]
CALLERS = 6
BOUND = 60.0


class Load:
    """Callers who run commands until there is nobody to ask; ``enough`` is set at a number of answers."""

    def __init__(self, daemon: RunningDaemon, number: int) -> None:
        self._daemon = daemon
        self._number = number
        self.answered: list[str] = []
        self.enough = threading.Event()

    def call(self, caller: int) -> None:
        client = Daemon(self._daemon.url, self._daemon.token)
        with suppress(MooringError):
            for number in range(10_000):
                command = f": caller {caller} number {number}"
                client.request("POST", "/v1/sessions/web1/run", {"command": command})
                self.answered.append(command)
                if len(self.answered) >= self._number:
                    self.enough.set()


def everything(client: Daemon) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    start = 1
    while start is not None:
        page = client.request("GET", f"/v1/audit?order=oldest&limit=1000&start={start}")
        found += page["records"]
        start = page["next"]
    return found


@pytest.mark.parametrize("seed", [1, 2])
def test_killed_under_load_it_has_all_that_was_answered(start_daemon: StartDaemon, sshd: Sshd, seed: int) -> None:
    daemon = start_daemon(config=table("web1", sshd))
    daemon.wait_state("web1")
    load = Load(daemon, Random(seed).randint(20, 120))
    with ThreadPoolExecutor(CALLERS) as threads:
        ended = [threads.submit(load.call, caller) for caller in range(CALLERS)]
        try:
            assert load.enough.wait(BOUND)
        finally:
            daemon.terminate(signal.SIGKILL)
    for each in ended:
        each.result()
    daemon.start()
    kept = everything(daemon.client)
    begun = [record["detail"]["command"] for record in kept if (record["what"], record["outcome"]) == ("run", "begun")]
    assert set(load.answered) <= set(begun)
    assert len(begun) - len(load.answered) <= CALLERS
    assert daemon.client.request("GET", "/v1/audit/verify")["faults"] == []
