"""Channel slots on real servers: all are served, on one connection, whatever the server allows."""

from __future__ import annotations

import asyncio
import math
import re
from pathlib import Path

import pytest

from mooring import ChannelLimit, Session, SessionLost
from mooring.session.gate import ChannelGate
from mooring.session.slots import Kind
from tests.peers.fixtures import StartSshd
from tests.peers.sshd import Sshd

from .held import held

pytestmark = pytest.mark.anyio


def logins(server: Sshd) -> int:
    return server.log().count("Accepted publickey")


@pytest.fixture
def counter(peers_folder: Path) -> Path:
    """A file that commands of any user append to."""
    path = peers_folder / "counter"
    path.write_text("")
    path.chmod(0o666)
    return path


async def count_to(session: Session, number: int, counter: Path) -> None:
    """Run commands all at once, each of which leaves a line; each must have run exactly once."""
    command = f"echo %d >> {counter}; sleep 0.05; echo %d"
    results = await asyncio.gather(*(session.run(command % (n, n), timeout=50) for n in range(number)))
    assert [result.stdout for result in results] == [f"{n}\n" for n in range(number)]
    assert sorted(map(int, counter.read_text().split())) == list(range(number))


async def test_thirty_at_once_against_max_sessions_10(start_sshd: StartSshd, counter: Path) -> None:
    server = start_sshd(MaxSessions=10)
    async with held(server) as session:
        await count_to(session, 30, counter)
        status = session.status()
        assert (status.connects, status.channels.open, status.channels.waiting) == (1, 0, 0)
        assert status.channels.limit == 6
    assert logins(server) == 1


@pytest.mark.parametrize("allowed", [1, 2])
async def test_thirty_at_once_against_a_server_that_allows_less(
    start_sshd: StartSshd, counter: Path, allowed: int
) -> None:
    server = start_sshd(MaxSessions=allowed)
    async with held(server) as session:
        await count_to(session, 30, counter)
        status = session.status()
        assert (status.connects, status.channels.open, status.channels.waiting) == (1, 0, 0)
        assert 0 < status.channels.refused < 150
    assert logins(server) == 1


async def test_the_limit_is_learned_from_refusals_and_the_connection_lives(start_sshd: StartSshd) -> None:
    server = start_sshd(MaxSessions=2)
    async with held(server) as session:
        async with await session.process("cat"), await session.process("cat"):
            with pytest.raises(ChannelLimit, match="2 of 2 are held by 2 x held cat"):
                await session.run("true", timeout=3)
            assert session.status().channels.limit == 2
        assert (await session.run("echo again", timeout=30)).stdout == "again\n"
    assert logins(server) == 1


async def test_held_processes_leave_one_slot_for_run(session: Session) -> None:
    processes = [await session.process("cat") for _ in range(5)]
    with pytest.raises(ChannelLimit, match="5 of 6 are held by 5 x held cat"):
        await session.process("cat", timeout=0.1)
    assert (await session.run("echo free")).stdout == "free\n"
    waiting = asyncio.create_task(session.process("echo", timeout=30))
    await asyncio.sleep(0)
    assert (await session.run("echo passes")).stdout == "passes\n"
    assert session.status().channels.waiting == 1
    processes.pop().close()
    (await waiting).close()
    for process in processes:
        process.close()
        await process.wait_closed()


async def test_the_holders_are_named_without_their_arguments(start_sshd: StartSshd) -> None:
    async with held(start_sshd(), channels=2) as session:
        secret = "hunter2"
        process = await session.process(f"sleep 60; : {secret}")
        running = asyncio.create_task(session.run(f"PASSWORD={secret} sleep 60"))
        await asyncio.sleep(0)
        with pytest.raises(ChannelLimit) as caught:
            await session.run(f"echo {secret}", timeout=0.2)
        message = str(caught.value)
        assert secret not in message
        assert re.search(r"within [\d.]+ s; 2 of 2 are held by held sleep, run, the oldest for [\d.]+ s", message)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        process.close()


