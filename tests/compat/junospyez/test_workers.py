"""A few threads for callbacks: as many as are needed, no more than are allowed, and gone at the end."""

from __future__ import annotations

import logging
import threading

import pytest

from mooring.compat.junospyez_ossh_server.workers import Workers

TIMEOUT = 40


def test_an_idle_thread_is_used_again() -> None:
    workers, names, done = Workers(5, "idle"), set[int](), threading.Semaphore(0)

    def job() -> None:
        names.add(threading.get_ident())
        done.release()

    for number in range(20):
        assert workers.submit(f"job {number}", job, 10)
        assert done.acquire(timeout=TIMEOUT)
    assert len(names) <= 2  # the last may not be idle yet when the next comes
    workers.end()


def test_no_more_threads_and_no_more_that_wait_than_said() -> None:
    workers, go_on, begun = Workers(2, "idle"), threading.Event(), threading.Semaphore(0)

    def wait() -> None:
        begun.release()
        go_on.wait(TIMEOUT)

    assert all(workers.submit("busy", wait, 10) for _ in range(2))
    assert all(begun.acquire(timeout=TIMEOUT) for _ in range(2))
    assert [workers.submit("waits", wait, 3) for _ in range(5)] == [True, True, True, False, False]
    assert workers.submit("more may wait", wait, 4)
    assert sum(thread.name == "busy" for thread in threading.enumerate()) == 2
    go_on.set()
    assert all(begun.acquire(timeout=TIMEOUT) for _ in range(4))
    workers.end()
    assert not workers.submit("late", wait, 10)


def test_what_waits_at_the_end_is_forgotten() -> None:
    workers, go_on, begun, late = Workers(1, "idle"), threading.Event(), threading.Event(), threading.Event()

    def wait() -> None:
        begun.set()
        go_on.wait(TIMEOUT)

    workers.submit("busy", wait, 10)
    assert begun.wait(TIMEOUT)
    thread = next(thread for thread in threading.enumerate() if thread.name == "busy")
    workers.submit("waits", late.set, 10)
    workers.end()
    go_on.set()
    thread.join(TIMEOUT)
    assert not thread.is_alive()
    assert not late.is_set()


def test_a_job_that_raises_ends_no_thread(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR, "mooring")
    workers, done = Workers(1, "idle"), threading.Event()
    workers.submit("fails", lambda: 1 / 0, 10)
    workers.submit("goes on", done.set, 10)
    assert done.wait(TIMEOUT)
    assert "fails: failed" in caplog.text
    workers.end()


def test_a_system_without_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert not Workers(1, "idle").submit("job", print, 10)
