"""The loop's thread, on uvloop and on asyncio's own loop."""

from __future__ import annotations

import asyncio
import shlex
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import mooring
from mooring import blocking
from mooring.blocking.loop import loop_thread
from tests.peers.sshd import Sshd

from .program import LOOPS, program


@pytest.mark.parametrize("loop", LOOPS)
def test_it_runs_on_the_loop_that_is_installed(loop: str) -> None:
    done = program(
        loop,
        "import asyncio\nfrom mooring.blocking.loop import loop_thread\n"
        "async def bases(): print(*(base.__module__ for base in type(asyncio.get_running_loop()).__mro__))\n"
        "loop_thread().call(bases)",
    )
    assert done.stderr == ""
    assert ("uvloop" in done.stdout) == (loop == "uvloop")


@pytest.mark.parametrize("loop", LOOPS)
def test_programs_can_be_started_from_it(sshd: Sshd, tmp_path: Path, loop: str) -> None:
    config = tmp_path / "ssh_config"
    config.write_text(
        f"Host edge1\n  HostName {sshd.host}\n  Port {sshd.port}\n  User {sshd.user}\n"
        f"  IdentityFile {sshd.client_key}\n  UserKnownHostsFile {sshd.known_hosts}\n"
        f"  ProxyCommand {shlex.join(sshd.ssh_command('-W', '%h:%p'))}\n"
    )
    done = program(
        loop,
        "import mooring.blocking\n"
        f"with mooring.blocking.connect('edge1', config={str(config)!r}) as session:\n"
        "    print(session.run('echo through a program').stdout, session.status().peer)",
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "through a program\n None\n", "")


def test_a_process_has_one_thread_for_all_who_ask_at_once() -> None:
    with ThreadPoolExecutor(16) as threads:
        found = list(threads.map(lambda _: loop_thread(), range(64)))
    assert len(set(found)) == 1
    assert [thread.name for thread in threading.enumerate()].count("mooring") == 1
    blocking.shutdown()
    blocking.shutdown()
    assert "mooring" not in [thread.name for thread in threading.enumerate()]
    assert loop_thread() is not found[0]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_callback_that_breaks_the_loop_ends_every_call() -> None:
    thread = loop_thread()

    async def leave() -> None:
        raise SystemExit

    with ThreadPoolExecutor(1) as other:
        waiting = other.submit(thread.call, asyncio.sleep, 600)
        with pytest.raises(SystemExit):
            thread.call(leave)
        assert isinstance(waiting.exception(30), mooring.SessionClosed)
    assert loop_thread() is not thread