async def test_the_message_tells_the_time_that_was_waited(start_sshd: StartSshd) -> None:
    async with held(start_sshd(MaxSessions=1)) as session, await session.process("cat"):
        with pytest.raises(ChannelLimit) as caught:
            await session.run("true", timeout=0.2)
    told = re.search(r"no channel became free within ([\d.]+) s", str(caught.value))
    assert told is not None
    assert float(told[1]) >= 0.2


# The gate by itself: what no server can bring about at will.


async def test_a_slot_handed_to_a_waiter_that_is_cancelled_goes_to_the_next() -> None:
    gate = ChannelGate("edge1", 1)
    first = gate.try_lease(Kind.RUN, "first")
    assert first is not None
    second = asyncio.create_task(gate.lease(Kind.RUN, "second", math.inf, 0))
    third = asyncio.create_task(gate.lease(Kind.RUN, "third", math.inf, 0))
    await asyncio.sleep(0)
    first.release()  # handed to the second, which has not run yet
    second.cancel()
    lease = await third
    assert (lease.name, second.cancelled(), gate.slots.taken) == ("run third", True, 1)
    lease.release()
    assert (gate.slots.taken, gate.status().waiting, gate.holders) == (0, 0, set())


async def test_waiters_that_give_up_leave_the_queue() -> None:
    gate = ChannelGate("edge1", 1)
    first = gate.try_lease(Kind.RUN, "first")
    assert first is not None
    waiters = [asyncio.create_task(gate.lease(Kind.RUN, "waiter", math.inf, 0)) for _ in range(3)]
    await asyncio.sleep(0)
    assert gate.status().waiting == 3
    waiters[1].cancel()
    await asyncio.gather(waiters[1], return_exceptions=True)
    with pytest.raises(ChannelLimit, match="held by run first"):
        await gate.lease(Kind.RUN, "late", gate.now() + 0.01, gate.now())
    assert gate.status().waiting == 2
    first.release()
    first.release()  # twice is once
    (await waiters[0]).release()
    (await waiters[2]).release()
    assert gate.slots.taken == 0


async def test_they_are_served_in_their_order() -> None:
    gate = ChannelGate("edge1", 2)
    leases = [gate.try_lease(Kind.RUN, "x"), gate.try_lease(Kind.RUN, "x")]
    served: list[int] = []

    async def wait(number: int) -> None:
        lease = await gate.lease(Kind.RUN, str(number), math.inf, 0)
        served.append(number)
        await asyncio.sleep(0)
        lease.release()

    tasks = [asyncio.create_task(wait(number)) for number in range(10)]
    await asyncio.sleep(0)
    for lease in leases:
        assert lease is not None
        lease.release()
    await asyncio.gather(*tasks)
    assert served == list(range(10))


async def test_a_pause_ends_with_a_close_and_not_with_another_refusal() -> None:
    gate = ChannelGate("edge1", 6)
    one, two = gate.try_lease(Kind.RUN, "one"), gate.try_lease(Kind.RUN, "two")
    assert one is not None
    assert two is not None
    pause = asyncio.create_task(gate.pause(30))
    await asyncio.sleep(0)
    two.refused()
    (await gate.lease(Kind.RUN, "three", math.inf, 0)).refused()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not pause.done()
    one.release()
    await asyncio.wait_for(pause, 10)


async def test_each_waiter_gets_an_error_of_its_own_when_the_link_is_lost() -> None:
    gate = ChannelGate("edge1", 1)
    assert gate.try_lease(Kind.RUN, "first") is not None
    waiters = [asyncio.create_task(gate.lease(Kind.RUN, "waiter", math.inf, 0)) for _ in range(3)]
    await asyncio.sleep(0)
    lost = SessionLost("cut", hint="wait")
    gate.close(lost)
    found = await asyncio.gather(*waiters, gate.lease(Kind.RUN, "late", math.inf, 0), return_exceptions=True)
    assert [(type(error), str(error)) for error in found] == [(SessionLost, "cut (wait)")] * 4
    assert len({id(error) for error in [*found, lost]}) == 5
    assert gate.try_lease(Kind.KILL, "kill") is None
