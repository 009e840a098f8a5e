"""Many hosts from one point: every item is done once, or it is said what else may have happened to it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from mooring import HandlerFailed, InvalidInput, MooringError, PipeError, PipeTimeout
from mooring.compat.sshpipe import Outcome, SSHMultiPipe
from tests.peers.fixtures import StartSshd
from tests.peers.sshd import Sshd

from .conftest import Far

WORKER = """
import os, sys
from mooring.far import connect

with connect("worker") as pipe:
    with open(os.path.join(sys.argv[1], "done-%d" % os.getpid()), "w") as done:
        for item in pipe:
            if item == "die":
                os.kill(os.getpid(), 9)
            if item == "raise":
                try:
                    raise ValueError("not this one")
                except ValueError as error:
                    pipe.fail(error)
                    continue
            done.write("%s\\n" % item)
            done.flush()
            if pipe.asked:
                pipe.reply([item, os.getpid()])
            else:
                pipe.send(item)
"""
FAILING = """
import sys
from mooring.compat.sshpipe import SSHPipeHandler

class Untold(Exception):
    def __str__(self):
        raise ValueError

class Failing(SSHPipeHandler):
    def atstart(self, received):
        if received == "atstart":
            raise ValueError("in atstart")

    def handle(self, received):
        if received == "exit":
            sys.exit()
        if received == "interrupt":
            raise KeyboardInterrupt
        if received == "set":
            return {1}
        if received == "untold":
            raise Untold

Failing().service_loop()
"""
STUCK = """
import time
from mooring.compat.sshpipe import SSHPipeHandler

class Stuck(SSHPipeHandler):
    def handle(self, received):
        if received == "stuck":
            time.sleep(600)
        return received

