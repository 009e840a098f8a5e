"""The queue before the handshakes: never over a limit, first come first served, nothing lost."""

from __future__ import annotations

import asyncio
import random
from collections import Counter

import pytest

from mooring.model.options import Rate
from mooring.pool import Pool
from mooring.pool.handshakes import Handshakes
from mooring.simulate import SimulatedHosts

pytestmark = pytest.mark.anyio


class Dialing:
    """Tasks that each take a turn and hold it until told, with a record of who had one when."""

    def __init__(self, handshakes: Handshakes) -> None:
        self.handshakes = handshakes
        self.order: list[str] = []
        self.running: Counter[str] = Counter()
        self.peak: Counter[str] = Counter()
        self.most = 0
        self._ends: dict[str, asyncio.Event] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}

    def begin(self, name: str, daemon: str, rate: Rate | None = None) -> None:
        self._ends[name] = asyncio.Event()
        self.tasks[name] = asyncio.create_task(self._dial(name, daemon, rate))

    async def _dial(self, name: str, daemon: str, rate: Rate | None) -> None:
        async with self.handshakes.turn(daemon, rate):
            self.order.append(name)
            self.running[daemon] += 1
            self.peak[daemon] = max(self.peak[daemon], self.running[daemon])
            self.most = max(self.most, self.running.total())
            try:
                await self._ends[name].wait()
            finally:
                self.running[daemon] -= 1

    async def end(self, name: str) -> None:
        self._ends[name].set()
        await self.tasks[name]

    async def all(self) -> None:
        for event in self._ends.values():
            event.set()
        await asyncio.gather(*self.tasks.values(), return_exceptions=True)


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_first_come_first_served_per_daemon() -> None:
    dialing = Dialing(Handshakes(total=64, per_host=1))
    for name in "abcd":
        dialing.begin(name, "host")
    await settle()
    assert dialing.order == ["a"]
    assert (dialing.handshakes.running, dialing.handshakes.waiting) == (1, 3)
    for name in "abcd":
        await dialing.end(name)
        await settle()
    assert dialing.order == ["a", "b", "c", "d"]
    assert (dialing.handshakes.running, dialing.handshakes.waiting) == (0, 0)


async def test_daemons_have_turns_one_after_the_other() -> None:
    dialing = Dialing(Handshakes(total=1, per_host=1))
    for name in ("big1", "big2", "big3", "big4", "small1"):
        dialing.begin(name, name[:3])
    await settle()
    for name in ("big1", "big2", "small1", "big3", "big4"):
        await dialing.end(name)
        await settle()
    assert dialing.order == ["big1", "big2", "small1", "big3", "big4"]


async def test_a_full_daemon_does_not_hold_up_another() -> None:
    dialing = Dialing(Handshakes(total=3, per_host=1))
    for name in ("a1", "a2", "a3", "b1", "c1"):
        dialing.begin(name, name[0])
    await settle()
    assert dialing.order == ["a1", "b1", "c1"]
    await dialing.all()


async def test_one_who_waits_and_is_cancelled_holds_up_nobody() -> None:
    dialing = Dialing(Handshakes(total=1, per_host=1))
    for name in "abc":
        dialing.begin(name, "host")
    await settle()
    dialing.tasks["b"].cancel()
    await settle()
    assert dialing.handshakes.waiting == 1
    await dialing.end("a")
    await settle()
    assert dialing.order == ["a", "c"]
    await dialing.all()
    assert dialing.handshakes.running == 0


async def test_a_turn_that_ends_as_the_next_one_is_cancelled_goes_to_the_one_after() -> None:
    dialing = Dialing(Handshakes(total=1, per_host=1))
    for name in "abc":
        dialing.begin(name, "host")
    await settle()
    dialing.tasks["a"].cancel()  # runs first, and hands its turn on ...
    dialing.tasks["b"].cancel()  # ... while this one is cancelled already, and has not run since
    await settle()
    assert dialing.order == ["a", "c"]
    assert (dialing.handshakes.running, dialing.handshakes.waiting) == (1, 0)
    await dialing.all()
    assert dialing.handshakes.running == 0
    assert not isinstance(dialing.tasks["c"].exception(), Exception)


async def test_a_turn_given_to_one_that_is_cancelled_at_that_moment_is_not_lost() -> None:
    dialing = Dialing(Handshakes(total=1, per_host=1))
    for name in "abc":
        dialing.begin(name, "host")
    await settle()
    dialing.tasks["a"].cancel()
    dialing.tasks["a"].add_done_callback(lambda _: dialing.tasks["b"].cancel())
    await settle()
    assert dialing.order[-1] == "c"
    await dialing.all()
    assert dialing.handshakes.running == 0


@pytest.mark.parametrize("seed", range(20))
async def test_whoever_comes_goes_or_is_cancelled_no_limit_is_passed_and_no_turn_lost(seed: int) -> None:
    dice = random.Random(seed)
    total, per_host = dice.randint(1, 6), dice.randint(1, 4)
    dialing = Dialing(Handshakes(total, per_host))
    for number in range(120):
        dialing.begin(f"t{number}", dice.choice("abcde"))
        for _ in range(dice.randint(0, 3)):
            name = dice.choice(list(dialing.tasks))
            if dice.random() < 0.5:
                dialing.tasks[name].cancel()
            else:
                dialing._ends[name].set()  # noqa: SLF001 - ours
        if dice.random() < 0.5:
            await asyncio.sleep(0)
    alive = [name for name, task in dialing.tasks.items() if not task.cancelling()]
    await dialing.all()
    assert dialing.most <= total
    assert max(dialing.peak.values()) <= per_host
    assert (dialing.handshakes.running, dialing.handshakes.waiting) == (0, 0)
    assert set(alive) <= set(dialing.order)
    assert all(task.cancelled() or task.exception() is None for task in dialing.tasks.values())


async def test_a_rate_is_kept_by_the_clock_and_who_is_cancelled_uses_none_of_it() -> None:
    loop = asyncio.get_running_loop()
    handshakes, rate, starts = Handshakes(), Rate(2, 1.0), []

    async def dial() -> None:
        async with handshakes.turn("host", rate):
            starts.append(loop.time())

    tasks = [asyncio.create_task(dial()) for _ in range(8)]
    await settle()
    for task in tasks[3:6]:
        task.cancel()
    async with asyncio.timeout(30):
        await asyncio.gather(*tasks, return_exceptions=True)
    assert len(starts) == 5
    for first, third in zip(starts, starts[2:], strict=False):
        assert third - first >= 0.99
    assert (handshakes.running, handshakes.waiting) == (0, 0)


async def test_the_rate_counts_when_a_handshake_starts_and_not_when_it_was_asked_for() -> None:
    loop = asyncio.get_running_loop()
    handshakes, rate, starts = Handshakes(total=1), Rate(1, 0.5), []

    async def dial() -> None:
        async with handshakes.turn("slow device", rate):
            starts.append(loop.time())

    async with handshakes.turn("another"):
        first = asyncio.create_task(dial())
        await asyncio.sleep(0.5)
    await first
    await dial()
    assert starts[1] - starts[0] >= 0.49


async def test_a_device_never_sees_more_handshakes_than_its_target_says() -> None:
    async with SimulatedHosts(count=1) as hosts, Pool(config=None) as pool:
        (host,) = hosts
        for number in range(12):
            target = f"s{number}://user{number}@{host.address}:{host.port}"
            await pool.start(target, host_key=hosts.public_key, agent_path=None, handshakes=2)
        await asyncio.gather(*(session.wait_up(timeout=30) for session in pool.sessions))
        assert 1 <= host.peak_handshakes <= 2
