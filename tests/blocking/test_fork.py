"""What a process opened stays its own, whoever is forked from it."""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Callable
from multiprocessing.connection import Connection

import pytest

import mooring
from mooring import blocking
from tests.peers.ending import ending
from tests.peers.fixtures import StartSshd
from tests.peers.sshd import Sshd

from .conftest import Peer
from .program import LOOPS, program

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here"),
    pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning"),
]


def said_by_child(method: str, body: Callable[..., object], *args: object) -> object:
    """What a function returns, or raises, in a child process."""
    context = multiprocessing.get_context(method)
    reader, writer = context.Pipe(duplex=False)
    child = context.Process(target=_tell, args=(writer, body, *args))  # type: ignore[attr-defined]
    child.start()
    writer.close()
    with reader:
        said = reader.recv() if reader.poll(20) else TimeoutError("the child hangs")
    child.join(30)
    ended = child.exitcode is not None
    child.kill()  # or this process would wait for it at its own end
    child.join()
    child.close()
    assert ended, "the child does not end"
    if isinstance(said, BaseException):
        raise said
    return said


def _tell(writer: Connection, body: Callable[..., object], *args: object) -> None:
    try:
        writer.send(body(*args))
    except BaseException as error:  # noqa: BLE001 - raised in the parent
        writer.send(error)


def own_session(peer: Peer) -> object:
    with blocking.connect(peer.dsn, **peer.alone) as session:
        return session.run("echo child").stdout, session.status().connects


def refused(call: Callable[[], object]) -> str:
    with pytest.raises(mooring.SessionClosed) as error:
        call()
    return str(error.value)


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_child_opens_its_own(peer: Peer, method: str) -> None:
    with blocking.connect(peer.dsn, **peer.alone) as session:
        assert said_by_child(method, own_session, peer) == ("child\n", 1)
        assert session.run("echo parent").stdout == "parent\n"
        assert session.status().connects == 1


def test_what_the_parent_opened_is_refused_in_the_child(peer: Peer) -> None:
    with blocking.Pool(config=None) as pool:
        session = pool.start(peer.dsn, **peer.keywords)
        session.wait_up(30)
        process = session.process("cat")
        outcomes = pool.run("all", "true")
        events = pool.events()
        calls: list[Callable[[], object]] = [
            lambda: session.run("true"),
            lambda: session.state,
            lambda: session.facts,
            session.status,
            session.retry,
            lambda: pool.start("x://y"),
            lambda: pool.sessions,
            lambda: pool["edge1"],
            lambda: "edge1" in pool,
            pool.statistics,
            lambda: next(outcomes),
            lambda: next(events),
            lambda: process.stdout.read(1),
            lambda: process.stdin.write("x"),
            lambda: process.exit_status,
        ]

        def child() -> list[str]:
            said = [refused(call) for call in calls]
            for thing in (process, events, outcomes, session, pool):
                thing.close()
            assert "edge1" in repr(session)
            return said

        said = said_by_child("fork", child)
        assert isinstance(said, list)
        assert len(said) == len(calls)
        assert all(f"opened in process {os.getpid()}, and this is process" in line for line in said)
        process.stdin.write("still here\n")
        assert process.stdout.readline() == "still here\n"
        assert session.status().connects == 1


def connections(port: int) -> int:
    """How many descriptors of this process are connected to a port."""
    count = 0
    for number in range(256):
        with contextlib.suppress(OSError):
            if stat.S_ISSOCK(os.fstat(number).st_mode):
                with socket.socket(fileno=os.dup(number)) as copy:
                    count += copy.getpeername()[1:2] == (port,)
    return count


def test_the_childs_copies_of_the_sockets_lead_nowhere(sshd: Sshd, peer: Peer) -> None:
    with blocking.connect(peer.dsn, **peer.alone):
        assert connections(sshd.port) == 1
        assert said_by_child("fork", connections, sshd.port) == 0
        assert connections(sshd.port) == 1


def test_collecting_everything_in_the_child_leaves_the_parent_alone(peer: Peer) -> None:
    things: list[object] = [pool := blocking.Pool(config=None)]
    with pool:
        session = pool.start(peer.dsn, **peer.keywords)
        session.wait_up(30)
        assert session.ping() >= 0

        def child() -> int:
            nonlocal pool, session
            del pool, session
            things.clear()
            gc.collect()
            return gc.collect()

        said_by_child("fork", child)
        for _ in range(3):
            assert session.run("echo parent", timeout=30).stdout == "parent\n"
        assert session.status().connects == 1


@pytest.mark.parametrize("loop", LOOPS)
def test_a_child_may_leave_the_block_and_end(peer: Peer, loop: str) -> None:
    done = program(
        loop,
        peer.program("""
import os, sys
with mooring.blocking.connect(DSN, config=None, **KEYWORDS) as session:
    if os.fork() == 0:
        sys.exit(0)
    print(os.waitstatus_to_exitcode(os.wait()[1]), flush=True)
    print(session.run("echo parent", timeout=30).stdout, session.status().connects)
"""),
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "0\nparent\n 1\n", "")


@pytest.mark.parametrize("loop", LOOPS)
def test_a_child_does_not_keep_a_dead_parents_connection(start_sshd: StartSshd, loop: str) -> None:
    server = start_sshd()
    peer = Peer(
        f"a://{server.user}@{server.host}:{server.port}",
        {"known_hosts": str(server.known_hosts), "client_keys": [str(server.client_key)]},
    )
    code = """
import os, sys
with mooring.blocking.connect(DSN, config=None, **KEYWORDS) as session:
    session.run("true")
    if os.fork() == 0:
        print("ready", flush=True)
        sys.stdin.read()
    else:
        os.wait()
"""
    with ending(
        subprocess.Popen(
            [sys.executable, "-c", LOOPS[loop] + peer.program(code)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "ready\n"
        parent.send_signal(signal.SIGKILL)
        server.wait_log(r"Connection (closed|reset) by|Read error from")
