"""A session put in the place of another, or held although it cannot be started."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from mooring import Pool
from mooring.model.errors import AliasInUse, CredentialError, InvalidInput, SessionParked
from mooring.model.event import Event
from mooring.model.status import SessionState
from mooring.model.target import Target
from mooring.pool.nowhere import nowhere
from mooring.simulate import SimulatedHosts
from tests.peers.fixtures import StartSshd

from .fleet import hold, logged, quick, reach, soon, true, until

pytestmark = pytest.mark.anyio

UP, PARKED, CLOSED = SessionState.UP, SessionState.PARKED, SessionState.CLOSED


def at(hosts: SimulatedHosts, number: int, alias: str) -> Target:
    host = hosts[number]
    return Target.parse(f"{alias}://admin@{host.address}:{host.port}", identity="none", host_key=hosts.public_key)


async def test_a_route_starts_nothing_until_it_is_put() -> None:
    async with SimulatedHosts(count=2) as hosts, Pool(config=None) as pool:
        route = await pool.route(at(hosts, 0, "a"))
        assert pool.sessions == []
        first = await pool.put(route)
        await first.wait_up(timeout=30)
        events = pool.events()
        second = await pool.put(await pool.route(at(hosts, 1, "a")))
        assert pool["a"] is second
        assert first.state is CLOSED
        await second.wait_up(timeout=30)
        assert [(await soon(anext(events))).state for _ in range(3)] == [CLOSED, SessionState.CONNECTING, UP]
        assert hosts[0].live == 0
    with pytest.raises(InvalidInput):
        await pool.put(route)


async def test_one_at_a_time_has_an_alias() -> None:
    async with SimulatedHosts(count=2) as hosts, Pool(config=None) as pool:
        await (await pool.put(await pool.route(at(hosts, 0, "a")))).wait_up(timeout=30)
        route = await pool.route(at(hosts, 1, "a"))
        done = await asyncio.gather(pool.put(route), pool.put(route), return_exceptions=True)
        assert [isinstance(each, AliasInUse) for each in done] == [False, True]
        await pool["a"].wait_up(timeout=30)
        assert len(pool.sessions) == 1
        assert hosts[1].connections == 1


async def test_what_is_barred_is_parked_and_never_dialed() -> None:
    async with SimulatedHosts(count=1) as hosts, Pool(config=None) as pool:
        error = CredentialError("its password is needed again", hint="start it again")
        session = await pool.put(nowhere(at(hosts, 0, "a")), barred=error)
        for _ in range(2):
            await until(session, PARKED)
            assert session.error is error
            with pytest.raises(SessionParked, match="needed again"):
                await session.wait_up()
            session.retry()
        assert hosts[0].connections == 0
        assert pool.statistics().failures == 0
        await until(session, PARKED)
        await session.close()
        assert pool.sessions == []


async def test_events_are_chosen_as_they_happen() -> None:
    async with SimulatedHosts(count=2) as hosts, Pool(config=None) as pool:
        seen: list[Event] = []

        def wanted(event: Event) -> bool:
            assert event.alias in pool
            seen.append(event)
            return event.alias == "b"

        with pool.events(1, wanted) as events:
            for number, alias in enumerate("ab"):
                await (await pool.put(await pool.route(at(hosts, number, alias)))).wait_up(timeout=30)
            await pool.stop("all")
            assert len(seen) == 6
            assert (await soon(anext(events))).lost == 2
            last = await soon(anext(events))
            assert (last.alias, last.state) == ("b", CLOSED)
        assert pool.statistics().events_lost == 2


async def test_who_goes_through_a_session_goes_through_what_takes_its_place(start_sshd: StartSshd) -> None:
    old, new, host = start_sshd(), start_sshd(), start_sshd()
    async with Pool(config=None, dice=quick) as pool:
        await hold(pool, "gate", old)
        behind = await hold(pool, "behind", host, jump="gate")
        further = await hold(pool, "further", host, jump="behind")
        gone = asyncio.create_task(until(behind, SessionState.BACKOFF, SessionState.CONNECTING))
        await asyncio.sleep(0)
        gate = await pool.put(await pool.route(Target.parse("gate://127.0.0.1", **_fields(reach(new)))))
        await gone
        for session in (gate, behind, further):
            await session.wait_up(timeout=30)
        assert (await further.run("echo through")).stdout == "through\n"
        assert behind.status().via == (f"{new.user}@127.0.0.1:{new.port}",)
        assert pool.statistics().hops == 0
        await logged(new, "Accepted publickey")
        await logged(old, "Disconnected from user|Connection closed by")
        assert old.log().count("Accepted publickey") == new.log().count("Accepted publickey") == 1
        await pool.stop("further")
        await pool.stop("behind")
        await pool.stop("gate")
        assert pool.statistics().hops == 0


async def test_a_hop_behind_what_was_replaced_is_still_closed_with_its_last(
    start_sshd: StartSshd, tmp_path: Path
) -> None:
    gate, hop, host = start_sshd(), start_sshd(), start_sshd()
    config = tmp_path / "ssh_config"
    config.write_text(f"Host *\n  IdentityFile {hop.client_key}\n  StrictHostKeyChecking no\n  IdentityAgent none\n")
    async with Pool(config=config, dice=quick) as pool:
        await hold(pool, "gate", gate)
        behind = await hold(pool, "behind", host, jump=["gate", f"{hop.user}@127.0.0.1:{hop.port}"])
        assert pool.statistics().hops == 1
        await pool.put(await pool.route(Target.parse("gate://127.0.0.1", **_fields(reach(gate, host_key="off")))))
        await until(behind, SessionState.BACKOFF, SessionState.CONNECTING)
        await behind.wait_up(timeout=30)
        assert pool.statistics().hops == 1
        await behind.close()
        assert pool.statistics().hops == 0


async def test_who_was_parked_behind_a_session_comes_up_with_what_takes_its_place(start_sshd: StartSshd) -> None:
    gate, host = start_sshd(), start_sshd()
    async with Pool(config=None, dice=quick) as pool:
        fields = _fields(reach(gate))
        barred = nowhere(Target.parse("gate://127.0.0.1", **fields))
        await pool.put(barred, barred=CredentialError("its password is needed again"))
        behind = await pool.start("behind://127.0.0.1", **reach(host, jump="gate"))
        await until(behind, PARKED)
        assert "needed again" in behind.status().reason
        await pool.put(await pool.route(Target.parse("gate://127.0.0.1", **fields)))
        await true(lambda: behind.state is UP)
        assert (await behind.run("echo through")).stdout == "through\n"


def _fields(keywords: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in keywords.items() if name != "agent_path"}