Stuck().service_loop()
"""


@pytest.fixture
def worker(tmp_path: Path) -> Path:
    path = tmp_path / "worker.py"
    path.write_text(WORKER)
    return path


def done_at(folder: Path) -> Counter[str]:
    """How often each item was done, as the workers wrote it down."""
    return Counter(line for file in folder.glob("done-*") for line in file.read_text().splitlines())


def test_items_are_shared_out(far: Far, worker: Path) -> None:
    with SSHMultiPipe(["a", "b", "c"], deploy=worker, args=[str(far.folder)], config=str(far.config)) as pipes:
        assert sorted(pipes.alive()) == ["a", "b", "c"]
        outcomes = list(pipes.map(range(300)))
        assert sorted(outcome.item for outcome in outcomes) == list(range(300))
        assert all(outcome.result[0] == outcome.item and outcome.error is None for outcome in outcomes)
        assert {outcome.host for outcome in outcomes} == {"a", "b", "c"}
        assert list(pipes.map([])) == []
        assert pipes.close() == dict.fromkeys("abc", (0, "TERM", ""))
    assert done_at(far.folder) == dict.fromkeys(map(str, range(300)), 1)


def test_items_are_taken_as_they_are_needed(far: Far, worker: Path) -> None:
    taken = 0

    def items() -> Iterator[int]:
        nonlocal taken
        while taken < 10_000:
            taken += 1
            yield taken

    with SSHMultiPipe(["a", "b"], deploy=worker, args=[str(far.folder)], config=str(far.config)) as pipes:
        outcomes = pipes.map(items())
        for _ in range(10):
            next(outcomes)
        assert taken < 100
        outcomes.close()  # type: ignore[attr-defined] # it is a generator
        assert [outcome.item for outcome in pipes.map(["after"])] == ["after"]


def test_each_item_is_dealt_with_before_the_next_is_taken(far: Far, worker: Path) -> None:
    def items() -> Iterator[int]:
        for number in range(3):
            yield number
            deadline = time.monotonic() + 30
            while str(number) not in done_at(far.folder) and time.monotonic() < deadline:
                time.sleep(0.01)
            if str(number) not in done_at(far.folder):
                return

    with SSHMultiPipe(["a"], deploy=worker, args=[str(far.folder)], config=str(far.config)) as pipes:
        assert [outcome.item for outcome in pipes.map(items())] == [0, 1, 2]


def test_a_handler_that_is_stuck(far: Far) -> None:
    stuck = far.write("stuck.py", STUCK)
    with SSHMultiPipe(["a", "b"], stuck, config=str(far.config), window=1) as pipes:
        outcomes = {outcome.item: outcome for outcome in pipes.map(["x", "stuck"], timeout=3.0)}
        assert outcomes["x"].result == "x"
        assert len(outcomes["stuck"].tried) == 2
        assert {response[0] for response in pipes.close(timeout=0.5).values()} == {-1}
    with pytest.raises(KeyError), SSHMultiPipe(["a"], stuck, config=str(far.config)) as pipes:  # noqa: PT012 - it leaves the inner block
        pipes.send("a", "stuck")
        raise KeyError
    assert "did not end within" not in pipes.close()["a"][2]
    with SSHMultiPipe(["a"], stuck, config=str(far.config)) as pipes:
        pipes.send("a", "stuck")
        pipes.send("a", bytes(3 << 20))
        with pytest.raises(PipeTimeout):
            pipes.send("a", "more", timeout=0.1)
        assert [type(error) for error in pipes.broadcast("more", timeout=0.1).values()] == [PipeTimeout]
        assert pipes.close(timeout=0.1)["a"][0] == -1


def test_to_one_and_to_all(far: Far, worker: Path) -> None:
    with SSHMultiPipe(["a", "b"], deploy=worker, args=[str(far.folder)], config=str(far.config)) as pipes:
        pipes.send("a", "to a")
        assert pipes.broadcast("to all") == {}
        with pytest.raises(InvalidInput, match="z is none of the hosts"):
            pipes.send("z", "x")
        assert pipes.responses() == {}
        pipes.close()
    assert done_at(far.folder) == {"to a": 1, "to all": 2}


def test_what_an_item_raises_is_its_own(far: Far, worker: Path) -> None:
    with SSHMultiPipe(["a"], deploy=worker, args=[str(far.folder)], config=str(far.config)) as pipes:
        first, second, third, fourth = sorted(pipes.map(["1", "raise", {2}, "3"]), key=lambda one: str(one.item))
    assert isinstance(second.error if second.item == {2} else third.error, MooringError)
    assert {str(one.item): type(one.error) for one in (first, second, third, fourth)} == {
        "1": type(None), "3": type(None), "raise": HandlerFailed, "{2}": InvalidInput,
    }  # fmt: skip


def test_great_items(far: Far, worker: Path) -> None:
    items = [str(number) * (1 << 20) for number in range(8)]
    with SSHMultiPipe(["a", "b"], deploy=worker, args=[str(far.folder)], config=str(far.config)) as pipes:
        assert sorted(outcome.result[0] for outcome in pipes.map(items)) == items


@pytest.mark.parametrize(
    ("item", "error", "said"),
    [
        ("atstart", PipeError, "no host is left"),
        ("exit", PipeError, "no host is left"),
        ("interrupt", PipeError, "no host is left"),
        ("set", HandlerFailed, "a set cannot be sent"),
        ("untold", HandlerFailed, "raised Untold: it cannot be told"),
    ],
)
def test_work_that_failed_is_not_done(far: Far, item: str, error: type[MooringError], said: str) -> None:
    with SSHMultiPipe(["a"], far.write("failing.py", FAILING), config=str(far.config), window=1) as pipes:
        (outcome,) = pipes.map([item])
        assert (outcome.result, type(outcome.error)) == (None, error)
        assert said in str(outcome.error)
        assert outcome.tried == (() if error is HandlerFailed else ("a",))


def test_an_item_that_kills_is_given_up(far: Far, worker: Path) -> None:
    hosts = ["a", "b", "c", "d"]
    with SSHMultiPipe(hosts, deploy=worker, args=[str(far.folder)], config=str(far.config), window=1) as pipes:
        outcomes = {outcome.item: outcome for outcome in pipes.map([*range(50), "die", *range(50, 100)])}
        assert len(pipes.alive()) == 1
        assert set(pipes.responses()) == set(hosts) - set(pipes.alive())
        assert {response[0] for response in pipes.responses().values()} <= {-1, 137}
    assert len(outcomes) == 101
    assert outcomes["die"].error is not None
    assert len(outcomes["die"].tried) == 3
    assert all(outcomes[number].error is None for number in range(100))


def test_no_host_is_left(far: Far, worker: Path) -> None:
    with SSHMultiPipe(["a", "b"], deploy=worker, args=[str(far.folder)], config=str(far.config), window=1) as pipes:
        outcomes = list(pipes.map(["die", *range(200)]))
        assert len(outcomes) == 201
        assert pipes.alive() == []
        assert "no host is left" in str(outcomes[-1].error)
        assert all(outcome.error is not None for outcome in pipes.map([1, 2]))


def test_hosts_that_do_not_start_are_named(far: Far, worker: Path) -> None:
    far.config.write_text("Host gone\n  Port 1\n" + far.config.read_text())
    with SSHMultiPipe(["a", "gone"], deploy=worker, args=[str(far.folder)], config=str(far.config)) as pipes:
        assert list(pipes.start()) == ["gone"]
        assert pipes.alive() == ["a"]
        assert [outcome.host for outcome in pipes.map([1])] == ["a"]
        with pytest.raises(MooringError):
            pipes.send("gone", 1)
        assert pipes.responses()["gone"][0] == 255


@pytest.mark.timeout(300)  # one loop for all of it: a busy machine takes its time
def test_20_hosts_10000_items_and_3_killed_on_the_way(far: Far, worker: Path, start_sshd: StartSshd) -> None:
    doomed: list[Sshd] = [start_sshd() for _ in range(3)]
    hosts = [f"host{number}" for number in range(20)]
    own = "".join(f"Host host{number}\n  Port {sshd.port}\n" for number, sshd in enumerate(doomed))
    trusted = Path(far.sshd.known_hosts)
    trusted.write_text(trusted.read_text() + "".join(sshd.known_hosts.read_text() for sshd in doomed))
    far.config.write_text(own + far.config.read_text())
    outcomes: list[Outcome] = []
    with ExitStack() as stack:
        pipes = stack.enter_context(SSHMultiPipe(hosts, deploy=worker, args=[str(far.folder)], config=str(far.config)))
        assert len(pipes.alive()) == 20
        for outcome in pipes.map(range(10_000)):
            outcomes.append(outcome)
            if len(outcomes) in {2000, 4000, 6000}:
                doomed.pop().kill()
        assert len(pipes.alive()) == 17
    assert sorted(outcome.item for outcome in outcomes) == list(range(10_000))
    assert all(outcome.error is None for outcome in outcomes)
    done = done_at(far.folder)
    retried = {str(outcome.item) for outcome in outcomes if outcome.tried}
    assert len(retried) <= 12  # three hosts with a window of four
    assert set(done) == set(map(str, range(10_000)))
    assert {item for item, times in done.items() if times > 1} <= retried


@pytest.mark.parametrize("hosts", [[], ["a", "a"]])
def test_bad_hosts(hosts: list[str]) -> None:
    with pytest.raises(InvalidInput):
        SSHMultiPipe(hosts, "true")
