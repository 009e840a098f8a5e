"""How programs end that left something open."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from tests.peers.ending import ending
from tests.peers.fixtures import StartSshd
from tests.peers.sshd import Sshd

from .conftest import Peer
from .program import LOOPS, program


@pytest.fixture
def server(start_sshd: StartSshd) -> Sshd:
    return start_sshd()


@pytest.fixture
def own_peer(server: Sshd) -> Peer:
    return Peer(
        f"edge1://{server.user}@{server.host}:{server.port}",
        {"known_hosts": str(server.known_hosts), "client_keys": [str(server.client_key)]},
    )


def test_importing_it_starts_nothing() -> None:
    done = program(
        "uvloop",
        "import sys, threading, mooring\nprint('mooring.blocking' in sys.modules)\n"
        "import mooring.blocking\nmooring.blocking.Pool()\nprint(threading.active_count())",
    )
    assert (done.stdout, done.stderr) == ("False\n1\n", "")


@pytest.mark.parametrize("loop", LOOPS)
def test_what_is_open_at_the_end_is_closed_in_order(server: Sshd, own_peer: Peer, loop: str) -> None:
    done = program(
        loop,
        own_peer.program("""
import contextlib, threading
def work():
    with contextlib.suppress(mooring.SessionError):
        session.run("sleep 600")
pool = mooring.blocking.Pool(config=None).__enter__()
session = pool.start(DSN, **KEYWORDS)
session.wait_up(30)
threading.Thread(target=work, daemon=True).start()
process = session.process("cat")
events = pool.events()
outcomes = pool.run("all", "echo going", concurrency=1)
print(next(outcomes).result.stdout, end="")
"""),
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "going\n", "")
    server.wait_log("Received disconnect from")


def test_threads_that_are_still_at_work_may_finish(own_peer: Peer) -> None:
    done = program(
        "uvloop",
        own_peer.program("""
import threading
pool = mooring.blocking.Pool(config=None).__enter__()
session = pool.start(DSN, **KEYWORDS)
session.wait_up(30)
def work():
    threading.main_thread().join()
    print(session.run("echo after the main thread").stdout, end="")
threading.Thread(target=work).start()
"""),
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "after the main thread\n", "")


def test_a_silent_peer_does_not_hold_up_the_end(server: Sshd, own_peer: Peer) -> None:
    code = own_peer.program("""
import sys
session = mooring.blocking.connect(DSN, config=None, **KEYWORDS).__enter__()
process = session.process("cat")
print("up", flush=True)
sys.stdin.read()
process.stdin.write("x" * 10)
""")
    with ending(
        subprocess.Popen(
            [sys.executable, "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        server.suspend()
        try:
            assert process.communicate(timeout=30) == ("", "")
        finally:
            server.resume()
    assert process.returncode == 0


@pytest.mark.parametrize("loop", LOOPS)
def test_ctrl_c_ends_the_command_and_the_program(server: Sshd, own_peer: Peer, loop: str) -> None:
    code = own_peer.program("""
with mooring.blocking.connect(DSN, config=None, **KEYWORDS) as session:
    print("up", flush=True)
    try:
        session.run("exec sleep 600")
    finally:
        print(session.run("echo still up", timeout=30).stdout, end="")
""")
    with ending(
        subprocess.Popen(
            [sys.executable, "-c", LOOPS[loop] + code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        server.wait_log("Starting session: command")
        process.send_signal(signal.SIGINT)
        said, complained = process.communicate(timeout=30)
    assert said == "still up\n"
    assert complained.splitlines()[-1] == "KeyboardInterrupt"
    assert process.returncode == -signal.SIGINT
    server.wait_log("Received disconnect from")
