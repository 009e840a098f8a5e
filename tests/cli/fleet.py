"""A daemon with a few sessions in every state that a person sees, shared by the tests that only look."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mooring.simulate.ports import ReservedPort
from tests.daemon.running import RunningDaemon
from tests.peers.ending import ending
from tests.peers.process import HOST


@contextmanager
def simulated(*arguments: str, what: str = "hosts") -> Iterator[dict[str, Any]]:
    """Simulated hosts, or devices, in a process of their own, and what it says of itself."""
    command = [sys.executable, "-m", "mooring.simulate", what, *arguments]
    with ending(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)) as process:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())


@contextmanager
def fleet() -> Iterator[RunningDaemon]:
    """``sw1`` and ``sw2`` are up, ``parked`` knows no host key, and nobody answers ``down``."""
    folder = Path(tempfile.mkdtemp(prefix="mooringd-"))
    nobody = ReservedPort(HOST)
    try:
        with simulated("--count", "3") as hosts:
            (folder / "known_hosts").touch()
            places = {"sw1": 0, "sw2": 1, "parked": 2}
            sections = [
                f'[sessions.{alias}]\nhost = "{HOST}"\nport = {hosts["hosts"][place]["port"]}\nusername = "demo"\n'
                + (
                    f'known_hosts = "{folder}/known_hosts"\nlabel = ["site:fra"]\n'
                    if alias == "parked"
                    else f'host_key = "{hosts["host_key"]}"\nlabel = ["site:ams", "role:access"]\n'
                )
                for alias, place in places.items()
            ]
            sections.append(
                f'[sessions.down]\nhost = "{HOST}"\nport = {nobody.port}\nusername = "zoë"\nhost_key = "off"\n'
            )
            with RunningDaemon(folder, config="".join(sections)) as daemon:
                daemon.wait_state("sw1", "sw2")
                daemon.wait_state("parked", state="parked")
                daemon.wait_state("down", state="backoff")
                yield daemon
    finally:
        nobody.close()
        shutil.rmtree(folder)
