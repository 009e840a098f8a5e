"""What is waited for in vain must be interrupted, each time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.peers.ending import ending

HANGING = """
import threading
import pytest
import tests.waits

tests.waits.TEARDOWN, tests.waits.AGAIN = 1.0, 0.3

@pytest.fixture
def hanging():
    yield
    threading.Event().wait()

@pytest.fixture
def hanging_too():
    yield
    threading.Event().wait()

def test_failed(hanging, hanging_too):
    assert False

def test_hung():
    try:
        threading.Event().wait()
    finally:
        threading.Event().wait()

def test_passed():
    pass
"""


def test_every_wait_of_a_failed_test_ends(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent.parent))
    pytester.makepyfile(HANGING)
    result = pytester.runpytest_subprocess("-p", "tests.waits", "--timeout", "1", "-rfEp", timeout=60)
    result.assert_outcomes(passed=1, failed=2, errors=1)
    result.stdout.fnmatch_lines_random(["ERROR *::test_failed*", "FAILED *::test_hung*", "PASSED *::test_passed"])


def test_a_program_ends_with_its_test_and_all_that_it_started() -> None:
    reader, writer = os.pipe()
    command = ["sh", "-c", "sleep 600 & exec sleep 600"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=writer, start_new_session=True)
    os.close(writer)
    with os.fdopen(reader, "rb") as held:
        with pytest.raises(KeyError), ending(process):
            raise KeyError
        assert held.read() == b""
    assert process.returncode == -signal.SIGKILL


def test_a_program_that_does_not_read_is_not_waited_for() -> None:
    with ending(subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)) as process:
        assert process.stdin is not None
        process.stdin.write(b"never flushed")
    assert process.returncode == -signal.SIGKILL
