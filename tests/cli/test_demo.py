"""``mooring demo`` as its users call it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.cli.calling import MOORING, mooring
from tests.peers.ending import ending


@pytest.fixture
def folder() -> Iterator[Path]:
    """Where temporary files go: a short path, since a Unix socket's may have a hundred bytes."""
    with tempfile.TemporaryDirectory(prefix="m-") as folder:
        yield Path(folder)


def test_everything_is_shown_and_nothing_is_left(folder: Path) -> None:
    done = mooring("demo", environment={**os.environ, "TMPDIR": str(folder)})
    assert (done.returncode, done.stderr) == (0, "")
    for shown in (
        r"^sw1 +up ",
        r"^== sw1, sw5, sw7, sw9, sw11",
        r'"stdout": "host-2\\n"',
        r"^host-1$",
        r"^  a device that is not known calls as device3, and proves ssh-ed25519 SHA256:",
        r"^core3 +up .* called home +admin@127\.0\.0\.1:",
        r"^== core3",
        r"^Hostname: device3$",
        r"openssh  up -> backoff: the connection .* was lost",
        r"openssh  connecting -> up: connected to",
        r"^here again$",
        r"with exit code 0\.$",
    ):
        assert re.search(shown, done.stdout, re.MULTILINE), shown
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("shown", ["mooringd --config", "run openssh", "(the link is cut)"])
def test_ctrl_c_ends_it_clean(folder: Path, shown: str) -> None:
    with ending(
        subprocess.Popen(
            [*MOORING, "demo"],
            env={**os.environ, "TMPDIR": str(folder)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        while shown not in process.stdout.readline():
            assert process.poll() is None
        started = psutil.Process(process.pid).children(recursive=True)
        os.killpg(process.pid, signal.SIGINT)  # a terminal sends it to all of them
        _, rest = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in rest
    assert started
    _, alive = psutil.wait_procs(started, timeout=30)
    assert [child.name() for child in alive if child.status() != psutil.STATUS_ZOMBIE] == []
    assert list(folder.iterdir()) == []
