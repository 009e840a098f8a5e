"""A remote process, used synchronously."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import mooring
from mooring import blocking
from tests.peers.fixtures import StartSshd

from .conftest import Peer
from .interrupt import Rung, alarm


def test_a_conversation_of_lines(peer: Peer) -> None:
    with (
        blocking.connect(peer.dsn, **peer.alone) as session,
        session.process("while read line; do echo got $line; done; exit 7") as process,
    ):
        process.stdin.write("one\n")
        assert process.stdout.readline() == "got one\n"
        process.stdin.write("two\nthree\n")
        process.stdin.close()
        assert list(process.stdout) == ["got two\n", "got three\n"]
        assert process.stderr.read() == ""
        assert process.wait(30) == process.exit_status == 7
        assert process.exit_signal is None


def test_bytes_both_ways_more_than_any_buffer_holds(peer: Peer) -> None:
    content = bytes(range(256)) * 20_000
    with (
        blocking.connect(peer.dsn, **peer.alone) as session,
        session.process("cat", encoding=None) as process,
        ThreadPoolExecutor(1) as other,
    ):
        reading = other.submit(process.stdout.read)
        process.stdin.write(content)
        process.stdin.close()
        assert reading.result(30) == content
        assert process.wait(30) == 0


def test_bytes_that_are_no_text_are_shown(peer: Peer) -> None:
    with (
        blocking.connect(peer.dsn, **peer.alone) as session,
        session.process(r"printf 'a\303\251\377\r\n'; printf 'b' >&2") as process,
    ):
        assert process.stdout.read() == "a\u00e9\\xff\r\n"
        assert process.stderr.read() == "b"
        assert session.run("true").ok


def test_a_signal_and_a_deadline(peer: Peer) -> None:
    with (
        blocking.connect(peer.dsn, **peer.alone) as session,
        session.process("trap 'exit 5' TERM; echo ready; while :; do sleep 0.05; done") as process,
    ):
        assert process.stdout.readline() == "ready\n"
        with pytest.raises(mooring.WaitTimeout):
            process.wait(0.01)
        assert process.exit_status is None
        process.send_signal("TERM")
        assert process.wait(30) == 5
        with pytest.raises(mooring.ChannelError, match="has ended"):
            process.send_signal("TERM")


def test_being_killed_is_told(peer: Peer) -> None:
    with blocking.connect(peer.dsn, **peer.alone) as session, session.process("kill -9 $$") as process:
        assert process.wait(30) == -1
        assert process.exit_signal == "KILL"
        with pytest.raises(mooring.ChannelError, match="has ended"):
            process.stdin.write("too late\n")


def test_closing_frees_its_slot(peer: Peer) -> None:
    with blocking.connect(peer.dsn, **peer.alone) as session:
        with session.process("echo ready; exec sleep 60") as process:
            assert process.stdout.readline() == "ready\n"
            assert session.status().channels.open == 1
        process.close()
        process.wait(30)
        assert session.status().channels.open == 0


def test_an_interrupted_read_loses_nothing(peer: Peer) -> None:
    with blocking.connect(peer.dsn, **peer.alone) as session, session.process("cat") as process:
        with pytest.raises(Rung), alarm(0.2):
            process.stdout.readline()
        process.stdin.write("kept\n")
        assert process.stdout.readline() == "kept\n"


def test_redirection_to_a_file(peer: Peer, tmp_path: Path) -> None:
    path = tmp_path / "output"
    with blocking.connect(peer.dsn, **peer.alone) as session:
        with session.process("echo to a file", stdout=str(path)) as process:
            assert process.wait(30) == 0
        session.run("echo and again >&2", stderr=str(tmp_path / "errors"), check=True)
    assert path.read_text() == "to a file\n"
    assert (tmp_path / "errors").read_text() == "and again\n"


def test_a_lost_link_is_told_to_readers_writers_and_waiters(start_sshd: StartSshd) -> None:
    server = start_sshd()
    keywords = {"config": None, "known_hosts": str(server.known_hosts), "client_keys": [str(server.client_key)]}
    with (
        blocking.connect(f"a://{server.user}@{server.host}:{server.port}", **keywords) as session,
        session.process("cat") as process,
        ThreadPoolExecutor(2) as others,
    ):
        reading = others.submit(process.stdout.read)
        waiting = others.submit(process.wait)
        server.kill()
        assert isinstance(waiting.exception(30), mooring.SessionLost)
        assert isinstance(reading.exception(30), mooring.SessionLost)
        with pytest.raises(mooring.SessionLost):
            process.stdin.write("x")


def test_a_subsystem_and_what_the_server_refuses(peer: Peer) -> None:
    with blocking.connect(peer.dsn, **peer.alone) as session:
        with session.process(subsystem="sftp", encoding=None) as process:
            process.stdin.write(bytes([0, 0, 0, 5, 1, 0, 0, 0, 3]))  # SSH_FXP_INIT, version 3
            assert process.stdout.read(5)[4] == 2  # SSH_FXP_VERSION
        with pytest.raises(mooring.ChannelRefused):
            session.process(subsystem="nonsense")
