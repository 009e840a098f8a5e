"""What is held, remembered, replaced and brought back: each as a whole or not at all."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from mooring import Pool
from mooring.model.errors import (
    AliasInUse,
    ConfigError,
    ConnectError,
    CredentialError,
    InvalidTarget,
    SessionParked,
    StateError,
)
from mooring.model.status import SessionState
from mooring.model.target import Target
from mooring.service import Fleet
from mooring.simulate import SimulatedHosts
from mooring.store import Store
from tests.peers.fixtures import StartSshd
from tests.peers.sshd import Sshd
from tests.pool.fleet import quick, reach, soon, until

from .held import ROOT, Note, Notes, hold, target

pytestmark = pytest.mark.anyio

UP, PARKED = SessionState.UP, SessionState.PARKED


async def test_a_session_is_remembered_before_it_is_started(
    fleet: Fleet, pool: Pool, hosts: SimulatedHosts, notes: Notes
) -> None:
    notes.slow = asyncio.Event()
    starting = asyncio.create_task(fleet.start(ROOT, target(hosts)))
    await notes.writing.wait()
    assert "host-1" not in pool
    assert not starting.done()
    notes.slow.set()
    assert (await starting).alias == "host-1"
    assert "host-1" in notes.kept
    await pool["host-1"].wait_up(timeout=30)


async def test_what_cannot_be_remembered_is_not_started(fleet: Fleet, hosts: SimulatedHosts, notes: Notes) -> None:
    notes.full = True
    with pytest.raises(StateError):
        await fleet.start(ROOT, target(hosts))
    assert fleet.list(ROOT) == []
    notes.full = False
    await hold(fleet, target(hosts))
    notes.full = True
    with pytest.raises(StateError):
        await fleet.start(ROOT, target(hosts, 1, "host-1"), replace=True)
    with pytest.raises(StateError):
        await fleet.stop(ROOT, "all")
    assert fleet.show(ROOT, "host-1").state is UP
    assert (await fleet.run(ROOT, "host-1", "hostname")).stdout == "host-1\n"
    assert notes.kept == {"host-1": target(hosts)}


@pytest.mark.parametrize("moment", ["before", "while"])
async def test_a_cancelled_start_is_done_or_not_begun(
    moment: str, fleet: Fleet, pool: Pool, hosts: SimulatedHosts, notes: Notes
) -> None:
    notes.slow = asyncio.Event()
    starting = asyncio.create_task(fleet.start(ROOT, target(hosts)))
    if moment == "while":
        await notes.writing.wait()
        for _ in range(3):  # whoever cancels may do so again
            starting.cancel()
            await asyncio.sleep(0)
        assert not starting.done()
    else:
        await asyncio.sleep(0)
        starting.cancel()
    notes.slow.set()
    with pytest.raises(asyncio.CancelledError):
        await starting
    done = moment == "while"
    assert ("host-1" in notes.kept) is done
    assert bool(fleet.list(ROOT)) is done
    for session in pool.sessions:
        await session.wait_up(timeout=30)


async def test_a_cancelled_start_that_fails_changes_nothing(fleet: Fleet, hosts: SimulatedHosts, notes: Notes) -> None:
    notes.slow, notes.full = asyncio.Event(), True
    starting = asyncio.create_task(fleet.start(ROOT, target(hosts)))
    await notes.writing.wait()
    starting.cancel()
    await asyncio.sleep(0)
    notes.slow.set()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert fleet.list(ROOT) == []


async def test_a_cancelled_stop_is_done(fleet: Fleet, hosts: SimulatedHosts, notes: Notes) -> None:
    await hold(fleet, target(hosts))
    notes.writing.clear()
    notes.slow = asyncio.Event()
    stopping = asyncio.create_task(fleet.stop(ROOT, "host-1"))
    await notes.writing.wait()
    stopping.cancel()
    await asyncio.sleep(0)
    notes.slow.set()
    with pytest.raises(asyncio.CancelledError):
        await stopping
    assert fleet.list(ROOT) == []
    assert notes.kept == {}


async def test_a_bad_target_replaces_nothing(tmp_path: Path, hosts: SimulatedHosts, notes: Notes) -> None:
    config = tmp_path / "ssh_config"
    config.write_text("Host odd\n  BindInterface eth0\n")
    async with Pool(config=config, dice=quick) as pool:
        fleet = Fleet(pool, notes)
        await hold(fleet, target(hosts))
        with pytest.raises(InvalidTarget):
            await fleet.start(ROOT, "host-1://odd:99999", replace=True)
        with pytest.raises(InvalidTarget, match="no_such"):
            await fleet.start(ROOT, "host-1://odd", replace=True, no_such=1)
        with pytest.raises(InvalidTarget, match="proxy_command"):  # it would run a program of the actor's choice
            await fleet.start(ROOT, "host-1://odd", replace=True, proxy_command="touch /tmp/x")
        with pytest.raises(ConfigError):
            await fleet.start(ROOT, "host-1://odd", replace=True)
        assert fleet.show(ROOT, "host-1").connects == 1
        assert (await fleet.run(ROOT, "host-1", "hostname")).stdout == "host-1\n"
        assert notes.kept == {"host-1": target(hosts)}


async def test_starts_of_one_alias_wait_for_one_another(
    fleet: Fleet, pool: Pool, hosts: SimulatedHosts, notes: Notes
) -> None:
    targets = [target(hosts, number, "same") for number in range(4)]
    racing = await asyncio.gather(*(fleet.start(ROOT, each) for each in targets), return_exceptions=True)
    assert sum(isinstance(each, AliasInUse) for each in racing) == 3
    await asyncio.gather(*(fleet.start(ROOT, each, replace=True) for each in targets), fleet.stop(ROOT, "same"))
    assert notes.kept == {session.alias: session.target for session in pool.sessions}
    for session in pool.sessions:
        await session.wait_up(timeout=30)


async def test_what_was_remembered_is_back(fleet: Fleet, pool: Pool, hosts: SimulatedHosts, notes: Notes) -> None:
    assert not fleet.ready
    kept = [Note(f"host-{number + 1}", target(hosts, number)) for number in range(4)]
    assert await fleet.restore(kept) == []
    assert fleet.ready
    for session in pool.sessions:
        await session.wait_up(timeout=30)
    assert notes.kept == {}  # it is there already
    assert await fleet.stop(ROOT, "host-1") == ["host-1"]


async def test_a_session_without_its_password_is_shown_and_not_dialed(
    fleet: Fleet, pool: Pool, hosts: SimulatedHosts, notes: Notes
) -> None:
    lost = CredentialError("the password of host-1 is needed again: no key", hint="start the session again with it")
    kept = target(hosts, label="site:ams")
    entries = [Note("host-1", kept, lost), Note("host-2", target(hosts, 1, jump="host-1"))]
    notes.kept = {"host-1": kept}
    assert await fleet.restore(entries) == [lost]
    assert fleet.ready
    await until(pool["host-1"], PARKED)
    status = fleet.list(ROOT, "site:ams")[0]
    assert (status.alias, status.state, status.error) == ("host-1", PARKED, "credential-error")
    assert (status.reason, status.hint, status.target) == (lost.message, lost.hint, str(kept))
    with pytest.raises(SessionParked, match="needed again") as parked:
        await fleet.run(ROOT, "host-1", "true")
    assert parked.value.hint == lost.hint
    await until(pool["host-2"], PARKED)
    assert fleet.statistics(ROOT).states[PARKED] == 2
    assert "needed again" in fleet.show(ROOT, "host-2").reason
    async with fleet.watch(ROOT) as watch:
        await fleet.retry(ROOT, "host-1")
        assert [(await soon(anext(watch))).state for _ in range(2)] == [SessionState.CONNECTING, PARKED]
    assert fleet.show(ROOT, "host-1").hint == lost.hint
    assert hosts[0].connections == 0
    assert notes.kept == {"host-1": kept}


async def test_it_comes_up_when_it_is_started_with_its_password(
    fleet: Fleet, pool: Pool, hosts: SimulatedHosts, notes: Notes
) -> None:
    lost = CredentialError("the password of host-1 is needed again: no key")
    await fleet.restore([Note("host-1", target(hosts), lost)])
    with pytest.raises(AliasInUse):
        await fleet.start(ROOT, target(hosts))
    await fleet.start(ROOT, target(hosts, password="again"), replace=True)
    await pool["host-1"].wait_up(timeout=30)
    assert notes.kept == {"host-1": target(hosts, password="again")}


async def test_bad_entries_stop_no_other(tmp_path: Path, hosts: SimulatedHosts, notes: Notes) -> None:
    config = tmp_path / "ssh_config"
    config.write_text("Host odd\n  BindInterface eth0\n")
    async with Pool(config=config, dice=quick) as pool:
        fleet = Fleet(pool, notes)
        unread = StateError("what was stored for torn cannot be read", hint="start it again")
        entries = [
            Note("torn", None, unread),
            Note("odd", Target.parse("odd://odd")),
            Note("host-1", target(hosts)),
        ]
        errors = await fleet.restore(entries)
        assert [type(error) for error in errors] == [StateError, ConfigError]
        assert fleet.ready
        await pool["host-1"].wait_up(timeout=30)
        for alias in ("torn", "odd"):
            await until(pool[alias], PARKED)
        assert {status.alias: status.error for status in fleet.list(ROOT)} == {
            "torn": "state-error",
            "odd": "config-error",
            "host-1": None,
        }
        assert fleet.show(ROOT, "torn").hint == "start it again"
        assert "BindInterface" in fleet.show(ROOT, "odd").reason
        assert await fleet.stop(ROOT, "torn,odd") == ["torn", "odd"]


async def test_a_hop_is_brought_back_before_who_goes_through_it(hosts: SimulatedHosts, pool: Pool) -> None:
    fleet = Fleet(pool, None)
    entries = [Note("host-2", target(hosts, 1, jump="host-1")), Note("host-1", target(hosts))]
    assert await fleet.restore(entries) == []
    assert [session.alias for session in pool.sessions] == ["host-1", "host-2"]


async def test_a_hop_of_the_configuration_s_own_may_be_remembered(start_sshd: StartSshd) -> None:
    gate, host = start_sshd(), start_sshd()
    keywords = {name: value for name, value in reach(gate).items() if name != "agent_path"}
    entry = Note("gate", Target.parse("gate://127.0.0.1", **keywords))
    async with Pool(config=None, dice=quick) as pool:
        fleet = Fleet(pool, None)
        await fleet.reload([Target.parse("behind://127.0.0.1", **{**keywords, **_at(host), "jump": "gate"})])
        assert await fleet.restore([entry]) == []
        await pool["behind"].wait_up(timeout=30)
        assert fleet.show(ROOT, "behind").via == (f"{gate.user}@127.0.0.1:{gate.port}",)


def _at(server: Sshd) -> dict[str, Any]:
    keywords = reach(server)
    return {"port": keywords["port"], "host_key": keywords["host_key"]}


async def test_reload_touches_only_what_changed(fleet: Fleet, pool: Pool, hosts: SimulatedHosts, notes: Notes) -> None:
    await hold(fleet, target(hosts, alias="door"))
    done = await fleet.reload([target(hosts, 0, "same"), target(hosts, 1, "moved"), target(hosts, 2, "gone")])
    assert (done.started, done.stopped, done.replaced, done.errors) == (("same", "moved", "gone"), (), (), ())
    for session in pool.sessions:
        await session.wait_up(timeout=30)
    same, door = pool["same"], pool["door"]
    done = await fleet.reload(
        [target(hosts, 3, "new"), target(hosts, 0, "same"), target(hosts, 3, "moved"), target(hosts, 0, "door")]
    )
    assert (done.started, done.stopped, done.replaced) == (("new",), ("gone",), ("moved",))
    assert done.unchanged == 1
    assert [type(error) for error in done.errors] == [AliasInUse]  # the door's own stays
    await pool["moved"].wait_up(timeout=30)
    assert (await fleet.run(ROOT, "moved", "hostname")).stdout == "host-4\n"
    assert (pool["same"], pool["door"]) == (same, door)
    assert same.status().connects == door.status().connects == 1
    assert set(notes.kept) == {"door"}
    await fleet.reload([])
    assert [status.alias for status in fleet.list(ROOT)] == ["door"]


async def test_a_door_may_take_a_session_of_the_configuration_over(
    fleet: Fleet, pool: Pool, hosts: SimulatedHosts, notes: Notes
) -> None:
    await fleet.reload([target(hosts, 0, "a"), target(hosts, 1, "b")])
    await fleet.start(ROOT, target(hosts, 2, "a"), replace=True)
    assert set(notes.kept) == {"a"}
    done = await fleet.reload([])
    assert (done.stopped, [session.alias for session in pool.sessions]) == (("b",), ["a"])
    await fleet.start(ROOT, target(hosts, 0, "a"), replace=True, remember=False)
    assert notes.kept == {}
    assert (await fleet.reload([])).stopped == ("a",)


@pytest.mark.parametrize("wanted", ["gone", "changed"])
async def test_what_a_door_takes_over_meanwhile_stays(
    wanted: str, fleet: Fleet, pool: Pool, hosts: SimulatedHosts, notes: Notes
) -> None:
    await fleet.reload([target(hosts, 0, "a"), target(hosts, 1, "b")])
    notes.slow = asyncio.Event()
    taking = asyncio.create_task(fleet.start(ROOT, target(hosts, 2, "a"), replace=True))
    await notes.writing.wait()
    reloading = asyncio.create_task(fleet.reload([target(hosts, 3, "a")] if wanted == "changed" else []))
    await asyncio.sleep(0)
    notes.slow.set()
    await taking
    await reloading
    assert set(notes.kept) == {"a"}
    assert [session.target for session in pool.sessions] == [target(hosts, 2, "a")]
    await pool["a"].wait_up(timeout=30)


async def test_a_bad_line_of_the_configuration_is_shown_and_a_bad_change_ignored(
    tmp_path: Path, hosts: SimulatedHosts
) -> None:
    config = tmp_path / "ssh_config"
    config.write_text("Host odd\n  BindInterface eth0\n")
    async with Pool(config=config, dice=quick) as pool:
        fleet = Fleet(pool, None)
        odd = Target.parse("a://odd")
        done = await fleet.reload([odd, target(hosts, 1, "b")])
        assert [type(error) for error in done.errors] == [ConfigError]
        assert (done.started, done.unchanged) == (("b",), 0)
        await until(pool["a"], PARKED)
        await pool["b"].wait_up(timeout=30)
        done = await fleet.reload([target(hosts, 0, "a"), Target.parse("b://odd")])  # the one mended, the other broken
        assert (done.replaced, [type(error) for error in done.errors]) == (("a",), [ConfigError])
        await pool["a"].wait_up(timeout=30)
        assert (await fleet.run(ROOT, "b", "hostname")).stdout == "host-2\n"
        done = await fleet.reload([target(hosts, 0, "a"), target(hosts, 1, "b")])
        assert (done.replaced, done.unchanged, pool["a"].status().connects) == ((), 2, 1)
        with pytest.raises(AliasInUse):
            await fleet.reload([odd, odd])
        assert len(fleet.list(ROOT)) == 2


async def test_with_the_real_store(tmp_path: Path, hosts: SimulatedHosts) -> None:
    for _ in range(2):
        store = await Store.open(tmp_path)
        async with Pool(config=None, dice=quick) as pool:
            fleet = Fleet(pool, store)
            assert await fleet.restore(await store.sessions()) == []
            if not pool.sessions:
                await fleet.start(ROOT, target(hosts, password="hidden"))
            await pool["host-1"].wait_up(timeout=30)
            assert pool["host-1"].target == target(hosts, password="hidden")
        await store.aclose()
    (tmp_path / "key").unlink()
    store = await Store.open(tmp_path)
    async with Pool(config=None, dice=quick) as pool:
        fleet = Fleet(pool, store)
        errors = await fleet.restore(await store.sessions())
        assert [type(error) for error in errors] == [CredentialError]
        assert isinstance(errors[0], ConnectError)
        await until(pool["host-1"], PARKED)
        status = fleet.show(ROOT, "host-1")
        assert "host-1" in status.reason
        assert "password" in str(status.hint)
        assert await fleet.stop(ROOT, "all") == ["host-1"]
    assert await store.sessions() == []
    await store.aclose()
