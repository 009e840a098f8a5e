"""Many sessions, used synchronously."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

import mooring
from mooring import blocking

from .conftest import Peer


def start(pool: blocking.Pool, fleet: list[Peer]) -> list[blocking.Session]:
    sessions = [pool.start(peer.dsn, **peer.keywords) for peer in fleet]
    for session in sessions:
        session.wait_up(30)
    return sessions


def test_it_holds_and_finds_sessions(fleet: list[Peer]) -> None:
    with blocking.Pool(config=None) as pool:
        sessions = start(pool, fleet[:3])
        assert pool.sessions == sessions
        assert len({*pool.sessions, *sessions}) == 3
        assert pool["host-2"] == sessions[1] != pool["host-1"]
        assert "host-2" in pool
        assert "host-9" not in pool
        with pytest.raises(mooring.UnknownAlias):
            pool["host-9"]
        assert pool.select("host-[12]") == sessions[:2]
        assert pool.statistics().sessions == 3
        with pytest.raises(mooring.AliasInUse):
            pool.start(fleet[0].dsn, **fleet[0].keywords)
        assert pool.stop("host-2") == ["host-2"]
        assert pool.sessions == [sessions[0], sessions[2]]
        with pytest.raises(mooring.SessionClosed):
            sessions[1].run("true")
    with pytest.raises(mooring.SessionClosed):
        sessions[0].run("true")


def test_before_and_after_it_is_open_it_says_so() -> None:
    pool = blocking.Pool(config=None)
    with pytest.raises(mooring.InvalidInput, match="not open"):
        pool.start("host")
    pool.close()
    with pool:
        assert "of process" in repr(pool)
    with pytest.raises(mooring.InvalidInput, match=r"with mooring\.blocking\.Pool"):
        "host" in pool  # noqa: B015
    pool.close()
    assert "not open" in repr(pool)
    with pytest.raises(mooring.InvalidInput):
        blocking.Pool(handshakes=0)


def test_many_threads_start_and_stop_and_look(fleet: list[Peer]) -> None:
    def turn(peer: Peer) -> str | bytes:
        session = pool.start(peer.dsn, **peer.keywords)
        session.wait_up(30)
        said = session.run("hostname").stdout
        assert session in pool.sessions
        assert pool.statistics().sessions >= 1
        assert session.status().connects == 1
        pool.stop(session.alias)
        return said

    with blocking.Pool(config=None) as pool, ThreadPoolExecutor(len(fleet)) as threads:
        assert list(threads.map(turn, fleet)) == [f"host-{number}\n" for number in range(1, len(fleet) + 1)]
        assert pool.sessions == []
