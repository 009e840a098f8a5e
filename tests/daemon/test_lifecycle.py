"""What a running daemon is told from outside, and that nothing which hangs can keep it from ending."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mooring.daemon import Options, program
from tests.daemon.running import RunningDaemon
from tests.peers.ending import ending

_PROGRAM = """
import asyncio, sys, time
from mooring.daemon import lifecycle

async def begin():
    print("begun", flush=True)
    if sys.argv[1] == "begins for ever":
        await asyncio.sleep(1000)
    if sys.argv[1] == "cannot begin":
        raise ValueError("no")
    return "well"

async def reload():
    print("reload", flush=True)
    return "well"

async def main():
    try:
        await lifecycle.run_until_told(begin, reload)
    finally:
        print("over", flush=True)
    if sys.argv[1] == "a thread hangs":
        await asyncio.to_thread(time.sleep, 1000)
    if sys.argv[1] == "the loop hangs":
        time.sleep(1000)

if sys.argv[1].endswith("hangs"):  # what does not shall not be cut short on a slow machine
    lifecycle._END = 1.5
asyncio.run(main())
"""


@pytest.mark.parametrize("what", ["", "begins for ever", "a thread hangs", "the loop hangs"])
def test_sigterm_ends_it_whatever_it_does(what: str) -> None:
    start = [sys.executable, "-W", "error", "-c", _PROGRAM, what]
    with ending(subprocess.Popen(start, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        if not what:
            process.send_signal(signal.SIGHUP)
            assert process.stdout.readline() == "reload\n"
        process.send_signal(signal.SIGTERM)
        told, trouble = process.communicate(timeout=30)
    assert told == "over\n"
    if what.endswith("hangs"):
        assert process.returncode == 1
        assert "Timeout (0:00:01.500000)!" in trouble
        assert "sleep" in trouble or 'File "<string>"' in trouble  # where it hung
    else:
        assert (process.returncode, trouble) == (0, "")


def test_what_cannot_begin_says_so() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, "cannot begin"], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.stdout == "begun\nover\n"
    assert done.stderr.endswith("ValueError: no\n")


def test_without_its_libraries_it_says_what_to_install() -> None:
    program = (
        "import sys; sys.modules['litestar'] = None; from mooring.cli import mooringd; "
        "sys.argv = ['mooringd', '--config', '/dev/null']; sys.exit(mooringd.main())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1
    assert done.stderr == "mooringd: litestar is not installed (pip install 'mooring[daemon]')\n"


@pytest.mark.skipif(sys.platform != "linux", reason="needs a small pipe")
def test_a_log_that_nobody_reads_holds_nothing(start_daemon: Callable[..., RunningDaemon], tmp_path: Path) -> None:
    daemon = start_daemon()
    daemon.terminate()
    environment = {**daemon.environment(), "NOTIFY_SOCKET": str(tmp_path / "notify"), "MOORING_CONFIG": os.devnull}
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(environment["NOTIFY_SOCKET"])
        manager.settimeout(30)
        with ending(subprocess.Popen(daemon.command(), env=environment, stderr=subprocess.PIPE)) as process:
            _reload_often(process, manager)
            assert daemon.client.request("GET", "/v1/version")["api"] == 1
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0


def _reload_often(process: subprocess.Popen[bytes], manager: socket.socket) -> None:
    """Have the log written to, and see that each time is done with."""
    assert process.stderr is not None
    fcntl.fcntl(process.stderr, fcntl.F_SETPIPE_SZ, 4096)
    assert manager.recv(1000).startswith(b"READY=1")
    for _ in range(100):
        process.send_signal(signal.SIGHUP)
        assert manager.recv(1000).startswith(b"RELOADING=1")
        assert manager.recv(1000).startswith(b"READY=1")


def test_it_leaves_signals_as_they_were(tmp_path: Path) -> None:
    """What a process starts after a daemon in it has ended must not ignore SIGHUP."""
    before = signal.getsignal(signal.SIGHUP)
    assert program.run(Options(config=str(tmp_path / "none.toml"))) == 2
    assert signal.getsignal(signal.SIGHUP) is before
