"""The verbs of the fleet, over real SSH to simulated hosts."""

from __future__ import annotations

import pytest

from mooring.model.errors import AliasInUse, InvalidSelector, NothingSelected, UnknownAlias
from mooring.model.status import SessionState
from mooring.service import Fleet
from mooring.simulate import SimulatedHosts
from tests.pool.fleet import soon

from .held import ROOT, Notes, hold, target

pytestmark = pytest.mark.anyio


async def test_a_session_s_life(fleet: Fleet, hosts: SimulatedHosts, notes: Notes) -> None:
    assert fleet.list(ROOT) == []
    wanted = target(hosts)
    async with fleet.watch(ROOT) as watch:
        assert watch.snapshot == []
        assert (await hold(fleet, wanted)).state is SessionState.UP
        assert notes.kept == {"host-1": wanted}
        result = await fleet.run(ROOT, "host-1", "hostname")
        assert result.stdout == "host-1\n"
        outcomes = [outcome async for outcome in fleet.run_many(ROOT, "all", "hostname")]
        assert [outcome.alias for outcome in outcomes] == ["host-1"]
        assert [status.alias for status in fleet.list(ROOT)] == ["host-1"]
        assert await fleet.stop(ROOT, "host-*") == ["host-1"]
        assert notes.kept == {}
        states = [(await soon(anext(watch))).state for _ in range(3)]
        assert states == [SessionState.CONNECTING, SessionState.UP, SessionState.CLOSED]
    assert fleet.list(ROOT) == []


async def test_a_selector_that_means_none(fleet: Fleet, hosts: SimulatedHosts) -> None:
    assert fleet.list(ROOT, "all") == []
    await hold(fleet, target(hosts, label="site:ams"))
    assert [status.alias for status in fleet.list(ROOT, "site:ams")] == ["host-1"]
    for selector in ("nobody", "nobody,all"):
        with pytest.raises(UnknownAlias, match="nobody"):
            fleet.list(ROOT, selector)
    assert fleet.list(ROOT, "!host-1") == []
    with pytest.raises(NothingSelected):
        fleet.list(ROOT, "nobody*")
    with pytest.raises(InvalidSelector, match="files may not be read"):
        fleet.list(ROOT, "@/etc/passwd")
    with pytest.raises(UnknownAlias) as unknown:
        fleet.show(ROOT, "a://me:secret@host")
    assert "secret" not in str(unknown.value)


async def test_an_alias_is_taken_or_replaced(fleet: Fleet, hosts: SimulatedHosts, notes: Notes) -> None:
    await hold(fleet, target(hosts))
    with pytest.raises(AliasInUse):
        await fleet.start(ROOT, target(hosts, 1, "host-1"))
    async with fleet.watch(ROOT) as watch:
        await fleet.start(ROOT, target(hosts, 1, "host-1"), replace=True)
        states = [(await soon(anext(watch))).state for _ in range(3)]
        assert states == [SessionState.CLOSED, SessionState.CONNECTING, SessionState.UP]
    assert (await fleet.run(ROOT, "host-1", "hostname")).stdout == "host-2\n"
    assert notes.kept == {"host-1": target(hosts, 1, "host-1")}
