"""One session, used synchronously."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import asyncssh
import pytest

import mooring
from mooring import blocking
from mooring.simulate.ports import ReservedPort
from tests.peers.fixtures import StartSshd

from .conftest import Peer, wait_idle
from .interrupt import Rung, alarm


def test_it_runs_commands_and_tells_what_it_is(peer: Peer) -> None:
    with blocking.connect(peer.dsn, **peer.alone) as session:
        assert session.run("echo yes; exit 3").exit_status == 3
        assert session.run("cat", input="text").stdout == "text"
        assert session.run("cat", input=b"\xff", encoding=None).stdout == b"\xff"
        assert session.run("true", check=True).ok
        assert session.alias == "edge1"
        assert session.target.label == ("site:ams",)
        assert session.direction == "dialed"
        assert session.labels == ("site:ams",)
        assert session.state is mooring.SessionState.UP
        assert session.error is None
        assert session.facts == {}
        assert 0 <= session.ping() < 10
        assert session.status().commands == 4
        assert session.status().ping is not None
        session.wait_up(30)
        session.retry()
        assert "edge1" in repr(session)
        session.close()
        session.close()
        assert session.status().state is mooring.SessionState.CLOSED
        with pytest.raises(mooring.SessionClosed):
            session.run("true")


def test_it_copies_files(peer: Peer, tmp_path: Path) -> None:
    with blocking.connect(peer.dsn, **peer.alone) as session:
        name = session.run("f=$(mktemp) && echo content > $f && echo $f").stdout.strip()
        try:
            assert session.get(name, tmp_path / "got").size == 8
            assert session.put(tmp_path / "got", f"{name}.2", checksum=True).files == 1
            assert session.run(f"cat {name}.2").stdout == "content\n"
        finally:
            session.run(f"rm -f {name} {name}.2")


def test_errors_keep_their_types_and_what_they_carry(peer: Peer) -> None:
    with blocking.connect(peer.dsn, **peer.alone) as session:
        with pytest.raises(mooring.CommandFailed) as failed:
            session.run("echo before; exit 4", check=True)
        assert failed.value.result.exit_status == 4
        assert failed.value.result.stdout == "before\n"
        with pytest.raises(mooring.CommandTimeout) as late:
            session.run("echo before; exec sleep 60", timeout=2.0)
        assert late.value.result.stdout == "before\n"
        with pytest.raises(mooring.InvalidInput):
            session.run("")
    with pytest.raises(mooring.InvalidTarget), blocking.connect("a://b:c:d"):
        pass


def test_a_first_attempt_that_fails_is_raised_and_leaves_nothing(peer: Peer) -> None:
    keywords = {**peer.alone, "known_hosts": "/dev/null"}
    with pytest.raises(mooring.UnknownHostKey), blocking.connect(peer.dsn, **keywords):
        pass


def test_a_lost_link_ends_the_call(start_sshd: StartSshd) -> None:
    server = start_sshd()
    keywords = {"config": None, "known_hosts": str(server.known_hosts), "client_keys": [str(server.client_key)]}
    with blocking.connect(f"a://{server.user}@{server.host}:{server.port}", **keywords) as session:
        with ThreadPoolExecutor(1) as other:
            call = other.submit(session.run, "sleep 60")
            server.wait_log("Starting session: command")
            server.kill()
            with pytest.raises(mooring.SessionLost):
                call.result()
        with pytest.raises(mooring.SessionNotUp):
            session.run("true")


def test_thirty_two_threads_share_it(peer: Peer) -> None:
    def calls(number: int) -> list[str | bytes]:
        return [session.run(f"echo {number} {turn}").stdout for turn in range(5)]

    with blocking.connect(peer.dsn, **peer.alone) as session, ThreadPoolExecutor(32) as threads:
        found = list(threads.map(calls, range(32)))
        assert session.status().commands == 32 * 5
        assert session.status().connects == 1
    assert found == [[f"{number} {turn}\n" for turn in range(5)] for number in range(32)]


def test_an_interrupt_cancels_the_call_and_passes_through(peer: Peer) -> None:
    with blocking.connect(peer.dsn, **peer.alone) as session:
        with pytest.raises(Rung), alarm(0.3):
            session.run("exec sleep 60")
        assert session.run("echo still there", timeout=30).stdout == "still there\n"
        wait_idle(session)


def test_no_interrupt_is_missed(peer: Peer) -> None:
    """Also none that comes while the call is on its way into its wait."""
    generator = random.Random(0)
    with blocking.connect(peer.dsn, **peer.alone) as session, session.process("cat") as process:
        for _ in range(200):
            with pytest.raises(Rung), alarm(generator.expovariate(1000) + 1e-6):
                process.stdout.readline()
        process.stdin.write("kept\n")
        assert process.stdout.readline() == "kept\n"


def test_an_interrupt_while_connecting_leaves_nothing() -> None:
    port = ReservedPort("127.0.0.1")
    session = blocking.connect(f"a://u@127.0.0.1:{port.port}", config=None)
    with closing(port), port.listen(), pytest.raises(Rung), alarm(0.3), session:  # it answers nothing
        pass


def test_a_coroutine_may_call_it(peer: Peer) -> None:
    async def main() -> str | bytes:
        with blocking.connect(peer.dsn, **peer.alone) as session:
            return session.run("echo held up").stdout

    assert asyncio.run(main()) == "held up\n"


def test_its_own_loop_is_refused_by_name(fleet: list[Peer]) -> None:
    threads: list[str] = []
    refused: list[mooring.WrongThread] = []

    class Client(asyncssh.SSHClient):
        def auth_completed(self) -> None:
            threads.append(threading.current_thread().name)
            session = pool["host-1"]
            calls: list[Callable[[], object]] = [
                session.status,
                session.close,
                lambda: session.run("true"),
                lambda: session.process("true"),
                lambda: pool.sessions,
                lambda: pool.run("host-1", "true"),
                pool.close,
                blocking.connect(fleet[1].dsn).__enter__,
                blocking.shutdown,
            ]
            for call in calls:
                with pytest.raises(mooring.WrongThread) as error:
                    call()
                refused.append(error.value)

    with blocking.Pool(config=None) as pool:
        pool.start(fleet[0].dsn, **fleet[0].keywords, client_factory=Client).wait_up(30)
        assert pool["host-1"].run("true").ok
    assert threads == ["mooring"]
    assert [error.message.partition(" ")[0] for error in refused] == [
        "Session.status",
        "Session.close",
        "Session.run",
        "Session.process",
        "Pool.sessions",
        "Pool.run",
        "Pool.close",
        "connect",
        "shutdown",
    ]
